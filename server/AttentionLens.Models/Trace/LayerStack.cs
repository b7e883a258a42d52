using System.Collections.Concurrent;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>A stack as one pass left it.</summary>
internal sealed class LayerStack : AttentionStack
{
    private readonly AttentionLayer[] layers;
    private readonly float[][] hidden;
    private readonly int hiddenSize;
    private readonly int[] separators;
    private readonly WorkerPool pool;
    private readonly ProfileSums?[] recomputed;
    private readonly ConcurrentDictionary<(int Layer, int Head), float[]> unforced = [];

    public LayerStack(AttentionKind kind, AttentionLayer[] layers, int queries, int keys, float[][] hidden, int hiddenSize, int[] separators, WorkerPool pool)
        : base(kind, layers.Length, layers[0].Pattern.Heads, queries, keys, layers[0].Pattern.After == 0)
    {
        this.layers = layers;
        this.hidden = hidden;
        this.hiddenSize = hiddenSize;
        this.separators = separators;
        this.pool = pool;
        recomputed = new ProfileSums?[layers.Length];
    }

    public override long Bytes
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
                floats += 2 * layer.Scales.Values.Length;
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

    public override int HiddenStates => hidden.Length;

    public override bool HasValues => layers[0].Values is not null;

    public int HiddenSize => hiddenSize;

    public ReadOnlySpan<AttentionLayer> LayerData => layers;

    /// <summary>The same stack without its hidden states.</summary>
    public LayerStack WithoutHidden() => new(Kind, layers, Queries, Keys, [], hiddenSize, separators, pool);

    public override ReadOnlySpan<float> HiddenState(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, HiddenStates);
        return hidden[index].AsSpan(0, Queries * hiddenSize);
    }

    public override ReadOnlySpan<float> Value(int layer, int head, int key)
    {
        Check(layer, head);
        CheckKey(key);
        AttentionLayer data = layers[layer];
        AttentionPattern pattern = data.Pattern;
        return (data.Values ?? throw new InvalidOperationException("Values were not kept; run the forward pass with Keep.Values."))
            .AsSpan((key * data.ValueStride) + (head / (pattern.Heads / pattern.KeyValueHeads) * pattern.HeadSize), pattern.HeadSize);
    }

    public override void Row(int layer, int head, int query, Span<float> row)
    {
        Check(layer, head);
        CheckQuery(query);
        if (layers[layer].Forced?[head] is { } effect)
        {
            ForcedHeads.Row(effect, layers[layer].Pattern, query, () => Unforced(layer, head), row);
            return;
        }

        layers[layer].Row(head, query, row);
    }

    /// <summary>All rows of a forced head as they would have been.</summary>
    private float[] Unforced(int layer, int head) => unforced.GetOrAdd((layer, head), _ =>
    {
        float[] weights = new float[Queries * Keys];
        AttentionLayer data = layers[layer];
        AttentionKernel.Rows(data.Pattern, data.QueryRows, data.KeyRows, head, 0, Queries, weights, pool);
        return weights;
    });

    public override AttentionScore? Score(int layer, int head, int query, int key)
    {
        Check(layer, head);
        CheckQuery(query);
        CheckKey(key);
        return layers[layer].Forced?[head] is null
            ? layers[layer].Score(head, query, key)
            : throw new ModelException("The weights of this head are forced; they do not come from its queries and keys.");
    }

    public override void Head(int layer, int head, Span<float> weights)
    {
        Check(layer, head);
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, (long)Queries * Keys);
        AttentionLayer data = layers[layer];
        if (data.Forced?[head] is not null)
        {
            for (int i = 0; i < Queries; i++)
            {
                Row(layer, head, i, weights.Slice(i * Keys, Keys));
            }

            return;
        }

        AttentionKernel.Rows(data.Pattern, data.QueryRows, data.KeyRows, head, 0, Queries, weights, pool);
        if (data.Global is { } global)
        {
            for (int i = 0; i < Queries; i++)
            {
                global.Row(head, i, weights.Slice(i * Keys, Keys));
            }
        }
    }

    public override void Tile(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        Check(layer, head);
        CheckTile(tileRows, tileColumns, tile);
        AttentionLayer data = layers[layer];
        if (data.Forced?[head] is not null)
        {
            TileByRow(layer, head, rows, columns, tileRows, tileColumns, pooling, tile);
            return;
        }

        AttentionKernel.Tile(data.Pattern, data.QueryRows, data.KeyRows, head, rows, columns, tileRows, tileColumns, pooling, data.Scales.Head(head)[..Queries], tile, pool);
        if (data.Global is { } global)
        {
            // The pattern has left these rows zero.
            AddRows(layer, head, global.State.Indices, rows, columns, tileRows, tileColumns, pooling, tile);
        }
    }

    public override void Received(int layer, int head, Span<float> received)
    {
        Check(layer, head);
        if (layers[layer].Forced?[head] is not null || layers[layer].Profiles?.Received(head, received[..Keys]) is not true)
        {
            base.Received(layer, head, received);
        }
    }

    public override HeadProfile Profile(int layer, int head)
    {
        Check(layer, head);
        AttentionLayer data = layers[layer];
        return (data.Profiles ?? (recomputed[layer] ??= Recompute(data))).Profile(head);
    }

    /// <summary>
    /// After prefix reuse or generation no single pass has seen all rows: profiles are then computed a layer at a time, when asked for, by the same
    /// kernel over all rows. What it mixes does not matter, so the keys stand in for values.
    /// </summary>
    private ProfileSums Recompute(AttentionLayer data)
    {
        AttentionPattern pattern = data.Pattern;
        ProfileSums sums = new(pattern, separators);
        Scratch scratch = Scratch.Rent();
        try
        {
            int width = pattern.Heads * pattern.HeadSize;
            AttentionKernel.Attend(
                pattern,
                data.QueryRows,
                data.KeyRows,
                data.KeyRows,
                scratch.Context((long)Queries * width),
                width,
                new ProfileObserver(sums, null, 0, CancellationToken.None),
                pool);
            return sums;
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }
}
