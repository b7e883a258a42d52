using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.Annotations;

internal sealed record AnnotationsParams(TextDocumentIdentifier TextDocument);

/// <summary>Everything that is known of one document's annotations.</summary>
internal sealed record AnnotationsResult : AttentionResult
{
    /// <summary>In document order; document labels first, orphans and relations last.</summary>
    public AnnotationItem[]? Annotations { get; init; }

    public LabelSetItem? Labels { get; init; }

    /// <summary>The annotator whose annotations can be changed; absent = the one without a name.</summary>
    public string? Annotator { get; init; }

    /// <summary>Other annotators of the document, whose annotations can only be read.</summary>
    public string[]? Others { get; init; }

    public bool Approved { get; init; }

    /// <summary>What undo would take back; absent = nothing.</summary>
    public string? Undo { get; init; }

    public string? Redo { get; init; }

    /// <summary>What is wrong with the files, one sentence each.</summary>
    public string[]? Problems { get; init; }
}

/// <param name="Kind">"span", "relation" or "document".</param>
/// <param name="State">"anchored"; "review" (found again by its quote alone); "orphan" (its text is gone).</param>
/// <param name="Status">"accepted", "suggested" or "rejected".</param>
/// <param name="Own">True: can be changed.</param>
/// <param name="Ranges">Where it is: one for each part; empty for orphans and what is not a span.</param>
/// <param name="Quote">The text it stands on; of an orphan, the text that it stood on.</param>
/// <param name="Shown">True: it was shown as a suggestion.</param>
internal sealed record AnnotationItem(
    string Id, string Kind, string Label, string State, string Status, bool Own, TextRange[] Ranges, string? Quote = null, string? Annotator = null,
    string? From = null, string? To = null, IReadOnlyDictionary<string, string>? Attributes = null, string? Source = null, double? Score = null,
    bool? Shown = null, string? Time = null);

internal sealed record LabelSetItem(
    LabelItem[] Spans, LabelItem[] Relations, LabelItem[] Documents, LabelAttributeItem[] Attributes, string? Path = null, string[]? Problems = null);

/// <param name="Color">"#rrggbb" or one of blue, orange, green, purple, red, yellow.</param>
/// <param name="Key">One character, for label mode.</param>
/// <param name="From">Of a relation: labels it leads from; absent = any.</param>
internal sealed record LabelItem(
    string Name, string? Title = null, string? Description = null, string? Color = null, string? Key = null, string[]? From = null, string[]? To = null);

/// <param name="Values">What it can be; absent = any text.</param>
internal sealed record LabelAttributeItem(string Name, string? Title = null, string? Description = null, string[]? On = null, string[]? Values = null, string? Default = null);

/// <summary>Several changes as one action, which undo takes back as one. Either all of them happen or none.</summary>
/// <param name="Version">The document version that the ranges are about.</param>
internal sealed record AnnotateParams(
    TextDocumentIdentifier TextDocument, int? Version = null, NewAnnotation[]? Add = null, AnnotationChange[]? Change = null, string[]? Remove = null, string? Title = null);

/// <param name="Kind">"span", "relation", "document" or "approval".</param>
/// <param name="Status">"suggested", or absent for a label that holds.</param>
internal sealed record NewAnnotation(
    string Kind, string Label, TextRange[]? Ranges = null, string? From = null, string? To = null, IReadOnlyDictionary<string, string>? Attributes = null,
    string? Status = null, string? Source = null, double? Score = null);

/// <summary>What is absent stays as it is.</summary>
/// <param name="Attributes">Replaces all of them.</param>
/// <param name="Status">"accepted" also confirms the place of one in review.</param>
/// <param name="Shown">True: it is on the screen as a suggestion now. Not an action: undo passes it over.</param>
internal sealed record AnnotationChange(
    string Id, string? Label = null, TextRange[]? Ranges = null, IReadOnlyDictionary<string, string>? Attributes = null, string? Status = null, bool? Shown = null);

/// <summary>Also the answer to undo and redo.</summary>
internal sealed record AnnotateResult : AttentionResult
{
    /// <summary>Of the annotations that were added, in order; of undo and redo, those that changed.</summary>
    public string[]? Ids { get; init; }

    /// <summary>What was done or taken back.</summary>
    public string? Title { get; init; }
}

/// <param name="Redo">True: does again what was undone last.</param>
internal sealed record AnnotationHistoryParams(TextDocumentIdentifier TextDocument, bool Redo = false);

/// <param name="Kind">"suggestion", "review", "orphan", "unlabelled" (a segment without a label) or "label".</param>
/// <param name="After">Id of the one that is left, for what has no position.</param>
/// <param name="Label">Only annotations with this label.</param>
/// <param name="Order">"position" (wraps around), or "uncertain": of suggestions, the least certain first.</param>
internal sealed record NextAnnotationParams(
    TextDocumentIdentifier TextDocument, Position Position, string Kind, string? After = null, string? Label = null, bool Backward = false, string Order = "position");

internal sealed record NextAnnotationResult : AttentionResult
{
    /// <summary>Absent for a segment without a label.</summary>
    public string? Id { get; init; }

    /// <summary>Absent for an orphan.</summary>
    public TextRange? Range { get; init; }

    /// <summary>How many there are.</summary>
    public int? Count { get; init; }
}

/// <summary>Places like a labelled one: the same text first, then what the model's hidden states find similar.</summary>
/// <param name="Id">The annotation to find the like of.</param>
/// <param name="Similar">Similar places are looked for too; costs a pass over every segment.</param>
/// <param name="Limit">Of similar places; exact ones are all there.</param>
internal sealed record SimilarSpansParams(TextDocumentIdentifier TextDocument, string Id, bool Similar = true, int Limit = 20);

internal sealed record SimilarSpansResult : AttentionResult
{
    public SimilarSpan[]? Spans { get; init; }
}

/// <param name="Source">"exact" or "similar".</param>
/// <param name="Score">1 for the same text, else the cosine of mean hidden states.</param>
internal sealed record SimilarSpan(TextRange Range, string Text, string Source, double Score);

/// <summary>Texts that are labelled in one place and not in another.</summary>
/// <param name="Label">Absent = all labels.</param>
internal sealed record ConsistencyParams(TextDocumentIdentifier TextDocument, string? Label = null);

internal sealed record ConsistencyResult : AttentionResult
{
    public InconsistentText[]? Texts { get; init; }
}

/// <param name="Labels">The labels that it has, with how often.</param>
/// <param name="Unlabelled">Where it has none.</param>
internal sealed record InconsistentText(string Text, IReadOnlyDictionary<string, int> Labels, TextRange[] Unlabelled);

/// <param name="From">Id of a span.</param>
/// <param name="To">Id of a span in the same segment.</param>
internal sealed record RelationCandidatesParams(TextDocumentIdentifier TextDocument, string From, string To, View? View = null);

/// <summary>Which heads look from one span to the other, strongest first.</summary>
internal sealed record RelationCandidatesResult : AttentionResult
{
    public RelationHead[]? Heads { get; init; }

    /// <summary>What a head that looks everywhere alike would give.</summary>
    public double? Uniform { get; init; }
}

/// <param name="Forward">Share of the attention of From's tokens that goes to To's: the sum over keys, the mean over queries.</param>
/// <param name="Backward">The other way round.</param>
internal sealed record RelationHead(int Layer, int Head, double Forward, double Backward);

/// <summary>How far a model's weights point at what the annotator marked as the reason.</summary>
/// <param name="Position">In the segment.</param>
/// <param name="Label">Of the spans that are the rationale; absent = "rationale".</param>
/// <param name="Scores">"received": attention that each token receives, mean over queries; "first": the row of the first token, [CLS] of a BERT.</param>
/// <param name="Chosen">How many of the strongest tokens are held against the rationale; absent = as many as it has.</param>
internal sealed record RationaleParams(
    TextDocumentIdentifier TextDocument, Position Position, View? View = null, string? Label = null, string Scores = "received", int? Chosen = null);

/// <summary>Each measure beside what chance gives, as evaluation has them; absent where it is not defined.</summary>
internal sealed record RationaleResult : AttentionResult
{
    /// <summary>The segment.</summary>
    public TextRange? Range { get; init; }

    public View? View { get; init; }

    /// <summary>Tokens of the segment, special ones left out.</summary>
    public int? Tokens { get; init; }

    /// <summary>Of those, in the rationale.</summary>
    public int? Marked { get; init; }

    public int? Chosen { get; init; }
    public MeasureItem? Auprc { get; init; }
    public MeasureItem? TokenF1 { get; init; }

    /// <summary>F1 of spans with an intersection over union of at least 1/2.</summary>
    public MeasureItem? IouF1 { get; init; }

    /// <summary>The tokens with the strongest weights, strongest first.</summary>
    public TextRange[]? Strongest { get; init; }
}

internal sealed record MeasureItem(double Value, double Chance);

/// <param name="Folder">URI of a folder, or of a document in it.</param>
internal sealed record AnnotatedCorpusParams(string Folder);

internal sealed record AnnotatedCorpusResult : AttentionResult
{
    /// <summary>The folder that holds the label set, as URI.</summary>
    public string? Folder { get; init; }

    public CorpusDocument[]? Documents { get; init; }
}

/// <param name="Labels">Accepted annotations by label, of the annotator whose annotations can be changed.</param>
/// <param name="Uncertainty">Mean of 1 - |2 score - 1| over open suggestions with a score; absent without any.</param>
/// <param name="Disagreement">1 - F1 of spans between annotators, mean over pairs; absent with fewer than two.</param>
internal sealed record CorpusDocument(
    string Uri, string Name, IReadOnlyDictionary<string, int> Labels, int Suggested, int Review, int Orphans, bool Approved, double? Uncertainty = null, double? Disagreement = null);

/// <param name="Format">Name of an exchange format of `attention-lens annotate`.</param>
/// <param name="Path">File or folder to write.</param>
internal sealed record ExportAnnotationsParams(TextDocumentIdentifier TextDocument, string Format, string Path);

/// <summary>Adds the annotations that a file holds for a document of the same text, as one action.</summary>
internal sealed record ImportAnnotationsParams(TextDocumentIdentifier TextDocument, string Format, string Path);

internal sealed record ExchangeResult : AttentionResult
{
    public int? Count { get; init; }

    /// <summary>What the format cannot hold, or the file holds and could not be read.</summary>
    public string[]? Losses { get; init; }
}

/// <summary>Two annotators' work side by side. A name that is absent is that of the annotator without one.</summary>
/// <param name="Into">The third annotator, who holds what is decided.</param>
/// <param name="Agreed">True: what both say alike is listed too.</param>
internal sealed record AdjudicationParams(TextDocumentIdentifier TextDocument, string? Left = null, string? Right = null, string? Into = null, bool Agreed = false);

/// <summary>Decides; each is in the journal of the third annotator's sidecar before it is answered.</summary>
/// <param name="Decisions">May be none: then only what both agree on is taken over.</param>
/// <param name="AllOpen">What is decided of every pair that is open.</param>
/// <param name="Title">What undo of the third annotator's own annotations calls it.</param>
internal sealed record AdjudicateParams(
    TextDocumentIdentifier TextDocument, string? Left = null, string? Right = null, string? Into = null, bool Agreed = false,
    AdjudicationDecision[]? Decisions = null, string? AllOpen = null, string? Title = null);

/// <param name="Left">Id of the left side's annotation; absent where it has none.</param>
/// <param name="Choice">"left", "right", "both", "neither", or "open": not decided any more.</param>
/// <param name="Stamp">Of the pair that was looked at; absent = whatever it says now.</param>
internal sealed record AdjudicationDecision(string Choice, string? Left = null, string? Right = null, string? Stamp = null);

internal sealed record AdjudicationResult : AttentionResult
{
    /// <summary>In the order of the text: spans, then relations, then document labels.</summary>
    public AdjudicationPairItem[]? Pairs { get; init; }

    /// <summary>How many pairs are alike.</summary>
    public int? Agreed { get; init; }

    /// <summary>Annotations that both agree on and the third annotator has not yet; the next decision takes them over.</summary>
    public int? Unwritten { get; init; }

    /// <summary>What had been decided before, of the pairs that this request changed: decided again, it takes the request back.</summary>
    public AdjudicationDecision[]? Changed { get; init; }

    /// <summary>What was not decided and why, and what is wrong with the files, one sentence each.</summary>
    public string[]? Problems { get; init; }
}

/// <param name="Difference">"none", "attributes", "label", "extent", "labelAndExtent", "onlyLeft" or "onlyRight".</param>
/// <param name="Choice">"open", "left", "right", "both" or "neither".</param>
/// <param name="Stamp">Changes with what either side says.</param>
/// <param name="Left">Of a relation, quote and ranges are those of both its spans.</param>
/// <param name="Taken">What the third annotator has, where that says something else than the side it was taken from does now.</param>
internal sealed record AdjudicationPairItem(
    string Difference, string Choice, string Stamp, AnnotationItem? Left = null, AnnotationItem? Right = null, AnnotationItem[]? Taken = null);

/// <summary>Sent when annotations have changed by anything but an edit of the text.</summary>
/// <param name="Message">A failure that the user has to know of.</param>
internal sealed record AnnotationsChangedParams(string Uri, string? Message = null);

/// <summary>The messages about annotations; <c>docs/protocol.md</c> describes each.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(LenientString)])]
[JsonSerializable(typeof(AnnotationsParams))]
[JsonSerializable(typeof(AnnotationsResult))]
[JsonSerializable(typeof(AnnotateParams))]
[JsonSerializable(typeof(AnnotateResult))]
[JsonSerializable(typeof(AnnotationHistoryParams))]
[JsonSerializable(typeof(NextAnnotationParams))]
[JsonSerializable(typeof(NextAnnotationResult))]
[JsonSerializable(typeof(SimilarSpansParams))]
[JsonSerializable(typeof(SimilarSpansResult))]
[JsonSerializable(typeof(ConsistencyParams))]
[JsonSerializable(typeof(ConsistencyResult))]
[JsonSerializable(typeof(RelationCandidatesParams))]
[JsonSerializable(typeof(RelationCandidatesResult))]
[JsonSerializable(typeof(RationaleParams))]
[JsonSerializable(typeof(RationaleResult))]
[JsonSerializable(typeof(AnnotatedCorpusParams))]
[JsonSerializable(typeof(AnnotatedCorpusResult))]
[JsonSerializable(typeof(ExportAnnotationsParams))]
[JsonSerializable(typeof(ImportAnnotationsParams))]
[JsonSerializable(typeof(ExchangeResult))]
[JsonSerializable(typeof(AdjudicationParams))]
[JsonSerializable(typeof(AdjudicateParams))]
[JsonSerializable(typeof(AdjudicationResult))]
[JsonSerializable(typeof(AnnotationsChangedParams))]
internal sealed partial class AnnotationJson : JsonSerializerContext;
