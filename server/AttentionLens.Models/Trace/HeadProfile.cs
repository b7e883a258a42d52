using System.Buffers;
using System.Numerics.Tensors;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>What one head does, averaged over its query rows (rows without any visible key are left out).</summary>
/// <param name="Entropy">Nats.</param>
/// <param name="NormalizedEntropy">Entropy / log(visible keys of the row), 0..1; rows that see one key count as 0.</param>
/// <param name="Max">Mean of the rows' largest weights.</param>
/// <param name="MeanDistance">Expected |query - key| in tokens; of little meaning for cross-attention, where the two count different texts.</param>
/// <param name="First">Share of weight on the first key.</param>
/// <param name="Separators">Share of weight on separator keys (the tokenizer's separator and end ids).</param>
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

/// <summary>The sums behind the profiles of one layer's heads, filled row by row while the forward pass has the rows in cache.</summary>
/// <param name="keepReceived">Sum up what each key receives, too.</param>
internal sealed class ProfileSums(AttentionPattern pattern, int[] separators, bool keepReceived = false)
{
    private readonly Lock adding = new();
    private readonly double[]? received = keepReceived ? new double[(long)pattern.Heads * pattern.Keys] : null;
    private readonly RowSums[] heads = new RowSums[pattern.Heads];
    private readonly int[]? seenBefore = CountVisible(pattern);

    public HeadProfile Profile(int head)
    {
        lock (adding)
        {
            RowSums sums = heads[head];
            double rows = Math.Max(1, sums.Rows);
            return new HeadProfile(
                (float)(sums.Entropy / rows),
                (float)(sums.NormalizedEntropy / rows),
                (float)(sums.Max / rows),
                (float)(sums.Distance / rows),
                (float)(sums.First / rows),
                (float)(sums.Separators / rows),
                (float)(sums.Previous / rows),
                (float)(sums.Next / rows),
                (float)(sums.Same / rows));
        }
    }

    /// <summary>Whether rows are to be summed up key by key.</summary>
    public bool KeepsReceived => received is not null;

    public int Keys => pattern.Keys;

    /// <summary>The mean weight of each key over all queries; false when it was not kept.</summary>
    public bool Received(int head, Span<float> mean)
    {
        if (received is null)
        {
            return false;
        }

        lock (adding)
        {
            ReadOnlySpan<double> sums = received.AsSpan(head * Keys, Keys);
            for (int key = 0; key < sums.Length; key++)
            {
                mean[key] = (float)(sums[key] / pattern.Queries);
            }
        }

        return true;
    }

    /// <param name="head">Whose rows they were.</param>
    /// <param name="sums">Of a block of rows.</param>
    /// <param name="columns">Sum of the block's rows for each key; empty = not kept.</param>
    public void Add(int head, RowSums sums, ReadOnlySpan<float> columns = default)
    {
        lock (adding)
        {
            heads[head] = heads[head].Plus(sums.OnGrid());
            if (received is not null)
            {
                Span<double> whole = received.AsSpan(head * Keys, columns.Length);
                for (int key = 0; key < columns.Length; key++)
                {
                    whole[key] += RowSums.Round(columns[key], RowSums.ColumnGrid);
                }
            }
        }
    }

    /// <summary>A row that follows the pattern.</summary>
    public void Row(ref RowSums sums, int query, WeightRow weights, RowStatistics statistics)
    {
        int visible = Seen(weights.FirstKey, weights.FirstKey + weights.Window.Length);
        foreach (int key in weights.GlobalKeys)
        {
            visible += key < weights.FirstKey || key >= weights.FirstKey + weights.Window.Length ? Seen(key, key + 1) : 0;
        }

        Row(ref sums, query + pattern.QueryOffset, visible, weights, statistics);
    }

    /// <summary>A row that sees all keys (Longformer's global tokens).</summary>
    public void GlobalRow(ref RowSums sums, int position, WeightRow weights, RowStatistics statistics) =>
        Row(ref sums, position, Seen(0, weights.Window.Length), weights, statistics);

    private void Row(ref RowSums sums, int position, int visible, WeightRow weights, RowStatistics statistics)
    {
        if (visible == 0 || statistics.Max == 0)
        {
            return;
        }

        sums.Rows++;
        sums.Entropy += statistics.Entropy;
        sums.NormalizedEntropy += visible > 1 ? statistics.Entropy / Math.Log(visible) : 0;
        sums.Max += statistics.Max;
        sums.Distance += Rows.ExpectedDistance(weights.Window, weights.FirstKey - position);
        for (int i = 0; i < weights.GlobalKeys.Length; i++)
        {
            sums.Distance += weights.Globals[i] * Math.Abs(weights.GlobalKeys[i] - position);
        }

        sums.First += weights[0];
        sums.Previous += weights[position - 1];
        sums.Same += weights[position];
        sums.Next += weights[position + 1];
        foreach (int key in separators)
        {
            sums.Separators += weights[key];
        }
    }

    private static int[]? CountVisible(AttentionPattern pattern)
    {
        if (pattern.KeyBias is not { } bias)
        {
            return null;
        }

        int[] counts = new int[bias.Length + 1];
        for (int i = 0; i < bias.Length; i++)
        {
            counts[i + 1] = counts[i] + (float.IsNegativeInfinity(bias[i]) ? 0 : 1);
        }

        return counts;
    }

    private int Seen(int first, int end) => seenBefore is null ? end - first : seenBefore[end] - seenBefore[first];
}

/// <summary>
/// Sums over some rows of one head; in double, because 4,000 rows of float sums would lose digits. Blocks of rows end in any order, and a run of a corpus
/// must have the same bytes on any machine: so each block's sums are rounded to a grid on which adding doubles is exact, whatever the order.
/// </summary>
internal struct RowSums
{
    /// <summary>Exact up to sums of 2^28 (the distances of 28,000 rows): 1.5 · 2^28 has an ulp of 2^-24, 6e-8.</summary>
    private const double RowGrid = 1.5 * (1L << 28);

    /// <summary>Exact up to 4 million rows; an ulp of 2^-30, 1e-9.</summary>
    public const double ColumnGrid = 1.5 * (1L << 22);

    public int Rows;
    public double Entropy;
    public double NormalizedEntropy;
    public double Max;
    public double Distance;
    public double First;
    public double Separators;
    public double Previous;
    public double Next;
    public double Same;

    /// <summary>The nearest multiple of the ulp that <paramref name="grid"/> has; adding it shifts all smaller digits out.</summary>
    public static double Round(double value, double grid) => value + grid - grid;

    public readonly RowSums OnGrid() => new()
    {
        Rows = Rows,
        Entropy = Round(Entropy, RowGrid),
        NormalizedEntropy = Round(NormalizedEntropy, RowGrid),
        Max = Round(Max, RowGrid),
        Distance = Round(Distance, RowGrid),
        First = Round(First, RowGrid),
        Separators = Round(Separators, RowGrid),
        Previous = Round(Previous, RowGrid),
        Same = Round(Same, RowGrid),
        Next = Round(Next, RowGrid),
    };

    public readonly RowSums Plus(RowSums other) => new()
    {
        Rows = Rows + other.Rows,
        Entropy = Entropy + other.Entropy,
        NormalizedEntropy = NormalizedEntropy + other.NormalizedEntropy,
        Max = Max + other.Max,
        Distance = Distance + other.Distance,
        First = First + other.First,
        Separators = Separators + other.Separators,
        Previous = Previous + other.Previous,
        Next = Next + other.Next,
        Same = Same + other.Same,
    };
}

/// <summary>Feeds a layer's profiles. A copy serves one block of rows of one head.</summary>
/// <param name="profiles">Null = none.</param>
/// <param name="kept">Where the rows' scales go; null = nowhere.</param>
/// <param name="past">Rows of <paramref name="kept"/> that are there already.</param>
internal struct ProfileObserver(ProfileSums? profiles, RowScales? kept, int past, CancellationToken cancellation) : IAttentionObserver
{
    private RowSums sums;
    private ColumnSums columns;

    public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
    {
        kept?.Head(head)[past + query] = statistics.Scale;
        profiles?.Row(ref sums, query, weights, statistics);
        columns.Add(profiles, weights);
    }

    public void Complete(int head)
    {
        // The pool rethrows this in the caller once the blocks under way have ended.
        cancellation.ThrowIfCancellationRequested();
        profiles?.Add(head, sums, columns.Sums);
        columns.Return();
    }
}

/// <summary>The weights of a block of rows summed up key by key, in memory that comes from the pool with the first row.</summary>
internal struct ColumnSums
{
    private float[]? sums;
    private int keys;

    public readonly ReadOnlySpan<float> Sums => sums.AsSpan(0, keys);

    public void Add(ProfileSums? profiles, WeightRow weights)
    {
        if (profiles is not { KeepsReceived: true })
        {
            return;
        }

        if (sums is null)
        {
            keys = profiles.Keys;
            sums = ArrayPool<float>.Shared.Rent(keys);
            sums.AsSpan(0, keys).Clear();
        }

        Span<float> window = sums.AsSpan(weights.FirstKey, weights.Window.Length);
        TensorPrimitives.Add(window, weights.Window, window);
        for (int i = 0; i < weights.GlobalKeys.Length; i++)
        {
            sums[weights.GlobalKeys[i]] += weights.Globals[i];
        }
    }

    public void Return()
    {
        if (sums is not null)
        {
            ArrayPool<float>.Shared.Return(sums);
            sums = null;
        }
    }
}

/// <summary>The same for Longformer's global rows, whose queries are numbered among themselves.</summary>
internal struct GlobalProfileObserver(ProfileSums? profiles, LongformerState state, CancellationToken cancellation) : IAttentionObserver
{
    private RowSums sums;
    private ColumnSums columns;

    public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
    {
        profiles?.GlobalRow(ref sums, state.Indices[query], weights, statistics);
        columns.Add(profiles, weights);
    }

    public void Complete(int head)
    {
        cancellation.ThrowIfCancellationRequested();
        profiles?.Add(head, sums, columns.Sums);
        columns.Return();
    }
}
