using System.Text.Json.Serialization;
using AttentionLens.Corpora;

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
    public static readonly string[] Names = ["profiles", "received", "edges", "heads", "hidden", "scores"];

    public required string[] Keep { get; init; }

    public required int TopK { get; init; }

    /// <summary>LAYER.HEAD; empty = all.</summary>
    public required string[] Heads { get; init; }

    public required string Method { get; init; }

    public required string Unit { get; init; }
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
internal sealed record CorpusItem(
    int Item, string Document, long Start, long End, string? Name, bool Pair, string[] Tokens, long[] Ranges, string? Error);

/// <summary>index.json: what a reader needs to find its way, written when all shards are there.</summary>
internal sealed record RunIndex(string Model, string Fingerprint, CorpusOutputs Outputs, ShardEntry[] Shards);

internal sealed record ShardEntry(string File, string Items, long Bytes, string Sha256);

internal sealed record RunSummary(int Written, int Present, long Texts, long Tokens, long Failed);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RunPlan))]
[JsonSerializable(typeof(RunIndex))]
[JsonSerializable(typeof(CorpusItem))]
internal sealed partial class CorpusJson : JsonSerializerContext;
