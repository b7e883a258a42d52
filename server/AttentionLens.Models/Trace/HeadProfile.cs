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
internal sealed class ProfileSums(AttentionPattern pattern, int[] separators)
{
    private readonly Lock adding = new();
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

    public void Add(int head, RowSums sums)
    {
        lock (adding)
        {
            heads[head] = heads[head].Plus(sums);
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

/// <summary>Sums over some rows of one head; in double, because 4,000 rows of float sums would lose digits.</summary>
internal struct RowSums
{
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

    public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
    {
        kept?.Head(head)[past + query] = statistics.Scale;
        profiles?.Row(ref sums, query, weights, statistics);
    }

    public readonly void Complete(int head)
    {
        // The pool rethrows this in the caller once the blocks under way have ended.
        cancellation.ThrowIfCancellationRequested();
        profiles?.Add(head, sums);
    }
}

/// <summary>The same for Longformer's global rows, whose queries are numbered among themselves.</summary>
internal struct GlobalProfileObserver(ProfileSums? profiles, LongformerState state, CancellationToken cancellation) : IAttentionObserver
{
    private RowSums sums;

    public void Row(int head, int query, WeightRow weights, RowStatistics statistics) =>
        profiles?.GlobalRow(ref sums, state.Indices[query], weights, statistics);

    public readonly void Complete(int head)
    {
        cancellation.ThrowIfCancellationRequested();
        profiles?.Add(head, sums);
    }
}
