using System.Globalization;
using System.Text.Json.Serialization;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Corpora;
using AttentionLens.Corpora.Search;

namespace AttentionLens.Cli.Corpus;

/// <summary>What a run is about; two runs of equal specification write equal bytes.</summary>
internal sealed record RunSpec
{
    public required string Model { get; init; }

    public required string Fingerprint { get; init; }

    public required CorpusOutputs Outputs { get; init; }

    public required int ShardBytes { get; init; }

    public required string[] Documents { get; init; }
}

/// <summary>What is kept of each text.</summary>
internal sealed record CorpusOutputs
{
    public static readonly string[] Names = ["profiles", "received", "edges", "heads", "hidden", "predictions", "scores", "evaluation"];

    public required string[] Keep { get; init; }

    public required int TopK { get; init; }

    /// <summary>LAYER.HEAD; empty = all.</summary>
    public required string[] Heads { get; init; }

    /// <summary>Of scores and evaluation; empty where neither is kept.</summary>
    public required string[] Methods { get; init; }

    /// <summary>Null where no evaluation is kept.</summary>
    public EvaluationSettings? Evaluation { get; init; }

    public required string Unit { get; init; }
}

/// <summary>How texts are measured: see <see cref="EvaluatorOptions"/>.</summary>
internal sealed record EvaluationSettings(MetricFamily[] Measures, int Outputs, int Typos, int Seed)
{
    [JsonIgnore]
    public EvaluatorOptions Options => new(Outputs, Typos, Seed, null, Measures.ToHashSet());
}

/// <summary>run.json: the specification, and how the corpus was cut.</summary>
/// <param name="Blocks">In order.</param>
/// <param name="Shards">Of each shard the first block and one past the last.</param>
internal sealed record RunPlan(RunSpec Spec, CorpusBlock[] Blocks, int[][] Shards);

/// <summary>A line of shard-NNNNN.jsonl: a text of the corpus. Tensors of it are called <c>ITEM.name</c> in the .safetensors beside it.</summary>
/// <param name="Start">UTF-16 offset in the document.</param>
/// <param name="Tokens">As the vocabulary spells them.</param>
/// <param name="Ranges">Two a token: start and end as UTF-16 offsets in the document; -1 for special tokens and for those of the pair.</param>
/// <param name="Error">Why there are no tensors of it.</param>
/// <param name="Predicted">For each mask of the text the words that the model finds most likely there, best first.</param>
/// <param name="Scores">What methods say of the text's one output.</param>
/// <param name="Evaluation">What was measured on it.</param>
/// <param name="Problems">Why scores or measures of it are missing.</param>
internal sealed record CorpusItem(
    int Item, string Document, long Start, long End, bool Pair, string[] Tokens, long[] Ranges, string? Name = null, string? Error = null, string[][]? Predicted = null,
    OutputScores? Scores = null, TextScores? Evaluation = null, string[]? Problems = null);

/// <summary>What is said of one output by each method.</summary>
/// <param name="Output">What people read: "“is” for the masked token 4".</param>
/// <param name="Methods">By method, one number a token.</param>
/// <param name="Target">The same for the tokens of the target of an encoder-decoder.</param>
internal sealed record OutputScores(string Output, SortedDictionary<string, float[]> Methods, SortedDictionary<string, float[]>? Target);

/// <summary>index.json: what a reader needs to find its way, written when all shards are there.</summary>
/// <param name="Layers">Of the only stack, or of the encoder.</param>
/// <param name="DecoderLayers">0 where there is no second stack.</param>
internal sealed record RunIndex(
    string Model, string Fingerprint, int Layers, int Heads, int DecoderLayers, int DecoderHeads, CorpusOutputs Outputs, ShardEntry[] Shards)
{
    /// <summary>What the names of tensors begin with, one for each stack.</summary>
    [JsonIgnore]
    public string[] Prefixes => DecoderLayers > 0 ? ["encoder_", "decoder_", "cross_"] : [""];

    /// <summary>The heads whose edges or matrices were kept of a stack, in their order there.</summary>
    public (int Layer, int Head)[] HeadsOf(string prefix)
    {
        var (layers, heads) = prefix is "decoder_" or "cross_" ? (DecoderLayers, DecoderHeads) : (Layers, Heads);
        return Outputs.Heads.Length == 0
            ? [.. Enumerable.Range(0, layers * heads).Select(i => (i / heads, i % heads))]
            : [.. Outputs.Heads.Select(name => name.Split('.'))
                .Select(parts => (Layer: int.Parse(parts[0], CultureInfo.InvariantCulture), Head: int.Parse(parts[1], CultureInfo.InvariantCulture)))
                .Where(head => head.Layer < layers && head.Head < heads)];
    }
}

internal sealed record ShardEntry(string File, string Items, long Bytes, string Sha256);

internal sealed record RunSummary(int Written, int Present, long Texts, long Tokens, long Failed);

/// <summary>What a broker hands to workers: one shard of a run.</summary>
/// <param name="Folder">Of the run; the plan is in it.</param>
/// <param name="Model">The folder of the model.</param>
internal sealed record ShardTask(string Folder, string Model, int Shard);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true, UseStringEnumConverter = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(RunPlan))]
[JsonSerializable(typeof(RunIndex))]
[JsonSerializable(typeof(CorpusItem))]
[JsonSerializable(typeof(ShardTask))]
[JsonSerializable(typeof(SearchHit))]
internal sealed partial class CorpusJson : JsonSerializerContext;
