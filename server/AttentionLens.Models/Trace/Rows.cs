using System.Numerics;

namespace AttentionLens.Models;

/// <summary>The few vector loops that no kernel covers.</summary>
internal static class Rows
{
    /// <summary>No NaN, no infinity: x * 0 is 0 for finite x and NaN otherwise, so one accumulator answers.</summary>
    public static bool AllFinite(ReadOnlySpan<float> values)
    {
        Vector<float> sum = Vector<float>.Zero;
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sum += new Vector<float>(values[i..]) * Vector<float>.Zero;
        }

        float total = Vector.Sum(sum);
        for (; i < values.Length; i++)
        {
            total += values[i] * 0;
        }

        return total == 0;
    }

    /// <summary>Sum of weights[j] * |first + j|: the expected distance of a row, <paramref name="first"/> being its first key minus its query.</summary>
    public static float ExpectedDistance(ReadOnlySpan<float> weights, int first)
    {
        Vector<float> distance = Vector<float>.Indices + new Vector<float>(first);
        Vector<float> step = new(Vector<float>.Count);
        Vector<float> sum = Vector<float>.Zero;
        int i = 0;
        for (; i <= weights.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sum += new Vector<float>(weights[i..]) * Vector.Abs(distance);
            distance += step;
        }

        float total = Vector.Sum(sum);
        for (; i < weights.Length; i++)
        {
            total += weights[i] * Math.Abs(first + i);
        }

        return total;
    }
}
