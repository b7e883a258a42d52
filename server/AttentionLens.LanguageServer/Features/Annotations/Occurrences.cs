using AttentionLens.Corpora.Annotations;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>Where else the text of a label stands.</summary>
internal static class Occurrences
{
    /// <summary>A text that is labelled in one place and not in another.</summary>
    public sealed record Inconsistency(string Text, IReadOnlyDictionary<string, int> Labels, IReadOnlyList<Span> Unlabelled);

    /// <summary>Where a text stands as a whole: "art" is not in "party". Nothing else is matched, not even another case.</summary>
    public static IEnumerable<Span> Of(string text, string sought)
    {
        if (sought.Length == 0)
            yield break;
        for (int at = text.IndexOf(sought, StringComparison.Ordinal); at >= 0; at = Next(text, sought, at))
        {
            int end = at + sought.Length;
            if (!Joins(text, at) && !Joins(text, end))
                yield return new Span(at, end);
        }
    }

    /// <summary>Texts that the annotator has labelled, with the places where they have no label and where none was rejected.</summary>
    /// <param name="document">The document.</param>
    /// <param name="label">Only texts that have this label somewhere; null = any.</param>
    public static IEnumerable<Inconsistency> Inconsistent(DocumentAnnotations document, string? label)
    {
        string text = document.Text;
        Annotation[] labelled = [.. document.Labelled];
        Span[] judged =
        [
            .. labelled.Concat(document.Own.Items.Where(static a => a.Status == AnnotationStatus.Rejected)).SelectMany(static a => a.Fragments)
                .OrderBy(static range => range.Start),
        ];
        var taken = new Intervals(judged);
        foreach (var same in labelled.Where(static a => a.Fragments.Length == 1).GroupBy(a => a.Fragments[0].Of(text).ToString()).OrderBy(static g => g.First().Fragments[0].Start))
        {
            if (!same.Key.Any(char.IsLetterOrDigit) || (label is not null && same.All(a => a.Label != label)))
                continue;
            Span[] unlabelled = [.. Of(text, same.Key).Where(range => !taken.Touch(range))];
            if (unlabelled.Length > 0)
                yield return new Inconsistency(same.Key, same.GroupBy(static a => a.Label).ToDictionary(static g => g.Key, static g => g.Count()), unlabelled);
        }
    }

    private static int Next(string text, string sought, int at) => at + 1 < text.Length ? text.IndexOf(sought, at + 1, StringComparison.Ordinal) : -1;

    /// <summary>An offset inside a word. Scripts without spaces have no such places.</summary>
    private static bool Joins(string text, int at) => at > 0 && at < text.Length && IsPart(text[at - 1]) && IsPart(text[at]);

    private static bool IsPart(char c) => c < '\u2E80' && (char.IsLetterOrDigit(c) || char.GetUnicodeCategory(c) is System.Globalization.UnicodeCategory.NonSpacingMark);
}

/// <summary>Which of many ranges, sorted by start, touch another one.</summary>
internal sealed class Intervals
{
    private readonly Span[] sorted;
    private readonly int[] furthest;

    public Intervals(Span[] sorted)
    {
        this.sorted = sorted;
        furthest = new int[sorted.Length];
        for (int i = 0; i < sorted.Length; i++)
            furthest[i] = Math.Max(i > 0 ? furthest[i - 1] : 0, sorted[i].End);
    }

    public bool Touch(Span range)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle].Start < range.End)
                low = middle + 1;
            else
                high = middle;
        }
        // All before low start before the range's end: one of them reaches into it if the furthest end does.
        return low > 0 && furthest[low - 1] > range.Start;
    }
}
