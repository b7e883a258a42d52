using System.Collections.Concurrent;

namespace AttentionLens.Models;

/// <summary>The working memory of one run of one stack. Grown to the largest run it served; sized by rows, never by rows x rows.</summary>
internal sealed class Scratch
{
    private static readonly ConcurrentBag<Scratch> Idle = [];
    private float[] hidden = [];
    private float[] values = [];
    private float[] context = [];
    private float[] normed = [];
    private float[] projected = [];
    private float[] inner = [];
    private float[] gate = [];

    public static Scratch Rent() => Idle.TryTake(out Scratch? scratch) ? scratch : new Scratch();

    public static void Return(Scratch scratch) => Idle.Add(scratch);

    /// <summary>[all rows, hidden]: the residual stream.</summary>
    public Span<float> Hidden(long size) => Grow(ref hidden, size);

    /// <summary>[all rows, key heads * head size].</summary>
    public float[] Values(long size)
    {
        Grow(ref values, size);
        return values;
    }

    /// <summary>[all rows, heads * head size]: attention output before its projection.</summary>
    public Span<float> Context(long size) => Grow(ref context, size);

    /// <summary>[row block, hidden].</summary>
    public Span<float> Normed(long size) => Grow(ref normed, size);

    /// <summary>[row block, (heads + key heads) * head size].</summary>
    public Span<float> Projected(long size) => Grow(ref projected, size);

    /// <summary>[row block, feed-forward width].</summary>
    public Span<float> Inner(long size) => Grow(ref inner, size);

    public Span<float> Gate(long size) => Grow(ref gate, size);

    private static Span<float> Grow(ref float[] buffer, long size)
    {
        if (size > Array.MaxLength)
        {
            throw new ModelException("The input is too long for one pass; cut it into shorter segments.");
        }

        if (buffer.Length < size)
        {
            buffer = GC.AllocateUninitializedArray<float>((int)size);
        }

        return buffer.AsSpan(0, (int)size);
    }
}
