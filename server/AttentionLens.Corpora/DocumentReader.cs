namespace AttentionLens.Corpora;

/// <summary>The piece of running text that goes through the model as one.</summary>
public enum SegmentUnit
{
    Paragraph,
    Sentence,
    Line,
}

/// <summary>Where a document can be cut so that each part reads as it does in the whole.</summary>
public enum Seam
{
    /// <summary>Nowhere: what a place means depends on what stands far before it (an open quote, an open tag).</summary>
    None,

    Line,
    BlankLine,
}

/// <summary>
/// Turns a document into segments. Readers never throw on malformed input: what cannot be read is a problem with its
/// place, and everything around it is still read. Cost is linear in the text.
/// </summary>
public abstract class DocumentReader
{
    /// <summary>What the reader is called in messages: "plain text", "JSON Lines".</summary>
    public abstract string Name { get; }

    public abstract SegmentedDocument Read(string text);

    public virtual Seam Seam => Seam.None;

    /// <summary>False for a segment which says that the document is not what its name promised, so that its parts must not be read alone.</summary>
    public virtual bool ReadsAlone(Segment segment) => true;
}

/// <summary>The segments of one version of a document in document order, and what was wrong in it.</summary>
public sealed class SegmentedDocument(string text, IReadOnlyList<Segment> segments, IReadOnlyList<DocumentProblem>? problems = null)
{
    public string Text { get; } = text;

    public IReadOnlyList<Segment> Segments { get; } = segments;

    public IReadOnlyList<DocumentProblem> Problems { get; } = problems ?? [];

    /// <summary>
    /// The segment (or pair) that holds a document offset, ends included; otherwise the nearest one on the same line, so
    /// that a cursor in indentation or in another column still finds its text; otherwise null.
    /// </summary>
    public Segment? At(int offset)
    {
        // The last segment that starts at or before the offset; readers keep starts in order.
        int low = 0, high = Segments.Count - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (Segments[middle].Start <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        var before = high >= 0 ? Segments[high] : null;
        var after = low < Segments.Count ? Segments[low] : null;
        if (before is not null && (before.Contains(offset) || before.Pair?.Contains(offset) == true))
        {
            return before;
        }

        if (after?.Pair?.Contains(offset) == true)
        {
            return after;
        }

        offset = Math.Clamp(offset, 0, Text.Length);
        var gapBefore = before is null ? int.MaxValue : Gap(Math.Max(before.End, before.Pair?.End ?? 0), offset);
        var gapAfter = after is null ? int.MaxValue : Gap(offset, after.Start);
        return gapBefore == int.MaxValue && gapAfter == int.MaxValue ? null : gapBefore <= gapAfter ? before : after;
    }

    /// <summary>Distance between two offsets of one line; int.MaxValue across lines.</summary>
    private int Gap(int from, int to) =>
        from > to ? 0 : Text.AsSpan(from, to - from).IndexOfAny('\r', '\n') >= 0 ? int.MaxValue : to - from;
}
