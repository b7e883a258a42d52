using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// One input inside one stack: what every layer keeps, row by row. A plain pass fills all rows at once; generation and prefix reuse add rows to
/// what is there (the keys and values are then the cache).
/// </summary>
internal sealed class SequenceState
{
    private readonly StackDescription stack;
    private readonly float[]? keyBias;
    private readonly ProfileSums?[] profiles;
    private readonly int[] separators;
    private readonly bool keepReceived;
    private (int Past, int Count, float[] Table)? bias;

    /// <param name="stack">The stack that will run.</param>
    /// <param name="capacity">The most rows this sequence will have.</param>
    /// <param name="attentionMask">[capacity], 1 = visible key; null = all.</param>
    /// <param name="separators">Positions whose share of attention profiles report.</param>
    /// <param name="keepValues">Values outlive the layer: asked for, or needed because rows will be added later.</param>
    /// <param name="keepHidden">Keep the hidden state after every block.</param>
    /// <param name="keepReceived">Sum up what each key receives.</param>
    public SequenceState(StackDescription stack, int capacity, int[]? attentionMask, int[] separators, bool keepValues, bool keepHidden, bool keepReceived)
    {
        this.stack = stack;
        this.separators = separators;
        this.keepReceived = keepReceived;
        Capacity = capacity;
        int layers = stack.Blocks.Length;
        QueryKey = Allocate(layers, (long)capacity * QueryKeyStride);
        Values = keepValues ? Allocate(layers, (long)capacity * ValueStride) : null;
        Scales = [.. Enumerable.Range(0, layers).Select(_ => new RowScales(new RowScale[capacity * stack.Heads], capacity))];
        Hidden = keepHidden ? Allocate(layers + 1, (long)capacity * stack.Hidden) : [];
        keyBias = KeyBias(attentionMask);
        profiles = new ProfileSums?[layers];
    }

    public int Capacity { get; }

    public int[] SeparatorPositions => separators;

    /// <summary>Rows done.</summary>
    public int Rows { get; set; }

    public int QueryKeyStride => (stack.Heads + stack.KeyHeads) * stack.HeadSize;

    public int ValueStride => stack.KeyHeads * stack.HeadSize;

    /// <summary>Per layer [capacity, queries | keys].</summary>
    public float[][] QueryKey { get; }

    public float[][]? Values { get; }

    /// <summary>Per layer.</summary>
    public RowScales[] Scales { get; }

    /// <summary>Per layer + 1 [capacity, hidden]; empty when not kept.</summary>
    public float[][] Hidden { get; }

    /// <summary>What a decoder reads of its encoder; null without cross-attention.</summary>
    public CrossState? Cross { get; init; }

    /// <summary>Heads of the self-attention that the input forces.</summary>
    public ForcedHeads? Forced { get; init; }

    /// <summary>Longformer's exceptions, per layer; null for every other architecture.</summary>
    public LongformerState? Global { get; init; }

    /// <summary>Takes over the first rows of an earlier pass.</summary>
    public void CopyPrefix(LayerStack previous, int rows)
    {
        for (int layer = 0; layer < QueryKey.Length; layer++)
        {
            AttentionLayer old = previous.LayerData[layer];
            old.Queries.AsSpan(0, rows * QueryKeyStride).CopyTo(QueryKey[layer]);
            old.Values!.AsSpan(0, rows * ValueStride).CopyTo(Values![layer]); // both sides keep values: the caller has checked
            for (int head = 0; head < stack.Heads; head++)
            {
                old.Scales.Head(head)[..rows].CopyTo(Scales[layer].Head(head));
            }
        }

        for (int i = 0; i < Hidden.Length; i++)
        {
            previous.HiddenState(i)[..(rows * stack.Hidden)].CopyTo(Hidden[i]);
        }

        Rows = rows;
    }

    /// <summary>Rows past .. past + count of one layer, attending to all rows up to themselves and what the layer lets them see.</summary>
    public AttentionPattern Pattern(int layer, int past, int count)
    {
        Attention attention = stack.Blocks[layer].Self;
        return new AttentionPattern
        {
            Queries = count,
            Keys = past + count,
            QueryOffset = past,
            Heads = stack.Heads,
            KeyValueHeads = stack.KeyHeads,
            HeadSize = stack.HeadSize,
            Scale = attention.Scale,
            Before = attention.Before,
            After = attention.After,
            KeyBias = keyBias is null || keyBias.Length == past + count ? keyBias : keyBias[..(past + count)],
            RelativeBias = SharedBias(past, count),
            GlobalKeys = Global?.Keys,
            BlindQueries = Global?.Blind,
        };
    }

    /// <summary>Where this pass sums its profiles: only a pass over all rows gives the profile of the whole.</summary>
    public ProfileSums? StartProfile(int layer, AttentionPattern pattern) => profiles[layer] = pattern.QueryOffset == 0 ? new ProfileSums(pattern, separators, keepReceived) : null;

    /// <summary>The trace's view of one layer, over the rows done so far.</summary>
    public AttentionLayer Layer(int layer) => new()
    {
        Pattern = Pattern(layer, 0, Rows),
        Queries = QueryKey[layer],
        QueryStride = QueryKeyStride,
        Keys = QueryKey[layer],
        KeyOffset = stack.Heads * stack.HeadSize,
        KeyStride = QueryKeyStride,
        Values = Values?[layer],
        ValueStride = ValueStride,
        Scales = Scales[layer],
        Global = Global?.Rows[layer],
        Forced = Forced?.Layer(layer),
        Profiles = profiles[layer],
    };

    public static float[]? KeyBias(int[]? mask) =>
        mask is null || Array.TrueForAll(mask, static m => m != 0) ? null : Array.ConvertAll(mask, static m => m != 0 ? 0 : float.NegativeInfinity);

    public static float[][] Allocate(int count, long size)
    {
        if (size > Array.MaxLength)
        {
            throw new ModelException("The input is too long for one pass; cut it into shorter segments.");
        }

        float[][] arrays = new float[count][];
        for (int i = 0; i < count; i++)
        {
            arrays[i] = GC.AllocateUninitializedArray<float>((int)size);
        }

        return arrays;
    }

    /// <summary>All layers share one table of biases.</summary>
    private float[]? SharedBias(int past, int count)
    {
        if (stack.Relative is not { } relative)
        {
            return null;
        }

        if (bias is not { } known || known.Past != past || known.Count != count)
        {
            known = (past, count, relative.Over(count, past + count, past));
            bias = known;
        }

        return known.Table;
    }
}

/// <summary>Cross-attention of one sequence: queries grow with the decoder's rows, keys and values come from the encoder once.</summary>
internal sealed class CrossState
{
    private readonly StackDescription stack;
    private readonly float[]? keyBias;
    private readonly int[] separators;
    private readonly bool keepReceived;
    private readonly ProfileSums?[] profiles;

    public CrossState(StackDescription stack, int capacity, int sourceRows, int[]? sourceMask, int[] separators, bool keepReceived)
    {
        this.keepReceived = keepReceived;
        this.stack = stack;
        this.separators = separators;
        SourceRows = sourceRows;
        keyBias = SequenceState.KeyBias(sourceMask);
        int layers = stack.Blocks.Length;
        Scales = [.. Enumerable.Range(0, layers).Select(_ => new RowScales(new RowScale[capacity * stack.Heads], capacity))];
        Queries = SequenceState.Allocate(layers, (long)capacity * QueryStride);
        Keys = SequenceState.Allocate(layers, (long)sourceRows * KeyStride);
        Values = SequenceState.Allocate(layers, (long)sourceRows * KeyStride);
        profiles = new ProfileSums?[layers];
    }

    public int SourceRows { get; }

    public int[] SeparatorPositions => separators;

    public int QueryStride => stack.Heads * stack.HeadSize;

    public int KeyStride => stack.KeyHeads * stack.HeadSize;

    public ForcedHeads? Forced { get; init; }

    public RowScales[] Scales { get; }

    public float[][] Queries { get; }

    public float[][] Keys { get; }

    public float[][] Values { get; }

    public AttentionPattern Pattern(int layer, int count) => new()
    {
        Queries = count,
        Keys = SourceRows,
        Heads = stack.Heads,
        KeyValueHeads = stack.KeyHeads,
        HeadSize = stack.HeadSize,
        Scale = stack.Blocks[layer].Cross!.Scale, // a stack with a CrossState has cross-attention in every block
        KeyBias = keyBias,
    };

    public ProfileSums? StartProfile(int layer, AttentionPattern pattern, bool whole) => profiles[layer] = whole ? new ProfileSums(pattern, separators, keepReceived) : null;

    public AttentionLayer Layer(int layer, int rows, bool keepValues) => new()
    {
        Pattern = Pattern(layer, rows),
        Queries = Queries[layer],
        QueryStride = QueryStride,
        Keys = Keys[layer],
        KeyStride = KeyStride,
        Values = keepValues ? Values[layer] : null,
        Scales = Scales[layer],
        ValueStride = KeyStride,
        Forced = Forced?.Layer(layer),
        Profiles = profiles[layer],
    };
}

/// <summary>Which rows of one Longformer input differ from its window pattern, and what its layers keep for them.</summary>
/// <param name="indices">Global positions, ascending; padding is none of them.</param>
/// <param name="keyBias">[n], -∞ = padding; null = none.</param>
internal sealed class LongformerState(int count, int[] indices, float[]? keyBias, int layers)
{
    public int[] Indices { get; } = indices;

    public int[]? Keys { get; } = indices.Length == 0 ? null : indices;

    /// <summary>Rows that the window pattern leaves zero: padding, as in the reference implementation, and global tokens, whose rows come from <see cref="Rows"/>.</summary>
    public bool[]? Blind { get; } = indices.Length == 0 && keyBias is null ? null
        : [.. Enumerable.Range(0, count).Select(i => (keyBias is not null && float.IsNegativeInfinity(keyBias[i])) || Array.BinarySearch(indices, i) >= 0)];

    public float[]? KeyBias { get; } = keyBias;

    public GlobalRows?[] Rows { get; } = new GlobalRows?[layers];
}
