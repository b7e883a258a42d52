using System.Diagnostics.CodeAnalysis;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// The attention of one stack of layers. Weights are recomputed from the kept queries and keys, exactly as the forward pass computed them:
/// softmax(scale * q . k + bias), masked cells exactly 0, rows summing to 1. Safe to read from several threads.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "A stack of layers is what the field calls it; it is no collection.")]
public sealed class AttentionStack
{
    private readonly AttentionLayer[] layers;
    private readonly float[][] hidden;
    private readonly int hiddenSize;
    private readonly int[] separators;
    private readonly WorkerPool pool;
    private readonly ProfileSums?[] recomputed;

    internal AttentionStack(AttentionKind kind, AttentionLayer[] layers, int queries, int keys, float[][] hidden, int hiddenSize, int[] separators, WorkerPool pool)
    {
        Kind = kind;
        this.layers = layers;
        Queries = queries;
        Keys = keys;
        this.hidden = hidden;
        this.hiddenSize = hiddenSize;
        this.separators = separators;
        this.pool = pool;
        recomputed = new ProfileSums?[layers.Length];
    }

    public AttentionKind Kind { get; }

    public int Layers => layers.Length;

    public int Heads => layers.Length == 0 ? 0 : layers[0].Pattern.Heads;

    public int Queries { get; }

    public int Keys { get; }

    /// <summary>No query sees a key after it.</summary>
    public bool Causal => layers.Length > 0 && layers[0].Pattern.After == 0;

    /// <summary>Bytes held by this stack.</summary>
    public long Bytes
    {
        get
        {
            HashSet<float[]> seen = [];
            long floats = 0;
            void Count(float[]? array) => floats += array is not null && seen.Add(array) ? array.Length : 0;
            foreach (AttentionLayer layer in layers)
            {
                Count(layer.Queries);
                Count(layer.Keys);
                Count(layer.Values);
                Count(layer.Pattern.RelativeBias);
                Count(layer.Pattern.KeyBias);
                Count(layer.Global?.Queries);
                Count(layer.Global?.Keys);
            }

            foreach (float[] state in hidden)
            {
                Count(state);
            }

            return floats * sizeof(float);
        }
    }

    /// <summary>How many hidden states were kept: 0, or layers + 1.</summary>
    public int HiddenStates => hidden.Length;

    /// <summary>Values were kept (<see cref="Keep.Values"/>).</summary>
    public bool HasValues => layers.Length > 0 && layers[0].Values is not null;

    internal ReadOnlySpan<AttentionLayer> LayerData => layers;

    /// <summary>Kept state [queries, hidden size]: 0 = embedding output, i = after block i - 1 (the last one after the final norm for decoders and T5, as Hugging Face does).</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not kept, or no such layer.</exception>
    public ReadOnlySpan<float> HiddenState(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, HiddenStates);
        return hidden[index].AsSpan(0, Queries * hiddenSize);
    }

    /// <summary>The value vector [head size] that a head reads at one key.</summary>
    /// <exception cref="InvalidOperationException">Values were not kept.</exception>
    public ReadOnlySpan<float> Value(int layer, int head, int key)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfNegative(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(key, Keys);
        AttentionLayer data = layers[layer];
        AttentionPattern pattern = data.Pattern;
        return (data.Values ?? throw new InvalidOperationException("Values were not kept; run the forward pass with Keep.Values."))
            .AsSpan((key * data.ValueStride) + (head / (pattern.Heads / pattern.KeyValueHeads) * pattern.HeadSize), pattern.HeadSize);
    }

    /// <summary>The weights of one query over all keys into <paramref name="row"/> [Keys].</summary>
    public void Row(int layer, int head, int query, Span<float> row)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfNegative(query);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(query, Queries);
        layers[layer].Row(head, query, row);
    }

    /// <summary>All weights of one head into <paramref name="weights"/> [Queries * Keys], row-major.</summary>
    public void Head(int layer, int head, Span<float> weights)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, (long)Queries * Keys);
        AttentionLayer data = layers[layer];
        AttentionKernel.Rows(data.Pattern, data.QueryRows, data.KeyRows, head, 0, Queries, weights, pool);
        if (data.Global is { } global)
        {
            for (int i = 0; i < Queries; i++)
            {
                global.Row(head, i, weights.Slice(i * Keys, Keys));
            }
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
        AttentionLayer data = layers[layer];
        if (data.Global is null)
        {
            Kernels.Pooling joined = pooling == Pooling.Max ? Kernels.Pooling.Max : Kernels.Pooling.Mean;
            AttentionKernel.Tile(data.Pattern, data.QueryRows, data.KeyRows, head, rows, columns, tileRows, tileColumns, joined, tile, pool);
        }
        else
        {
            TileByRow(data, head, rows, columns, tileRows, tileColumns, pooling, tile);
        }
    }

    /// <summary>What one head does on average (see <see cref="HeadProfile"/>).</summary>
    public HeadProfile Profile(int layer, int head)
    {
        Check(layer, head);
        AttentionLayer data = layers[layer];
        return (data.Profiles ?? Recompute(layer, data)).Profile(head);
    }

    /// <summary>After prefix reuse or generation no single pass has seen all rows: profiles are then computed a layer at a time, when asked for.</summary>
    private ProfileSums Recompute(int layer, AttentionLayer data)
    {
        if (recomputed[layer] is { } done)
        {
            return done;
        }

        ProfileSums sums = new(data.Pattern, separators);
        float[] row = new float[Keys];
        for (int head = 0; head < Heads; head++)
        {
            RowSums total = default;
            for (int query = 0; query < Queries; query++)
            {
                RowStatistics statistics = AttentionKernel.Row(data.Pattern, data.QueryRows, data.KeyRows, head, query, row);
                int first = data.Pattern.FirstKey(query);
                sums.Row(ref total, query, first, row.AsSpan(first, data.Pattern.EndKey(query) - first), statistics);
            }

            sums.Add(head, total);
        }

        return recomputed[layer] = sums;
    }

    /// <summary>Heads with rows of their own (Longformer): a row at a time, which costs O(rows x keys) dot products without the packed kernel.</summary>
    private void TileByRow(AttentionLayer data, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
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
                data.Row(head, firstRow + i, weights);
                for (int c = 0; c < tileColumns; c++)
                {
                    (int left, int right) = Cell(c, tileColumns, columnCount);
                    ReadOnlySpan<float> under = weights.AsSpan(firstColumn + left, right - left);
                    cells[c] = pooling == Pooling.Max
                        ? Math.Max(cells[c], Vectors.Max(under))
                        : cells[c] + (Vectors.Sum(under) / under.Length / (to - from));
                }
            }
        }
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
