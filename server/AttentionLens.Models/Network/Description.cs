using AttentionLens.Kernels;

namespace AttentionLens.Models;

// The generic network: every architecture is one of these descriptions, nothing else. Shapes follow PyTorch: [outputs, inputs].

/// <summary>y = x W^T + b; the bias is empty where the architecture has none.</summary>
internal sealed record Linear(PackedMatrix Weight, float[] Bias)
{
    public int Outputs => Weight.Outputs;

    public int Inputs => Weight.Inputs;
}

/// <summary>LayerNorm, or RMSNorm where <paramref name="Bias"/> is null; Gemma's weights are stored minus one (<paramref name="Offset"/> 1).</summary>
internal sealed record Norm(float[] Weight, float[]? Bias, float Epsilon, float Offset = 0)
{
    public int Width => Weight.Length;
}

/// <summary>
/// Attention of one block. Self-attention has queries and keys stacked in one matrix, because their products are kept side by side in the trace;
/// cross-attention has them apart (different inputs).
/// </summary>
internal sealed record Attention
{
    /// <summary>Queries, then keys (self-attention); queries only (cross-attention).</summary>
    public required Linear Query { get; init; }

    /// <summary>Cross-attention only.</summary>
    public Linear? Key { get; init; }

    public required Linear Value { get; init; }

    public required Linear Output { get; init; }

    public required float Scale { get; init; }

    /// <summary>Keys visible before a query (sliding windows).</summary>
    public int Before { get; init; } = int.MaxValue;

    /// <summary>Keys visible after a query; 0 = causal.</summary>
    public int After { get; init; } = int.MaxValue;

    /// <summary>Longformer's second set of projections for tokens that attend globally.</summary>
    public GlobalAttention? Global { get; init; }
}

/// <summary>Projections of Longformer's global rows: queries of the global tokens, keys and values of all.</summary>
internal sealed record GlobalAttention(Linear Query, Linear Key, Linear Value);

/// <summary>down(act(up x)), or down(act(gate x) * up x) where there is a gate.</summary>
internal sealed record FeedForward(Linear Up, Linear? Gate, Linear Down, Activation Activation);

internal sealed record Block
{
    public required Attention Self { get; init; }

    public required Norm SelfNorm { get; init; }

    public Attention? Cross { get; init; }

    public Norm? CrossNorm { get; init; }

    public required FeedForward FeedForward { get; init; }

    public required Norm FeedForwardNorm { get; init; }
}

/// <summary>Where a block normalises.</summary>
internal enum NormPlace
{
    /// <summary>x + f(norm(x)).</summary>
    Before,

    /// <summary>norm(x + f(x)).</summary>
    After,

    /// <summary>x + attention(norm1(x)) + feedForward(norm2(x)) (GPT-NeoX).</summary>
    Parallel,
}

/// <summary>A stack of blocks and what its blocks share.</summary>
internal sealed record StackDescription
{
    public required AttentionKind Kind { get; init; }

    public required Block[] Blocks { get; init; }

    public required int Hidden { get; init; }

    public required int Heads { get; init; }

    public required int KeyHeads { get; init; }

    public required int HeadSize { get; init; }

    public required NormPlace Norms { get; init; }

    /// <summary>After the last block; null = none.</summary>
    public Norm? FinalNorm { get; init; }

    /// <summary>The last hidden state is reported after the final norm (decoders, T5), not before it (ViT, CLIP).</summary>
    public bool FinalNormInHidden { get; init; } = true;

    public Rotary? Rotary { get; init; }

    public RelativeBias? Relative { get; init; }
}

/// <summary>From token ids to the first hidden state: scale * token + position + type, then norm, then projection; parts that are null are left out.</summary>
internal sealed record TokenEmbedding
{
    public required float[] Table { get; init; }

    public required int Vocabulary { get; init; }

    public required int Width { get; init; }

    public float Scale { get; init; } = 1;

    /// <summary>[rows, Width], learned or sinusoidal.</summary>
    public float[]? Positions { get; init; }

    /// <summary>Row of the first position (BART 2; RoBERTa: see <see cref="PaddingId"/>).</summary>
    public int PositionOffset { get; init; }

    /// <summary>RoBERTa: positions count only tokens that are not padding, starting at this id + 1; padding itself stays at this id.</summary>
    public int? PaddingId { get; init; }

    public float[]? Types { get; init; }

    public Norm? Norm { get; init; }

    public Linear? Projection { get; init; }

    /// <summary>The longest input; <see cref="int.MaxValue"/> without a table of positions.</summary>
    public int MaxTokens => Positions is null ? int.MaxValue : (Positions.Length / Width) - PositionOffset - (PaddingId + 1 ?? 0);
}

/// <summary>From pixels to the first hidden state: one linear map a patch, a class token before them, positions, maybe a norm (CLIP).</summary>
internal sealed record ImageEmbedding(Linear Patch, float[] ClassToken, float[] Positions, Norm? Norm, int Channels, int ImageSize, int PatchSize)
{
    public int Side => ImageSize / PatchSize;

    public int Tokens => (Side * Side) + 1;
}

/// <summary>Which rows of the last hidden state a head reads.</summary>
internal enum HeadRows
{
    All,

    /// <summary>The class token.</summary>
    First,

    /// <summary>The last token that is not padding (sequence classification by a decoder).</summary>
    Last,

    /// <summary>The last end-of-sequence token of the decoder (BART).</summary>
    LastEnd,

    /// <summary>CLIP's end-of-text: the first of the end id, or the largest id in old configurations.</summary>
    EndOfText,
}

internal sealed record HeadStep(Linear Linear, Activation Activation, Norm? Norm = null);

/// <summary>
/// The head: steps of linear, activation, norm on the chosen rows, then the output projection, scaled. The projection over the vocabulary is
/// packed when logits are first asked for: showing attention never needs it.
/// </summary>
internal sealed record Head(HeadKind Kind, HeadRows Rows, HeadStep[] Steps, Lazy<Linear> Output, float Scale = 1);

/// <summary>CLIP: each tower's pooled state through its projection, normalised, compared.</summary>
internal sealed record Contrast(Linear Text, Linear Image, float LogitScale, int EndOfText);

/// <summary>A whole model: embeddings, one or two stacks, a head.</summary>
internal sealed record Network
{
    public required ModelKind Kind { get; init; }

    public TokenEmbedding? Tokens { get; init; }

    public ImageEmbedding? Image { get; init; }

    /// <summary>Encoder, decoder-only, or CLIP's text tower; null for a vision model.</summary>
    public StackDescription? Text { get; init; }

    public StackDescription? Vision { get; init; }

    public TokenEmbedding? DecoderTokens { get; init; }

    public StackDescription? Decoder { get; init; }

    public Head? Head { get; init; }

    public Contrast? Contrast { get; init; }

    public required int MaxPositions { get; init; }

    public int? DecoderStart { get; init; }

    public IReadOnlyList<int> EndTokens { get; init; } = [];

    public int? PaddingId { get; init; }
}
