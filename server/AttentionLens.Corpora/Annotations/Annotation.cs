using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations;

public enum AnnotationKind
{
    /// <summary>A label on one or more stretches of text.</summary>
    Span,

    /// <summary>A directed, labelled link between two spans.</summary>
    Relation,

    /// <summary>A label on the whole document.</summary>
    Document,

    /// <summary>The annotator is done with the document. Its label is <see cref="Annotation.Approved"/>.</summary>
    Approval,
}

/// <summary>What its annotator says of an annotation.</summary>
public enum AnnotationStatus
{
    /// <summary>It holds: set by hand, or a suggestion that was accepted.</summary>
    Accepted,

    /// <summary>Proposed by a program and not yet judged. No label: exports, counts and agreement leave it out.</summary>
    Suggested,

    /// <summary>A suggestion that was judged wrong. Kept, so that it is not made again; left out like an open one.</summary>
    Rejected,
}

/// <summary>How sure the place of a span is.</summary>
public enum AnchorState
{
    /// <summary>Its own text, found again by its line or carried along edit by edit.</summary>
    Anchored,

    /// <summary>Found by its quote alone: shown for confirmation, never taken for granted.</summary>
    Review,

    /// <summary>Its text is gone. Kept in the file with what is known of it.</summary>
    Orphan,
}

/// <summary>A place in the file: a line, known by the hash of its text and its ordinal among equal lines, and a column in code points.</summary>
public readonly record struct LinePoint(string Line, int Ordinal, int Column);

/// <summary>What the sidecar stores of one stretch of a span. <paramref name="Quote"/> is its exact text with line ends as LF.</summary>
public sealed record Anchor(LinePoint Start, LinePoint End, string Quote);

/// <summary>
/// One annotation. <see cref="Fragments"/> are live positions in the current text (empty for an orphan);
/// <see cref="Anchors"/> are what was last stored, one per fragment, and all that is left of an orphan.
/// </summary>
public sealed record Annotation
{
    public required string Id { get; init; }

    public required AnnotationKind Kind { get; init; }

    public required string Label { get; init; }

    public ImmutableArray<TextRange> Fragments { get; init; } = [];

    public ImmutableArray<Anchor> Anchors { get; init; } = [];

    /// <summary>Up to <see cref="Anchoring.ContextLength"/> characters before the first and after the last fragment.</summary>
    public string Before { get; init; } = "";

    public string After { get; init; } = "";

    public AnchorState State { get; init; }

    public AnnotationStatus Status { get; init; }

    /// <summary>What proposed it (<c>exact</c>, <c>similar</c>, <c>import</c>, ...); null for one set by hand.</summary>
    public string? Source { get; init; }

    /// <summary>How sure its source was, 0 to 1; null where it does not say.</summary>
    public double? Score { get; init; }

    /// <summary>When the annotator was first shown it as a suggestion: labels that were seen before they were set may be anchored to it.</summary>
    public DateTimeOffset? Shown { get; init; }

    /// <summary>Ids of the spans a relation leads from and to.</summary>
    public string? From { get; init; }

    public string? To { get; init; }

    /// <summary>Named values: <c>negated</c> = <c>true</c>, <c>wikidata</c> = <c>Q90</c>. A free comment is the attribute <see cref="Note"/>.</summary>
    public ImmutableSortedDictionary<string, string> Attributes { get; init; } = NoAttributes;

    public string? By { get; init; }

    /// <summary>When it was last changed; decides between two edits of one annotation.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>Fields of a later version or another tool, in file order, written back as they came.</summary>
    public ImmutableArray<KeyValuePair<string, JsonElement>> Unknown { get; init; } = [];

    public const string Note = "note";

    public const string Approved = "approved";

    private static readonly ImmutableSortedDictionary<string, string> NoAttributes = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Random, because two annotators counting upwards both make number 155 and their files conflict.</summary>
    public static string NewId() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
}
