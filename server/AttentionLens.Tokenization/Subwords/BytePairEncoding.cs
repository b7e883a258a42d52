using System.Text;

namespace AttentionLens.Tokenization.Subwords;

/// <summary>Two tokens that merge; memory, so that reading half a million of them copies no text.</summary>
internal readonly record struct MergeRule(ReadOnlyMemory<char> Left, ReadOnlyMemory<char> Right);

/// <param name="UnknownToken">Stands for characters that the vocabulary lacks; without it they are dropped.</param>
/// <param name="ContinuingPrefix">Put before every character but the first of a word.</param>
/// <param name="EndOfWordSuffix">Put after the last character of a word.</param>
/// <param name="FuseUnknown">Neighbouring unknown characters become one token.</param>
/// <param name="ByteFallback">A character that the vocabulary lacks becomes its bytes, as &lt;0x0A&gt;.</param>
/// <param name="IgnoreMerges">A word that is itself in the vocabulary is one token, whatever the merges say.</param>
internal sealed record BytePairOptions(
    string? UnknownToken, string ContinuingPrefix, string EndOfWordSuffix, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges);

/// <summary>Merges neighbouring symbols in the order of the merge list. Dropout, a training device, is ignored.</summary>
internal sealed class BytePairEncoding : SubwordModel
{
    private readonly PairTable merges; // (left, right) -> (rank, merged)
    private readonly BytePairOptions options;
    private readonly int? unknown;
    private readonly int[]? byteTokens;
    private readonly Lazy<Neighbours> neighbours;

    /// <summary>Tokens of the alphabet's characters, when <see cref="ReadsBytes"/>; -1 where the vocabulary lacks one.</summary>
    private readonly int[] alphabetTokens = new int[256];

    /// <exception cref="TokenizerException">A merge names a token that the vocabulary lacks.</exception>
    public BytePairEncoding(Vocabulary vocabulary, IReadOnlyList<MergeRule> rules, BytePairOptions options)
        : base(vocabulary)
    {
        this.options = options;
        merges = new PairTable(rules.Count);
        var joined = new char[256];
        for (var rank = 0; rank < rules.Count; rank++)
        {
            var left = rules[rank].Left.Span;
            var right = rules[rank].Right.Span;
            var skip = right.StartsWith(options.ContinuingPrefix) ? options.ContinuingPrefix.Length : 0;
            var length = left.Length + right.Length - skip;
            if (length > joined.Length)
                joined = new char[length * 2];
            left.CopyTo(joined);
            right[skip..].CopyTo(joined.AsSpan(left.Length));
            merges.Set(Need(left), Need(right), rank, Need(joined.AsSpan(0, length)));
        }
        unknown = options.UnknownToken is { } token ? vocabulary.Find(token) : null;
        if (options.ByteFallback)
            byteTokens = [.. Enumerable.Range(0, 256).Select(b => vocabulary.Find($"<0x{b:X2}>") ?? -1)];
        neighbours = new Lazy<Neighbours>(() => new Neighbours(vocabulary));
        for (var b = 0; b < 256; b++)
            alphabetTokens[b] = vocabulary.Find([ByteAlphabet.Character((byte)b)]) ?? -1;
    }

    /// <summary>
    /// Reads the bytes of plain text as their alphabet characters, so that the byte-level step need not write them out;
    /// the merges, the cache and the ranges then work on the text itself.
    /// </summary>
    public bool ReadsBytes { get; init; }

    /// <summary>Whether <see cref="ReadsBytes"/> gives the same as writing the alphabet out.</summary>
    public bool CanReadBytes =>
        options is { ContinuingPrefix: "", EndOfWordSuffix: "" } && Array.TrueForAll(alphabetTokens, id => id >= 0);

    public override SubwordEncoder CreateEncoder()
    {
        var encoder = new CachingEncoder(new Encoder(this));
        return ReadsBytes || options is not { ContinuingPrefix: "", EndOfWordSuffix: "", IgnoreMerges: false }
            ? encoder
            : new CuttingEncoder(encoder, neighbours.Value);
    }

    /// <summary>This model on the bytes of the text; see <see cref="ReadsBytes"/>.</summary>
    public BytePairEncoding OnBytes() => new(this) { ReadsBytes = true };

    private BytePairEncoding(BytePairEncoding other)
        : base(other.Vocabulary)
    {
        merges = other.merges;
        options = other.options;
        alphabetTokens = other.alphabetTokens;
        neighbours = other.neighbours;
    }

    private int Need(ReadOnlySpan<char> token) => Vocabulary.Find(token)
        ?? throw new TokenizerException($"The merges need the token '{Vocabulary.Shorten(token.ToString())}', which the vocabulary lacks.");

    /// <summary>A symbol of the word and its neighbours.</summary>
    private struct Symbol
    {
        public int Id;
        public int Start;
        public int End;
        public int Previous;
        public int Next;
        public bool Merged;
    }

    private sealed class Encoder(BytePairEncoding model) : SubwordEncoder
    {
        private const int ShortWord = 24;

        /// <summary>Room for longer words is given back after use.</summary>
        private const int LargestKept = 1 << 16;

        private Symbol[] symbols = new Symbol[64];
        private int count;
        private char[] spelling = new char[64];
        private PriorityQueue<(int Position, int Id), (int Rank, int Position)> queue = new();

        public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation)
        {
            if (model.options.IgnoreMerges && model.Vocabulary.Find(Spell(word)) is { } whole)
            {
                tokens.Add(new Subword(whole, 0, word.Length));
                return;
            }
            count = 0;
            if (model.ReadsBytes)
                ReadBytes(word);
            else
                ReadCharacters(word);
            if (count > ShortWord)
                MergeLong(cancellation);
            else
                MergeShort();
            for (var i = 0; i >= 0 && i < count; i = symbols[i].Next)
                tokens.Add(new Subword(symbols[i].Id, symbols[i].Start, symbols[i].End));
            if (symbols.Length > LargestKept)
                (symbols, spelling, queue) = (new Symbol[64], new char[64], new());
        }

        /// <summary>The word as the vocabulary spells it.</summary>
        private ReadOnlySpan<char> Spell(ReadOnlySpan<char> word)
        {
            if (!model.ReadsBytes)
                return word;
            if (spelling.Length < word.Length * 3)
                spelling = new char[word.Length * 3];
            var length = 0;
            Span<byte> bytes = stackalloc byte[4];
            foreach (var rune in word.EnumerateRunes())
            {
                var written = rune.EncodeToUtf8(bytes);
                for (var i = 0; i < written; i++)
                    spelling[length++] = ByteAlphabet.Character(bytes[i]);
            }
            return spelling.AsSpan(0, length);
        }

        private void Add(int id, int start, int end)
        {
            if (count == symbols.Length)
                Array.Resize(ref symbols, count * 2);
            symbols[count] = new Symbol { Id = id, Start = start, End = end, Previous = count - 1, Next = count + 1 };
            count++;
        }

        private void ReadBytes(ReadOnlySpan<char> word)
        {
            Span<byte> bytes = stackalloc byte[4];
            var at = 0;
            foreach (var rune in word.EnumerateRunes())
            {
                var written = rune.EncodeToUtf8(bytes);
                var next = at + rune.Utf16SequenceLength;
                for (var i = 0; i < written; i++)
                    Add(model.alphabetTokens[bytes[i]], at, next);
                at = next;
            }
        }

        private void ReadCharacters(ReadOnlySpan<char> word)
        {
            var options = model.options;
            // An unknown token is held back until it is clear that the next character does not join it.
            (int Start, int End)? pending = null;
            for (var at = 0; at < word.Length;)
            {
                var next = at + (char.IsHighSurrogate(word[at]) ? 2 : 1);
                var prefix = at > 0 ? options.ContinuingPrefix : "";
                var suffix = next == word.Length ? options.EndOfWordSuffix : "";
                var spelled = prefix.Length + suffix.Length == 0 ? word[at..next] : Spell(prefix, word[at..next], suffix);
                if (model.Vocabulary.Find(spelled) is { } id)
                {
                    Flush(ref pending);
                    Add(id, at, next);
                }
                else if (!AddBytes(spelled, at, next) && options.UnknownToken is not null)
                {
                    if (pending is var (start, _) && options.FuseUnknown)
                    {
                        pending = (start, next);
                    }
                    else
                    {
                        Flush(ref pending);
                        pending = (at, next);
                    }
                }
                at = next;
            }
            Flush(ref pending);
        }

        private ReadOnlySpan<char> Spell(string prefix, ReadOnlySpan<char> character, string suffix)
        {
            var length = prefix.Length + character.Length + suffix.Length;
            if (spelling.Length < length)
                spelling = new char[length];
            prefix.CopyTo(spelling);
            character.CopyTo(spelling.AsSpan(prefix.Length));
            suffix.CopyTo(spelling.AsSpan(prefix.Length + character.Length));
            return spelling.AsSpan(0, length);
        }

        private void Flush(ref (int Start, int End)? pending)
        {
            if (pending is var (start, end))
            {
                Add(model.unknown ?? throw new TokenizerException(
                    $"The text needs the unknown token '{Vocabulary.Shorten(model.options.UnknownToken ?? "")}', which the vocabulary lacks."), start, end);
            }
            pending = null;
        }

        private bool AddBytes(ReadOnlySpan<char> spelled, int start, int end)
        {
            if (model.byteTokens is not { } byteTokens)
                return false;
            Span<byte> bytes = stackalloc byte[64];
            var size = Encoding.UTF8.GetByteCount(spelled);
            if (size > bytes.Length)
                bytes = new byte[size];
            var written = Encoding.UTF8.GetBytes(spelled, bytes);
            foreach (var b in bytes[..written])
            {
                if (byteTokens[b] < 0)
                    return false;
            }
            foreach (var b in bytes[..written])
                Add(byteTokens[b], start, end);
            return true;
        }

        /// <summary>Few symbols: looking for the best pair again after each merge beats keeping a queue.</summary>
        private void MergeShort()
        {
            Span<int> ranks = stackalloc int[ShortWord];
            Span<int> ids = stackalloc int[ShortWord];
            for (var i = 0; i < count - 1; i++)
                ranks[i] = model.merges.TryGet(symbols[i].Id, symbols[i + 1].Id, out var rank, out ids[i]) ? rank : int.MaxValue;
            while (count > 1)
            {
                var best = 0;
                for (var i = 1; i < count - 1; i++)
                {
                    if (ranks[i] < ranks[best])
                        best = i;
                }
                if (ranks[best] == int.MaxValue)
                    break;
                symbols[best].Id = ids[best];
                symbols[best].End = symbols[best + 1].End;
                count--;
                Array.Copy(symbols, best + 2, symbols, best + 1, count - best - 1);
                ranks[(best + 2)..(count + 1)].CopyTo(ranks[(best + 1)..]);
                ids[(best + 2)..(count + 1)].CopyTo(ids[(best + 1)..]);
                for (var i = Math.Max(best - 1, 0); i <= best && i < count - 1; i++)
                    ranks[i] = model.merges.TryGet(symbols[i].Id, symbols[i + 1].Id, out var rank, out ids[i]) ? rank : int.MaxValue;
            }
            for (var i = 0; i < count; i++)
                symbols[i].Next = i + 1;
        }

        /// <summary>n log n, for words of any length: a whole text where the tokenizer does not split it.</summary>
        private void MergeLong(CancellationToken cancellation)
        {
            queue.Clear();
            for (var i = 0; i < count - 1; i++)
                Enqueue(i);
            for (var done = 0; queue.TryDequeue(out var merge, out _); done++)
            {
                if ((done & 0xFFFF) == 0)
                    cancellation.ThrowIfCancellationRequested();
                ref var left = ref symbols[merge.Position];
                if (left.Merged || left.Next >= count)
                    continue;
                ref var right = ref symbols[left.Next];
                // Either symbol may have changed since the merge was found.
                if (!model.merges.TryGet(left.Id, right.Id, out _, out var id) || id != merge.Id)
                    continue;
                right.Merged = true;
                left.Id = id;
                left.End = right.End;
                left.Next = right.Next;
                if (right.Next < count)
                {
                    symbols[right.Next].Previous = merge.Position;
                    Enqueue(merge.Position);
                }
                if (left.Previous >= 0)
                    Enqueue(left.Previous);
            }
        }

        private void Enqueue(int position)
        {
            var right = symbols[position].Next;
            if (model.merges.TryGet(symbols[position].Id, symbols[right].Id, out var rank, out var id))
                queue.Enqueue((position, id), (rank, position));
        }
    }

    /// <summary>Which characters stand next to each other in any token; may claim too much, never too little.</summary>
    private sealed class Neighbours
    {
        private readonly ulong[] bits = new ulong[1 << 17];
        private readonly Vocabulary vocabulary;

        public Neighbours(Vocabulary vocabulary)
        {
            this.vocabulary = vocabulary;
            foreach (var (text, _) in vocabulary.Entries)
            {
                for (var i = 1; i < text.Length; i++)
                {
                    var bit = Bit(text[i - 1], text[i]);
                    bits[bit >> 6] |= 1UL << (int)(bit & 63);
                }
            }
        }

        /// <summary>Whether no token can reach over the border before <paramref name="index"/>.</summary>
        public bool CanCut(ReadOnlySpan<char> word, int index)
        {
            var bit = Bit(word[index - 1], word[index]);
            // Unknown characters may fuse with their neighbours, and a surrogate is half a character.
            return (bits[bit >> 6] >> (int)(bit & 63) & 1) == 0
                && vocabulary.Find(word.Slice(index - 1, 1)) is not null && vocabulary.Find(word.Slice(index, 1)) is not null;
        }

        private static uint Bit(char left, char right) => ((uint)left << 16 | right) * 2654435761u >> 9; // 2^23 bits
    }

    /// <summary>
    /// Cuts a long word where no token reaches across, which changes no merge: a text that comes in one piece, as from
    /// SentencePiece models, is then encoded word by word, mostly from the cache.
    /// </summary>
    private sealed class CuttingEncoder(SubwordEncoder inner, Neighbours neighbours) : SubwordEncoder
    {
        private const int ShortestPart = 8;

        public override void Encode(ReadOnlySpan<char> word, List<Subword> tokens, CancellationToken cancellation)
        {
            var start = 0;
            for (var i = ShortestPart; i < word.Length; i++)
            {
                if (!neighbours.CanCut(word, i))
                    continue;
                EncodePart(word, start, i, tokens, cancellation);
                start = i;
                i += ShortestPart - 1;
            }
            EncodePart(word, start, word.Length, tokens, cancellation);
        }

        private void EncodePart(ReadOnlySpan<char> word, int start, int end, List<Subword> tokens, CancellationToken cancellation)
        {
            var first = tokens.Count;
            inner.Encode(word[start..end], tokens, cancellation);
            if (start == 0)
                return;
            for (var i = first; i < tokens.Count; i++)
                tokens[i] = new Subword(tokens[i].Id, tokens[i].Start + start, tokens[i].End + start);
        }
    }
}
