using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// The attention of one stack of layers. Weights are recomputed from the kept queries and keys, exactly as the forward pass computed them:
/// softmax(scale * q . k + bias), masked cells exactly 0, rows summing to 1. Safe to read from several threads.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "A stack of layers is what the field calls it; it is no collection.")]
public abstract class AttentionStack
{
    private protected AttentionStack(AttentionKind kind, int layers, int heads, int queries, int keys, bool causal)
    {
        Kind = kind;
        Layers = layers;
        Heads = heads;
        Queries = queries;
        Keys = keys;
        Causal = causal;
    }

    public AttentionKind Kind { get; }

    public int Layers { get; }

    public int Heads { get; }

    public int Queries { get; }

    public int Keys { get; }

    /// <summary>No query sees a key after it.</summary>
    public bool Causal { get; }

    /// <summary>Bytes held by this stack.</summary>
    public abstract long Bytes { get; }

    /// <summary>How many hidden states were kept: 0, or layers + 1.</summary>
    public abstract int HiddenStates { get; }

    /// <summary>Values were kept (<see cref="Keep.Values"/>).</summary>
    public abstract bool HasValues { get; }

    /// <summary>Kept state [queries, hidden size]: 0 = embedding output, i = after block i - 1 (the last one after the final norm for decoders and T5, as Hugging Face does).</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not kept, or no such layer.</exception>
    public abstract ReadOnlySpan<float> HiddenState(int index);

    /// <summary>The value vector [head size] that a head reads at one key.</summary>
    /// <exception cref="InvalidOperationException">Values were not kept.</exception>
    public abstract ReadOnlySpan<float> Value(int layer, int head, int key);

    /// <summary>The weights of one query over all keys into <paramref name="row"/> [Keys].</summary>
    public abstract void Row(int layer, int head, int query, Span<float> row);

    /// <summary>How the weight of one query and key comes about; null where no pass has seen the two together.</summary>
    public abstract AttentionScore? Score(int layer, int head, int query, int key);

    /// <summary>All weights of one head into <paramref name="weights"/> [Queries * Keys], row-major.</summary>
    public abstract void Head(int layer, int head, Span<float> weights);

    /// <summary>
    /// A picture of part of one head: <paramref name="tile"/> [tileRows * tileColumns], each cell the maximum or mean of the weights under it.
    /// A tile finer than the range repeats weights.
    /// </summary>
    public abstract void Tile(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile);

    /// <summary>
    /// The mean weight that each key gets, over all queries, into <paramref name="received"/> [Keys]: sums to 1 unless rows are masked. Where a text was
    /// read in windows, rows count once for each window that holds them, as in <see cref="Profile"/>.
    /// </summary>
    public virtual void Received(int layer, int head, Span<float> received)
    {
        received = received[..Keys];
        received.Clear();
        float[] row = new float[Keys];
        for (int query = 0; query < Queries; query++)
        {
            Row(layer, head, query, row);
            TensorPrimitives.Add(received, row, received);
        }

        TensorPrimitives.Divide(received, Math.Max(1, Queries), received);
    }

    /// <summary>What one head does on average (see <see cref="HeadProfile"/>).</summary>
    public abstract HeadProfile Profile(int layer, int head);

    /// <summary>A tile from single rows, for heads whose rows do not follow one pattern: O(rows x keys) dot products without the packed kernel.</summary>
    private protected void TileByRow(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        (int firstRow, int rowCount) = rows.GetOffsetAndLength(Queries);
        (int firstColumn, int columnCount) = columns.GetOffsetAndLength(Keys);
        tile = tile[..(tileRows * tileColumns)];
        tile.Clear();
        if (rowCount == 0 || columnCount == 0)
        {
            return;
        }

        AddRows(layer, head, Enumerable.Range(firstRow, rowCount), rows, columns, tileRows, tileColumns, pooling, tile);
    }

    /// <summary>Pools the rows of some queries into a tile to which they have added nothing yet; a row of zeros changes neither maximum nor mean.</summary>
    private protected void AddRows(
        int layer, int head, IEnumerable<int> queries, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        (int firstRow, int rowCount) = rows.GetOffsetAndLength(Queries);
        (int firstColumn, int columnCount) = columns.GetOffsetAndLength(Keys);
        float[] weights = new float[Keys];
        foreach (int query in queries)
        {
            if (query < firstRow || query >= firstRow + rowCount || columnCount == 0)
            {
                continue;
            }

            Row(layer, head, query, weights);
            for (int r = 0; r < tileRows; r++)
            {
                (int from, int to) = Cell(r, tileRows, rowCount);
                for (int c = 0; query - firstRow >= from && query - firstRow < to && c < tileColumns; c++)
                {
                    (int left, int right) = Cell(c, tileColumns, columnCount);
                    ReadOnlySpan<float> under = weights.AsSpan(firstColumn + left, right - left);
                    ref float cell = ref tile[(r * tileColumns) + c];
                    cell = pooling == Pooling.Max
                        ? Math.Max(cell, Vectors.Max(under))
                        : cell + (Vectors.Sum(under) / under.Length / (to - from));
                }
            }
        }
    }

    private protected static (int From, int To) Cell(int index, int cells, int count)
    {
        int from = (int)((long)index * count / cells);
        return (from, Math.Max(from + 1, (int)((long)(index + 1) * count / cells)));
    }

    private protected void Check(int layer, int head)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
        ArgumentOutOfRangeException.ThrowIfNegative(head);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(head, Heads);
    }

    private protected void CheckQuery(int query)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(query);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(query, Queries);
    }

    private protected void CheckKey(int key)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(key, Keys);
    }

    private protected static void CheckTile(int tileRows, int tileColumns, Span<float> tile)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileColumns);
        ArgumentOutOfRangeException.ThrowIfLessThan(tile.Length, tileRows * tileColumns);
    }
}
