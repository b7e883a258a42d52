namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Finds a quote in a text strictly: it answers only where the surroundings fit too and no other place fits nearly as well. A
/// scorer without a threshold attaches 95 % of deleted annotations to something.
/// </summary>
internal sealed class QuoteMatcher(string text)
{
    private const double OneSide = 0.7;
    private const double BothSides = 1.0;
    private const double Errors = 0.34;
    private const double Margin = 0.03;
    private const int MaxCandidates = 5_000;

    // A text without line ends of its own (CR, CRLF) is searched as it stands.
    private readonly string _text = text;

    public TextRange? Find(string quote, string before, string after, int? expected, int neighbourhood)
    {
        if (quote.Length == 0) return null;
        (TextRange Range, double Score) best = default, second = default;
        var candidates = 0;
        for (var at = Next(quote, 0); at >= 0 && candidates++ < MaxCandidates; at = Next(quote, at + 1))
            Consider(new TextRange(at, at + quote.Length), 0, before, after, ref best, ref second);
        // Too many lookalikes to have seen them all: no margin can be vouched for.
        if (candidates > MaxCandidates) return null;
        if (best.Score == 0 && expected is { } centre) Approximate(quote, before, after, centre, neighbourhood, ref best, ref second);
        return best.Score > 0 && best.Score - second.Score >= Margin ? best.Range : null;
    }

    private int Next(string quote, int from) => from >= _text.Length ? -1 : _text.IndexOf(quote, from, StringComparison.Ordinal);

    private void Consider(
        TextRange range, double errors, string before, string after, ref (TextRange Range, double Score) best, ref (TextRange Range, double Score) second)
    {
        var left = Similarity.OfEnds(before, Anchoring.Before(_text, range.Start));
        var right = Similarity.OfStarts(after, Anchoring.After(_text, range.End));
        if (Math.Max(left, right) < OneSide || left + right < BothSides) return;
        var score = left + right - errors;
        if (score > best.Score)
        {
            if (!Overlap(range, best.Range)) second = best;
            best = (range, score);
        }
        else if (score > second.Score && !Overlap(range, best.Range))
        {
            second = (range, score);
        }
    }

    private static bool Overlap(TextRange a, TextRange b) => a.Start < b.End && b.Start < a.End;

    /// <summary>The surroundings of a misspelt quote are exact more often than not: candidates lie between them.</summary>
    private void Approximate(
        string quote, string before, string after, int centre, int neighbourhood, ref (TextRange Range, double Score) best, ref (TextRange Range, double Score) second)
    {
        var from = Math.Clamp(centre - neighbourhood, 0, _text.Length);
        var to = Math.Clamp(centre + neighbourhood, from, _text.Length);
        var slack = Math.Max(1, (int)(quote.Length * Errors));
        var left = before.Length >= 8 ? before[^8..] : before;
        if (left.Length == 0) return;
        for (var at = _text.IndexOf(left, from, to - from, StringComparison.Ordinal); at >= 0; at = at + 1 < to ? _text.IndexOf(left, at + 1, to - at - 1, StringComparison.Ordinal) : -1)
        {
            var start = at + left.Length;
            for (var length = Math.Max(1, quote.Length - slack); length <= quote.Length + slack && start + length <= _text.Length; length++)
            {
                var errors = 1 - Similarity.Of(quote, _text.AsSpan(start, length));
                if (errors <= Errors) Consider(new TextRange(start, start + length), errors, before, after, ref best, ref second);
            }
        }
    }
}

/// <summary>Likeness of short texts, 0 to 1: one minus the edit distance over the longer length.</summary>
internal static class Similarity
{
    public static double Of(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        var longer = Math.Max(a.Length, b.Length);
        return longer == 0 ? 1 : 1 - (double)Distance(a, b) / longer;
    }

    /// <summary>Contexts before a span are compared at their ends; at the start of a document they are shorter, which is no difference.</summary>
    public static double OfEnds(ReadOnlySpan<char> stored, ReadOnlySpan<char> found) =>
        Of(stored, found.Length > stored.Length ? found[^stored.Length..] : found);

    public static double OfStarts(ReadOnlySpan<char> stored, ReadOnlySpan<char> found) =>
        Of(stored, found.Length > stored.Length ? found[..stored.Length] : found);

    private static int Distance(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        if (a.SequenceEqual(b)) return 0;
        Span<int> row = b.Length < 256 ? stackalloc int[b.Length + 1] : new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++) row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j - 1], above) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
