using System.Text.Json.Serialization;

namespace AttentionLens.Analysis.Evaluation;

/// <summary>A value beside what chance gives.</summary>
/// <param name="Value">Null where the measure is not defined for this text.</param>
/// <param name="Chance">Its mean for random pictures of the same text.</param>
/// <param name="Beaten">How many random pictures do worse; one that does as well counts half.</param>
/// <param name="Draws">Of how many; 0 where none were drawn.</param>
public readonly record struct Measured(
    double? Value, double? Chance,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] double Beaten = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] int Draws = 0)
{
    public static Measured None { get; }

    /// <summary>A value among those of random pictures.</summary>
    /// <param name="chance">Their expected value, where it is known exactly; null = their mean.</param>
    internal static Measured Among(double value, IReadOnlyCollection<double> random, bool isLowerBetter = false, double? chance = null)
    {
        // Equal sums in another order differ in the last digits, which decide nothing.
        var beaten = random.Sum(r => Math.Abs(r - value) < 1e-9 ? 0.5 : (isLowerBetter ? r > value : r < value) ? 1 : 0);
        return new Measured(value, chance ?? random.Average(), beaten, random.Count);
    }
}

/// <summary>A run of tokens [First, End).</summary>
public readonly record struct TokenSpan(int First, int End)
{
    public int Length => End - First;

    /// <summary>Shared tokens / tokens of either.</summary>
    public double IntersectionOverUnion(TokenSpan other)
    {
        var shared = Math.Max(0, Math.Min(End, other.End) - Math.Max(First, other.First));
        return shared == 0 ? 0 : (double)shared / (Length + other.Length - shared);
    }
}

/// <summary>
/// How far scores point at what people marked as the reason (DeYoung et al., "ERASER", ACL 2020). Says nothing about what the model used.
/// </summary>
/// <remarks>
/// Edge cases, for n tokens of which h are marked and k are chosen as the k highest scores (equal scores: the earlier token first):
/// nothing marked or no tokens = nothing is defined; everything marked = AUPRC is not defined, as there is nothing to rank; the F1 measures
/// are defined whenever h and k are above 0; touching spans of one rationale stay apart, overlapping ones are merged.
/// </remarks>
/// <param name="Auprc">Area under precision over recall in steps (average precision); tied scores count as one threshold. Chance: a random order, exactly.</param>
/// <param name="AuprcTrapezoid">The same with straight lines between the points, as ERASER's scripts have it: too kind where scores are tied. For comparison with published numbers only. Chance: as above.</param>
/// <param name="TokenF1">F1 of the k chosen tokens against the h marked ones. Chance: k tokens at random, exactly.</param>
/// <param name="SpanF1">F1 of runs of chosen tokens against marked spans; a pair counts when its intersection over union is at least 1/2, matched one to one. Chance: the mean of <see cref="ChanceDraws"/> random choices.</param>
public sealed record Plausibility(Measured Auprc, Measured AuprcTrapezoid, Measured TokenF1, Measured SpanF1)
{
    public const int ChanceDraws = 200;

    /// <param name="scores">One per token.</param>
    /// <param name="rationale">What was marked, in tokens.</param>
    /// <param name="chosen">k; null = as many as are marked. ERASER takes the mean share of a data set.</param>
    /// <param name="seed">Of the random choices.</param>
    public static Plausibility Of(ReadOnlySpan<double> scores, IReadOnlyList<TokenSpan> rationale, int? chosen = null, int seed = 0)
    {
        var spans = Merge(rationale, scores.Length);
        var marked = new bool[scores.Length];
        foreach (var span in spans)
        {
            marked.AsSpan(span.First, span.Length).Fill(true);
        }

        int n = scores.Length, h = marked.Count(m => m), k = Math.Min(n, chosen ?? h);
        var order = RankCorrelation.Order(scores);
        var draws = h == 0 || k <= 0 ? [] : Draws(n, seed);
        var area = h == 0 || h == n
            ? Measured.None
            : draws.Length == 0
            ? new Measured(AveragePrecision(scores, order, marked), ExpectedAveragePrecision(n, h))
            : Measured.Among(AveragePrecision(scores, order, marked), [.. draws.Select(d => AveragePrecision(d, marked))], chance: ExpectedAveragePrecision(n, h));
        var trapezoid = h == 0 || h == n ? Measured.None : new Measured(Trapezoid(scores, order, marked), ExpectedAveragePrecision(n, h));
        if (draws.Length == 0)
        {
            return new Plausibility(area, trapezoid, Measured.None, Measured.None);
        }

        double TokenF1(int[] first) => 2.0 * first.Take(k).Count(i => marked[i]) / (h + k);
        return new Plausibility(
            area,
            trapezoid,
            Measured.Among(TokenF1(order), [.. draws.Select(TokenF1)], chance: 2.0 * k * h / ((double)n * (h + k))),
            Measured.Among(F1(Runs(order, k), spans), [.. draws.Select(d => F1(Runs(d, k), spans))]));
    }

    /// <summary>Sum over thresholds of (gain in recall) x precision.</summary>
    public static double AveragePrecision(ReadOnlySpan<double> scores, bool[] marked) => AveragePrecision(scores, RankCorrelation.Order(scores), marked);

    /// <summary>
    /// Average precision of a random order of n tokens, h of them marked: (1/n) sum over k of (1 + (k - 1)(h - 1)/(n - 1)) / k, since a marked token
    /// at rank k finds (k - 1)(h - 1)/(n - 1) others before it.
    /// </summary>
    public static double ExpectedAveragePrecision(int n, int h)
    {
        var sum = 0.0;
        for (var k = 1; k <= n; k++)
        {
            sum += (1 + (n > 1 ? (k - 1.0) * (h - 1) / (n - 1) : 0)) / k;
        }

        return sum / n;
    }

    /// <summary>2 · pairs / (predicted + marked), the pairs being a largest one-to-one matching of spans with intersection over union of at least 1/2.</summary>
    public static double F1(IReadOnlyList<TokenSpan> predicted, IReadOnlyList<TokenSpan> marked)
    {
        // Kuhn's algorithm: a predicted span may displace another one that has a second choice.
        var partner = new int[marked.Count];
        Array.Fill(partner, -1);
        var pairs = 0;
        for (var p = 0; p < predicted.Count; p++)
        {
            pairs += Match(p, new bool[marked.Count]) ? 1 : 0;
        }

        return predicted.Count + marked.Count == 0 ? 0 : 2.0 * pairs / (predicted.Count + marked.Count);

        bool Match(int p, bool[] tried)
        {
            for (var m = 0; m < marked.Count; m++)
            {
                if (tried[m] || predicted[p].IntersectionOverUnion(marked[m]) < 0.5)
                {
                    continue;
                }

                tried[m] = true;
                if (partner[m] < 0 || Match(partner[m], tried))
                {
                    partner[m] = p;
                    return true;
                }
            }

            return false;
        }
    }

    private static double AveragePrecision(ReadOnlySpan<double> scores, int[] order, bool[] marked)
    {
        double area = 0, recall = 0;
        foreach (var (precision, now) in Points(scores.ToArray(), order, marked))
        {
            area += precision * (now - recall);
            recall = now;
        }

        return area;
    }

    /// <summary>From recall 0, where precision is taken as 1.</summary>
    private static double Trapezoid(ReadOnlySpan<double> scores, int[] order, bool[] marked)
    {
        double area = 0, recall = 0, before = 1;
        foreach (var (precision, now) in Points(scores.ToArray(), order, marked))
        {
            area += (precision + before) / 2 * (now - recall);
            (recall, before) = (now, precision);
        }

        return area;
    }

    /// <summary>Precision and recall at each distinct score, highest first.</summary>
    private static IEnumerable<(double Precision, double Recall)> Points(double[] scores, int[] order, bool[] marked)
    {
        var h = marked.Count(m => m);
        var hits = 0;
        for (var i = 0; i < order.Length; i++)
        {
            hits += marked[order[i]] ? 1 : 0;
            if (i + 1 == order.Length || scores[order[i + 1]] != scores[order[i]])
            {
                yield return ((double)hits / (i + 1), (double)hits / h);
            }
        }
    }

    /// <summary>Average precision of an order without ties.</summary>
    private static double AveragePrecision(int[] order, bool[] marked)
    {
        var scores = new double[order.Length];
        for (var rank = 0; rank < order.Length; rank++)
        {
            scores[order[rank]] = order.Length - rank;
        }

        return AveragePrecision(scores, order, marked);
    }

    private static int[][] Draws(int n, int seed)
    {
        var random = new Random(seed);
        var draws = new int[ChanceDraws][];
        for (var d = 0; d < draws.Length; d++)
        {
            draws[d] = [.. Enumerable.Range(0, n)];
            random.Shuffle(draws[d]);
        }

        return draws;
    }

    /// <summary>Maximal runs of the first k tokens of an order.</summary>
    private static List<TokenSpan> Runs(int[] order, int k)
    {
        var runs = new List<TokenSpan>();
        foreach (var token in order.Take(k).Order())
        {
            if (runs.Count > 0 && runs[^1].End == token)
            {
                runs[^1] = runs[^1] with { End = token + 1 };
            }
            else
            {
                runs.Add(new TokenSpan(token, token + 1));
            }
        }

        return runs;
    }

    private static List<TokenSpan> Merge(IReadOnlyList<TokenSpan> spans, int n)
    {
        var merged = new List<TokenSpan>();
        foreach (var span in spans.Where(s => s.First < s.End).OrderBy(s => s.First))
        {
            ArgumentOutOfRangeException.ThrowIfNegative(span.First, nameof(spans));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(span.End, n, nameof(spans));
            if (merged.Count > 0 && span.First < merged[^1].End)
            {
                merged[^1] = merged[^1] with { End = Math.Max(merged[^1].End, span.End) };
            }
            else
            {
                merged.Add(span);
            }
        }

        return merged;
    }
}
