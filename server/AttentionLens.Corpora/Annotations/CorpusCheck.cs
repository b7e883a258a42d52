using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Annotations;

/// <summary>Something to look at: the file it is in, the line and column counted from 1 (0 = the file as a whole), one sentence.</summary>
public sealed record CorpusProblem(string Path, int Line, int Column, string Message);

/// <summary>Goes through a corpus and says what is wrong with its label sets, its sidecars and its annotations.</summary>
public static class CorpusCheck
{
    public static IEnumerable<CorpusProblem> Of(CorpusIndex index, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var sets = new Dictionary<string, LabelSet>();
        // A folder without documents may still have labels with mistakes in them.
        foreach (var problem in Enter(index.Root, sets)) yield return problem;
        for (var i = 0; i < index.Documents.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report((double)i / index.Documents.Length);
            var document = index.Documents[i];
            foreach (var problem in Enter(document.Path, sets)) yield return problem;
            var set = LabelSet.Nearest(document.Path) is { } path ? sets[path] : LabelSet.Empty;
            foreach (var problem in document.Sidecars.SelectMany(s => Of(document, s, set))) yield return problem;
        }
    }

    /// <summary>Reads the label set that applies to a path, unless it was read, and gives its mistakes.</summary>
    private static IEnumerable<CorpusProblem> Enter(string path, Dictionary<string, LabelSet> sets)
    {
        if (LabelSet.Nearest(path) is not { } file || sets.ContainsKey(file)) return [];
        (sets[file], var problems) = LabelSet.Load(file);
        if (problems.IsEmpty) return [];
        var lines = new LineNumbers(CorpusIndex.ReadText(file));
        return problems.Select(p => lines.At(file, p.Start, p.Message));
    }

    private static IEnumerable<CorpusProblem> Of(CorpusDocument document, IndexedSidecar sidecar, LabelSet set)
    {
        foreach (var p in sidecar.Problems) yield return new CorpusProblem(sidecar.Name.Path, p.Line, p.Line > 0 ? 1 : 0, Sentence(p.Message));
        if (sidecar.Annotations.IsEmpty) yield break;
        if (!File.Exists(document.Path))
        {
            yield return new CorpusProblem(sidecar.Name.Path, 0, 0, $"The document {document.Name} that it annotates is missing.");
            yield break;
        }

        var loaded = CorpusIndex.Load(document.Path, sidecar.Name);
        var lines = new LineNumbers(loaded.Text);
        foreach (var a in loaded.Annotations.Where(a => a is { Kind: AnnotationKind.Span, State: not AnchorState.Anchored }))
        {
            yield return a.Fragments.IsEmpty
                ? new CorpusProblem(document.Path, 0, 0, $"{a.Label} \"{Quote(a)}\" has lost its text ({a.Id}).")
                : lines.At(document.Path, a.Fragments[0].Start, $"{a.Label} \"{Quote(a)}\" was found again by its quote alone; look whether this is its place.");
        }

        foreach (var b in set.Check(loaded.Text, [.. loaded.Annotations.Where(a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval)]))
        {
            yield return b.Annotation.Fragments.IsEmpty
                ? new CorpusProblem(document.Path, 0, 0, b.Message)
                : lines.At(document.Path, b.Annotation.Fragments[0].Start, b.Message);
        }
    }

    private static string Sentence(string message) => message.EndsWith('.') ? message : $"{char.ToUpperInvariant(message[0])}{message[1..]}.";

    private static string Quote(Annotation a) => a.Anchors.IsEmpty ? "" : a.Anchors[0].Quote.ReplaceLineEndings(" ");

    private sealed class LineNumbers(string text)
    {
        private readonly List<TextRange> _lines = Pieces.Lines(text);

        public CorpusProblem At(string path, int offset, string message)
        {
            int lo = 0, hi = Math.Max(0, _lines.Count - 1);
            while (lo < hi)
            {
                var mid = (lo + hi + 1) / 2;
                if (_lines[mid].Start <= offset) lo = mid;
                else hi = mid - 1;
            }

            return new CorpusProblem(path, lo + 1, offset - (_lines.Count == 0 ? 0 : _lines[lo].Start) + 1, message);
        }
    }
}
