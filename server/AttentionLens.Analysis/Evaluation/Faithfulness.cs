namespace AttentionLens.Analysis.Evaluation;

/// <summary>
/// The probability of an answer as tokens are taken away in an order: <c>Without[i]</c> without the first share <c>Shares[i]</c> of them, <c>Only[i]</c>
/// with nothing but those.
/// </summary>
/// <param name="Shares">Ascending from 0 to 1.</param>
public sealed record RemovalCurve(double[] Shares, double[] Without, double[] Only)
{
    /// <summary>Area under a curve of probabilities over the share of tokens, by straight lines between the points.</summary>
    public double Area(double[] values)
    {
        var area = 0.0;
        for (var i = 1; i < Shares.Length; i++)
        {
            area += (values[i] + values[i - 1]) / 2 * (Shares[i] - Shares[i - 1]);
        }

        return area;
    }
}

/// <summary>
/// Does what the picture points at matter for what the model says? Tokens are taken away by score, and the probability of the answer is
/// measured again. Chance is the mean over <see cref="Orders"/> random orders of the same tokens.
/// </summary>
/// <remarks>
/// Comprehensiveness and sufficiency after DeYoung et al. (ACL 2020): p(whole) - p(without the top k) and p(whole) - p(only the top k), averaged over
/// k = 1, 5, 10, 20 and 50 % of the tokens, rounded up, so that each takes at least one away. (Their AOPC divides by six, counting k = 0 as
/// a sixth bin.) Deletion and insertion are areas under the curves (Petsiuk et al., BMVC 2018). Leave-one-out takes each token away alone (Jain and
/// Wallace 2019). Cost: at most 2 · 25 passes an order, n for leave-one-out.
/// </remarks>
/// <param name="Comprehensiveness">High: what the picture points at was needed.</param>
/// <param name="Sufficiency">Low: what the picture points at is enough by itself.</param>
/// <param name="Deletion">Low: the probability falls at once.</param>
/// <param name="Insertion">High: it comes back at once.</param>
/// <param name="KendallTau">With leave-one-out; chance is 0.</param>
/// <param name="Spearman">With leave-one-out; chance is 0.</param>
/// <param name="Curve">In the order of the scores.</param>
/// <param name="ChanceCurve">The mean of the random orders.</param>
/// <param name="LeaveOneOut">p(whole) - p(without the item), one per item.</param>
public sealed record Faithfulness(
    Measured Comprehensiveness,
    Measured Sufficiency,
    Measured Deletion,
    Measured Insertion,
    Measured KendallTau,
    Measured Spearman,
    RemovalCurve Curve,
    RemovalCurve ChanceCurve,
    double[] LeaveOneOut)
{
    public const int Orders = 5;

    /// <summary>Random orders that a correlation with leave-one-out is compared with.</summary>
    public const int CorrelationDraws = 100;

    /// <summary>Up to so many tokens every point of a curve is measured, beyond it this many and the fractions.</summary>
    private const int Points = 20;

    public static IReadOnlyList<double> Fractions { get; } = [0.01, 0.05, 0.1, 0.2, 0.5];

    /// <summary>Null where the question has no sense: fewer than two items, or scores that are all equal and so point nowhere.</summary>
    /// <param name="output">What is explained.</param>
    /// <param name="scores">One per item of the output.</param>
    /// <param name="seed">Of the random orders; the same seed for several methods measures them only once.</param>
    /// <param name="progress">Share done.</param>
    /// <param name="cancellation">Checked per batch and per layer.</param>
    public static Faithfulness? Of(
        ErasedOutput output, ReadOnlySpan<double> scores, int seed = 0, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var n = output.Items.Count;
        ArgumentOutOfRangeException.ThrowIfNotEqual(scores.Length, n);
        if (n < 2 || scores.IndexOfAnyExcept(scores[0]) < 0)
        {
            return null;
        }

        var values = scores.ToArray();
        var steps = new Steps(progress, Orders + 2);
        var singles = output.Measure([.. Enumerable.Range(0, n).Select(i => Kept(n, [i], without: true))], steps.Next(), cancellation);
        var leaveOneOut = Array.ConvertAll(singles, p => output.Probability - p);
        var curve = CurveOf(output, RankCorrelation.Order(values), steps.Next(), cancellation);
        var random = new Random(seed);
        var chance = new RemovalCurve[Orders];
        for (var i = 0; i < Orders; i++)
        {
            int[] order = [.. Enumerable.Range(0, n)];
            random.Shuffle(order);
            chance[i] = CurveOf(output, order, steps.Next(), cancellation);
        }

        Measured Both(Func<RemovalCurve, double> measure, bool isLowerBetter = false) => Measured.Among(measure(curve), [.. chance.Select(measure)], isLowerBetter);
        double Mean(RemovalCurve c, double[] of) => Fractions.Average(f => output.Probability - of[Array.BinarySearch(c.Shares, (double)Count(n, f) / n)]);
        return new Faithfulness(
            Both(c => Mean(c, c.Without)),
            Both(c => Mean(c, c.Only), isLowerBetter: true),
            Both(c => c.Area(c.Without), isLowerBetter: true),
            Both(c => c.Area(c.Only)),
            Correlated(values, leaveOneOut, RankCorrelation.KendallTau, seed),
            Correlated(values, leaveOneOut, RankCorrelation.Spearman, seed),
            curve,
            new RemovalCurve(
                curve.Shares,
                [.. curve.Shares.Select((_, i) => chance.Average(c => c.Without[i]))],
                [.. curve.Shares.Select((_, i) => chance.Average(c => c.Only[i]))]),
            leaveOneOut);
    }

    private delegate double? Correlation(ReadOnlySpan<double> a, ReadOnlySpan<double> b);

    /// <summary>Random orders cost nothing here, so there are as many as decide something.</summary>
    private static Measured Correlated(double[] scores, double[] leaveOneOut, Correlation correlation, int seed)
    {
        if (correlation(scores, leaveOneOut) is not { } value)
        {
            return Measured.None;
        }

        var random = new Random(seed);
        double[] shuffled = [.. scores];
        var draws = new double[CorrelationDraws];
        for (var d = 0; d < draws.Length; d++)
        {
            random.Shuffle(shuffled);
            draws[d] = correlation(shuffled, leaveOneOut) ?? 0;
        }

        return Measured.Among(value, draws, chance: 0);
    }

    /// <summary>How many of n tokens a fraction means: rounded up, at least one.</summary>
    public static int Count(int n, double fraction) => Math.Clamp((int)Math.Ceiling(Math.Round(fraction * n, 9)), 1, n);

    private static RemovalCurve CurveOf(ErasedOutput output, int[] order, IProgress<double>? progress, CancellationToken cancellation)
    {
        var n = order.Length;
        int[] counts = n <= Points
            ? [.. Enumerable.Range(0, n + 1)]
            : [.. Enumerable.Range(0, Points + 1).Select(i => (int)((long)i * n / Points)).Concat(Fractions.Select(f => Count(n, f))).Distinct().Order()];
        bool[][] kept = [.. counts.Select(k => Kept(n, order.AsSpan(0, k), without: true)), .. counts.Select(k => Kept(n, order.AsSpan(0, k), without: false))];
        var measured = output.Measure(kept, progress, cancellation);
        return new RemovalCurve(Array.ConvertAll(counts, k => (double)k / n), measured[..counts.Length], measured[counts.Length..]);
    }

    private static bool[] Kept(int n, ReadOnlySpan<int> named, bool without)
    {
        var kept = new bool[n];
        Array.Fill(kept, without);
        foreach (var i in named)
        {
            kept[i] = !without;
        }

        return kept;
    }

    /// <summary>Deals out the shares of a progress to equal steps.</summary>
    private sealed class Steps(IProgress<double>? all, int count)
    {
        private int _begun;

        public IProgress<double>? Next()
        {
            var before = _begun++;
            return all is null ? null : new Part(share => all.Report((before + share) / count));
        }

        private sealed class Part(Action<double> report) : IProgress<double>
        {
            public void Report(double value) => report(value);
        }
    }
}
