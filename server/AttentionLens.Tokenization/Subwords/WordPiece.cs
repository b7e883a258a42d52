namespace AttentionLens.Tokenization.Subwords;

/// <summary>Longest match first; a word that cannot be covered is one unknown token.</summary>
internal sealed class WordPiece : SubwordModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> continuations;
    private readonly string unknownToken;
    private readonly int? unknown;
    private readonly int maxCodePoints;
    private readonly int maxInitial;
    private readonly int maxContinuation;

    public WordPiece(Vocabulary vocabulary, string unknownToken, string continuingPrefix, int maxCodePoints)
        : base(vocabulary)
    {
        this.unknownToken = unknownToken;
        unknown = vocabulary.Find(unknownToken);
        this.maxCodePoints = maxCodePoints;
        var stripped = new Dictionary<string, int>();
        foreach (var (text, id) in vocabulary.Entries)
        {
            maxInitial = Math.Max(maxInitial, text.Length);
            if (text.Length <= continuingPrefix.Length || !text.StartsWith(continuingPrefix, StringComparison.Ordinal))
                continue;
            stripped[text[continuingPrefix.Length..]] = id;
            maxContinuation = Math.Max(maxContinuation, text.Length - continuingPrefix.Length);
        }
        continuations = stripped.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    private int Unknown => unknown ?? throw new TokenizerException(
        $"The text needs the unknown token '{Vocabulary.Shorten(unknownToken)}', which the vocabulary lacks.");

    public override SubwordEncoder CreateEncoder() => new CachingEncoder(new Encoder(this));

    private sealed class Encoder(WordPiece model) : SubwordEncoder
    {
        public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation)
        {
            var first = tokens.Count;
            if (!IsTooLong(word) && TryCover(word, tokens))
                return;
            tokens.RemoveRange(first, tokens.Count - first);
            tokens.Add(new Subword(model.Unknown, 0, word.Length));
        }

        private bool IsTooLong(ReadOnlySpan<char> word)
        {
            if (word.Length <= model.maxCodePoints)
                return false;
            var count = 0;
            foreach (var c in word)
                count += char.IsLowSurrogate(c) ? 0 : 1;
            return count > model.maxCodePoints;
        }

        private bool TryCover(ReadOnlySpan<char> word, List<Subword> tokens)
        {
            for (var start = 0; start < word.Length;)
            {
                var lookup = start == 0 ? model.Vocabulary.Lookup : model.continuations;
                var end = Math.Min(word.Length, start + (start == 0 ? model.maxInitial : model.maxContinuation));
                int id;
                while (end > start && !lookup.TryGetValue(word[start..end], out id))
                    end--;
                if (end == start)
                    return false;
                lookup.TryGetValue(word[start..end], out id);
                tokens.Add(new Subword(id, start, end));
                start = end;
            }
            return true;
        }
    }
}
