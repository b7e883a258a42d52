using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// What one layer keeps: queries and keys as they enter the dot product (projected, biased, rotated, not yet scaled), and the pattern that says
/// which query sees which key. Head h of row i of the queries is <c>Queries[i * QueryStride + h * headSize ..]</c>.
/// </summary>
internal sealed class AttentionLayer
{
    public required AttentionPattern Pattern { get; init; }

    public required float[] Queries { get; init; }

    public required int QueryStride { get; init; }

    public required float[] Keys { get; init; }

    public int KeyOffset { get; init; }

    public required int KeyStride { get; init; }

    /// <summary>Value vectors, where kept: key head g of key j is <c>Values[j * ValueStride + g * headSize ..]</c>.</summary>
    public float[]? Values { get; init; }

    public int ValueStride { get; init; }

    /// <summary>Longformer: rows that differ from the pattern.</summary>
    public GlobalRows? Global { get; init; }

    /// <summary>By head, what its weights were replaced by; null = the layer is as the model has it.</summary>
    public HeadEffect?[]? Forced { get; init; }

    /// <summary>One per head, where the pass has accumulated them.</summary>
    public ProfileSums? Profiles { get; init; }

    /// <summary>Of the pass that computed the rows.</summary>
    public required RowScales Scales { get; init; }

    public StridedRows QueryRows => new(Queries, QueryStride);

    public StridedRows KeyRows => new(Keys.AsSpan(KeyOffset), KeyStride);

    public void Row(int head, int query, Span<float> row)
    {
        if (Global is not { } global || !global.Row(head, query, row))
        {
            AttentionKernel.Row(Pattern, QueryRows, KeyRows, head, query, row);
        }
    }

    /// <summary>One weight, taken apart.</summary>
    public AttentionScore Score(int head, int query, int key)
    {
        AttentionPattern pattern = Pattern;
        StridedRows queries = QueryRows;
        StridedRows keys = KeyRows;
        if (Global is { } global && Array.BinarySearch(global.State.Indices, query) is >= 0 and int index)
        {
            pattern = global.Pattern;
            int width = pattern.Heads * pattern.HeadSize;
            queries = new StridedRows(global.Queries, width);
            keys = new StridedRows(global.Keys, width);
            query = index;
        }

        int keyHead = head / (pattern.Heads / (pattern.KeyValueHeads == 0 ? pattern.Heads : pattern.KeyValueHeads));
        bool isSeen = pattern.BlindQueries?[query] != true
            && ((key >= pattern.FirstKey(query) && key < pattern.EndKey(query))
                || (pattern.GlobalKeys is not null && Array.BinarySearch(pattern.GlobalKeys, key) >= 0));
        float bias = !isSeen ? float.NegativeInfinity
            : (pattern.KeyBias?[key] ?? 0)
                + (pattern.RelativeBias?[(head * (pattern.Queries + pattern.Keys - 1)) + key - query + pattern.Queries - 1] ?? 0);
        float[] row = new float[pattern.Keys];
        RowStatistics statistics = AttentionKernel.Row(pattern, queries, keys, head, query, row);
        return new AttentionScore(
            queries.Values.Slice((query * queries.Stride) + (head * pattern.HeadSize), pattern.HeadSize).ToArray(),
            keys.Values.Slice((key * keys.Stride) + (keyHead * pattern.HeadSize), pattern.HeadSize).ToArray(),
            pattern.Scale, bias, statistics.LogSumExp, row[key]);
    }
}

/// <summary>Maximum and sum of every row of every head: two floats a row, where the row's queries and keys are a hundred.</summary>
/// <param name="Values">[heads, Capacity].</param>
/// <param name="Capacity">The most rows.</param>
internal sealed record RowScales(RowScale[] Values, int Capacity)
{
    public Span<RowScale> Head(int head) => Values.AsSpan(head * Capacity, Capacity);
}

/// <summary>The rows of Longformer's global tokens (Beltagy et al. 2020, 3.1): they see all keys, through projections of their own.</summary>
/// <param name="State">Which rows.</param>
/// <param name="Pattern">One query for each global token, all keys.</param>
/// <param name="Queries">[global tokens, heads * head size].</param>
/// <param name="Keys">[n, heads * head size].</param>
internal sealed record GlobalRows(LongformerState State, AttentionPattern Pattern, float[] Queries, float[] Keys)
{
    /// <summary>Fills the row where it is that of a global token.</summary>
    public bool Row(int head, int query, Span<float> row)
    {
        int index = Array.BinarySearch(State.Indices, query);
        if (index < 0)
        {
            return false;
        }

        int width = Pattern.Heads * Pattern.HeadSize;
        AttentionKernel.Row(Pattern, new StridedRows(Queries, width), new StridedRows(Keys, width), head, index, row);
        return true;
    }
}
