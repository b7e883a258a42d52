namespace AttentionLens.Analysis.Evaluation;

/// <summary>A mean over texts with its 95 % confidence interval.</summary>
public readonly record struct Interval(double Mean, double Low, double High, int Count);

/// <summary>
/// Percentile bootstrap (Efron 1979): how far would the mean move with other texts of the same kind? Texts are drawn with replacement; values
/// of one text belong together and are to be averaged first.
/// </summary>
public static class Bootstrap
{
    public const int Resamples = 2000;

    /// <summary>Null for no values. The same values and seed give the same interval; a single value is its own interval.</summary>
    public static Interval? Mean(IReadOnlyList<double> values, int seed = 0)
    {
        if (values.Count == 0)
        {
            return null;
        }

        var random = new Random(seed);
        var means = new double[Resamples];
        for (var r = 0; r < Resamples; r++)
        {
            var sum = 0.0;
            for (var i = 0; i < values.Count; i++)
            {
                sum += values[random.Next(values.Count)];
            }

            means[r] = sum / values.Count;
        }

        Array.Sort(means);
        return new Interval(values.Average(), means[Resamples / 40], means[Resamples - 1 - (Resamples / 40)], values.Count);
    }
}
