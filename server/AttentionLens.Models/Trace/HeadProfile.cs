namespace AttentionLens.Models;

/// <summary>What one head does, averaged over its query rows (rows without any visible key are left out).</summary>
/// <param name="Entropy">Nats.</param>
/// <param name="NormalizedEntropy">Entropy / log(visible keys of the row), 0..1; rows that see one key count as 0.</param>
/// <param name="Max">Mean of the rows' largest weights.</param>
/// <param name="MeanDistance">Expected |query - key| in tokens; 0 for cross-attention, where positions are not comparable.</param>
/// <param name="First">Share of weight on the first key.</param>
/// <param name="Separators">Share of weight on separator keys (ids the model marks as such).</param>
/// <param name="Previous">Share of weight on the key before the query.</param>
/// <param name="Next">Share of weight on the key after the query.</param>
/// <param name="Same">Share of weight on the query's own position.</param>
public readonly record struct HeadProfile(
    float Entropy,
    float NormalizedEntropy,
    float Max,
    float MeanDistance,
    float First,
    float Separators,
    float Previous,
    float Next,
    float Same);

/// <summary>How the cells under one tile cell are joined.</summary>
public enum Pooling
{
    Max,
    Mean,
}
