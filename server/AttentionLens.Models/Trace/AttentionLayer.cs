namespace AttentionLens.Models;

/// <summary>
/// What one layer keeps: queries and keys as they enter the dot product (projected, biased, rotated), not yet scaled.
/// Row i, head h of the queries is <c>Queries[QueryOffset + i * QueryStride + h * headSize ..]</c>; key heads are shared by groups of query heads.
/// </summary>
internal sealed class AttentionLayer
{
    public required float[] Queries { get; init; }

    public int QueryOffset { get; init; }

    public required int QueryStride { get; init; }

    public required float[] Keys { get; init; }

    public int KeyOffset { get; init; }

    public required int KeyStride { get; init; }

    public float[]? Values { get; init; }

    public int ValueStride { get; init; }

    public required AttentionMask Mask { get; init; }

    /// <summary>One per head where the pass accumulated them, else filled when first asked for.</summary>
    public HeadProfile?[]? Profiles { get; set; }
}
