using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <summary>The softmax of a row, and what comes out of its sums for free.</summary>
public static unsafe class Softmax
{
    private const double Ln2 = 0.69314718055994531;

    /// <summary>
    /// row = exp(row - max) / sum. -∞ becomes exactly 0 and a row of nothing but -∞ becomes zeros; a NaN anywhere makes the whole row NaN.
    /// </summary>
    public static RowStatistics InPlace(Span<float> row)
    {
        fixed (float* values = row)
        {
            return Apply(values, row.Length, 1, null, null);
        }
    }

    /// <summary>row = softmax(row * scale + biasA + biasB); the biases may be null.</summary>
    internal static RowStatistics Apply(float* row, int count, float scale, float* biasA, float* biasB) =>
        Vector512.IsHardwareAccelerated ? Apply<Lanes512>(row, count, scale, biasA, biasB)
        : Vector256.IsHardwareAccelerated ? Apply<Lanes256>(row, count, scale, biasA, biasB)
        : Vector128.IsHardwareAccelerated ? Apply<Lanes128>(row, count, scale, biasA, biasB)
        : Apply<Lanes1>(row, count, scale, biasA, biasB);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static RowStatistics Apply<V>(float* row, int count, float scale, float* biasA, float* biasB)
        where V : unmanaged, ILanes<V>
    {
        Unsafe.SkipInit(out Tail tail);
        float* padded = (float*)&tail;
        V factor = V.Broadcast(scale);
        int whole = count - count % V.Count;
        V largest = V.Broadcast(float.NegativeInfinity);
        for (int i = 0; i < whole; i += V.Count)
        {
            V score = V.Load(row + i) * factor;
            if (biasA != null)
            {
                score += V.Load(biasA + i);
            }

            if (biasB != null)
            {
                score += V.Load(biasB + i);
            }

            V.Store(score, row + i);
            largest = V.Max(score, largest);
        }

        float max = V.MaxAcross(largest);
        for (int i = whole; i < count; i++)
        {
            float score = row[i] * scale;
            score += biasA == null ? 0 : biasA[i];
            score += biasB == null ? 0 : biasB[i];
            row[i] = score;
            max = score > max ? score : max;
        }

        if (max == float.NegativeInfinity && !HasNaN(row, count))
        {
            new Span<float>(row, count).Clear();
            return new RowStatistics(0, 0, float.NegativeInfinity, float.NegativeInfinity);
        }

        // sum = Σ 2^d and moment = Σ d 2^d with d = (score - max) / ln 2 <= 0 give the entropy without a logarithm a key:
        // -Σ p ln p = ln(sum) - ln 2 * moment / sum. d is taken as bounded below, so that -∞ does not make 0 * -∞ of it.
        V middle = V.Broadcast(max), binary = V.Broadcast(1.44269504f);
        V sum = V.Broadcast(0), moment = V.Broadcast(0);
        for (int i = 0; i < whole; i += V.Count)
        {
            V e = FastMath.Exp2((V.Load(row + i) - middle) * binary, out V exponent);
            V.Store(e, row + i);
            sum += e;
            moment = V.MultiplyAdd(exponent, e, moment);
        }

        double total = V.Sum(sum), weighted = V.Sum(moment);
        if (whole < count)
        {
            Tail.Copy(row + whole, padded, count - whole, V.Count, float.NegativeInfinity);
            V e = FastMath.Exp2((V.Load(padded) - middle) * binary, out V exponent);
            V.Store(e, padded);
            for (int i = whole; i < count; i++)
            {
                row[i] = padded[i - whole];
            }

            total += V.Sum(e);
            weighted += V.Sum(exponent * e);
        }

        float inverse = (float)(1 / total);
        V norm = V.Broadcast(inverse);
        for (int i = 0; i < whole; i += V.Count)
        {
            V.Store(V.Load(row + i) * norm, row + i);
        }

        for (int i = whole; i < count; i++)
        {
            row[i] *= inverse;
        }

        double logarithm = Math.Log(total);
        return new RowStatistics((float)(logarithm - Ln2 * weighted / total), inverse, (float)(max + logarithm), max);
    }

    private static bool HasNaN(float* row, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (float.IsNaN(row[i]))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>What a softmax knows of its row.</summary>
/// <param name="Entropy">-Σ p ln p, in nats; 0 for a row that is masked throughout.</param>
/// <param name="Max">The largest weight.</param>
/// <param name="LogSumExp">ln Σ exp(score): weight = exp(score - LogSumExp). -∞ for a row that is masked throughout.</param>
/// <param name="MaxScore">The largest score: weight = exp(score - MaxScore) * Max, which rounds less than LogSumExp where scores are large.</param>
public readonly record struct RowStatistics(float Entropy, float Max, float LogSumExp, float MaxScore)
{
    /// <summary>All that it takes to make a weight of a score.</summary>
    public RowScale Scale => new(MaxScore, Max);
}

/// <summary>weight = exp(score - MaxScore) * Max.</summary>
/// <param name="MaxScore">The largest score of a row; -∞ where all is masked.</param>
/// <param name="Max">The largest weight of a row; 0 where all is masked.</param>
public readonly record struct RowScale(float MaxScore, float Max);
