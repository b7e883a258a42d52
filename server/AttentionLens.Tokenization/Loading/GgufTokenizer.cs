using System.Security.Cryptography;
using System.Text;
using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization.Loading;

/// <summary>The tokenizer that a GGUF file carries. Splitting rules that are not known here are refused by name: ids would differ silently.</summary>
internal static class GgufTokenizer
{
    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public static Tokenizer Load(GgufVocabulary source)
    {
        if (source.Tokens.Count == 0)
            throw new TokenizerException("The GGUF file carries no tokenizer (tokenizer.ggml.tokens).");
        if (source.Types.Count != 0 && source.Types.Count != source.Tokens.Count)
            throw new TokenizerException($"The GGUF file has {source.Tokens.Count} tokens but {source.Types.Count} token types.");
        var pipeline = source.Model switch
        {
            "llama" => SentencePiece(source),
            "gpt2" => BytePairs(source),
            _ => throw new TokenizerException($"The GGUF file's tokenizer is of the kind '{Vocabulary.Shorten(source.Model)}'; llama and gpt2 are read."),
        };
        var special = new SpecialTokens(null, null, null, source.Padding, source.Unknown, source.Bos, source.Eos);
        return new Tokenizer(pipeline, special, null, Fingerprint(source));
    }

    private static TokenizerPipeline SentencePiece(GgufVocabulary source)
    {
        if (source.Scores.Count != source.Tokens.Count)
            throw new TokenizerException($"The GGUF file has {source.Tokens.Count} tokens but {source.Scores.Count} scores.");
        var model = SentencePieceModel.OfPairs([.. source.Tokens.Select((text, id) => (text, source.Scores[id], Kind(source, id)))]);
        return VocabularyFiles.ByteFallbackPairs(
            model, source.AddsSpacePrefix ?? true, Spelling(source, source.AddsBos ?? true, source.Bos), Spelling(source, source.AddsEos ?? false, source.Eos));
    }

    private static TokenizerPipeline BytePairs(GgufVocabulary source)
    {
        var ids = new Dictionary<string, int>(source.Tokens.Count);
        for (var id = 0; id < source.Tokens.Count; id++)
            ids.TryAdd(source.Tokens[id], id);
        var vocabulary = Vocabulary.Create(ids, source.Tokens.Count);
        var merges = source.Merges.Select(merge => TokenizerJson.ParseMerge(merge)
            ?? throw new TokenizerException($"The GGUF file's merge '{Vocabulary.Shorten(merge)}' must be two tokens and a space between them.")).ToList();
        var special = new List<AddedToken>();
        for (var id = 0; id < source.Tokens.Count; id++)
        {
            if (Kind(source, id) is PieceKind.Control or PieceKind.UserDefined or PieceKind.Unknown)
                special.Add(new AddedToken(id, source.Tokens[id], false, false, false, false, Kind(source, id) != PieceKind.UserDefined));
        }
        var (normalizer, split, bos) = ((Normalizer?, PreTokenizer, bool))(source.PreTokenizer switch
        {
            "gpt-2" => (null, new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true), false),
            "llama-bpe" or "llama3" or "llama-v3" => (null, Split(Llama3), true),
            "qwen2" or "deepseek-r1-qwen" => (new UnicodeNormalizer(compatible: false, compose: true), Split(VocabularyFiles.Qwen2Pattern), false),
            "smollm" => (null, new PreTokenizerSequence(
            [
                new SplitPreTokenizer(CharacterPattern.Number, SplitBehavior.Isolated),
                new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true),
            ]), false),
            _ => throw new TokenizerException($"How '{Vocabulary.Shorten(source.PreTokenizer)}' (tokenizer.ggml.pre) splits text is not known here; gpt-2, llama-bpe, qwen2 and smollm are."),
        });
        // Only Llama 3's rules take a whole piece from the vocabulary before they merge.
        var model = new BytePairEncoding(vocabulary, merges, new BytePairOptions(null, "", "", false, false, bos));
        var before = Part(vocabulary, Spelling(source, source.AddsBos ?? bos, source.Bos));
        var after = Part(vocabulary, Spelling(source, source.AddsEos ?? false, source.Eos));
        var template = new TemplatePostProcessor(
            [.. before, TemplatePostProcessor.Text(0), .. after],
            [.. before, TemplatePostProcessor.Text(0), .. after, TemplatePostProcessor.Text(1, 1), .. after.Select(part => part with { TypeId = 1 })]);
        return TokenizerPipeline.Create(special, normalizer, split, model, template, new ByteLevelDecoder());
    }

    private static PreTokenizerSequence Split(string pattern) => new(
    [
        new SplitPreTokenizer(new RegexPattern(pattern), SplitBehavior.Isolated),
        new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: false),
    ]);

    private static TemplatePart[] Part(Vocabulary vocabulary, string? token) =>
        token is null ? [] : [TemplatePostProcessor.Special(VocabularyFiles.Need(vocabulary, token))];

    private static string? Spelling(GgufVocabulary source, bool adds, int? id) =>
        adds && id is { } known && known < source.Tokens.Count ? source.Tokens[known] : null;

    private static PieceKind Kind(GgufVocabulary source, int id) => source.Types.Count == 0 ? PieceKind.Normal : (PieceKind)source.Types[id];

    private static string Fingerprint(GgufVocabulary source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append($"{source.Model} {source.PreTokenizer} {source.Bos} {source.Eos} {source.AddsBos} {source.AddsEos} {source.AddsSpacePrefix}");
        foreach (var text in source.Tokens.Concat(source.Merges))
            Append(text);
        foreach (var score in source.Scores)
            hash.AppendData(BitConverter.GetBytes(score));
        foreach (var type in source.Types)
            hash.AppendData(BitConverter.GetBytes(type));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));

        void Append(string text)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(text));
            hash.AppendData([0]);
        }
    }
}
