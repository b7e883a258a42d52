namespace AttentionLens.Models;

/// <summary>What goes through a model once. What is absent takes the model's default (mask all 1, token types all 0, no global token).</summary>
public sealed record ModelInput
{
    /// <summary>Token ids [n]; empty for a vision model.</summary>
    public int[] InputIds { get; init; } = [];

    /// <summary>[n]: 1 = real, 0 = padding. Padding is hidden as a key; its own row is still computed.</summary>
    public int[]? AttentionMask { get; init; }

    /// <summary>[n]: segment of each token (BERT family).</summary>
    public int[]? TokenTypeIds { get; init; }

    /// <summary>[n]: 1 where a Longformer token attends globally.</summary>
    public int[]? GlobalAttentionMask { get; init; }

    /// <summary>Target ids [m] of an encoder-decoder, starting with the decoder start token; null = the start token alone.</summary>
    public int[]? DecoderInputIds { get; init; }

    public PixelValues? Pixels { get; init; }

    /// <summary>Heads that this pass forces; null = none.</summary>
    public IReadOnlyList<HeadIntervention>? Interventions { get; init; }

    /// <summary>Positions whose language-model logits are wanted; null = all. A 50,000 word vocabulary costs 200 kB a position.</summary>
    public int[]? LogitPositions { get; init; }
}

/// <summary>A normalised image: <c>Data</c> is [Channels, Height, Width], row-major.</summary>
public sealed record PixelValues(float[] Data, int Channels, int Height, int Width);

/// <summary>What a forward pass keeps besides queries and keys.</summary>
[Flags]
public enum Keep
{
    Attention = 0,
    HiddenStates = 1,
    Values = 2,
    Logits = 4,
    All = HiddenStates | Values | Logits,

    /// <summary>Sum up in the pass what <see cref="AttentionStack.Received"/> says, which otherwise computes all rows again.</summary>
    Received = 8,
}

/// <summary>A dense row-major array of floats.</summary>
public sealed record Tensor(float[] Data, int[] Shape);
