namespace AttentionLens.Tokenization.Subwords;

/// <summary>A pre-token is one token, or unknown.</summary>
internal sealed class WordLevel(Vocabulary vocabulary, string unknownToken) : SubwordModel(vocabulary)
{
    private readonly int? unknown = vocabulary.Find(unknownToken);

    public override SubwordEncoder CreateEncoder() => new Encoder(this);

    private int Unknown(ReadOnlySpan<char> word) => unknown ?? throw new TokenizerException(
        $"'{Vocabulary.Shorten(word.ToString())}' is not in the vocabulary, and neither is an unknown token.");

    private sealed class Encoder(WordLevel model) : SubwordEncoder
    {
        public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation) =>
            tokens.Add(new Subword(model.Vocabulary.Find(word) ?? model.Unknown(word), 0, word.Length));
    }
}
