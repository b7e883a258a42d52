namespace AttentionLens.Tokenization.Subwords;

/// <summary>A token of one pre-token, in code units of that pre-token.</summary>
internal readonly record struct Subword(int Id, int Start, int End);

/// <summary>Maps a pre-token to vocabulary entries. Immutable; the work is done by encoders.</summary>
internal abstract class SubwordModel(Vocabulary vocabulary)
{
    public Vocabulary Vocabulary { get; } = vocabulary;

    /// <summary>An encoder with its own scratch space and cache, for one thread at a time.</summary>
    public abstract SubwordEncoder CreateEncoder();
}

internal abstract class SubwordEncoder
{
    /// <summary>Appends the tokens of a non-empty pre-token.</summary>
    public abstract void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation);
}
