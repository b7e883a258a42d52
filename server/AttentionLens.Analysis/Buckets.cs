namespace AttentionLens.Analysis;

/// <summary>
/// Weights as steps of a colour scale. Steps follow the square root of weight / maximum: attention is heavy-tailed, and on
/// a linear scale all but one or two tokens would look alike.
/// </summary>
public static class Buckets
{
    /// <summary>Steps of the scale besides 0, which is no tint.</summary>
    public const int Count = 11;

    /// <summary>The step 0..<see cref="Count"/> of each weight; all 0 when no weight is positive. Returns the maximum.</summary>
    public static float Assign(ReadOnlySpan<float> weights, Span<int> buckets)
    {
        var max = 0f;
        foreach (var weight in weights)
        {
            max = Math.Max(max, weight);
        }

        for (var i = 0; i < weights.Length; i++)
        {
            buckets[i] = Of(weights[i], max);
        }

        return max;
    }

    /// <summary>The step of one weight.</summary>
    public static int Of(float weight, float max) =>
        weight > 0 && max > 0 ? Math.Min(Count, (int)MathF.Round(MathF.Sqrt(weight / max) * Count)) : 0;
}
