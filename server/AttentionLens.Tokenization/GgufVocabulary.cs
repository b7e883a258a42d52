namespace AttentionLens.Tokenization;

/// <summary>What the <c>tokenizer.ggml.*</c> keys of a GGUF file say; null where a key is absent.</summary>
public sealed record GgufVocabulary
{
    /// <summary>"llama" (SentencePiece BPE with scores) or "gpt2" (byte-level BPE with merges).</summary>
    public required string Model { get; init; }

    /// <summary>The name of the splitting rules of a "gpt2" vocabulary.</summary>
    public required string PreTokenizer { get; init; }

    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>One per token for "llama".</summary>
    public required IReadOnlyList<float> Scores { get; init; }

    /// <summary>SentencePiece's kinds, one per token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.</summary>
    public required IReadOnlyList<int> Types { get; init; }

    public required IReadOnlyList<string> Merges { get; init; }

    public int? Bos { get; init; }

    public int? Eos { get; init; }

    public int? Unknown { get; init; }

    public int? Padding { get; init; }

    public bool? AddsBos { get; init; }

    public bool? AddsEos { get; init; }

    public bool? AddsSpacePrefix { get; init; }
}
