using System.Collections.Immutable;
using System.Text;

namespace AttentionLens.Corpora.Annotations.Labels;

/// <summary>What every label has. <paramref name="Color"/> is <c>#rrggbb</c> or a name of <see cref="LabelSet.Colors"/>, or null for the next free one.</summary>
public abstract record Label(string Name, string? Title, string? Description, string? Color, char? Key);

/// <summary>A label on stretches of text, and what such stretches may do.</summary>
/// <param name="Overlap">May partly cover another span. It is enough that one of the two labels allows it: rationales cross names that may not cross each other.</param>
/// <param name="Nest">May lie inside another span or around it, or on the same text. It is enough that one of the two labels allows it.</param>
/// <param name="Discontinuous">May have more than one part.</param>
/// <param name="Multiline">May cross a line end.</param>
public sealed record SpanLabel(
    string Name, string? Title, string? Description, string? Color, char? Key, bool Overlap, bool Nest, bool Discontinuous, bool Multiline)
    : Label(Name, Title, Description, Color, Key);

/// <summary>A directed link between spans. Empty <paramref name="From"/> or <paramref name="To"/> = any label.</summary>
/// <param name="Symmetric">The direction says nothing: <c>from</c> and <c>to</c> may be exchanged.</param>
public sealed record RelationLabel(
    string Name, string? Title, string? Description, string? Color, char? Key, ImmutableArray<string> From, ImmutableArray<string> To, bool Symmetric)
    : Label(Name, Title, Description, Color, Key)
{
    public bool Takes(string from, string to) => Fits(From, from) && Fits(To, to) || (Symmetric && Fits(From, to) && Fits(To, from));

    private static bool Fits(ImmutableArray<string> allowed, string label) => allowed.IsEmpty || allowed.Contains(label);
}

/// <summary>A label on the whole document.</summary>
public sealed record DocumentLabel(string Name, string? Title, string? Description, string? Color, char? Key) : Label(Name, Title, Description, Color, Key);

/// <summary>A named value of an annotation.</summary>
/// <param name="On">Labels of spans, relations or documents that may have it; empty = all.</param>
/// <param name="Values">What it can be; empty = free text.</param>
/// <param name="Default">What it is where nothing is said; not written into files.</param>
public sealed record AttributeDefinition(string Name, string? Title, string? Description, ImmutableArray<string> On, ImmutableArray<string> Values, string? Default);

/// <summary>
/// The labels of a corpus, from <c>attention-lens.labels.json</c>: JSON with comments, written and reviewed by people, never rewritten by the
/// program. The nearest file above a document applies. The schema in <c>client/schemas</c> describes the same for editors.
/// </summary>
public sealed record LabelSet
{
    public const string FileName = "attention-lens.labels.json";

    public const int Version = 1;

    private const int MaxFileSize = 1 << 20;

    /// <summary>Colours with a name are those that editors theme for charts; they stay readable in every theme.</summary>
    public static ImmutableArray<string> Colors { get; } = ["blue", "orange", "green", "purple", "red", "yellow"];

    public static LabelSet Empty { get; } = new();

    /// <summary>Where it was read from, or null.</summary>
    public string? Path { get; init; }

    public ImmutableArray<SpanLabel> Spans { get; init; } = [];

    public ImmutableArray<RelationLabel> Relations { get; init; } = [];

    public ImmutableArray<DocumentLabel> Documents { get; init; } = [];

    public ImmutableArray<AttributeDefinition> Attributes { get; init; } = [];

    /// <summary>A document has at most one label.</summary>
    public bool OneDocumentLabel { get; init; }

    public bool IsEmpty => Spans.IsEmpty && Relations.IsEmpty && Documents.IsEmpty && Attributes.IsEmpty;

    public IEnumerable<Label> Labels(AnnotationKind kind) => kind switch
    {
        AnnotationKind.Span => Spans,
        AnnotationKind.Relation => Relations,
        AnnotationKind.Document => Documents,
        _ => [],
    };

    public Label? Find(AnnotationKind kind, string name) => Labels(kind).FirstOrDefault(l => l.Name == name);

    /// <summary>The attributes that an annotation with this label may have.</summary>
    public IEnumerable<AttributeDefinition> AttributesOf(string label) => Attributes.Where(a => a.On.IsEmpty || a.On.Contains(label));

    /// <summary>The label set file that applies to a document or folder, or null: the nearest one on the way up to <paramref name="root"/> (or the drive).</summary>
    public static string? Nearest(string path, string? root = null)
    {
        var stop = root is null ? null : System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(root));
        path = System.IO.Path.GetFullPath(path);
        for (var folder = Directory.Exists(path) ? path : System.IO.Path.GetDirectoryName(path); folder is not null; folder = System.IO.Path.GetDirectoryName(folder))
        {
            var file = System.IO.Path.Combine(folder, FileName);
            if (File.Exists(file)) return file;
            if (System.IO.Path.TrimEndingDirectorySeparator(folder) == stop) return null;
        }

        return null;
    }

    /// <exception cref="SidecarException">The file cannot be read at all.</exception>
    public static (LabelSet Set, ImmutableArray<DocumentProblem> Problems) Load(string path)
    {
        try
        {
            if (new FileInfo(path) is { Length: > MaxFileSize }) throw new SidecarException($"{path} is larger than a label set can be (1 MB).");
            var (set, problems) = Parse(SmallFile.ReadText(path, MaxFileSize, Encoding.UTF8));
            return (set with { Path = path }, problems);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"The label set {path} could not be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Never throws on content: what is wrong is a problem with its place, and the set holds all that is right.</summary>
    public static (LabelSet Set, ImmutableArray<DocumentProblem> Problems) Parse(string text) => new LabelSetReader(text).Read();
}
