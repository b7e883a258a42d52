namespace AttentionLens.Kernels;

/// <summary>
/// Shape of an attention layer, which query sees which key, and what is added to the scores. Plain data, shared by the layers of a pass
/// and kept with its trace to compute rows again. Query i stands at position i + <see cref="QueryOffset"/>; it sees key j if
/// -Before &lt;= j - position &lt;= After, or j is a global key, and in either case only if KeyBias[j] is not -∞ and the query is not blind.
/// score = Scale · q·k + KeyBias + RelativeBias.
/// </summary>
public sealed record AttentionPattern
{
    /// <summary>Number of queries (rows).</summary>
    public required int Queries { get; init; }

    /// <summary>Number of keys (columns).</summary>
    public required int Keys { get; init; }

    /// <summary>Number of query heads; head h of a row of queries starts at h * HeadSize.</summary>
    public required int Heads { get; init; }

    /// <summary>Floats of one head in queries, keys and values.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Multiplies q·k: usually 1/sqrt(HeadSize).</summary>
    public required float Scale { get; init; }

    /// <summary>Number of key and value heads, a divisor of Heads: query head h uses h / (Heads / KeyValueHeads). 0 means Heads.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Position of query 0 among the keys: the length of the cached prefix when a decoder goes on, else 0.</summary>
    public int QueryOffset { get; init; }

    /// <summary>How many keys before its own position a query sees: window - 1 for Mistral, window / 2 for Longformer.</summary>
    public int Before { get; init; } = int.MaxValue;

    /// <summary>How many keys after its own position a query sees: 0 is causal.</summary>
    public int After { get; init; } = int.MaxValue;

    /// <summary>[Keys], added to every score of that key; -∞ masks it (padding). Null for none.</summary>
    public float[]? KeyBias { get; init; }

    /// <summary>[Heads, Queries + Keys - 1], entry [head, key - query + Queries - 1]: T5's relative bias, ALiBi. Null for none.</summary>
    public float[]? RelativeBias { get; init; }

    /// <summary>Keys outside the window that every query sees all the same, ascending (Longformer). Null for none.</summary>
    public int[]? GlobalKeys { get; init; }

    /// <summary>[Queries], true = sees no key, its row is zero (Longformer's padding, and its global tokens, whose rows are made apart). Null for none.</summary>
    public bool[]? BlindQueries { get; init; }

    internal int GroupSize => Heads / (KeyValueHeads == 0 ? Heads : KeyValueHeads);

    internal int KeyHeads => KeyValueHeads == 0 ? Heads : KeyValueHeads;

    /// <summary>First key the window of a query holds.</summary>
    public int FirstKey(int query) => (int)Math.Clamp((long)query + QueryOffset - Before, 0, Keys);

    /// <summary>One past the last key the window of a query holds.</summary>
    public int EndKey(int query) => (int)Math.Clamp((long)query + QueryOffset + After + 1, 0, Keys);

    /// <exception cref="ArgumentException">The parts contradict each other.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Queries);
        ArgumentOutOfRangeException.ThrowIfNegative(Keys);
        ArgumentOutOfRangeException.ThrowIfLessThan(Heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(HeadSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(KeyValueHeads);
        ArgumentOutOfRangeException.ThrowIfNegative(Before);
        ArgumentOutOfRangeException.ThrowIfNegative(After);
        if (Heads % KeyHeads != 0)
        {
            throw new ArgumentException($"{Heads} heads cannot share {KeyHeads} key heads evenly.");
        }

        if (KeyBias is not null && KeyBias.Length != Keys)
        {
            throw new ArgumentException($"KeyBias holds {KeyBias.Length} values for {Keys} keys.");
        }

        if (RelativeBias is not null && RelativeBias.Length != (long)Heads * (Queries + Keys - 1))
        {
            throw new ArgumentException($"RelativeBias holds {RelativeBias.Length} values; {Heads} heads of {Queries} queries and {Keys} keys need {(long)Heads * (Queries + Keys - 1)}.");
        }

        if (BlindQueries is not null && BlindQueries.Length != Queries)
        {
            throw new ArgumentException($"BlindQueries holds {BlindQueries.Length} values for {Queries} queries.");
        }

        if (GlobalKeys is not null)
        {
            if (RelativeBias is not null)
            {
                throw new ArgumentException("No layer has both global keys and a relative bias.");
            }

            for (int i = 0; i < GlobalKeys.Length; i++)
            {
                if (GlobalKeys[i] < (i == 0 ? 0 : GlobalKeys[i - 1] + 1) || GlobalKeys[i] >= Keys)
                {
                    throw new ArgumentException("GlobalKeys must be ascending and within the keys.");
                }
            }
        }
    }
}

/// <summary>Rows of floats a fixed distance apart: a slice of a wider activation buffer.</summary>
/// <param name="values">From the first float of the first row on.</param>
/// <param name="stride">Floats from one row to the next.</param>
public readonly ref struct StridedRows(ReadOnlySpan<float> values, int stride)
{
    /// <summary>From the first float of the first row on.</summary>
    public ReadOnlySpan<float> Values { get; } = values;

    /// <summary>Floats from one row to the next.</summary>
    public int Stride { get; } = stride;
}

/// <summary>How the weights of a cell of a thumbnail become one number.</summary>
public enum Pooling
{
    Max,
    Mean,
}
