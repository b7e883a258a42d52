using System.Text.Json.Serialization;

namespace AttentionLens.Models.Hub;

/// <summary>What the Hub says of a model at one revision. <paramref name="Commit"/> is the full hash that the revision stands for.</summary>
public sealed record HubRepository(string Id, string Commit, IReadOnlyList<HubFile> Files)
{
    /// <summary>Files that make a model for us: configuration, safetensors (whole or sharded) and tokenizer, from the top folder.</summary>
    public IReadOnlyList<HubFile> Needed()
    {
        var top = Files.Where(f => !f.Path.Contains('/', StringComparison.Ordinal)).ToArray();
        var whole = top.FirstOrDefault(f => f.Path == "model.safetensors");
        return
        [
            .. top.Where(f =>
                f.Path is "config.json" or "generation_config.json" or "preprocessor_config.json" or "processor_config.json"
                    or "tokenizer.json" or "tokenizer_config.json" or "special_tokens_map.json"
                    or "added_tokens.json" or "vocab.txt" or "vocab.json" or "merges.txt" or "spiece.model" or "sentencepiece.bpe.model" or "source.spm" or "target.spm" or "tokenizer.model"
                || (whole is not null ? f == whole : f.Path == "model.safetensors.index.json" || (f.Path.StartsWith("model-", StringComparison.Ordinal) && f.Path.EndsWith(".safetensors", StringComparison.Ordinal)))),
        ];
    }
}

/// <summary>
/// One file. <paramref name="Sha256"/> is known for large files (LFS); for small ones <paramref name="GitHash"/>, the SHA-1 of the git blob,
/// proves the content.
/// </summary>
public sealed record HubFile(string Path, long Size, string? Sha256, string? GitHash)
{
    /// <summary>The name of the file's content in the cache.</summary>
    public string BlobName => Sha256 ?? GitHash ?? throw new InvalidOperationException("A file of the Hub has one of the two hashes.");
}

internal sealed record ModelInfoAnswer(string? Id, string? Sha, IReadOnlyList<SiblingAnswer>? Siblings);

internal sealed record SiblingAnswer(string? Rfilename, long? Size, string? BlobId, LfsAnswer? Lfs);

internal sealed record LfsAnswer(string? Sha256, long? Size);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ModelInfoAnswer))]
internal sealed partial class HubJson : JsonSerializerContext;
