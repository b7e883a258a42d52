using System.Collections.Concurrent;
using System.Text;
using System.Text.Unicode;
using AttentionLens.Tokenization.Loading;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.Subwords;
using AttentionLens.Tokenization.Text;

namespace AttentionLens.Tokenization;

/// <summary>Turns text into a model's tokens and knows where in the text each one stands. Safe to use from several threads.</summary>
public sealed class Tokenizer
{
    private const int PiecesBetweenChecks = 4096;

    private readonly TokenizerPipeline pipeline;
    private readonly Dictionary<int, AddedToken> addedById = [];
    private readonly Dictionary<string, int> addedIds = [];
    private readonly ConcurrentBag<SubwordEncoder> encoders = [];

    internal Tokenizer(TokenizerPipeline pipeline, SpecialTokens special, int? maxLength, string fingerprint)
    {
        this.pipeline = pipeline;
        foreach (var token in pipeline.AddedTokens.All)
        {
            addedById[token.Id] = token;
            addedIds.TryAdd(token.Content, token.Id);
        }
        Special = special;
        MaxLength = maxLength;
        Fingerprint = fingerprint;
        VocabularySize = addedById.Keys.Aggregate(pipeline.Model.Vocabulary.Size, (size, id) => Math.Max(size, id + 1));
    }

    /// <summary>A stable hash of the files that made this tokenizer.</summary>
    public string Fingerprint { get; }

    /// <summary>One past the highest id, added tokens included.</summary>
    public int VocabularySize { get; }

    /// <summary>Most tokens the model takes, special ones included, where the files say it.</summary>
    public int? MaxLength { get; }

    public SpecialTokens Special { get; }

    /// <summary>Loads the tokenizer of a Hugging Face folder: tokenizer.json, else vocab.txt, vocab.json + merges.txt or a SentencePiece model.</summary>
    /// <exception cref="TokenizerException">There is none, or it cannot be used.</exception>
    public static Tokenizer Load(string folder) => TokenizerFolder.Load(folder);

    /// <summary>The tokenizer that a GGUF file carries.</summary>
    /// <exception cref="TokenizerException">There is none, or how it splits text is not known here.</exception>
    public static Tokenizer Create(GgufVocabulary vocabulary) => GgufTokenizer.Load(vocabulary);

    /// <summary>Whether <see cref="Load"/> finds the files of a tokenizer.</summary>
    public static bool Exists(string folder) => TokenizerFolder.Exists(folder);

    /// <summary>Encodes a text or a pair, without truncation.</summary>
    /// <param name="addSpecialTokens">Whether the special tokens of the model's template are added.</param>
    /// <exception cref="TokenizerException">The text holds something that the vocabulary has no token for, not even an unknown one.</exception>
    public TokenizedText Encode(
        string text, string? pair = null, bool addSpecialTokens = true, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!encoders.TryTake(out var encoder))
            encoder = pipeline.Model.CreateEncoder();
        List<EncodedPart> parts = [new EncodedPart(text, EncodeSequence(encoder, text, 0, cancellation))];
        if (pair is not null)
            parts.Add(new EncodedPart(pair, EncodeSequence(encoder, pair, 1, cancellation)));
        encoders.Add(encoder); // not after an exception: its scratch may be half-written
        if (pipeline.PostProcessor is { } postProcessor)
            parts = postProcessor.Process(parts, addSpecialTokens);
        return new TokenizedText([.. parts.SelectMany(part => part.Tokens)]);
    }

    /// <summary>The text that the ids stand for, as far as the tokenizer keeps it; unknown ids are left out.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var tokens = new List<string>(ids.Length);
        foreach (var id in ids)
        {
            if (IdToToken(id) is { } token && !(skipSpecialTokens && addedById.GetValueOrDefault(id) is { Special: true }))
                tokens.Add(token);
        }
        return pipeline.Decoder is { } decoder ? string.Concat(decoder.Decode(tokens)) : string.Join(' ', tokens);
    }

    /// <summary>The spelling of an id, null when there is none.</summary>
    public string? IdToToken(int id) => addedById.TryGetValue(id, out var added) ? added.Content : pipeline.Model.Vocabulary.Text(id);

    /// <summary>
    /// What people read for a token whose spelling they cannot: byte-level vocabularies spell each byte of UTF-8 as a character, so that "ä" is "Ã¤". Of a token that
    /// is only part of a character, the character. Null where the spelling can be read.
    /// </summary>
    /// <param name="token">Of this tokenizer.</param>
    /// <param name="text">The text that it was read from; null for one that the model wrote.</param>
    public string? Readable(Token token, string? text)
    {
        if (token.Special || !token.Text.Any(static c => c > '\x7F' && c is not ('Ġ' or 'Ċ')) || TokenToId("Ġ") is null || ByteAlphabet.Bytes(token.Text) is not { } bytes)
        {
            return null;
        }

        if (Utf8.IsValid(bytes))
        {
            return Encoding.UTF8.GetString(bytes).TrimStart(' ').Replace('\n', 'Ċ');
        }

        if (text is null || token.Start >= token.End || token.End > text.Length)
        {
            return null;
        }

        int start = char.IsLowSurrogate(text[token.Start]) && token.Start > 0 ? token.Start - 1 : token.Start;
        int end = char.IsHighSurrogate(text[token.End - 1]) && token.End < text.Length ? token.End + 1 : token.End;
        return text[start..end].TrimStart(' ');
    }

    /// <summary>The id of a spelling, null when the vocabulary lacks it.</summary>
    public int? TokenToId(string token) =>
        addedIds.TryGetValue(token, out var id) ? id : pipeline.Model.Vocabulary.Find(token);

    private List<Token> EncodeSequence(SubwordEncoder encoder, string text, int sequence, CancellationToken cancellation)
    {
        var pieces = pipeline.AddedTokens.Split(AlignedText.FromText(text));
        if (pipeline.PreTokenizer is { } preTokenizer)
            pieces = preTokenizer.Apply(pieces, cancellation);
        var aligned = pieces.Text;
        var tokens = new List<Token>(pieces.Pieces.Count + pieces.Pieces.Count / 4);
        var subwords = new List<Subword>();
        for (var word = 0; word < pieces.Pieces.Count; word++)
        {
            if (word % PiecesBetweenChecks == 0)
                cancellation.ThrowIfCancellationRequested();
            var piece = pieces.Pieces[word];
            if (!piece.IsText)
            {
                Add(piece.AddedToken, piece.Start, piece.End);
                continue;
            }
            subwords.Clear();
            encoder.Encode(aligned.Span[piece.Start..piece.End], subwords, cancellation);
            foreach (var subword in subwords)
                Add(subword.Id, piece.Start + subword.Start, piece.Start + subword.End);

            void Add(int id, int from, int to)
            {
                var (start, end) = aligned.Original(from, to);
                tokens.Add(new Token(id, IdToToken(id) ?? "", start, end, false, sequence, sequence, word));
            }
        }
        return tokens;
    }
}
