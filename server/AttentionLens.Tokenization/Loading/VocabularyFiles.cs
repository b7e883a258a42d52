using System.Globalization;
using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization.Loading;

/// <summary>What the configuration files of a folder say about a tokenizer that has no tokenizer.json.</summary>
/// <param name="Tokenizer">tokenizer_config.json</param>
/// <param name="SpecialMap">special_tokens_map.json</param>
/// <param name="Model">config.json</param>
internal sealed record FolderConfiguration(JsonPart? Tokenizer, JsonPart? SpecialMap, JsonPart? Model)
{
    /// <summary>The family in lower case: "bert", "roberta", "t5", ... or "" when nothing names it.</summary>
    public string Family()
    {
        if (Text(Model, "model_type") is { Length: > 0 } type)
            return type;
        var name = Text(Tokenizer, "tokenizer_class") ?? "";
        foreach (var suffix in new[] { "TokenizerFast", "Tokenizer" })
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal))
                name = name[..^suffix.Length];
        }
        return name.ToLowerInvariant();
    }

    public bool Flag(string name, bool fallback) => Tokenizer is { IsObject: true } config ? config.Flag(name, fallback) : fallback;

    public int Integer(string name, int fallback) => Tokenizer is { IsObject: true } config ? config.Integer(name, fallback) : fallback;

    /// <summary>The spelling of a special token.</summary>
    public string Role(string name, string fallback) => Spelling(Tokenizer, name) ?? Spelling(SpecialMap, name) ?? fallback;

    /// <summary>A token is written as its spelling or as an added token with "content".</summary>
    public static string? Spelling(JsonPart? source, string name) =>
        Text(source, name) ?? (source is { IsObject: true } map && map.Optional(name) is { IsObject: true } token ? Text(token, "content") : null);

    private static string? Text(JsonPart? source, string name) =>
        source is { IsObject: true } map && map.Optional(name) is { IsString: true } text ? text.Text() : null;
}

/// <summary>
/// Tokenizers of folders from before tokenizer.json, put together as the models' own conversions do. A family whose rules are
/// not known here is refused by name.
/// </summary>
internal static class VocabularyFiles
{
    public const string Qwen2Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>
    /// Tokens that were added to the vocabulary later: <c>added_tokens_decoder</c> of tokenizer_config.json (id to token), where there is none
    /// added_tokens.json (spelling to id).
    /// </summary>
    public static List<AddedToken> Added(FolderConfiguration config, JsonPart? addedTokens, Vocabulary vocabulary)
    {
        if (config.Tokenizer is { IsObject: true } file && file.Optional("added_tokens_decoder") is { } decoder)
        {
            return [.. decoder.Members().Select(member => TokenizerJson.AddedToken(
                member.Value, int.TryParse(member.Name, CultureInfo.InvariantCulture, out var id) ? id : throw member.Value.Wrong("a token under its id"), vocabulary))];
        }
        return addedTokens is { } tokens
            ? [.. tokens.Members().Select(member => new AddedToken(member.Value.Integer(), member.Name, false, false, false, Normalized: true, Special: false))]
            : [];
    }

    /// <summary>vocab.txt: BERT and its kin.</summary>
    public static TokenizerPipeline WordPiece(string[] lines, FolderConfiguration config)
    {
        var ids = new Dictionary<string, int>();
        var count = lines.Length > 0 && lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        for (var id = 0; id < count; id++)
            ids[lines[id].TrimEnd('\r')] = id;
        var vocabulary = Vocabulary.Create(ids, count);
        var lower = config.Flag("do_lower_case", true);
        var normalizer = new BertNormalizer(
            cleanText: true, handleChineseChars: config.Flag("tokenize_chinese_chars", true),
            stripAccents: config.Flag("strip_accents", lower), lowercase: lower);
        var (unknown, cls, sep) = (config.Role("unk_token", "[UNK]"), config.Role("cls_token", "[CLS]"), config.Role("sep_token", "[SEP]"));
        var added = Special(vocabulary, unknown, sep, config.Role("pad_token", "[PAD]"), cls, config.Role("mask_token", "[MASK]"));
        return TokenizerPipeline.Create(
            added, normalizer, new BertPreTokenizer(), new WordPiece(vocabulary, unknown, "##", 100),
            TemplatePostProcessor.Bert(Need(vocabulary, cls), Need(vocabulary, sep)), new WordPieceDecoder("##", cleanup: true));
    }

    /// <summary>vocab.json and merges.txt: GPT-2, RoBERTa, BART, CLIP, Qwen2.</summary>
    public static TokenizerPipeline BytePairs(JsonPart vocabularyFile, string[] mergeLines, FolderConfiguration config)
    {
        var merges = new List<MergeRule>(mergeLines.Length);
        for (var i = 0; i < mergeLines.Length; i++)
        {
            var line = mergeLines[i].TrimEnd('\r');
            if (line.Length == 0 || (i == 0 && line.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            merges.Add(TokenizerJson.ParseMerge(line)
                ?? throw new TokenizerException($"merges.txt line {i + 1} must be two tokens and a space between them."));
        }
        var vocabulary = TokenizerJson.ReadVocabulary(vocabularyFile);
        var family = config.Family();
        var prefixSpace = config.Flag("add_prefix_space", false);
        BytePairEncoding Model(string? unknown = null, string suffix = "") =>
            new(vocabulary, merges, new BytePairOptions(unknown, "", suffix, false, false, false));
        switch (family)
        {
            case "gpt2" or "":
                var end = config.Role("eos_token", "<|endoftext|>");
                return TokenizerPipeline.Create(
                    Special(vocabulary, end), null, new ByteLevelPreTokenizer(prefixSpace, useRegex: true), Model(),
                    new PostProcessorSequence([]), new ByteLevelDecoder());
            case "roberta" or "longformer" or "bart" or "led":
                var (cls, sep) = (config.Role("cls_token", "<s>"), config.Role("sep_token", "</s>"));
                var tokens = Special(vocabulary, cls, sep, config.Role("pad_token", "<pad>"), config.Role("unk_token", "<unk>"));
                var mask = config.Role("mask_token", "<mask>");
                if (vocabulary.Find(mask) is { } maskId)
                    tokens.Add(new AddedToken(maskId, mask, false, LeftStrip: true, false, false, true));
                return TokenizerPipeline.Create(
                    tokens, null, new ByteLevelPreTokenizer(prefixSpace, useRegex: true), Model(),
                    new PostProcessorSequence(
                    [
                        new TrimOffsetsPostProcessor(prefixSpace),
                        TemplatePostProcessor.Roberta(Need(vocabulary, cls), Need(vocabulary, sep)),
                    ]),
                    new ByteLevelDecoder());
            case "clip" or "clip_text_model":
                var (bos, eos) = (config.Role("bos_token", "<|startoftext|>"), config.Role("eos_token", "<|endoftext|>"));
                return TokenizerPipeline.Create(
                    Special(vocabulary, bos, eos),
                    new NormalizerSequence(
                    [
                        new UnicodeNormalizer(compatible: false, compose: true),
                        new ReplaceNormalizer(new RegexPattern(@"\s+"), " "),
                        LowercaseNormalizer.Instance,
                    ]),
                    new PreTokenizerSequence(
                    [
                        new SplitPreTokenizer(
                            new RegexPattern(@"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), SplitBehavior.Removed, invert: true),
                        new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true),
                    ]),
                    Model(config.Role("unk_token", eos), "</w>"),
                    TemplatePostProcessor.Roberta(Need(vocabulary, bos), Need(vocabulary, eos)),
                    new DecoderSequence([new ByteLevelDecoder(), new ReplaceDecoder(new LiteralPattern("</w>"), " ")]));
            case "qwen2":
                return TokenizerPipeline.Create(
                    Special(vocabulary, config.Role("eos_token", "<|endoftext|>")),
                    new UnicodeNormalizer(compatible: false, compose: true),
                    new PreTokenizerSequence(
                    [
                        new SplitPreTokenizer(new RegexPattern(Qwen2Pattern), SplitBehavior.Isolated),
                        new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: false),
                    ]),
                    Model(), null, new ByteLevelDecoder());
            default:
                throw Unknown(family, "vocab.json with merges.txt");
        }
    }

    /// <summary>spiece.model, sentencepiece.bpe.model or tokenizer.model.</summary>
    public static TokenizerPipeline SentencePiece(byte[] file, FolderConfiguration config)
    {
        var model = SentencePieceModel.Parse(file);
        if (model.WhitespaceAsSuffix || !model.EscapeWhitespace)
            throw new TokenizerException("The SentencePiece model treats white space in a way that is not supported.");
        var family = config.Family();
        return (model.ModelType, family) switch
        {
            (1, "t5" or "mt5" or "umt5" or "longt5" or "switch_transformers") => T5(model, config),
            (1, "albert") => Albert(model, config),
            (1, "xlm-roberta" or "xlmroberta" or "xlm-roberta-xl" or "camembert") => XlmRoberta(model, config, family),
            (2, "llama" or "mistral") => ByteFallbackPairs(model, config, prefix: true, "<s>", "</s>"),
            (2, "gemma" or "gemma2") => ByteFallbackPairs(model, config, prefix: false, "<bos>", "<eos>"),
            (1 or 2, _) => throw Unknown(family, "a SentencePiece model"),
            _ => throw new TokenizerException("The SentencePiece model is neither Unigram nor BPE."),
        };
    }

    /// <summary>source.spm cuts, vocab.json gives the ids. Texts may begin with the language wanted, as >>fra&lt;&lt;.</summary>
    public static TokenizerPipeline Marian(byte[] source, JsonPart vocabularyFile, FolderConfiguration config)
    {
        var model = SentencePieceModel.Parse(source);
        if (model.ModelType != 1 || model.WhitespaceAsSuffix || !model.EscapeWhitespace)
            throw new TokenizerException("source.spm is not a Unigram model of the kind that Marian models use.");
        var vocabulary = TokenizerJson.ReadVocabulary(vocabularyFile);
        var unknown = config.Role("unk_token", "<unk>");
        var end = config.Role("eos_token", "</s>");
        var special = Special(vocabulary, [config.Role("pad_token", "<pad>"), end, unknown,
            .. vocabulary.Entries.Select(entry => entry.Key).Where(text => text.StartsWith(">>", StringComparison.Ordinal) && text.EndsWith("<<", StringComparison.Ordinal))]);
        var unigram = new Unigram(
            vocabulary, model.Pieces.FindAll(piece => piece.Kind is PieceKind.Normal or PieceKind.UserDefined).ConvertAll(piece => (piece.Text, (double)piece.Score)),
            Need(vocabulary, unknown).Id, byteFallback: false);
        var endToken = TemplatePostProcessor.Special(Need(vocabulary, end));
        var template = new TemplatePostProcessor(
            [TemplatePostProcessor.Text(0), endToken], [TemplatePostProcessor.Text(0), TemplatePostProcessor.Text(1), endToken]);
        var normalizer = new NormalizerSequence(
        [
            SentencePieceNormalizer(model, " "),
            new StripNormalizer(left: true, right: true),
        ]);
        return Metaspaced(special, normalizer, unigram, template);
    }

    private static TokenizerPipeline T5(SentencePieceModel model, FolderConfiguration config)
    {
        var pieces = model.Pieces.ConvertAll(piece => (piece.Text, (double)piece.Score));
        var extra = config.Integer("extra_ids", 100);
        if (extra is < 0 or > 10_000)
            throw new TokenizerException($"tokenizer_config.json asks for {extra} extra ids.");
        for (var id = extra - 1; id >= 0; id--)
            pieces.Add(($"<extra_id_{id}>", 0));
        var end = config.Role("eos_token", "</s>");
        var vocabulary = UnigramModel(pieces, model);
        var special = Special(vocabulary.Vocabulary, [config.Role("pad_token", "<pad>"), end, config.Role("unk_token", "<unk>"),
            .. pieces.Select(piece => piece.Item1).Where(text => text.StartsWith("<extra_id_", StringComparison.Ordinal))]);
        var endToken = TemplatePostProcessor.Special(Need(vocabulary.Vocabulary, end));
        return Metaspaced(special, SentencePieceNormalizer(model, "▁"), vocabulary, new TemplatePostProcessor(
            [TemplatePostProcessor.Text(0), endToken], [TemplatePostProcessor.Text(0), endToken, TemplatePostProcessor.Text(1), endToken]));
    }

    private static TokenizerPipeline Albert(SentencePieceModel model, FolderConfiguration config)
    {
        var steps = new List<Normalizer>
        {
            new ReplaceNormalizer(new LiteralPattern("``"), "\""),
            new ReplaceNormalizer(new LiteralPattern("''"), "\""),
        };
        if (!config.Flag("keep_accents", false))
        {
            steps.Add(new UnicodeNormalizer(compatible: true, compose: false));
            steps.Add(new Filter(Unicode.UnicodeData.Mark));
        }
        if (config.Flag("do_lower_case", true))
            steps.Add(LowercaseNormalizer.Instance);
        if (model.CharacterMap.Length > 0)
            steps.Add(new PrecompiledNormalizer(model.CharacterMap));
        steps.Add(new ReplaceNormalizer(new RegexPattern(" {2,}"), " "));
        // "9," is split by rules of its own, which the conversion expresses as a score that never wins.
        var pieces = model.Pieces.ConvertAll(piece => (piece.Text, EndsInNumberComma(piece.Text) ? piece.Score - 100.0 : piece.Score));
        var unigram = UnigramModel(pieces, model);
        var (cls, sep) = (config.Role("cls_token", "[CLS]"), config.Role("sep_token", "[SEP]"));
        var special = Special(unigram.Vocabulary, cls, sep, config.Role("pad_token", "<pad>"), config.Role("unk_token", "<unk>"));
        var mask = config.Role("mask_token", "[MASK]");
        if (unigram.Vocabulary.Find(mask) is { } id)
            special.Add(new AddedToken(id, mask, false, LeftStrip: true, false, false, true));
        return Metaspaced(special, new NormalizerSequence([.. steps]), unigram,
            TemplatePostProcessor.Bert(Need(unigram.Vocabulary, cls), Need(unigram.Vocabulary, sep)));
    }

    private static bool EndsInNumberComma(string piece) => piece.Length >= 2 && piece[^1] == ',' && char.IsDigit(piece[^2]);

    private static TokenizerPipeline XlmRoberta(SentencePieceModel model, FolderConfiguration config, string family)
    {
        List<(string, double)> pieces = family == "camembert"
            ? [("<s>NOTUSED", 0), ("<pad>", 0), ("</s>NOTUSED", 0), ("<unk>", 0), ("<unk>NOTUSED", -100)]
            : [("<s>", 0), ("<pad>", 0), ("</s>", 0), ("<unk>", 0)];
        pieces.AddRange(model.Pieces.Skip(family == "camembert" ? 1 : 3).Select(piece => (piece.Text, (double)piece.Score)));
        pieces.Add(("<mask>", 0));
        var unigram = new Unigram(pieces, 3, byteFallback: false);
        var special = Special(unigram.Vocabulary, "<s>", "<pad>", "</s>", "<unk>");
        special.Add(new AddedToken(pieces.Count - 1, "<mask>", false, LeftStrip: true, false, false, true));
        return Metaspaced(special, SentencePieceNormalizer(model, "▁"), unigram,
            TemplatePostProcessor.Roberta(Need(unigram.Vocabulary, config.Role("cls_token", "<s>")), Need(unigram.Vocabulary, config.Role("sep_token", "</s>"))));
    }

    private static TokenizerPipeline ByteFallbackPairs(SentencePieceModel model, FolderConfiguration config, bool prefix, string bos, string eos) =>
        ByteFallbackPairs(
            model, prefix, config.Flag("add_bos_token", true) ? config.Role("bos_token", bos) : null,
            config.Flag("add_eos_token", false) ? config.Role("eos_token", eos) : null);

    /// <summary>A SentencePiece BPE model as LLaMA and Gemma use it.</summary>
    /// <param name="prefix">Whether a text begins with a space of its own.</param>
    /// <param name="bos">The token put before each text; null for none.</param>
    /// <param name="eos">The token put after each text; null for none.</param>
    public static TokenizerPipeline ByteFallbackPairs(SentencePieceModel model, bool prefix, string? bos, string? eos)
    {
        var ids = new Dictionary<string, int>();
        for (var id = 0; id < model.Pieces.Count; id++)
            ids.TryAdd(model.Pieces[id].Text, id);
        var vocabulary = Vocabulary.Create(ids, model.Pieces.Count);
        var unknown = model.Pieces.Find(piece => piece.Kind == PieceKind.Unknown).Text ?? "<unk>";
        var pairs = new BytePairEncoding(vocabulary, Merges(model, vocabulary), new BytePairOptions(unknown, "", "", true, true, false));
        var special = new List<AddedToken>();
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            var (text, _, kind) = model.Pieces[id];
            if (kind is PieceKind.Control or PieceKind.Unknown or PieceKind.UserDefined)
                special.Add(new AddedToken(id, text, false, false, false, false, kind != PieceKind.UserDefined));
        }
        TemplatePart[] before = bos is null ? [] : [TemplatePostProcessor.Special(Need(vocabulary, bos))];
        TemplatePart[] after = eos is null ? [] : [TemplatePostProcessor.Special(Need(vocabulary, eos))];
        var template = new TemplatePostProcessor(
            [.. before, TemplatePostProcessor.Text(0), .. after],
            [.. before, TemplatePostProcessor.Text(0), .. after,
                .. before.Select(part => part with { TypeId = 1 }), TemplatePostProcessor.Text(1, 1), .. after.Select(part => part with { TypeId = 1 })]);
        Normalizer normalizer = new ReplaceCharNormalizer(' ', '▁');
        Decoder[] decoders = [new ReplaceDecoder(new LiteralPattern("▁"), " "), new ByteFallbackDecoder(), new FuseDecoder()];
        if (prefix)
        {
            normalizer = new NormalizerSequence([new PrependNormalizer("▁"), normalizer]);
            decoders = [.. decoders, new StripDecoder(" ", 1, 0)];
        }
        return TokenizerPipeline.Create(special, normalizer, null, pairs, template, new DecoderSequence(decoders));
    }

    /// <summary>A SentencePiece BPE file has no merges: every split of a piece into two pieces is one, the better scores first.</summary>
    private static List<MergeRule> Merges(SentencePieceModel model, Vocabulary vocabulary)
    {
        const int LongestPiece = 256; // trying every split of a piece is quadratic in its length
        var merges = new List<(MergeRule Rule, float Score, int Left, int Right)>();
        foreach (var (text, score, kind) in model.Pieces)
        {
            if (kind is not (PieceKind.Normal or PieceKind.UserDefined))
                continue;
            if (text.Length > LongestPiece)
                throw new TokenizerException($"The SentencePiece model has a piece of {text.Length} characters; at most {LongestPiece} are supported.");
            var splits = new List<(int Left, int Right, int At)>();
            for (var at = 1; at < text.Length; at++)
            {
                if (!char.IsLowSurrogate(text[at]) && vocabulary.Find(text.AsSpan(0, at)) is { } left && vocabulary.Find(text.AsSpan(at)) is { } right)
                    splits.Add((left, right, at));
            }
            splits.Sort();
            foreach (var (_, _, at) in splits)
                merges.Add((new MergeRule(text.AsMemory(0, at), text.AsMemory(at)), score, Length(text.AsSpan(0, at)), Length(text.AsSpan(at))));
        }
        return [.. merges.OrderByDescending(merge => merge.Score).ThenByDescending(merge => merge.Left).ThenByDescending(merge => merge.Right).Select(merge => merge.Rule)];

        static int Length(ReadOnlySpan<char> text)
        {
            var count = 0;
            foreach (var c in text)
                count += char.IsLowSurrogate(c) ? 0 : 1;
            return count;
        }
    }

    private static Unigram UnigramModel(List<(string, double)> pieces, SentencePieceModel model)
    {
        var unknown = model.Pieces.FindIndex(piece => piece.Kind == PieceKind.Unknown);
        return new Unigram(pieces, unknown < 0 ? null : unknown, model.ByteFallback);
    }

    private static NormalizerSequence SentencePieceNormalizer(SentencePieceModel model, string forSpaces)
    {
        var steps = new List<Normalizer>();
        if (model.CharacterMap.Length > 0)
            steps.Add(new PrecompiledNormalizer(model.CharacterMap));
        steps.Add(new StripNormalizer(left: false, right: true));
        steps.Add(new ReplaceNormalizer(new RegexPattern(" {2,}"), forSpaces));
        return new NormalizerSequence([.. steps]);
    }

    private static TokenizerPipeline Metaspaced(List<AddedToken> special, Normalizer normalizer, SubwordModel model, PostProcessor post) =>
        TokenizerPipeline.Create(special, normalizer, new MetaspacePreTokenizer('▁', PrependScheme.Always, split: true), model, post,
            new MetaspaceDecoder('▁', dropsFirst: true));

    private static List<AddedToken> Special(Vocabulary vocabulary, params IEnumerable<string> texts)
    {
        var result = new List<AddedToken>();
        foreach (var text in texts.Distinct())
        {
            if (vocabulary.Find(text) is { } id)
                result.Add(new AddedToken(id, text, false, false, false, false, true));
        }
        return result;
    }

    public static (int Id, string Text) Need(Vocabulary vocabulary, string token) => vocabulary.Find(token) is { } id
        ? (id, token)
        : throw new TokenizerException($"The vocabulary lacks the special token '{Vocabulary.Shorten(token)}'.");

    private static TokenizerException Unknown(string family, string files) => new(family.Length == 0
        ? $"The folder has {files}, but neither config.json nor tokenizer_config.json says which kind of model it is for; a tokenizer.json would."
        : $"How the family '{Vocabulary.Shorten(family)}' tokenizes with {files} is not known here; a tokenizer.json would say it.");
}
