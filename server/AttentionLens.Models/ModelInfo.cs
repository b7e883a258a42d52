namespace AttentionLens.Models;

/// <summary>What a model reads and writes.</summary>
public enum ModelKind
{
    Encoder,
    Decoder,
    EncoderDecoder,
    Vision,
    TextVision,
}

/// <summary>Which attention a stack holds. CLIP's text tower is <see cref="Encoder"/> (with a causal mask), its image tower <see cref="Vision"/>.</summary>
public enum AttentionKind
{
    Encoder,
    Decoder,
    Cross,
    Vision,
}

/// <summary>What the head on top of the last block predicts; its scores are <see cref="AttentionTrace.Logits"/>.</summary>
public enum HeadKind
{
    /// <summary>The checkpoint has no head.</summary>
    None,

    /// <summary>[n, vocabulary]: the token at each (masked) position.</summary>
    MaskedLanguage,

    /// <summary>[n, vocabulary]: the token after each position.</summary>
    CausalLanguage,

    /// <summary>[m, vocabulary]: the target token after each decoder position.</summary>
    Sequence2SequenceLanguage,

    /// <summary>[n]: how likely each token was replaced (ELECTRA).</summary>
    Discriminator,

    /// <summary>[labels]: one label for the whole input.</summary>
    SequenceClassification,

    /// <summary>[n, labels]: a label for each token.</summary>
    TokenClassification,

    /// <summary>[n, 2]: start and end of the answer; also in <c>start_logits</c> and <c>end_logits</c>.</summary>
    QuestionAnswering,

    /// <summary>[1]: scaled cosine similarity of text and image (CLIP).</summary>
    Contrastive,
}

/// <summary>How an image becomes tokens: one class token, then <c>Rows</c> x <c>Columns</c> patches in row-major order.</summary>
public readonly record struct PatchGrid(int Rows, int Columns, int PatchSize);

/// <summary>Facts about a loaded model. Sizes are counts; <c>WeightBytes</c> is the size of the weight files on disk.</summary>
public sealed record ModelInfo
{
    /// <summary>The folder's name.</summary>
    public required string Name { get; init; }

    public required string Folder { get; init; }

    /// <summary><c>model_type</c> of config.json.</summary>
    public required string ModelType { get; init; }

    public required ModelKind Kind { get; init; }

    /// <summary>Layers of the first stack (encoder, or the only one; CLIP: text).</summary>
    public required int Layers { get; init; }

    /// <summary>Layers of the second stack (decoder of an encoder-decoder; CLIP: vision), else 0.</summary>
    public int DecoderLayers { get; init; }

    public required int Heads { get; init; }

    public int DecoderHeads { get; init; }

    public required int HiddenSize { get; init; }

    /// <summary>Rows of the token embedding; 0 for a vision model.</summary>
    public int VocabularySize { get; init; }

    /// <summary>The longest input in tokens; <see cref="int.MaxValue"/> where positions are relative (T5).</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Stored values in all weight tensors.</summary>
    public long Parameters { get; init; }

    public long WeightBytes { get; init; }

    /// <summary>A stable hash of configuration and weights, for cache keys.</summary>
    public required string Fingerprint { get; init; }

    public HeadKind Head { get; init; }

    public bool HasLogits => Head != HeadKind.None;

    /// <summary>Names of the classes where the head is a classifier (<c>id2label</c>).</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    public PatchGrid? Patches { get; init; }

    /// <summary>The id a decoder starts with (encoder-decoders), else null.</summary>
    public int? DecoderStartToken { get; init; }

    /// <summary>The ids that end a generated sequence.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];
}
