using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>One version of an open document. Never changes; an edit makes a new one.</summary>
/// <param name="uri">As the client writes it.</param>
/// <param name="languageId">As the client says.</param>
/// <param name="version">The client's number.</param>
/// <param name="text">All of it.</param>
/// <param name="pin">See <see cref="Pin"/>.</param>
internal sealed class DocumentSnapshot(string uri, string languageId, int version, DocumentText text, OffsetRange? pin = null)
{
    /// <summary>From here on, in UTF-16 code units, only the part of a document around the place in question is read where its format allows that.</summary>
    private const int LocalFrom = 256 * 1024;

    private Segmentation? segmented;

    /// <summary>An earlier version was read as a whole with these options, and parts of it can be read alone.</summary>
    private ReaderOptions? readInParts;

    private sealed record Segmentation(ReaderOptions Options, SegmentedDocument Document);

    public string Uri { get; } = uri;
    public string LanguageId { get; } = languageId;
    public int Version { get; } = version;
    public DocumentText Text { get; } = text;

    /// <summary>Prose, by its format; not code, data or markup.</summary>
    public bool IsRunningText => DocumentFormats.For(LanguageId, Uri) is PlainTextReader { IsCode: false };

    /// <summary>The pinned query; edits move it with its text.</summary>
    public OffsetRange? Pin { get; } = pin;

    public DocumentSnapshot WithPin(OffsetRange? newPin) =>
        new(Uri, LanguageId, Version, Text, newPin) { readInParts = readInParts, segmented = segmented };

    /// <summary>The document's segments, read once per version and settings.</summary>
    public SegmentedDocument Segments(ReaderOptions options)
    {
        // Two readers at once cost time, never a wrong answer: the result depends on nothing but text and options.
        if (segmented is { } known && known.Options == options)
            return known.Document;
        DocumentReader reader = Reader(options);
        SegmentedDocument read = reader.Read(Text.ToString());
        segmented = new Segmentation(options, read);
        if (Text.Length >= LocalFrom && reader.Seam != Seam.None && read.Segments.All(reader.ReadsAlone))
            readInParts = options;
        return read;
    }

    /// <summary>
    /// The segment at an offset. A version of a long document is not read as a whole for it where its format allows that: while somebody types
    /// into a file of megabytes, that would cost tens of milliseconds for every question.
    /// </summary>
    public Segment? SegmentAt(ReaderOptions options, int offset)
    {
        DocumentReader reader = Reader(options);
        if (readInParts == options && segmented is null && Part(reader.Seam, offset) is var (start, end))
        {
            SegmentedDocument part = reader.Read(Text.Slice(start, end));
            if (part.Segments.All(reader.ReadsAlone))
                return part.At(offset - start)?.Moved(start);
        }
        return Segments(options).At(offset);
    }

    private DocumentReader Reader(ReaderOptions options) => DocumentFormats.For(LanguageId, Uri, options);

    /// <summary>A part of the text around an offset that begins and ends at seams; null when there are none near.</summary>
    private OffsetRange? Part(Seam seam, int offset)
    {
        const int Reach = LocalFrom / 4, Margin = 1024;
        int from = Math.Max(0, offset - Reach), to = Math.Min(Text.Length, offset + Reach);
        string around = Text.Slice(from, to);
        int begin = from == 0 ? 0 : Find(0, Math.Max(0, offset - Margin - from));
        int tail = Math.Min(to, offset + Margin) - from;
        int end = to == Text.Length ? around.Length : Find(tail, around.Length);
        return begin < 0 || end < 0 ? null : new OffsetRange(from + begin, from + end);

        int Find(int start, int stop)
        {
            ReadOnlySpan<char> text = around.AsSpan(start, stop - start);
            if (seam == Seam.Line)
                return text.IndexOf('\n') is >= 0 and var line ? start + line + 1 : -1;
            int unix = text.IndexOf("\n\n"), windows = text.IndexOf("\r\n\r\n");
            int found = unix < 0 ? windows : windows < 0 ? unix : Math.Min(unix, windows);
            return found < 0 ? -1 : start + found;
        }
    }

    /// <summary>A range widened so that no end of it splits a surrogate pair.</summary>
    public (int Start, int End) WholeCharacters(int start, int end)
    {
        return (SplitsPair(start) ? start - 1 : start, SplitsPair(end) ? end + 1 : end);

        bool SplitsPair(int at) => at > 0 && at < Text.Length && char.IsLowSurrogate(Text[at]) && char.IsHighSurrogate(Text[at - 1]);
    }

    /// <summary>The next version: changes are applied one after the other, each to the result of the one before it.</summary>
    /// <param name="applied">Told of each change in offsets of the text that it is applied to.</param>
    public DocumentSnapshot Apply(int newVersion, IEnumerable<ContentChange> changes, Action<OffsetRange, string>? applied = null)
    {
        DocumentSnapshot current = this;
        foreach (ContentChange change in changes)
            current = current.Replace(newVersion, change, applied);
        return current == this ? new DocumentSnapshot(Uri, LanguageId, newVersion, Text, Pin) { readInParts = readInParts } : current;
    }

    private DocumentSnapshot Replace(int newVersion, ContentChange change, Action<OffsetRange, string>? applied)
    {
        string text = change.Text;
        int start, end;
        if (change.Range is { } range)
        {
            (start, end) = (Text.Offset(range.Start), Text.Offset(range.End));
            // The protocol wants start <= end; a client that swaps them means the same range.
            (start, end) = (Math.Min(start, end), Math.Max(start, end));
        }
        else
        {
            // The whole text, as some clients send it for any change: what it begins and ends with as before has not changed, nor has a pin there.
            string before = Text.ToString();
            start = before.AsSpan().CommonPrefixLength(text);
            int same = 0, most = Math.Min(before.Length, text.Length) - start;
            while (same < most && before[^(same + 1)] == text[^(same + 1)])
                same++;
            end = before.Length - same;
            text = text[start..^same];
        }
        applied?.Invoke(new OffsetRange(start, end), text);
        return new DocumentSnapshot(Uri, LanguageId, newVersion, Text.Replace(start, end, text), Moved(Pin, start, end, text.Length))
        {
            readInParts = readInParts,
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
