namespace AttentionLens.Tokenization.Subwords;

/// <summary>
/// Remembers the tokens of short words. Bounded: a fixed number of slots, a newer word takes the slot of an older one.
/// </summary>
internal sealed class CachingEncoder(SubwordEncoder inner) : SubwordEncoder
{
    private const int Slots = 1 << 14;
    private const int MaxWordLength = 48;

    private readonly Entry[] entries = new Entry[Slots];

    public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation)
    {
        if (word.Length > MaxWordLength)
        {
            inner.Encode(word, tokens, cancellation);
            return;
        }
        ref var entry = ref entries[Hash(word) & (Slots - 1)];
        if (entry.Word is { } known && word.SequenceEqual(known))
        {
            tokens.AddRange(entry.Tokens);
            return;
        }
        var first = tokens.Count;
        inner.Encode(word, tokens, cancellation);
        var found = new Subword[tokens.Count - first];
        tokens.CopyTo(first, found, 0, found.Length);
        entry = new Entry(word.ToArray(), found);
    }

    /// <summary>Need not resist attack: a collision costs one recomputation.</summary>
    private static uint Hash(ReadOnlySpan<char> word)
    {
        var hash = 2166136261u;
        foreach (var c in word)
            hash = (hash ^ c) * 16777619u;
        return hash ^ hash >> 15;
    }

    private readonly record struct Entry(char[]? Word, Subword[] Tokens);
}
