using System.Collections.Immutable;
using System.Text;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>A text with its annotations placed in it.</summary>
public sealed record AnnotatedDocument(string Name, string Text, ImmutableArray<Annotation> Annotations);

/// <summary>Something of a document that a format cannot hold, or that a file holds and could not be read. One sentence.</summary>
public sealed record Loss(string Document, string Message);

/// <summary>
/// A file format of another annotation tool. Content that cannot be carried over is reported, never dropped in silence; a file that is
/// not of the format at all is a <see cref="SidecarException"/>.
/// </summary>
public abstract class AnnotationFormat
{
    public static IReadOnlyList<AnnotationFormat> All { get; } =
    [
        new BratFormat(), new ConllFormat(), new ConlluFormat(), new DoccanoFormat(), new ProdigyFormat(), new LabelStudioFormat(),
        new WebAnnotationFormat(), new EraserFormat(),
    ];

    /// <summary>The name on the command line.</summary>
    public abstract string Name { get; }

    public abstract string Description { get; }

    /// <summary>Reads a file, or a folder where the format is one.</summary>
    public abstract IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report);

    /// <summary>Writes a file, or a folder where the format is one. Suggestions that nobody accepted are no labels and stay behind.</summary>
    public void Export(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report) =>
        Write([.. documents.Select(d => Settled(d, report))], path, report);

    private protected abstract void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report);

    private static AnnotatedDocument Settled(AnnotatedDocument document, Action<Loss> report)
    {
        var settled = document.Annotations.Where(a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval).ToArray();
        var open = document.Annotations.Count(a => a.Status == AnnotationStatus.Suggested);
        if (open > 0) report(new Loss(document.Name, $"{open} suggestion(s) that nobody has judged were left out"));
        // A relation between spans of which one is no label has nothing to hang on.
        var unsettled = document.Annotations.Where(a => a.Status != AnnotationStatus.Accepted).Select(a => a.Id).ToHashSet();
        var kept = settled.Where(a => a.Kind != AnnotationKind.Relation || !(unsettled.Contains(a.From ?? "") || unsettled.Contains(a.To ?? ""))).ToArray();
        if (kept.Length < settled.Length) report(new Loss(document.Name, $"{settled.Length - kept.Length} relation(s) of a suggestion were left out"));
        return document with { Annotations = [.. kept] };
    }

    public static AnnotationFormat Of(string name) =>
        All.FirstOrDefault(f => string.Equals(f.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? throw new SidecarException($"There is no annotation format \"{name}\"; choose one of {string.Join(", ", All.Select(f => f.Name))}.");

    private protected static Annotation Span(string label, params TextRange[] fragments) =>
        new() { Id = Annotation.NewId(), Kind = AnnotationKind.Span, Label = label, Fragments = [.. fragments] };

    private protected static Annotation DocumentLabel(string label) =>
        new() { Id = Annotation.NewId(), Kind = AnnotationKind.Document, Label = label };

    private protected static Annotation Relation(string label, string from, string to) =>
        new() { Id = Annotation.NewId(), Kind = AnnotationKind.Relation, Label = label, From = from, To = to };

    /// <summary>Reports everything of <paramref name="document"/> that a format without the named abilities drops.</summary>
    private protected static void ReportLosses(
        AnnotatedDocument document, Action<Loss> report, bool discontinuous = false, bool relations = false, bool documentLabels = false, bool attributes = false)
    {
        var a = document.Annotations;
        Say(a.Count(x => x.Kind == AnnotationKind.Span && x.Fragments.IsEmpty), "orphaned span(s) have no place in the text and were left out");
        if (!discontinuous) Say(a.Count(x => x.Fragments.Length > 1), "discontinuous span(s) were written as one span from their first to their last part");
        if (!relations) Say(a.Count(x => x.Kind == AnnotationKind.Relation), "relation(s) cannot be held and were left out");
        if (!documentLabels) Say(a.Count(x => x.Kind == AnnotationKind.Document), "document label(s) cannot be held and were left out");
        if (!attributes) Say(a.Sum(x => x.Attributes.Count), "attribute(s) cannot be held and were left out");

        void Say(int count, string what)
        {
            if (count > 0) report(new Loss(document.Name, $"{count} {what}"));
        }
    }

    private protected static TextRange Whole(Annotation a) => new(a.Fragments[0].Start, a.Fragments[^1].End);

    private protected static IEnumerable<Annotation> Placed(AnnotatedDocument document) =>
        document.Annotations.Where(a => a.Kind == AnnotationKind.Span && !a.Fragments.IsEmpty).OrderBy(a => a.Fragments[0].Start).ThenByDescending(a => a.Fragments[^1].End);

    private protected static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{path} could not be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    private protected static void WriteText(string path, string content)
    {
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder) Directory.CreateDirectory(folder);
            WholeText.Write(path, content);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{path} could not be written: {e.Message.TrimEnd('.')}.", e);
        }
    }
}

/// <summary>Conversion between UTF-16 code units, which we count in, and code points, which Python tools count in.</summary>
internal sealed class CodePoints
{
    // Text without surrogate pairs, nearly every text, needs no table.
    private readonly int[]? _offsets;
    private readonly int _length;

    public CodePoints(string text)
    {
        _length = text.Length;
        if (LineTable.CodePoints(text) == text.Length) return;
        var offsets = new List<int>(text.Length);
        for (var i = 0; i < text.Length; i += i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]) ? 2 : 1) offsets.Add(i);
        offsets.Add(text.Length);
        _offsets = [.. offsets];
    }

    public int FromUtf16(int offset)
    {
        if (_offsets is null) return offset;
        var i = Array.BinarySearch(_offsets, offset);
        return i >= 0 ? i : ~i - 1;
    }

    public int ToUtf16(int codePoint) => _offsets is null ? codePoint : _offsets[codePoint];

    public bool InRange(int start, int end) => 0 <= start && start <= end && end <= (_offsets?.Length - 1 ?? _length);

    public TextRange? Range(int start, int end) => InRange(start, end) ? new TextRange(ToUtf16(start), ToUtf16(end)) : null;
}
