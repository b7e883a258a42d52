namespace AttentionLens.Models;

/// <summary>
/// Which keys a query sees and what is added to its scores: everything that, besides queries and keys, is needed to recompute a row.
/// A query at position i sees keys i - Left .. i + Right whose <c>KeyBias</c> is not -infinity.
/// </summary>
internal sealed record AttentionMask
{
    public static readonly AttentionMask Full = new();

    /// <summary>Keys visible before the query; <see cref="Unbounded"/> = all.</summary>
    public int Left { get; init; } = Unbounded;

    /// <summary>Keys visible after the query; 0 = causal.</summary>
    public int Right { get; init; } = Unbounded;

    /// <summary>[keys], 0 or -infinity (padding); null = all visible.</summary>
    public float[]? KeyBias { get; init; }

    /// <summary>Learned bias by distance (T5), shared by all layers of a stack.</summary>
    public DistanceBias? Distance { get; init; }

    public const int Unbounded = int.MaxValue / 4;

    public bool Causal => Right == 0;
}

/// <summary>A bias by signed distance: head h adds <c>Table[h * (2 * Reach + 1) + key - query + Reach]</c>.</summary>
internal sealed record DistanceBias(float[] Table, int Reach)
{
    public int Stride => (2 * Reach) + 1;

    /// <summary>The biases that <paramref name="query"/> adds to keys <paramref name="firstKey"/>, +1, ...</summary>
    public ReadOnlySpan<float> Row(int head, int query, int firstKey, int keys) =>
        Table.AsSpan((head * Stride) + firstKey - query + Reach, keys);
}
