using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Annotations;

/// <summary>What the index keeps of an annotation: enough to list, count and filter without opening its document.</summary>
/// <param name="Place">Equal for two annotators' spans on the same text of the same lines.</param>
public readonly record struct IndexedAnnotation(
    string Id, AnnotationKind Kind, string Label, AnchorState State, AnnotationStatus Status, string Quote, double? Score, ulong Place);

/// <summary>One sidecar as last read, its annotations in the order of the text.</summary>
public sealed record IndexedSidecar(SidecarName Name, ImmutableArray<IndexedAnnotation> Annotations, ImmutableArray<SidecarProblem> Problems)
{
    /// <summary>Length and time of the file: as long as they stand, it is not read again.</summary>
    internal (long Length, DateTime Written) Stamp { get; init; }

    public bool Approved => Annotations.Any(a => a.Kind == AnnotationKind.Approval);
}

/// <param name="Path">Full path; it need not exist where only sidecars are left.</param>
/// <param name="Name">Path below the corpus folder with forward slashes.</param>
public sealed record CorpusDocument(string Path, string Name, ImmutableArray<IndexedSidecar> Sidecars)
{
    public IndexedSidecar? By(string? annotator) => Sidecars.FirstOrDefault(s => s.Name.Annotator == annotator);
}

/// <summary>What to look for; null = anything.</summary>
public sealed record AnnotationFilter
{
    public AnnotationKind? Kind { get; init; }

    public string? Label { get; init; }

    public AnchorState? State { get; init; }

    public AnnotationStatus? Status { get; init; }

    public string? Annotator { get; init; }

    /// <summary>Stands in the quote, whatever the case.</summary>
    public string? Text { get; init; }

    /// <summary>Stands in the document's name, whatever the case.</summary>
    public string? Document { get; init; }

    internal bool Takes(in IndexedAnnotation a) =>
        (Kind is not { } kind || a.Kind == kind) && (Label is null || a.Label == Label) && (State is not { } state || a.State == state)
        && (Status is not { } status || a.Status == status) && (Text is null || a.Quote.Contains(Text, StringComparison.OrdinalIgnoreCase));
}

/// <summary>
/// All documents and sidecars of a folder. Immutable; <see cref="Refresh"/> reads again only what changed. Positions are not in it: they
/// are found when a document is opened (<see cref="Load"/>).
/// </summary>
public sealed class CorpusIndex
{
    private static readonly string[] SkippedFolders = ["node_modules", "bin", "obj", "__pycache__"];

    private CorpusIndex(string root, ImmutableArray<CorpusDocument> documents) => (Root, Documents) = (root, documents);

    public string Root { get; }

    /// <summary>By name, numbers in it counting as numbers.</summary>
    public ImmutableArray<CorpusDocument> Documents { get; }

    /// <summary>Annotators' names, null for sidecars without one, each once.</summary>
    public IReadOnlyList<string?> Annotators => [.. Documents.SelectMany(d => d.Sidecars).Select(s => s.Name.Annotator).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Reads a folder, or one document with its sidecars.</summary>
    /// <param name="progress">From 0 to 1.</param>
    /// <exception cref="SidecarException">There is no such folder or document, or it cannot be listed.</exception>
    public static CorpusIndex Open(string path, IProgress<double>? progress = null, CancellationToken cancellation = default) =>
        Read(System.IO.Path.GetFullPath(path), [], progress, cancellation);

    /// <summary>The index of the folder as it is now; sidecars of equal length and time are taken over from this one.</summary>
    public CorpusIndex Refresh(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var known = Documents.SelectMany(d => d.Sidecars).ToDictionary(s => s.Name.Path);
        return Read(Root, known, progress, cancellation);
    }

    public IEnumerable<(CorpusDocument Document, IndexedSidecar Sidecar, IndexedAnnotation Annotation)> Find(AnnotationFilter filter)
    {
        foreach (var document in Documents)
        {
            if (filter.Document is { } name && !document.Name.Contains(name, StringComparison.OrdinalIgnoreCase)) continue;
            foreach (var sidecar in document.Sidecars)
            {
                if (filter.Annotator is not null && sidecar.Name.Annotator != filter.Annotator) continue;
                foreach (var a in sidecar.Annotations)
                    if (filter.Takes(a)) yield return (document, sidecar, a);
            }
        }
    }

    /// <summary>The document's text with one sidecar's annotations placed in it.</summary>
    /// <exception cref="SidecarException">The document or the sidecar cannot be read.</exception>
    public static AnnotatedDocument Load(string document, SidecarName? sidecar, string? name = null)
    {
        var text = ReadText(document);
        // What a crashed session journalled belongs to the annotations too; reading takes nothing over.
        var stored = sidecar is { } s && File.Exists(s.Path) ? ReadSidecar(s.Path).Annotations : [];
        return new AnnotatedDocument(name ?? System.IO.Path.GetFileName(document), text, [.. Anchoring.Place(text, stored)]);
    }

    public static string ReadText(string document)
    {
        try
        {
            return File.ReadAllText(document, Encoding.UTF8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{document} could not be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    private static Sidecar ReadSidecar(string path)
    {
        try
        {
            return Sidecar.Read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{path} could not be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    private static CorpusIndex Read(string path, Dictionary<string, IndexedSidecar> known, IProgress<double>? progress, CancellationToken cancellation)
    {
        var (root, files) = Files(path);
        var names = new ConcurrentDictionary<string, string>();
        var sidecars = files.Select(f => SidecarName.Of(f)).OfType<SidecarName>().ToArray();
        var read = new IndexedSidecar[sidecars.Length];
        var done = 0;
        Parallel.For(0, sidecars.Length, new ParallelOptions { CancellationToken = cancellation }, i =>
        {
            read[i] = Index(sidecars[i], known, names);
            progress?.Report((double)Interlocked.Increment(ref done) / sidecars.Length);
        });

        var byDocument = read.ToLookup(s => s.Name.Document);
        var documents = files.Where(IsDocument).Concat(read.Select(s => s.Name.Document)).Distinct()
            .Select(d => new CorpusDocument(
                d, System.IO.Path.GetRelativePath(root, d).Replace('\\', '/'),
                [.. byDocument[d].OrderBy(s => s.Name.Annotator, StringComparer.Ordinal)]))
            .OrderBy(d => d.Name, Comparer<string>.Create(InNaturalOrder));
        return new CorpusIndex(path, [.. documents]);
    }

    /// <summary>doc9 before doc10. The framework's numeric ordering needs culture data, which the program does without.</summary>
    private static int InNaturalOrder(string a, string b)
    {
        int i = 0, j = 0;
        while (i < a.Length && j < b.Length)
        {
            var (x, y) = (Digits(a, i), Digits(b, j));
            if (x > 0 && y > 0)
            {
                var m = a.AsSpan(i, x).TrimStart('0');
                var n = b.AsSpan(j, y).TrimStart('0');
                var order = m.Length != n.Length ? m.Length - n.Length : m.SequenceCompareTo(n);
                if (order != 0) return order;
                (i, j) = (i + x, j + y);
            }
            else if (a[i++] != b[j++])
            {
                return a[i - 1] - b[j - 1];
            }
        }

        return a.Length - i != b.Length - j ? a.Length - i - (b.Length - j) : string.CompareOrdinal(a, b);

        static int Digits(string text, int from)
        {
            var to = from;
            while (to < text.Length && char.IsAsciiDigit(text[to])) to++;
            return to - from;
        }
    }

    private static IndexedSidecar Index(SidecarName name, Dictionary<string, IndexedSidecar> known, ConcurrentDictionary<string, string> names)
    {
        try
        {
            var file = new FileInfo(name.Path);
            var stamp = (file.Length, file.LastWriteTimeUtc);
            if (known.TryGetValue(name.Path, out var before) && before.Stamp == stamp) return before;
            var sidecar = Sidecar.Read(name.Path);
            return new IndexedSidecar(
                name,
                [
                    .. sidecar.Annotations.Select(a => new IndexedAnnotation(
                        a.Id, a.Kind, names.GetOrAdd(a.Label, a.Label), a.State, a.Status, string.Join(" … ", a.Anchors.Select(x => x.Quote)), a.Score, PlaceOf(a))),
                ],
                sidecar.Problems)
            { Stamp = stamp };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SidecarException)
        {
            // One file that cannot be read must not hide the others.
            return new IndexedSidecar(name, [], [new SidecarProblem(0, e.Message)]);
        }
    }

    private static ulong PlaceOf(Annotation a) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(string.Join(';', a.Anchors.Select(x => $"{x.Start} {x.End}")).AsSpan()));

    private static (string Root, IReadOnlyList<string> Files) Files(string path)
    {
        if (File.Exists(path)) return (System.IO.Path.GetDirectoryName(path) ?? ".", [path, .. SidecarName.Beside(path).Select(s => s.Path)]);
        if (!Directory.Exists(path)) throw new SidecarException($"There is no folder or document {path}.");
        var files = new List<string>();
        try
        {
            var open = new Stack<string>([path]);
            while (open.TryPop(out var folder))
            {
                files.AddRange(Directory.EnumerateFiles(folder));
                foreach (var inner in new DirectoryInfo(folder).EnumerateDirectories())
                    // A link may lead in a circle.
                    if (inner.LinkTarget is null && inner.Name[0] != '.' && !SkippedFolders.Contains(inner.Name)) open.Push(inner.FullName);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{path} could not be listed: {e.Message.TrimEnd('.')}.", e);
        }

        return (path, files);
    }

    private static bool IsDocument(string path)
    {
        var name = System.IO.Path.GetFileName(path);
        return name[0] != '.' && name != LabelSet.FileName && !name.EndsWith(SidecarName.Extension, StringComparison.Ordinal)
            && DocumentFormats.IsCorpusFile(path);
    }
}
