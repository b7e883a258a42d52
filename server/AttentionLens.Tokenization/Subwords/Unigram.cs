using System.Text;

namespace AttentionLens.Tokenization.Subwords;

/// <summary>The most probable segmentation under independent token probabilities (Viterbi).</summary>
internal sealed class Unigram : SubwordModel
{
    private const double UnknownPenalty = 10;

    private readonly PairTable trie = new(1024); // (node, code unit) -> (next node, piece or -1)
    private readonly double[] scores;
    private readonly int[] ids;
    private readonly double unknownScore;
    private readonly int? unknown;
    private readonly int[]? byteTokens;

    /// <param name="pieces">Spelling and log probability by id.</param>
    /// <exception cref="TokenizerException">The unknown id lies outside the vocabulary.</exception>
    public Unigram(IReadOnlyList<(string Text, double Score)> pieces, int? unknown, bool byteFallback)
        : this(VocabularyOf(pieces), pieces, unknown, byteFallback)
    {
        if (unknown is { } id && (uint)id >= (uint)pieces.Count)
            throw new TokenizerException($"The unknown id {id} lies outside the Unigram vocabulary of {pieces.Count} pieces.");
    }

    /// <param name="vocabulary">The ids, where they are not the places of the pieces (Marian); a piece without one is unknown.</param>
    public Unigram(Vocabulary vocabulary, IReadOnlyList<(string Text, double Score)> pieces, int? unknown, bool byteFallback)
        : base(vocabulary)
    {
        this.unknown = unknown;
        scores = [.. pieces.Select(piece => piece.Score)];
        ids = [.. pieces.Select(piece => vocabulary.Find(piece.Text) ?? unknown ?? -1)];
        unknownScore = scores.DefaultIfEmpty(0).Min() - UnknownPenalty;
        var nodes = 1;
        for (var piece = 0; piece < pieces.Count; piece++)
        {
            var text = pieces[piece].Text;
            var node = 0;
            for (var i = 0; i < text.Length; i++)
            {
                var known = trie.TryGet(node, text[i], out var next, out var ends);
                if (!known)
                    (next, ends) = (nodes++, -1);
                if (i == text.Length - 1)
                    ends = piece;
                if (!known || i == text.Length - 1)
                    trie.Set(node, text[i], next, ends);
                node = next;
            }
        }
        if (byteFallback)
            byteTokens = [.. Enumerable.Range(0, 256).Select(b => Vocabulary.Find($"<0x{b:X2}>") ?? -1)];
    }

    public override SubwordEncoder CreateEncoder() => new CachingEncoder(new Encoder(this));

    private static Vocabulary VocabularyOf(IReadOnlyList<(string Text, double Score)> pieces)
    {
        var ids = new Dictionary<string, int>(pieces.Count);
        for (var id = 0; id < pieces.Count; id++)
            ids[pieces[id].Text] = id; // the last of equal spellings counts, as in the reference
        return Vocabulary.Create(ids, pieces.Count);
    }

    private sealed class Encoder(Unigram model) : SubwordEncoder
    {
        private const int LargestKept = 1 << 16;

        /// <summary>The best way to each position: its score, where its last token starts (-1 = not reached) and that token.</summary>
        private (double Score, int From, int Id)[] best = new (double, int, int)[64];
        private readonly List<(int Start, int End, int Id)> path = [];

        public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation)
        {
            if (best.Length <= word.Length)
                best = new (double, int, int)[word.Length * 2];
            best.AsSpan(0, word.Length + 1).Fill((0, -1, 0));
            for (var start = 0; start < word.Length;)
            {
                if ((start & 0xFFFF) == 0)
                    cancellation.ThrowIfCancellationRequested();
                start = Extend(word, start);
            }
            Collect(word);
            foreach (var (start, end, id) in path)
                Emit(word, start, end, id, tokens);
            if (best.Length > LargestKept)
                best = new (double, int, int)[64];
        }

        /// <summary>Tries every token that starts here; returns the next character.</summary>
        private int Extend(ReadOnlySpan<char> word, int start)
        {
            var scoreHere = best[start].Score;
            var next = start + (char.IsHighSurrogate(word[start]) ? 2 : 1);
            var hasCharacter = false;
            var node = 0;
            for (var i = start; i < word.Length && model.trie.TryGet(node, word[i], out node, out var piece); i++)
            {
                if (piece < 0)
                    continue;
                Offer(i + 1, scoreHere + model.scores[piece], start, model.ids[piece]);
                hasCharacter |= i + 1 == next;
            }
            if (!hasCharacter)
            {
                var unknown = model.unknown ?? throw new TokenizerException("The text holds a character that the Unigram vocabulary lacks, and it has no unknown token.");
                Offer(next, scoreHere + model.unknownScore, start, unknown);
            }
            return next;
        }

        private void Offer(int end, double score, int start, int id)
        {
            ref var node = ref best[end];
            if (node.From < 0 || score > node.Score)
                node = (score, start, id);
        }

        /// <summary>Walks the best way back; neighbouring unknown characters become one.</summary>
        private void Collect(ReadOnlySpan<char> word)
        {
            path.Clear();
            for (var end = word.Length; end > 0;)
            {
                var (_, start, id) = best[end];
                if (id == model.unknown && path.Count > 0 && path[^1].Id == id)
                    path[^1] = (start, path[^1].End, id);
                else
                    path.Add((start, end, id));
                end = start;
            }
            path.Reverse();
        }

        private void Emit(ReadOnlySpan<char> word, int start, int end, int id, List<Subword> tokens)
        {
            var spelled = word[start..end];
            if (id != model.unknown)
            {
                tokens.Add(new Subword(id, start, end));
                return;
            }
            // Fused unknown characters may spell a token after all.
            if (model.Vocabulary.Find(spelled) is { } known)
            {
                tokens.Add(new Subword(known, start, end));
                return;
            }
            if (model.byteTokens is { } byteTokens)
            {
                var bytes = new byte[Encoding.UTF8.GetByteCount(spelled)];
                Encoding.UTF8.GetBytes(spelled, bytes);
                if (Array.TrueForAll(bytes, b => byteTokens[b] >= 0))
                {
                    foreach (var b in bytes)
                        tokens.Add(new Subword(byteTokens[b], start, end));
                    return;
                }
            }
            tokens.Add(new Subword(id, start, end));
        }
    }
}
