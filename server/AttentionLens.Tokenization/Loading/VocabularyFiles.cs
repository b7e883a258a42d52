using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization.Loading;

/// <summary>Tokenizers of folders that have only the vocabulary files of the time before tokenizer.json.</summary>
internal static class VocabularyFiles
{
    /// <summary>vocab.txt: BERT and its kin.</summary>
    public static TokenizerPipeline WordPiece(string[] lines, JsonPart? config)
    {
        var ids = new Dictionary<string, int>();
        var count = lines.Length > 0 && lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        for (var id = 0; id < count; id++)
            ids[lines[id].TrimEnd('\r')] = id;
        var vocabulary = Vocabulary.Create(ids);
        var lower = config?.Flag("do_lower_case", true) ?? true;
        var normalizer = new BertNormalizer(
            cleanText: true,
            handleChineseChars: config?.Flag("tokenize_chinese_chars", true) ?? true,
            stripAccents: config?.Flag("strip_accents", lower) ?? lower,
            lowercase: lower);
        string Role(string name, string fallback) => config?.Optional(name) is { IsString: true } text ? text.Text() : fallback;
        var unknown = Role("unk_token", "[UNK]");
        var cls = Role("cls_token", "[CLS]");
        var sep = Role("sep_token", "[SEP]");
        var added = new List<AddedToken>();
        foreach (var special in new[] { unknown, sep, Role("pad_token", "[PAD]"), cls, Role("mask_token", "[MASK]") }.Distinct())
        {
            if (vocabulary.Find(special) is { } id)
                added.Add(new AddedToken(id, special, false, false, false, false, true));
        }
        var template = vocabulary.Find(cls) is { } clsId && vocabulary.Find(sep) is { } sepId
            ? TemplatePostProcessor.Bert((clsId, cls), (sepId, sep))
            : throw new TokenizerException($"vocab.txt lacks '{cls}' or '{sep}'.");
        return new TokenizerPipeline(
            new AddedTokens(added, normalizer), new BertPreTokenizer(), new WordPiece(vocabulary, unknown, "##", 100), template,
            new WordPieceDecoder("##", cleanup: true));
    }
}
