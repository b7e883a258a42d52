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
internal sealed class DocumentSnapshot(string uri, string languageId, int version, string text, OffsetRange? pin = null)
{
    private readonly Lazy<LineIndex> lines = new(() => new LineIndex(text));
    private Segmentation? segmented;

    private sealed record Segmentation(ReaderOptions Options, SegmentedDocument Document);

    public string Uri { get; } = uri;
    public string LanguageId { get; } = languageId;
    public int Version { get; } = version;
    public string Text { get; } = text;
    public LineIndex Lines => lines.Value;

    /// <summary>The pinned query; edits move it with its text.</summary>
    public OffsetRange? Pin { get; } = pin;

    public DocumentSnapshot WithPin(OffsetRange? newPin) => new(Uri, LanguageId, Version, Text, newPin);

    /// <summary>The document's segments, read once per version and settings.</summary>
    public SegmentedDocument Segments(ReaderOptions options)
    {
        // Two readers at once cost time, never a wrong answer: the result depends on nothing but text and options.
        if (segmented is { } known && known.Options == options)
            return known.Document;
        SegmentedDocument read = DocumentFormats.For(LanguageId, Uri, options).Read(Text);
        segmented = new Segmentation(options, read);
        return read;
    }

    /// <summary>The next version: changes are applied one after the other, each to the result of the one before it.</summary>
    public DocumentSnapshot Apply(int newVersion, IEnumerable<ContentChange> changes)
    {
        DocumentSnapshot current = this;
        foreach (ContentChange change in changes)
            current = current.Replace(newVersion, change);
        return current == this ? new DocumentSnapshot(Uri, LanguageId, newVersion, Text, Pin) : current;
    }

    private DocumentSnapshot Replace(int newVersion, ContentChange change)
    {
        if (change.Range is not { } range)
            return new DocumentSnapshot(Uri, LanguageId, newVersion, change.Text);
        int start = Lines.Offset(range.Start), end = Lines.Offset(range.End);
        // The protocol wants start <= end; a client that swaps them means the same range.
        (start, end) = (Math.Min(start, end), Math.Max(start, end));
        string next = string.Concat(Text.AsSpan(0, start), change.Text, Text.AsSpan(end));
        return new DocumentSnapshot(Uri, LanguageId, newVersion, next, Moved(Pin, start, end, change.Text.Length));
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
