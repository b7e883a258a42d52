namespace AttentionLens.Analysis.Evaluation;

/// <summary>
/// How concentrated scores are, whatever they point at. The scores' magnitudes, divided by their sum, are taken as a distribution over n tokens.
/// </summary>
/// <param name="Entropy">Shannon entropy / log n: 1 = evenly spread, 0 = all on one token.</param>
/// <param name="Gini">Gini coefficient: 0 = evenly spread, (n - 1) / n = all on one token.</param>
/// <param name="EffectiveTokens">exp(entropy): as many tokens, equally strong, would be as spread out; 1 to n.</param>
/// <param name="Tokens">n.</param>
public sealed record Clarity(double Entropy, double Gini, double EffectiveTokens, int Tokens)
{
    /// <summary>Null where there is no weight at all, and so no distribution. One token alone is entropy 0, Gini 0. O(n log n).</summary>
    public static Clarity? Of(ReadOnlySpan<float> scores)
    {
        var sorted = new double[scores.Length];
        var sum = 0.0;
        for (var i = 0; i < sorted.Length; i++)
        {
            sorted[i] = Math.Abs((double)scores[i]);
            sum += sorted[i];
        }

        if (!(sum > 0) || !double.IsFinite(sum))
        {
            return null;
        }

        Array.Sort(sorted);
        double entropy = 0, ranked = 0;
        var n = sorted.Length;
        for (var i = 0; i < n; i++)
        {
            var share = sorted[i] / sum;
            entropy -= share > 0 ? share * Math.Log(share) : 0;
            ranked += (i + 1) * share;
        }

        entropy = Math.Max(0, entropy);
        return new Clarity(n > 1 ? Math.Min(1, entropy / Math.Log(n)) : 0, Math.Max(0, ((2 * ranked) - n - 1) / n), Math.Exp(entropy), n);
    }
}
