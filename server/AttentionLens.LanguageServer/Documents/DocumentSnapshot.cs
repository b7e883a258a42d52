using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>One version of an open document. Never changes; an edit makes a new one.</summary>
internal sealed class DocumentSnapshot(string uri, string languageId, int version, string text)
{
    private readonly Lazy<LineIndex> lines = new(() => new LineIndex(text));
    private Segmentation? segmented;

    private sealed record Segmentation(ReaderOptions Options, SegmentedDocument Document);

    public string Uri { get; } = uri;
    public string LanguageId { get; } = languageId;
    public int Version { get; } = version;
    public string Text { get; } = text;
    public LineIndex Lines => lines.Value;

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
            current = new DocumentSnapshot(Uri, LanguageId, newVersion, current.Replace(change));
        return current == this ? new DocumentSnapshot(Uri, LanguageId, newVersion, Text) : current;
    }

    private string Replace(ContentChange change)
    {
        if (change.Range is not { } range)
            return change.Text;
        int start = Lines.Offset(range.Start), end = Lines.Offset(range.End);
        // The protocol wants start <= end; a client that swaps them means the same range.
        (start, end) = (Math.Min(start, end), Math.Max(start, end));
        return string.Concat(Text.AsSpan(0, start), change.Text, Text.AsSpan(end));
    }
}
