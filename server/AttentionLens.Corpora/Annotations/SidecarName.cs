namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Where the annotations of a document are: <c>NAME.al.jsonl</c> beside it, <c>NAME@ANNOTATOR.al.jsonl</c> where several people annotate.
/// An annotator's name has no dot, so that a document called <c>a@b.txt</c> is not taken for one.
/// </summary>
public readonly record struct SidecarName(string Document, string? Annotator)
{
    public const string Extension = ".al.jsonl";

    public string Path => Annotator is null ? Document + Extension : $"{Document}@{Annotator}{Extension}";

    /// <summary>Letters, digits, <c>-</c> and <c>_</c>: what is safe in a file's name on every system.</summary>
    public static bool IsAnnotator(string name) => name.Length is > 0 and <= 64 && name.All(static c => char.IsLetterOrDigit(c) || c is '-' or '_');

    /// <summary>What a file is a sidecar of, or null when it is none.</summary>
    public static SidecarName? Of(string path)
    {
        if (!path.EndsWith(Extension, StringComparison.Ordinal)) return null;
        var name = path[..^Extension.Length];
        var at = name.LastIndexOf('@');
        return at > 0 && IsAnnotator(name[(at + 1)..]) ? new SidecarName(name[..at], name[(at + 1)..]) : new SidecarName(name, null);
    }

    /// <summary>The sidecars that stand beside a document, the one without an annotator's name first.</summary>
    public static IReadOnlyList<SidecarName> Beside(string document)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(document)) ?? ".";
        if (!Directory.Exists(folder)) return [];
        var full = System.IO.Path.Combine(folder, System.IO.Path.GetFileName(document));
        return
        [
            .. Directory.EnumerateFiles(folder)
                .Where(f => f.StartsWith(full, StringComparison.Ordinal))
                .Select(Of).OfType<SidecarName>().Where(s => s.Document == full)
                .OrderBy(s => s.Annotator, StringComparer.Ordinal),
        ];
    }
}
