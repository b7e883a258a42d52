using System.Collections.Immutable;

namespace AttentionLens.Corpora.Annotations;

/// <summary>From live positions to what a file can store, and back after the text changed behind our back.</summary>
public static class Anchoring
{
    public const int ContextLength = 32;

    /// <summary>How far from its expected place a misspelt quote is looked for; an exact one is looked for everywhere.</summary>
    private const int Neighbourhood = 10_000;

    private const int MaxEqualLines = 500;

    /// <summary>Renews anchors, quote and context of every placed span from its live position.</summary>
    public static IEnumerable<Annotation> Describe(string text, IEnumerable<Annotation> annotations)
    {
        var lines = new LineTable(text);
        foreach (var a in annotations)
        {
            if (a.Fragments.IsEmpty)
            {
                yield return a;
                continue;
            }

            yield return a with
            {
                Anchors = [.. a.Fragments.Select(f => new Anchor(lines.Point(f.Start), lines.Point(f.End), Quote(text, f)))],
                Before = Before(text, a.Fragments[0].Start),
                After = After(text, a.Fragments[^1].End),
            };
        }
    }

    /// <summary>
    /// Places stored annotations in <paramref name="text"/>: by line hash where the quote stands there; else through
    /// <paramref name="baseText"/> (the text that they were stored for, when it is known); else by quote, marked for review; else orphan.
    /// </summary>
    public static IReadOnlyList<Annotation> Place(string text, IReadOnlyList<Annotation> stored, string? baseText = null) =>
        Place(text, stored, baseText, new PlacementWork());

    internal static IReadOnlyList<Annotation> Place(string text, IReadOnlyList<Annotation> stored, string? baseText, PlacementWork work)
    {
        if (baseText is not null && baseText != text) return Carry(Place(baseText, stored, null, work), baseText, text, work);
        var lines = new LineTable(text);
        return FindLost(text, work, [.. stored.Select(a => (a, ByLines(text, lines, a, work), (int?)null))]);
    }

    /// <summary>Moves placed annotations from one text to another: through the difference, then by strict quote, else orphan.</summary>
    public static IReadOnlyList<Annotation> Carry(IReadOnlyList<Annotation> annotations, string oldText, string newText) =>
        Carry(annotations, oldText, newText, new PlacementWork());

    private static IReadOnlyList<Annotation> Carry(IReadOnlyList<Annotation> annotations, string oldText, string newText, PlacementWork work)
    {
        var diff = TextDiff.Compare(oldText, newText);
        return FindLost(newText, work, [.. Describe(oldText, annotations).Select(a => (a, Mapped(a), a.Fragments.IsEmpty ? (int?)null : a.Fragments[0].Start))]);

        Annotation? Mapped(Annotation a)
        {
            if (a.Kind != AnnotationKind.Span) return a;
            if (a.Fragments.IsEmpty) return null;
            var mapped = a.Fragments.Select(diff.Map).ToArray();
            return mapped.All(m => m is not null) ? a with { Fragments = [.. mapped.Select(m => m.GetValueOrDefault())] } : null;
        }
    }

    /// <summary>Looks for what has no place yet by its quote; all quotes together, since each alone would read the whole text.</summary>
    private static IReadOnlyList<Annotation> FindLost(string text, PlacementWork work, (Annotation Annotation, Annotation? Placed, int? Expected)[] items)
    {
        var quotes = new QuoteMatcher(text, work);
        quotes.Prepare(items.Where(i => i.Placed is null && i.Annotation.Anchors.Length == 1).Select(i => i.Annotation.Anchors[0].Quote));
        return [.. items.Select(i => i.Placed ?? ByQuote(quotes, i.Annotation, i.Expected))];
    }

    /// <summary>The annotation at the lines of its anchors, or null when one of them is not there.</summary>
    private static Annotation? ByLines(string text, LineTable lines, Annotation a, PlacementWork work)
    {
        if (a.Kind != AnnotationKind.Span || a.Anchors.IsEmpty) return a;
        var fragments = new List<TextRange>(a.Anchors.Length);
        foreach (var anchor in a.Anchors)
        {
            if (ByLine(text, lines, anchor, a, work) is not { } found) return null;
            fragments.Add(found);
        }

        return a with { Fragments = [.. fragments], State = a.State == AnchorState.Orphan ? AnchorState.Review : a.State };
    }

    /// <summary>
    /// The line may have gained an equal twin above it, which shifts ordinals: of the equal lines whose quote fits, the one whose
    /// surroundings fit best is meant, between equals the one nearest to the stored ordinal.
    /// </summary>
    private static TextRange? ByLine(string text, LineTable lines, Anchor anchor, Annotation a, PlacementWork work)
    {
        TextRange? best = null;
        var bestScore = -1.0;
        var compared = 0;
        foreach (var start in lines.Candidates(anchor.Start))
        {
            var end = anchor.Start.Line == anchor.End.Line && anchor.Start.Ordinal == anchor.End.Ordinal
                ? start + anchor.Quote.Length
                : lines.Next(anchor.End, start) ?? -1;
            if (end < start || end > text.Length || Quote(text, new TextRange(start, end)) != anchor.Quote) continue;
            // In token-per-line files one line has thousands of equals; an edit shifts ordinals by a few. The stored one is always looked at.
            if (compared++ == MaxEqualLines || (compared > 1 && !work.Compare())) break;
            var score = Similarity.OfEnds(a.Before, Before(text, start)) + Similarity.OfStarts(a.After, After(text, end));
            if (score <= bestScore + 1e-9) continue;
            (best, bestScore) = (new TextRange(start, end), score);
            // Both sides exact: no equal line can fit better.
            if (score >= 2) break;
        }

        return best;
    }

    private static Annotation ByQuote(QuoteMatcher quotes, Annotation a, int? expected)
    {
        if (a.Anchors.Length == 1 && quotes.Find(a.Anchors[0].Quote, a.Before, a.After, expected, Neighbourhood) is { } found)
            return a with { Fragments = [found], State = AnchorState.Review };
        return a with { Fragments = [], State = AnchorState.Orphan };
    }

    internal static string Quote(string text, TextRange range) => LineFeeds(range.Of(text));

    internal static string Before(string text, int start)
    {
        var from = Math.Max(0, start - ContextLength);
        if (from > 0 && char.IsLowSurrogate(text[from])) from++;
        return LineFeeds(text.AsSpan(from, Math.Max(0, start - from)));
    }

    internal static string After(string text, int end)
    {
        var to = Math.Min(text.Length, end + ContextLength);
        if (to < text.Length && to > end && char.IsLowSurrogate(text[to])) to--;
        return LineFeeds(text.AsSpan(end, Math.Max(0, to - end)));
    }

    private static string LineFeeds(ReadOnlySpan<char> text) =>
        text.Contains('\r') ? text.ToString().Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n') : text.ToString();
}
