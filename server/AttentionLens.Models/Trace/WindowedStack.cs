using System.Buffers;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// Overlapping windows of a long text, shown as one sequence. Each query's row comes from one window: the one that shows most around it (encoder), or
/// most before it (decoder); keys outside that window have weight 0. Rows sum to 1.
/// </summary>
internal sealed class WindowedStack : AttentionStack
{
    private readonly LayerStack[] parts;
    private readonly int[][] globals;
    private readonly int[] owners;
    private readonly int[] locals;
    private readonly float[][] hidden;

    /// <param name="parts">One stack for each window.</param>
    /// <param name="globals">For each window, the position in the whole of each of its tokens.</param>
    /// <param name="owners">For each token of the whole, the window its row comes from.</param>
    public WindowedStack(LayerStack[] parts, int[][] globals, int[] owners)
        : base(parts[0].Kind, parts[0].Layers, parts[0].Heads, owners.Length, owners.Length, parts[0].Causal)
    {
        this.globals = globals;
        this.owners = owners;
        locals = [.. owners.Select((owner, i) => Array.IndexOf(globals[owner], i))];
        int width = parts[0].HiddenSize;
        hidden = new float[parts[0].HiddenStates][];
        for (int layer = 0; layer < hidden.Length; layer++)
        {
            hidden[layer] = new float[owners.Length * width];
            for (int i = 0; i < owners.Length; i++)
            {
                parts[owners[i]].HiddenState(layer).Slice(locals[i] * width, width).CopyTo(hidden[layer].AsSpan(i * width));
            }
        }

        this.parts = [.. parts.Select(static part => part.WithoutHidden())];
    }

    public override long Bytes => parts.Sum(static part => part.Bytes) + hidden.Sum(static state => (long)state.Length * sizeof(float));

    public override int HiddenStates => hidden.Length;

    public override bool HasValues => parts[0].HasValues;

    public override ReadOnlySpan<float> HiddenState(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, HiddenStates);
        return hidden[index];
    }

    public override ReadOnlySpan<float> Value(int layer, int head, int key)
    {
        CheckKey(key);
        return parts[owners[key]].Value(layer, head, locals[key]);
    }

    public override void Row(int layer, int head, int query, Span<float> row)
    {
        CheckQuery(query);
        ArgumentOutOfRangeException.ThrowIfLessThan(row.Length, Keys);
        LayerStack part = parts[owners[query]];
        int[] positions = globals[owners[query]];
        float[] local = ArrayPool<float>.Shared.Rent(part.Keys);
        part.Row(layer, head, locals[query], local);
        row[..Keys].Clear();
        for (int i = 0; i < positions.Length; i++)
        {
            row[positions[i]] = local[i];
        }

        ArrayPool<float>.Shared.Return(local);
    }

    public override AttentionScore? Score(int layer, int head, int query, int key)
    {
        CheckQuery(query);
        CheckKey(key);
        int local = Array.IndexOf(globals[owners[query]], key);
        return local < 0 ? null : parts[owners[query]].Score(layer, head, locals[query], local);
    }

    public override void Head(int layer, int head, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, (long)Queries * Keys);
        for (int i = 0; i < Queries; i++)
        {
            Row(layer, head, i, weights.Slice(i * Keys, Keys));
        }
    }

    public override void Tile(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        Check(layer, head);
        CheckTile(tileRows, tileColumns, tile);
        TileByRow(layer, head, rows, columns, tileRows, tileColumns, pooling, tile);
    }

    public override void Received(int layer, int head, Span<float> received)
    {
        received = received[..Keys];
        received.Clear();
        int rows = parts.Sum(static part => part.Queries);
        float[] local = new float[parts.Max(static part => part.Keys)];
        for (int window = 0; window < parts.Length; window++)
        {
            parts[window].Received(layer, head, local);
            float share = (float)parts[window].Queries / rows;
            for (int i = 0; i < globals[window].Length; i++)
            {
                received[globals[window][i]] += share * local[i];
            }
        }
    }

    /// <summary>The windows' profiles, each weighted by its rows: rows in an overlap count once for each window that holds them.</summary>
    public override HeadProfile Profile(int layer, int head)
    {
        HeadProfile sum = default;
        foreach (LayerStack part in parts)
        {
            float share = (float)part.Queries / parts.Sum(static p => p.Queries);
            HeadProfile profile = part.Profile(layer, head);
            sum = new HeadProfile(
                sum.Entropy + (share * profile.Entropy),
                sum.NormalizedEntropy + (share * profile.NormalizedEntropy),
                sum.Max + (share * profile.Max),
                sum.MeanDistance + (share * profile.MeanDistance),
                sum.First + (share * profile.First),
                sum.Separators + (share * profile.Separators),
                sum.Previous + (share * profile.Previous),
                sum.Next + (share * profile.Next),
                sum.Same + (share * profile.Same));
        }

        return sum;
    }
}
