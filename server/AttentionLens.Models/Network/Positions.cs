using System.Numerics;

namespace AttentionLens.Models;

/// <summary>
/// Rotary positions in Hugging Face's rotate-half layout: dimension i of the first half turns with dimension i of the second half of the first
/// 2 * Frequencies.Length dimensions of each head; the rest stays. Angles are computed in double: float32 angles lose 1e-4 at position 4,000.
/// What turns may also grow (YaRN), and long texts may turn by other frequencies than short ones (LongRoPE).
/// </summary>
internal sealed class Rotary(double[] frequencies, double growth = 1)
{
    private readonly Lock growing = new();
    private volatile Angles table = new([], []);

    /// <summary>The longest text that turns by these frequencies, and how longer ones turn.</summary>
    public (int Tokens, Rotary Rotary)? Beyond { get; init; }

    /// <summary>What a text of so many tokens turns by, every token of it.</summary>
    public Rotary For(int tokens) => Beyond is { } beyond && tokens > beyond.Tokens ? beyond.Rotary : this;

    /// <summary>Pairs that turn.</summary>
    public int Half => frequencies.Length;

    /// <summary>theta^(-2i/dimensions), for i below dimensions / 2.</summary>
    public static double[] Frequencies(double theta, int dimensions)
    {
        double[] result = new double[dimensions / 2];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = Math.Pow(theta, -2.0 * i / dimensions);
        }

        return result;
    }

    /// <summary>Turns all heads of consecutive rows, the first standing at <paramref name="position"/>; <paramref name="back"/> by the opposite angle and grown as much, as gradients go.</summary>
    public void Apply(Span<float> x, int rows, int heads, int headSize, int position, bool back = false)
    {
        Angles angles = Table(position + rows);
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> cosines = angles.Cosines.AsSpan((position + r) * Half, Half);
            ReadOnlySpan<float> sines = angles.Sines.AsSpan((position + r) * Half, Half);
            for (int h = 0; h < heads; h++)
            {
                Span<float> head = x.Slice(((r * heads) + h) * headSize, 2 * Half);
                Turn(head[..Half], head[Half..], cosines, sines, back ? -1 : 1);
            }
        }
    }

    private static void Turn(Span<float> first, Span<float> second, ReadOnlySpan<float> cosines, ReadOnlySpan<float> sines, float direction)
    {
        int i = 0;
        for (; i <= first.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> x = new(first[i..]);
            Vector<float> y = new(second[i..]);
            Vector<float> cosine = new(cosines[i..]);
            Vector<float> sine = new Vector<float>(sines[i..]) * direction;
            ((x * cosine) - (y * sine)).CopyTo(first[i..]);
            ((y * cosine) + (x * sine)).CopyTo(second[i..]);
        }

        for (; i < first.Length; i++)
        {
            float sine = sines[i] * direction;
            (first[i], second[i]) = ((first[i] * cosines[i]) - (second[i] * sine), (second[i] * cosines[i]) + (first[i] * sine));
        }
    }

    /// <summary>Grown by doubling and replaced whole, so that readers need no lock.</summary>
    private Angles Table(int positions)
    {
        Angles current = table;
        if (current.Cosines.Length >= positions * Half)
        {
            return current;
        }

        lock (growing)
        {
            int rows = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(positions, 64));
            float[] cosines = new float[rows * Half];
            float[] sines = new float[rows * Half];
            for (int p = 0; p < rows; p++)
            {
                for (int i = 0; i < Half; i++)
                {
                    (double sine, double cosine) = Math.SinCos(p * frequencies[i]);
                    cosines[(p * Half) + i] = (float)(cosine * growth);
                    sines[(p * Half) + i] = (float)(sine * growth);
                }
            }

            Angles grown = new(cosines, sines);
            table = grown;
            return grown;
        }
    }

    private sealed record Angles(float[] Cosines, float[] Sines);
}

/// <summary>T5's learned bias by distance bucket, shared by all blocks of a stack.</summary>
/// <param name="Table">[buckets, heads].</param>
internal sealed record RelativeBias(float[] Table, int Heads, int Buckets, int MaxDistance, bool Bidirectional)
{
    /// <summary>[heads, queries + keys - 1]: entry [head, key - query + queries - 1], query 0 standing at position <paramref name="offset"/>. O(n), not O(n²).</summary>
    public float[] Over(int queries, int keys, int offset)
    {
        int width = queries + keys - 1;
        float[] result = new float[Heads * width];
        for (int i = 0; i < width; i++)
        {
            int bucket = Bucket(i - (queries - 1) - offset);
            for (int h = 0; h < Heads; h++)
            {
                result[(h * width) + i] = Table[(bucket * Heads) + h];
            }
        }

        return result;
    }

    /// <summary>Raffel et al. 2020, 2.1: half of the buckets exact, the rest logarithmic up to <see cref="MaxDistance"/>. Distance = key - query.</summary>
    private int Bucket(int distance)
    {
        int buckets = Buckets;
        int result = 0;
        if (Bidirectional)
        {
            buckets /= 2;
            result = distance > 0 ? buckets : 0;
            distance = Math.Abs(distance);
        }
        else
        {
            distance = Math.Max(-distance, 0);
        }

        int exact = buckets / 2;
        if (distance < exact)
        {
            return result + distance;
        }

        // Hugging Face computes this in float32; at exact powers the rounding decides the bucket, so here too.
        float scaled = MathF.Log((float)distance / exact) / (float)Math.Log((double)MaxDistance / exact) * (buckets - exact);
        return result + Math.Min(exact + (int)scaled, buckets - 1);
    }
}
