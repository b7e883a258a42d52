namespace AttentionLens.Analysis.Evaluation;

/// <summary>
/// How far two lists of numbers agree about order: 1 = the same order, 0 = none in common, -1 = the opposite. Null where one of the lists has
/// no order (fewer than two entries, or all equal), which is not the same as no agreement.
/// </summary>
public static class RankCorrelation
{
    /// <summary>
    /// Kendall's tau-b (1945): (concordant - discordant pairs) / sqrt((pairs - ties in a) (pairs - ties in b)). O(n²).
    /// </summary>
    public static double? KendallTau(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(b.Length, a.Length);
        long balance = 0, orderedA = 0, orderedB = 0;
        for (var i = 1; i < a.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                int first = a[i].CompareTo(a[j]), second = b[i].CompareTo(b[j]);
                balance += Math.Sign(first) * Math.Sign(second);
                orderedA += first != 0 ? 1 : 0;
                orderedB += second != 0 ? 1 : 0;
            }
        }

        return orderedA == 0 || orderedB == 0 ? null : Math.Clamp(balance / Math.Sqrt((double)orderedA * orderedB), -1, 1);
    }

    /// <summary>Spearman's rho: Pearson's correlation of the ranks, ties sharing their mean rank. O(n log n).</summary>
    public static double? Spearman(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(b.Length, a.Length);
        double[] first = Ranks(a), second = Ranks(b);
        double mean = (a.Length + 1) / 2.0, product = 0, squareA = 0, squareB = 0;
        for (var i = 0; i < first.Length; i++)
        {
            product += (first[i] - mean) * (second[i] - mean);
            squareA += (first[i] - mean) * (first[i] - mean);
            squareB += (second[i] - mean) * (second[i] - mean);
        }

        return squareA == 0 || squareB == 0 ? null : Math.Clamp(product / Math.Sqrt(squareA * squareB), -1, 1);
    }

    /// <summary>Ranks from 1 in ascending order; equal values share the mean of theirs.</summary>
    public static double[] Ranks(ReadOnlySpan<double> values)
    {
        var order = Order(values, descending: false);
        var ranks = new double[order.Length];
        for (int first = 0, end; first < order.Length; first = end)
        {
            for (end = first + 1; end < order.Length && values[order[end]] == values[order[first]]; end++)
            {
            }

            for (var i = first; i < end; i++)
            {
                ranks[order[i]] = (first + 1 + end) / 2.0;
            }
        }

        return ranks;
    }

    /// <summary>Indices by value; equal values keep the order of the text, so that every choice of "the first k" is the same everywhere.</summary>
    public static int[] Order(ReadOnlySpan<double> values, bool descending = true)
    {
        var keys = values.ToArray();
        var order = Enumerable.Range(0, keys.Length);
        return [.. descending ? order.OrderByDescending(i => keys[i]) : order.OrderBy(i => keys[i])];
    }
}
