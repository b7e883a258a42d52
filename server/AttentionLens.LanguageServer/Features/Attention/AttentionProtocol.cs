using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.Features.Evaluation;
using AttentionLens.LanguageServer.Features.Heads;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>What a question is about: a non-empty range is the text itself, an empty one means the document's segment at that position.</summary>
/// <param name="Pair">A second text: the other sentence of a pair, or the other language of a translation. Absent: as the format, or a document beside this one, says.</param>
/// <param name="Model">A model beside that of the settings, named as there; absent = the settings'.</param>
/// <param name="Generate">True: a text without a pair gets the target that the encoder-decoder writes itself, greedily.</param>
/// <param name="Image">True: the document is an image file of this machine, read from disk; range and pair are ignored.</param>
internal sealed record Scope(
    TextDocumentIdentifier TextDocument, TextRange Range, PairScope? Pair = null, string? Model = null, bool Generate = false, bool Image = false);

/// <param name="Range">As in <see cref="Scope"/>.</param>
/// <param name="TextDocument">Absent: the scope's own.</param>
/// <param name="Source">True: this text is the first one (the source of a translation) and the scope's own the second.</param>
internal sealed record PairScope(TextRange Range, TextDocumentIdentifier? TextDocument = null, bool Source = false);

/// <summary>The second text of a scope when it stands in another document than the scope's own. Drop all of it when the version is not that document's.</summary>
/// <param name="Range">The text.</param>
/// <param name="Source">As in <see cref="PairScope"/>.</param>
/// <param name="Tokens">In tints: as in <see cref="TintsResult"/>, of the tokens there; absent elsewhere, as are the next two.</param>
internal sealed record PairedText(string Uri, int Version, TextRange Range, bool Source, int[]? Tokens = null, float[]? Weights = null, int[]? Buckets = null);

/// <summary>Which weights are meant. Absent members take the settings' value.</summary>
/// <param name="Stack">"encoder", "decoder", "cross" or "vision"; absent = the model's main stack (cross for a pair in an encoder-decoder).</param>
/// <param name="Method">Name of a method, see <see cref="ModelInfoResult.Methods"/>; "raw" = the softmax weights themselves.</param>
/// <param name="Output">For methods that explain an output: a word or class; absent = the most likely one.</param>
/// <param name="Contrast">"Why the output rather than this": their difference is explained.</param>
/// <param name="Changes">What is changed about the input or the model before it runs; absent = nothing.</param>
/// <param name="Heads">Some heads as one, in the notation of <see cref="Analysis.HeadSet"/>; goes before layer and head. Absent, with neither of those = the setting.</param>
internal sealed record View(
    LayerOrHead? Layer = null, LayerOrHead? Head = null, string? Stack = null, string? Method = null, string? Output = null, string? Contrast = null, Changes? Changes = null,
    string? Heads = null)
{
    /// <summary>As resolved.</summary>
    public static View Of(Weighing weighing) => new(
        new LayerOrHead(weighing.Selection.Layer), new LayerOrHead(weighing.Selection.Head), SegmentAttention.NameOf(weighing.Stack.Kind), weighing.Method.Name,
        Heads: weighing.Selection.Set?.ToString());
}

/// <summary>Interventions on one's own sentence.</summary>
internal sealed record Changes(HeadChange[]? Heads = null, TokenChange[]? Tokens = null);

/// <param name="Effect">"zero", "uniform" or "mean": what the head's attention is replaced by.</param>
/// <param name="Stack">As in <see cref="View"/>.</param>
internal sealed record HeadChange(int Layer, int Head, string Effect, string? Stack = null);

/// <param name="Index">Of the token in <c>attentionLens/tokens</c>.</param>
/// <param name="Text">A word that is one token; absent = the mask token.</param>
/// <param name="Was">The vocabulary's spelling of the token that is meant: after an edit another one may stand there, and then nothing is changed.</param>
internal sealed record TokenChange(int Index, string? Text = null, string? Was = null);

/// <summary>Values of <see cref="AttentionResult.Status"/>.</summary>
internal static class AttentionStatus
{
    public const string Ok = "ok";
    public const string Truncated = "truncated";
    public const string Stale = "stale";
    public const string Empty = "empty";
    public const string ModelMissing = "modelMissing";
    public const string Failed = "failed";
}

/// <summary>
/// Every answer to an <c>attentionLens/*</c> question. The client drops an answer whose version is not its document's current one; with any
/// status but "ok" and "truncated" the members of the derived record are absent and <see cref="Message"/> says what to do.
/// </summary>
internal abstract record AttentionResult
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? Version { get; init; }

    public string Status { get; init; } = AttentionStatus.Ok;

    public string? Message { get; init; }
}

/// <param name="Position">The token there is the query.</param>
/// <param name="Query">All tokens in this range are the query: the mean of their rows. Goes before <paramref name="Position"/>.</param>
/// <param name="Pinned">True: the document's pinned query goes before both, where it lies in the segment.</param>
/// <param name="Unit">"token", or "word": pieces of one word are merged (weights to them summed).</param>
internal sealed record TintsParams(
    Scope Scope, View? View = null, Position? Position = null, TextRange? Query = null, bool Pinned = false, string Unit = "token");

/// <summary>Strengths for the tokens of one segment.</summary>
internal sealed record TintsResult : AttentionResult
{
    /// <summary>The segment.</summary>
    public TextRange? Range { get; init; }

    /// <summary>
    /// "row": what the query attends to; "column": what attends to it (a source token of a cross stack); "received": mean over all queries; "output": each
    /// token's share in one output.
    /// </summary>
    public string? Mode { get; init; }

    /// <summary>The query, in mode row and column.</summary>
    public TextRange? Query { get; init; }

    /// <summary>True when the query is the pinned one.</summary>
    public bool? Pinned { get; init; }

    public string? Model { get; init; }

    public View? View { get; init; }

    /// <summary>Five numbers a token: start line, start character, end line, end character, token index (of a word: its first token's).</summary>
    public int[]? Tokens { get; init; }

    /// <summary>One per token, 0..1, rounded to 6 digits.</summary>
    public float[]? Weights { get; init; }

    /// <summary>
    /// One per token, 0 (no tint) to 11, by the square root of weight / max; in mode received of (weight - min) / (max - min), because means
    /// over all queries differ little.
    /// </summary>
    public int[]? Buckets { get; init; }

    /// <summary>"hidden", "shown" or "renormalized".</summary>
    public string? Special { get; init; }

    /// <summary>The share of the weight that is on special tokens and the attention sink.</summary>
    public float? SpecialMass { get; init; }

    public float? Max { get; init; }

    public PairedText? Pair { get; init; }

    /// <summary>For methods that explain an output: which one, for people. Mode is then "output".</summary>
    public string? About { get; init; }
}

/// <summary>
/// What hover and documentHighlight read: the standard members, and two of our own that a client may add so that they speak of what it shows.
/// </summary>
/// <param name="Scope">The text that is shown; absent = the segment at the position.</param>
/// <param name="View">Absent = the settings'.</param>
internal sealed record AttentionPositionParams(TextDocumentIdentifier TextDocument, Position Position, Scope? Scope = null, View? View = null);

internal sealed record TokensParams(Scope Scope, View? View = null);

internal sealed record TokensResult : AttentionResult
{
    public TextRange? Range { get; init; }
    public ModelSummary? Model { get; init; }
    public TokenItem[]? Tokens { get; init; }

    /// <summary>Tokens of the decoder's text in an encoder-decoder; else absent.</summary>
    public TokenItem[]? TargetTokens { get; init; }

    /// <summary>True: the model has written the target itself; its tokens have no place in a document.</summary>
    public bool? Generated { get; init; }

    /// <summary>The image whose patches the tokens are; absent for a text.</summary>
    public ImageItem? Image { get; init; }

    public StackItem[]? Stacks { get; init; }

    public PairedText? Pair { get; init; }

    /// <summary>As resolved.</summary>
    public View? View { get; init; }
}

/// <param name="Range">Null for a special token.</param>
/// <param name="Readable">What people read where the spelling cannot be read.</param>
/// <param name="InPair">True: the range is one of the document of <see cref="TokensResult.Pair"/>.</param>
internal sealed record TokenItem(
    int Index, int Id, string Text, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] TextRange? Range, bool Special, int TypeId, bool? InPair = null,
    string? Readable = null);

/// <summary>An image and its patches: that of row r and column c begins at (Left + c * PatchWidth, Top + r * PatchHeight), in pixels of the upright image.</summary>
internal sealed record ImageItem(int Width, int Height, int Rows, int Columns, double Left, double Top, double PatchWidth, double PatchHeight);

internal sealed record StackItem(string Kind, int Layers, int Heads, int Queries, int Keys);

internal sealed record RowParams(Scope Scope, int Query, View? View = null);

internal sealed record RowResult : AttentionResult
{
    /// <summary>Base64 of little-endian float32 [keys].</summary>
    public string? Weights { get; init; }
}

/// <param name="View">Its stack and method; layer and head are ignored.</param>
internal sealed record RowsParams(Scope Scope, int Query, View? View = null);

internal sealed record RowsResult : AttentionResult
{
    /// <summary>Base64 of little-endian float32 [layers, heads, keys].</summary>
    public string? Data { get; init; }

    /// <summary>Layers, heads (1 where the method joins them) and keys.</summary>
    public int[]? Shape { get; init; }
}

/// <param name="View">One layer and one head: a mean has no query vector.</param>
internal sealed record ScoreParams(Scope Scope, int Query, int Key, View? View = null);

/// <summary>How one weight comes about: weight = exp(score - logSumExp), score = scale * query . key + bias.</summary>
internal sealed record ScoreResult : AttentionResult
{
    /// <summary>Base64 of little-endian float32 [head size].</summary>
    public string? QueryVector { get; init; }

    /// <summary>Base64 of little-endian float32 [head size].</summary>
    public string? KeyVector { get; init; }

    public float? Scale { get; init; }

    /// <summary>Relative position and padding; absent where the key is masked, as are score and logSumExp.</summary>
    public float? Bias { get; init; }

    public float? Score { get; init; }
    public float? LogSumExp { get; init; }
    public float? Weight { get; init; }

    /// <summary>The query does not see the key: the weight is exactly 0.</summary>
    public bool IsMasked { get; init; }
}

/// <param name="Rows">First and one past the last query.</param>
/// <param name="Columns">First and one past the last key.</param>
/// <param name="Size">Rows and columns of the answer; never more than the range has.</param>
/// <param name="Pooling">"max" or "mean".</param>
/// <param name="Exact">True: float32 instead of one byte a cell.</param>
internal sealed record TileParams(Scope Scope, int[] Rows, int[] Columns, int[] Size, View? View = null, string Pooling = "max", bool Exact = false);

internal sealed record TileResult : AttentionResult
{
    /// <summary>Base64: one byte a cell (round(255 * weight / <see cref="Max"/>)), or little-endian float32 when exact.</summary>
    public string? Data { get; init; }

    public int[]? Shape { get; init; }
    public float? Max { get; init; }
}

/// <param name="Size">Rows and columns of each head's thumbnail.</param>
/// <param name="Stack">As in <see cref="View"/>.</param>
/// <param name="Changes">As in <see cref="View"/>.</param>
internal sealed record OverviewParams(Scope Scope, int Size = 64, string? Stack = null, Changes? Changes = null);

internal sealed record OverviewResult : AttentionResult
{
    /// <summary>Base64 of [layers, heads, size, size] bytes: the maximum under each cell, round(255 * weight / the head's largest).</summary>
    public string? Data { get; init; }

    public int[]? Shape { get; init; }

    /// <summary>[layers][heads]: the largest weight.</summary>
    public float[][]? Maxima { get; init; }

    public string? Stack { get; init; }

    /// <summary>[layers][heads].</summary>
    public ProfileItem[][]? Profiles { get; init; }
}

internal sealed record ProfilesParams(Scope Scope, string? Stack = null);

internal sealed record ProfilesResult : AttentionResult
{
    public string? Stack { get; init; }

    /// <summary>[layers][heads].</summary>
    public ProfileItem[][]? Profiles { get; init; }
}

internal sealed record ProfileItem(
    float Entropy, float NormalizedEntropy, float Max, float MeanDistance, float First, float Separators, float Previous, float Next, float Same);

/// <param name="Format">"html", "npz" or "safetensors".</param>
/// <param name="Path">Absolute; what is there is replaced once the new file is whole.</param>
internal sealed record ExportParams(Scope Scope, string Format, string Path, View? View = null);

internal sealed record ExportResult : AttentionResult
{
    /// <summary>False: all layers and heads were too much for the format, and only those of the view were written.</summary>
    public bool? IsWhole { get; init; }
}

/// <param name="Position">The token there is asked about; absent = the one that <paramref name="Token"/> names, or that needs none.</param>
/// <param name="Token">Index in <c>attentionLens/tokens</c> (of the target tokens in an encoder-decoder); goes before <paramref name="Position"/>.</param>
/// <param name="View">Its output and contrast are told as well, and its changes are made: the answer then says what the model had said without them.</param>
/// <param name="Top">Candidates wanted.</param>
/// <param name="Layers">True: what the head would say after each layer (the logit lens).</param>
/// <param name="Generate">Tokens to continue the text with, or to write the target of a source with; 0 = none.</param>
internal sealed record PredictionParams(
    Scope Scope, Position? Position = null, int? Token = null, View? View = null, int Top = 10, bool Layers = false, int Generate = 0);

/// <summary>What the model says, at one place of the text or of all of it.</summary>
internal sealed record PredictionResult : AttentionResult
{
    /// <summary>"masked", "next", "target", "class", "tokenClass", "answer" or "replaced".</summary>
    public string? Kind { get; init; }

    /// <summary>What is predicted, in words.</summary>
    public string? About { get; init; }

    /// <summary>The token whose prediction it is; absent for a class or an answer.</summary>
    public int? Token { get; init; }

    /// <summary>Its place in the document.</summary>
    public TextRange? Range { get; init; }

    /// <summary>Best first.</summary>
    public CandidateItem[]? Candidates { get; init; }

    /// <summary>What stands in the text there, or comes next in it, with its rank from 0; absent where nothing does.</summary>
    public CandidateItem? Actual { get; init; }

    /// <summary>The output and the contrast that the view names.</summary>
    public CandidateItem[]? Asked { get; init; }

    /// <summary>Of the distribution over all outputs, in bits: 0 = certain.</summary>
    public float? Entropy { get; init; }

    /// <summary>By state: 0 = the embeddings, i = after layer i - 1.</summary>
    public LensItem[]? Layers { get; init; }

    /// <summary>With changes: what the model says without them, the outputs of <see cref="Candidates"/> and its own best.</summary>
    public CandidateItem[]? Before { get; init; }

    /// <summary>What the model writes on, or as the target of the source.</summary>
    public string? Generated { get; init; }
}

/// <param name="Text">The word or class; of an answer its text.</param>
/// <param name="Rank">From 0.</param>
/// <param name="Range">Of an answer.</param>
internal sealed record CandidateItem(int Id, string Text, float Logit, float Probability, int Rank, TextRange? Range = null);

/// <param name="Rank">Of what the whole model says, from 0.</param>
/// <param name="Probability">Of what the whole model says.</param>
internal sealed record LensItem(int State, CandidateItem[] Candidates, int Rank, float Probability);

internal sealed record ModelInfoResult
{
    public string Status { get; init; } = AttentionStatus.Ok;
    public string? Message { get; init; }
    public string? Name { get; init; }
    public string? Folder { get; init; }
    public string? ModelType { get; init; }
    public string? Kind { get; init; }
    public int Layers { get; init; }
    public int Heads { get; init; }
    public int DecoderLayers { get; init; }
    public int DecoderHeads { get; init; }
    public int HiddenSize { get; init; }
    public int VocabularySize { get; init; }
    public long Parameters { get; init; }
    public long WeightBytes { get; init; }
    public int MaxPositions { get; init; }

    /// <summary>The methods a <see cref="View"/> can name.</summary>
    public MethodItem[]? Methods { get; init; }
}

/// <param name="ExplainsOutput">The weights are about an output of the model, not about a position's attention.</param>
/// <param name="Accumulates">A layer's weights are about all layers up to it: the last layer is the whole answer.</param>
internal sealed record MethodItem(string Name, string Title, string Summary, bool ExplainsOutput, bool Accumulates);

/// <summary>Argument of the command <c>attentionLens.pinQuery</c>, and what the client commands in lenses and actions are called with.</summary>
/// <param name="Pinned">For <c>attentionLens.compareWithPinned</c>: the pinned query, which stands in another segment.</param>
internal sealed record PlaceArgument(string Uri, TextRange Range, TextRange? Pinned = null);

/// <summary>Argument of the commands <c>attentionLens.unpinQuery</c> and <c>attentionLens.unpairDocument</c>.</summary>
internal sealed record DocumentArgument(string Uri);

/// <summary>Argument of the command <c>attentionLens.pairDocuments</c>.</summary>
internal sealed record PairArgument(string Source, string Target);

internal sealed record ModelSummary(
    string Name, string ModelType, string Kind, int Layers, int Heads, int DecoderLayers, int DecoderHeads, int MaxPositions);

/// <summary>Sent by the server whenever one of its members changes; the newest one holds.</summary>
/// <param name="Health">"ok", "warning" or "error".</param>
internal sealed record StatusParams(string Health, bool Busy, string? Message = null, ModelSummary? Model = null);

/// <summary>The custom messages; <c>docs/protocol.md</c> describes each.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(LenientString)])]
[JsonSerializable(typeof(AttentionPositionParams))]
[JsonSerializable(typeof(NoParams))]
[JsonSerializable(typeof(HoverResult))]
[JsonSerializable(typeof(DocumentHighlightItem[]))]
[JsonSerializable(typeof(TintsParams))]
[JsonSerializable(typeof(TintsResult))]
[JsonSerializable(typeof(TokensParams))]
[JsonSerializable(typeof(TokensResult))]
[JsonSerializable(typeof(RowParams))]
[JsonSerializable(typeof(RowResult))]
[JsonSerializable(typeof(RowsParams))]
[JsonSerializable(typeof(RowsResult))]
[JsonSerializable(typeof(ScoreParams))]
[JsonSerializable(typeof(ScoreResult))]
[JsonSerializable(typeof(TileParams))]
[JsonSerializable(typeof(TileResult))]
[JsonSerializable(typeof(OverviewParams))]
[JsonSerializable(typeof(OverviewResult))]
[JsonSerializable(typeof(ProfilesParams))]
[JsonSerializable(typeof(ProfilesResult))]
[JsonSerializable(typeof(ExportParams))]
[JsonSerializable(typeof(ExportResult))]
[JsonSerializable(typeof(PredictionParams))]
[JsonSerializable(typeof(PredictionResult))]
[JsonSerializable(typeof(EvaluationParams))]
[JsonSerializable(typeof(EvaluationResult))]
[JsonSerializable(typeof(HeadsParams))]
[JsonSerializable(typeof(HeadsResult))]
[JsonSerializable(typeof(ModelInfoResult))]
[JsonSerializable(typeof(StatusParams))]
[JsonSerializable(typeof(PlaceArgument))]
[JsonSerializable(typeof(DocumentArgument))]
[JsonSerializable(typeof(PairArgument))]
internal sealed partial class AttentionJson : JsonSerializerContext;
