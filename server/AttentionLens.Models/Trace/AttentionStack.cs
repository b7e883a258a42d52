using System.Diagnostics.CodeAnalysis;

namespace AttentionLens.Models;

/// <summary>
/// The attention of one stack of layers. Weights are recomputed from the kept queries and keys, exactly as the forward pass computed them:
/// softmax(scale * q . k + bias), masked cells exactly 0, rows summing to 1. Safe to read from several threads.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "A stack of layers is what the field calls it; it is no collection.")]
public sealed class AttentionStack
{
    private readonly IReadOnlyList<AttentionLayer> layers;
    private readonly int headSize;
    private readonly int group;
    private readonly float scale;

    internal AttentionStack(AttentionKind kind, IReadOnlyList<AttentionLayer> layers, int heads, int keyHeads, int headSize, float scale, int queries, int keys)
    {
        Kind = kind;
        this.layers = layers;
        Heads = heads;
        this.headSize = headSize;
        group = heads / keyHeads;
        this.scale = scale;
        Queries = queries;
        Keys = keys;
    }

    public AttentionKind Kind { get; }

    public int Layers => layers.Count;

    public int Heads { get; }

    public int Queries { get; }

    public int Keys { get; }

    /// <summary>No query sees a key after it.</summary>
    public bool Causal => layers.Count > 0 && layers[0].Mask.Causal;

    /// <summary>Bytes held by this stack.</summary>
    public long Bytes { get; internal set; }

    /// <summary>How many hidden states were kept: 0, or layers + 1.</summary>
    public int HiddenStates => Hidden.Count;

    internal IReadOnlyList<float[]> Hidden { get; init; } = [];

    /// <summary>Kept state [n, hidden]: 0 = embedding output, i = after block i - 1 (the last one after the final norm for decoders and T5, as Hugging Face does).</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not kept, or no such layer.</exception>
    public ReadOnlySpan<float> HiddenState(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, HiddenStates);
        return Hidden[index];
    }

    /// <summary>The weights of one query over all keys into <paramref name="row"/> [Keys].</summary>
    public void Row(int layer, int head, int query, Span<float> row)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfNegative(query);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(query, Queries);
        ArgumentOutOfRangeException.ThrowIfLessThan(row.Length, Keys);
        AttentionLayer data = layers[layer];
        row = row[..Keys];
        row.Clear();
        int first = Math.Max(0, query - data.Mask.Left);
        int end = Math.Min(Keys, query + data.Mask.Right + 1);
        if (first >= end)
        {
            return;
        }

        ReadOnlySpan<float> q = data.Queries.AsSpan(data.QueryOffset + (query * data.QueryStride) + (head * headSize), headSize);
        int keyColumn = data.KeyOffset + (head / group * headSize);
        Span<float> visible = row[first..end];
        for (int j = 0; j < visible.Length; j++)
        {
            visible[j] = scale * Rows.Dot(q, data.Keys.AsSpan(keyColumn + ((first + j) * data.KeyStride), headSize));
        }

        if (data.Mask.Distance is { } distance)
        {
            Rows.Add(visible, distance.Row(head, query, first, visible.Length));
        }

        if (data.Mask.KeyBias is { } bias)
        {
            Rows.Add(visible, bias.AsSpan(first, visible.Length));
        }

        Rows.Softmax(visible);
    }

    /// <summary>All weights of one head into <paramref name="weights"/> [Queries * Keys], row-major.</summary>
    public void Head(int layer, int head, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, Queries * Keys);
        for (int i = 0; i < Queries; i++)
        {
            Row(layer, head, i, weights.Slice(i * Keys, Keys));
        }
    }

    /// <summary>
    /// A picture of part of one head: <paramref name="tile"/> [tileRows * tileColumns], each cell the maximum or mean of the weights under it.
    /// A tile finer than the range repeats weights.
    /// </summary>
    public void Tile(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileColumns);
        ArgumentOutOfRangeException.ThrowIfLessThan(tile.Length, tileRows * tileColumns);
        (int firstRow, int rowCount) = rows.GetOffsetAndLength(Queries);
        (int firstColumn, int columnCount) = columns.GetOffsetAndLength(Keys);
        tile = tile[..(tileRows * tileColumns)];
        tile.Clear();
        if (rowCount == 0 || columnCount == 0)
        {
            return;
        }

        float[] weights = new float[Keys];
        for (int r = 0; r < tileRows; r++)
        {
            Span<float> cells = tile.Slice(r * tileColumns, tileColumns);
            (int from, int to) = Cell(r, tileRows, rowCount);
            for (int i = from; i < to; i++)
            {
                Row(layer, head, firstRow + i, weights);
                for (int c = 0; c < tileColumns; c++)
                {
                    (int left, int right) = Cell(c, tileColumns, columnCount);
                    ReadOnlySpan<float> under = weights.AsSpan(firstColumn + left, right - left);
                    cells[c] = pooling == Pooling.Max
                        ? Math.Max(cells[c], Rows.Max(under))
                        : cells[c] + (Rows.Sum(under) / under.Length);
                }
            }

            if (pooling == Pooling.Mean)
            {
                foreach (ref float cell in cells)
                {
                    cell /= to - from;
                }
            }
        }
    }

    /// <summary>What one head does on average (see <see cref="HeadProfile"/>).</summary>
    public HeadProfile Profile(int layer, int head)
    {
        Check(layer, head);
        return layers[layer].Profiles?[head] ?? default;
    }

    private static (int From, int To) Cell(int index, int cells, int count)
    {
        int from = (int)((long)index * count / cells);
        return (from, Math.Max(from + 1, (int)((long)(index + 1) * count / cells)));
    }

    private void Check(int layer, int head)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
        ArgumentOutOfRangeException.ThrowIfNegative(head);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(head, Heads);
    }
}
