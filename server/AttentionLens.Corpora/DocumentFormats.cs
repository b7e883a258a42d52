namespace AttentionLens.Corpora;

/// <summary>What the user's settings say about reading documents.</summary>
public sealed record ReaderOptions
{
    public static ReaderOptions Default { get; } = new();

    /// <summary>The unit of running text.</summary>
    public SegmentUnit Unit { get; init; } = SegmentUnit.Paragraph;
}

/// <summary>Chooses the reader of a document.</summary>
public static class DocumentFormats
{
    /// <param name="languageId">The editor's language id, or null.</param>
    /// <param name="path">The document's path or URI; its extension decides where the language id does not.</param>
    /// <param name="options">The user's settings.</param>
    public static DocumentReader For(string? languageId, string? path, ReaderOptions? options = null)
    {
        options ??= ReaderOptions.Default;
        var extension = Path.GetExtension(path ?? "").ToLowerInvariant();
        return languageId == "markdown" || extension is ".md" or ".markdown"
            ? new MarkdownReader(options)
            : new PlainTextReader(options);
    }
}
