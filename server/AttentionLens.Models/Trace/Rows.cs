using System.Numerics;

namespace AttentionLens.Models;

/// <summary>The few vector operations a recomputed row needs.</summary>
internal static class Rows
{
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector<float> sum = Vector<float>.Zero;
        int i = 0;
        for (; i <= a.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sum += new Vector<float>(a[i..]) * new Vector<float>(b[i..]);
        }

        float total = Vector.Sum(sum);
        for (; i < a.Length; i++)
        {
            total += a[i] * b[i];
        }

        return total;
    }

    public static void Add(Span<float> row, ReadOnlySpan<float> bias)
    {
        for (int i = 0; i < row.Length; i++)
        {
            row[i] += bias[i];
        }
    }

    public static float Max(ReadOnlySpan<float> row)
    {
        float max = float.NegativeInfinity;
        foreach (float value in row)
        {
            max = Math.Max(max, value);
        }

        return max;
    }

    public static float Sum(ReadOnlySpan<float> row)
    {
        float sum = 0;
        foreach (float value in row)
        {
            sum += value;
        }

        return sum;
    }

    /// <summary>Softmax with the maximum subtracted; -infinity becomes exactly 0, a row of nothing but -infinity becomes zeros.</summary>
    public static void Softmax(Span<float> row)
    {
        float max = Max(row);
        if (float.IsNegativeInfinity(max))
        {
            row.Clear();
            return;
        }

        float sum = 0;
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = MathF.Exp(row[i] - max);
            sum += row[i];
        }

        float scale = 1 / sum;
        for (int i = 0; i < row.Length; i++)
        {
            row[i] *= scale;
        }
    }
}
