using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>One attention of a block: what went in and what it made. Rows are [n, width].</summary>
internal sealed record AttentionTape(Attention Maps, AttentionPattern Pattern, float[] Input, float[] Memory, float[] Queries, float[] Keys, float[] Values, float[] Context);

/// <summary>
/// One block computed with everything its backward pass needs. The arithmetic is that of <see cref="StackRunner"/>, which keeps nothing;
/// a test holds the two together.
/// </summary>
internal sealed class BlockTape
{
    private readonly StackDescription stack;
    private readonly WorkerPool pool;

    public BlockTape(StackDescription stack, Block block, float[] x, float[]? keyBias, float[]? source, float[]? sourceBias, WorkerPool pool)
    {
        this.stack = stack;
        this.pool = pool;
        Block = block;
        Input = x;
        bool before = stack.Norms != NormPlace.After;
        float[] normed = before ? Normed(block.SelfNorm, x) : x;
        Self = AttendSelf(block.Self, normed, keyBias);
        AfterSelf = Add(block.Self.Output, Self.Context, x);
        float[] state = before ? AfterSelf : Normed(block.SelfNorm, AfterSelf);
        if (block.Cross is { } cross && block.CrossNorm is { } crossNorm && source is not null)
        {
            CrossInput = state;
            Cross = AttendCross(cross, before ? Normed(crossNorm, state) : state, source, sourceBias);
            AfterCross = Add(cross.Output, Cross.Context, state);
            state = before ? AfterCross : Normed(crossNorm, AfterCross);
        }

        FeedForwardState = stack.Norms == NormPlace.Parallel ? x : state;
        FeedForwardInput = before ? Normed(block.FeedForwardNorm, FeedForwardState) : state;
        FeedForward map = block.FeedForward;
        Up = Mapped(map.Up, FeedForwardInput);
        Inner = [.. Up];
        if (map.Gate is { } gate)
        {
            Gate = Mapped(gate, FeedForwardInput);
            Activations.ApplyGated(map.Activation, Gate, Up, Inner);
        }
        else
        {
            Activations.Apply(map.Activation, Inner);
        }

        AfterFeedForward = Add(map.Down, Inner, state);
        Output = before ? AfterFeedForward : Normed(block.FeedForwardNorm, AfterFeedForward);
    }

    public Block Block { get; }

    public float[] Input { get; }

    public AttentionTape Self { get; }

    /// <summary>Residual sum after self-attention, before a norm that follows it.</summary>
    public float[] AfterSelf { get; }

    public AttentionTape? Cross { get; }

    /// <summary>The state that cross-attention is added to.</summary>
    public float[] CrossInput { get; } = [];

    public float[] AfterCross { get; } = [];

    /// <summary>What the feed-forward's norm reads (a norm before it), and what the feed-forward reads.</summary>
    public float[] FeedForwardState { get; }

    public float[] FeedForwardInput { get; }

    /// <summary>Before the activation.</summary>
    public float[] Up { get; }

    public float[]? Gate { get; }

    public float[] Inner { get; }

    public float[] AfterFeedForward { get; }

    public float[] Output { get; }

    private AttentionTape AttendSelf(Attention maps, float[] input, float[]? keyBias)
    {
        int rows = input.Length / stack.Hidden;
        int width = stack.Heads * stack.HeadSize;
        int keyWidth = stack.KeyHeads * stack.HeadSize;
        float[] both = Mapped(maps.Query, input);
        float[] queries = new float[rows * width];
        float[] keys = new float[rows * keyWidth];
        for (int i = 0; i < rows; i++)
        {
            Span<float> row = both.AsSpan(i * (width + keyWidth), width + keyWidth);
            stack.Rotary?.For(rows).Apply(row, 1, stack.Heads + stack.KeyHeads, stack.HeadSize, i);
            row[..width].CopyTo(queries.AsSpan(i * width));
            row[width..].CopyTo(keys.AsSpan(i * keyWidth));
        }

        return Attend(maps, new AttentionPattern
        {
            Queries = rows,
            Keys = rows,
            Heads = stack.Heads,
            KeyValueHeads = stack.KeyHeads,
            HeadSize = stack.HeadSize,
            Scale = maps.Scale,
            Before = maps.Before,
            After = maps.After,
            KeyBias = keyBias,
            RelativeBias = stack.Relative?.Over(rows, rows, 0),
        }, input, input, queries, keys, Mapped(maps.Value, input));
    }

    private AttentionTape AttendCross(Attention maps, float[] input, float[] source, float[]? sourceBias)
    {
        Linear key = maps.Key ?? throw new InvalidOperationException("Cross-attention has a key map of its own.");
        return Attend(maps, new AttentionPattern
        {
            Queries = input.Length / stack.Hidden,
            Keys = source.Length / key.Inputs,
            Heads = stack.Heads,
            KeyValueHeads = stack.KeyHeads,
            HeadSize = stack.HeadSize,
            Scale = maps.Scale,
            KeyBias = sourceBias,
        }, input, source, Mapped(maps.Query, input), Mapped(key, source), Mapped(maps.Value, source));
    }

    private AttentionTape Attend(Attention maps, AttentionPattern pattern, float[] input, float[] memory, float[] queries, float[] keys, float[] values)
    {
        int width = stack.Heads * stack.HeadSize;
        int keyWidth = stack.KeyHeads * stack.HeadSize;
        float[] context = new float[queries.Length];
        AttentionKernel.Attend(
            pattern, new StridedRows(queries, width), new StridedRows(keys, keyWidth), new StridedRows(values, keyWidth), context, width, new NoObserver(), pool);
        return new AttentionTape(maps, pattern, input, memory, queries, keys, values, context);
    }

    private float[] Mapped(Linear map, float[] x)
    {
        int rows = x.Length / map.Inputs;
        float[] result = new float[rows * map.Outputs];
        StackRunner.Apply(map, x, rows, Activation.None, result, pool);
        return result;
    }

    private float[] Add(Linear map, float[] x, float[] residual)
    {
        float[] result = Mapped(map, x);
        Vectors.AddScaled(residual, 1, result);
        return result;
    }

    private float[] Normed(Norm norm, float[] x)
    {
        float[] result = new float[x.Length];
        StackRunner.Apply(norm, x, x.Length / norm.Width, result, pool);
        return result;
    }
}
