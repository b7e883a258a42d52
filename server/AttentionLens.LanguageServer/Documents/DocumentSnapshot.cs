using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>A range of a document in offsets.</summary>
internal readonly record struct OffsetRange(int Start, int End);

/// <summary>One version of an open document. Never changes; an edit makes a new one.</summary>
/// <param name="uri">As the client writes it.</param>
/// <param name="languageId">As the client says.</param>
/// <param name="version">The client's number.</param>
/// <param name="text">All of it.</param>
/// <param name="pin">See <see cref="Pin"/>.</param>
/// <param name="index">Lines of the text, when they are already known.</param>
internal sealed class DocumentSnapshot(string uri, string languageId, int version, string text, OffsetRange? pin = null, LineIndex? index = null)
{
    /// <summary>From here on, in UTF-16 code units, running text is read only around the place in question.</summary>
    private const int LocalFrom = 256 * 1024;

    private readonly Lazy<LineIndex> lines = index is null ? new(() => new LineIndex(text)) : new(index);
    private Segmentation? segmented;

    /// <summary>An earlier version was read as a whole with these options and was running text, every segment of which lies between blank lines.</summary>
    private ReaderOptions? runningText;

    private sealed record Segmentation(ReaderOptions Options, SegmentedDocument Document);

    public string Uri { get; } = uri;
    public string LanguageId { get; } = languageId;
    public int Version { get; } = version;
    public string Text { get; } = text;
    public LineIndex Lines => lines.Value;

    /// <summary>Prose, by its format; not code, data or markup.</summary>
    public bool IsRunningText => DocumentFormats.For(LanguageId, Uri) is PlainTextReader { IsCode: false };

    /// <summary>The pinned query; edits move it with its text.</summary>
    public OffsetRange? Pin { get; } = pin;

    public DocumentSnapshot WithPin(OffsetRange? newPin) =>
        new(Uri, LanguageId, Version, Text, newPin, lines.IsValueCreated ? Lines : null) { runningText = runningText, segmented = segmented };

    /// <summary>The document's segments, read once per version and settings.</summary>
    public SegmentedDocument Segments(ReaderOptions options)
    {
        // Two readers at once cost time, never a wrong answer: the result depends on nothing but text and options.
        if (segmented is { } known && known.Options == options)
            return known.Document;
        SegmentedDocument read = DocumentFormats.For(LanguageId, Uri, options).Read(Text);
        segmented = new Segmentation(options, read);
        if (Text.Length >= LocalFrom && DocumentFormats.For(LanguageId, Uri, options) is PlainTextReader && read.Segments.All(IsPlain))
            runningText = options;
        return read;
    }

    /// <summary>
    /// The segment at an offset. A version of a long running text is not read as a whole for it: while somebody types into a file of megabytes,
    /// that would cost tens of milliseconds for every question.
    /// </summary>
    public Segment? SegmentAt(ReaderOptions options, int offset)
    {
        if (runningText == options && segmented is null && Neighbourhood(offset) is var (start, end))
        {
            IReadOnlyList<Segment> around = DocumentFormats.For(LanguageId, Uri, options).Read(Text[start..end]).Segments;
            if (around.All(IsPlain))
                return new SegmentedDocument(Text, [.. around.Select(s => new Segment(Text, start + s.Start, start + s.End))]).At(offset);
        }
        return Segments(options).At(offset);
    }

    /// <summary>A range widened so that no end of it splits a surrogate pair.</summary>
    public (int Start, int End) WholeCharacters(int start, int end)
    {
        return (SplitsPair(start) ? start - 1 : start, SplitsPair(end) ? end + 1 : end);

        bool SplitsPair(int at) => at > 0 && at < Text.Length && char.IsLowSurrogate(Text[at]) && char.IsHighSurrogate(Text[at - 1]);
    }

    private static bool IsPlain(Segment segment) => segment.Pair is null && segment.Name is null && segment.Map.IsVerbatim;

    /// <summary>A part of the text around an offset that begins and ends at blank lines; null when there are none near.</summary>
    private OffsetRange? Neighbourhood(int offset)
    {
        const int Reach = LocalFrom / 4, Margin = 1024;
        int from = Math.Max(0, offset - Reach), to = Math.Min(Text.Length, offset + Reach);
        if (from > 0)
        {
            int found = BlankLine(Text.AsSpan(from, Math.Max(0, offset - Margin - from)));
            if (found < 0)
                return null;
            from += found;
        }
        if (to < Text.Length)
        {
            int start = Math.Min(to, offset + Margin);
            int found = BlankLine(Text.AsSpan(start, to - start));
            if (found < 0)
                return null;
            to = start + found;
        }
        return new OffsetRange(from, to);

        static int BlankLine(ReadOnlySpan<char> text)
        {
            int unix = text.IndexOf("\n\n"), windows = text.IndexOf("\r\n\r\n");
            return unix < 0 ? windows : windows < 0 ? unix : Math.Min(unix, windows);
        }
    }

    /// <summary>The next version: changes are applied one after the other, each to the result of the one before it.</summary>
    public DocumentSnapshot Apply(int newVersion, IEnumerable<ContentChange> changes)
    {
        DocumentSnapshot current = this;
        foreach (ContentChange change in changes)
            current = current.Replace(newVersion, change);
        return current == this ? new DocumentSnapshot(Uri, LanguageId, newVersion, Text, Pin, Lines) { runningText = runningText } : current;
    }

    private DocumentSnapshot Replace(int newVersion, ContentChange change)
    {
        if (change.Range is not { } range)
            return new DocumentSnapshot(Uri, LanguageId, newVersion, change.Text);
        int start = Lines.Offset(range.Start), end = Lines.Offset(range.End);
        // The protocol wants start <= end; a client that swaps them means the same range.
        (start, end) = (Math.Min(start, end), Math.Max(start, end));
        string next = string.Concat(Text.AsSpan(0, start), change.Text, Text.AsSpan(end));
        return new DocumentSnapshot(Uri, LanguageId, newVersion, next, Moved(Pin, start, end, change.Text.Length), Lines.Replaced(start, end, next))
        {
            runningText = runningText,
        };
    }

    /// <summary>Where a range is after text[start, end) has been replaced by <paramref name="length"/> characters; null when nothing of it is left.</summary>
    private static OffsetRange? Moved(OffsetRange? range, int start, int end, int length)
    {
        if (range is not { } old)
            return null;
        int shift = length - (end - start);
        if (end <= old.Start)
            return new OffsetRange(old.Start + shift, old.End + shift);
        if (start >= old.End)
            return old;
        // Inside: it grows or shrinks. Across an edge: what is new on the far side of that edge is not part of it.
        var moved = new OffsetRange(old.Start <= start ? old.Start : start + length, old.End >= end ? old.End + shift : start);
        return moved.Start < moved.End ? moved : null;
    }
}
