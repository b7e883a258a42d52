using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Loading;

/// <summary>Builds a pipeline from tokenizer.json. A component that is not reproduced exactly is refused by name.</summary>
internal static class TokenizerJson
{
    public static TokenizerPipeline Load(JsonPart root)
    {
        var normalizer = root.Optional("normalizer") is { } n ? Normalizer(n) : null;
        var preTokenizer = root.Optional("pre_tokenizer") is { } p ? PreTokenizer(p) : null;
        var model = Model(root.Required("model"));
        var postProcessor = root.Optional("post_processor") is { } post ? PostProcessor(post) : null;
        var decoder = root.Optional("decoder") is { } d ? Decoder(d) : null;
        var added = root.Optional("added_tokens") is { } tokens ? AddedTokens(tokens, model.Vocabulary) : [];
        return TokenizerPipeline.Create(added, normalizer, preTokenizer, model, postProcessor, decoder);
    }

    private static List<AddedToken> AddedTokens(JsonPart part, Vocabulary vocabulary) =>
        [.. part.Items().Select(item => AddedToken(item, vocabulary.Find(item.Required("content").Text()) ?? item.Required("id").Integer(), vocabulary))];

    /// <summary>An added token as tokenizer.json writes it, and tokenizer_config.json under its id.</summary>
    internal static AddedToken AddedToken(JsonPart item, int id, Vocabulary vocabulary)
    {
        if (id < 0 || id > vocabulary.Size + 1_000_000)
            throw item.Wrong("a token whose id follows the vocabulary");
        var special = item.Flag("special", false);
        return new AddedToken(
            id, item.Required("content").Text(), item.Flag("single_word", false), item.Flag("lstrip", false), item.Flag("rstrip", false),
            item.Flag("normalized", !special), special);
    }

    private static Normalizer Normalizer(JsonPart part)
    {
        var type = part.Required("type").Text();
        switch (type)
        {
            case "Sequence":
                return new NormalizerSequence([.. part.Required("normalizers").Items().Select(Normalizer)]);
            case "BertNormalizer":
                var lowercase = part.Flag("lowercase", true);
                return new BertNormalizer(
                    part.Flag("clean_text", true), part.Flag("handle_chinese_chars", true), part.Flag("strip_accents", lowercase), lowercase);
            case "NFC":
                return new UnicodeNormalizer(compatible: false, compose: true);
            case "NFD":
                return UnicodeNormalizer.Nfd;
            case "NFKC":
                return new UnicodeNormalizer(compatible: true, compose: true);
            case "NFKD":
                return new UnicodeNormalizer(compatible: true, compose: false);
            case "Lowercase":
                return LowercaseNormalizer.Instance;
            case "StripAccents":
                return new Filter(UnicodeData.Mark);
            case "Replace":
                var content = part.Required("content").Text();
                var pattern = part.Required("pattern");
                return pattern.Optional("String")?.Text() is { Length: 1 } from && content.Length == 1 && !char.IsSurrogate(from[0])
                    ? new ReplaceCharNormalizer(from[0], content[0])
                    : new ReplaceNormalizer(Pattern(pattern), content);
            case "Prepend":
                return new PrependNormalizer(part.Required("prepend").Text());
            case "Strip":
                return new StripNormalizer(part.Flag("strip_left", true), part.Flag("strip_right", true));
            case "Nmt":
                return new NmtNormalizer();
            case "ByteLevel":
                return new ByteLevelNormalizer();
            case "Precompiled":
                var map = part.Required("precompiled_charsmap");
                return new PrecompiledNormalizer(
                    map.IsString && map.Element.TryGetBytesFromBase64(out var bytes) ? bytes : throw map.Wrong("a base64 string"));
            default:
                throw part.Unknown("normalizer", type);
        }
    }

    private static PreTokenizer PreTokenizer(JsonPart part)
    {
        var type = part.Required("type").Text();
        return type switch
        {
            "Sequence" => new PreTokenizerSequence([.. part.Required("pretokenizers").Items().Select(PreTokenizer)]),
            "BertPreTokenizer" => new BertPreTokenizer(),
            "Whitespace" => new SplitPreTokenizer(Words.Value, SplitBehavior.Removed, invert: true),
            "Split" => new SplitPreTokenizer(
                Pattern(part.Required("pattern")), Behavior(part, SplitBehavior.Isolated), part.Flag("invert", false)),
            "CharDelimiterSplit" or "Delimiter" => new SplitPreTokenizer(
                new LiteralPattern(part.Required("delimiter").Text()), SplitBehavior.Removed),
            "ByteLevel" => new ByteLevelPreTokenizer(part.Flag("add_prefix_space", true), part.Flag("use_regex", true)),
            "Metaspace" => Metaspace(part),
            "UnicodeScripts" => new UnicodeScriptsPreTokenizer(),
            "FixedLength" => new FixedLengthPreTokenizer(
                part.Integer("length", 5) is > 0 and var length ? length : throw part.Wrong("a positive length")),
            "WhitespaceSplit" => new SplitPreTokenizer(CharacterPattern.WhiteSpace, SplitBehavior.Removed),
            "Punctuation" => new SplitPreTokenizer(CharacterPattern.Punctuation, Behavior(part, SplitBehavior.Isolated)),
            "Digits" => new SplitPreTokenizer(
                CharacterPattern.Number, part.Flag("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
            _ => throw part.Unknown("pre-tokenizer", type),
        };
    }

    private static readonly Lazy<RegexPattern> Words = new(() =>
        new RegexPattern(@"[\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+"));

    private static TextPattern Pattern(JsonPart part)
    {
        // Older files write the string itself.
        if (part.IsString)
            return new LiteralPattern(part.Text());
        if (part.Optional("String") is { } literal)
            return new LiteralPattern(literal.Text());
        try
        {
            return new RegexPattern(part.Required("Regex").Text());
        }
        catch (TokenizerException problem)
        {
            throw new TokenizerException($"{part.Path}: {problem.Message}");
        }
    }

    private static MetaspacePreTokenizer Metaspace(JsonPart part)
    {
        var scheme = part.Optional("prepend_scheme") is { } given
            ? given.Text() switch
            {
                "always" => PrependScheme.Always,
                "first" => PrependScheme.First,
                "never" => PrependScheme.Never,
                var other => throw given.Unknown("prepend scheme", other),
            }
            : part.Flag("add_prefix_space", true) ? PrependScheme.Always : PrependScheme.Never;
        return new MetaspacePreTokenizer(Replacement(part), scheme, part.Flag("split", true));
    }

    private static char Replacement(JsonPart part) =>
        part.Text("replacement", "▁") is { Length: 1 } text ? text[0] : throw part.Wrong("a replacement of one character");

    private static SplitBehavior Behavior(JsonPart part, SplitBehavior fallback)
    {
        if (part.Optional("behavior") is not { } behavior)
            return fallback;
        return behavior.Text() switch
        {
            "Removed" => SplitBehavior.Removed,
            "Isolated" => SplitBehavior.Isolated,
            "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
            "MergedWithNext" => SplitBehavior.MergedWithNext,
            "Contiguous" => SplitBehavior.Contiguous,
            var other => throw behavior.Unknown("split behaviour", other),
        };
    }

    private static SubwordModel Model(JsonPart part)
    {
        // Files from before version 0.10 leave the type out.
        var type = part.Optional("type")?.Text() ?? (part.Optional("merges") is not null ? "BPE"
            : part.Required("vocab").IsArray ? "Unigram"
            : part.Optional("continuing_subword_prefix") is not null ? "WordPiece" : "WordLevel");
        return type switch
        {
            "WordPiece" => new WordPiece(
                ReadVocabulary(part.Required("vocab")), part.Text("unk_token", "[UNK]"),
                part.Text("continuing_subword_prefix", "##"), part.Integer("max_input_chars_per_word", 100)),
            "BPE" => BytePairs(part),
            "Unigram" => new Unigram(
                [.. part.Required("vocab").Items().Select(Scored)], part.Optional("unk_id")?.Integer(), part.Flag("byte_fallback", false)),
            "WordLevel" => new WordLevel(ReadVocabulary(part.Required("vocab")), part.Text("unk_token", "<unk>")),
            _ => throw part.Unknown("model", type),
        };
    }

    private static (string, double) Scored(JsonPart part)
    {
        return part.IsArray && part.Element.GetArrayLength() == 2
            ? (part.Item(0).Text(), part.Item(1).Number())
            : throw part.Wrong("a piece and its score");
    }

    private static BytePairEncoding BytePairs(JsonPart part)
    {
        var list = part.Required("merges");
        var merges = new List<MergeRule>(list.IsArray ? list.Element.GetArrayLength() : 0);
        foreach (var merge in list.Items())
        {
            if (merge.IsArray)
            {
                merges.Add(merge.Element.GetArrayLength() == 2
                    ? new MergeRule(merge.Item(0).Text().AsMemory(), merge.Item(1).Text().AsMemory())
                    : throw merge.Wrong("a pair of tokens"));
                continue;
            }
            merges.Add(ParseMerge(merge.Text()) ?? throw merge.Wrong("two tokens and a space between them"));
        }
        return new BytePairEncoding(ReadVocabulary(part.Required("vocab")), merges, new BytePairOptions(
            part.Optional("unk_token")?.Text(), part.Text("continuing_subword_prefix", ""), part.Text("end_of_word_suffix", ""),
            part.Flag("fuse_unk", false), part.Flag("byte_fallback", false), part.Flag("ignore_merges", false)));
    }

    /// <summary>"left right", null when it is anything else.</summary>
    internal static MergeRule? ParseMerge(string text)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return space >= 0 && text.IndexOf(' ', space + 1) < 0
            ? new MergeRule(text.AsMemory(0, space), text.AsMemory(space + 1))
            : null;
    }

    internal static Vocabulary ReadVocabulary(JsonPart part)
    {
        var ids = new Dictionary<string, int>(part.IsObject ? part.Element.GetPropertyCount() : 0);
        foreach (var (token, id) in part.Members())
            ids[token] = id.Integer();
        return Vocabulary.Create(ids);
    }

    private static PostProcessor PostProcessor(JsonPart part)
    {
        var type = part.Required("type").Text();
        switch (type)
        {
            case "Sequence":
                return new PostProcessorSequence([.. part.Required("processors").Items().Select(PostProcessor)]);
            case "BertProcessing":
                return TemplatePostProcessor.Bert(TokenPair(part.Required("cls")), TokenPair(part.Required("sep")));
            case "RobertaProcessing":
                var template = TemplatePostProcessor.Roberta(TokenPair(part.Required("cls")), TokenPair(part.Required("sep")));
                return part.Flag("trim_offsets", true)
                    ? new PostProcessorSequence([new TrimOffsetsPostProcessor(part.Flag("add_prefix_space", true)), template])
                    : template;
            case "ByteLevel":
                return part.Flag("trim_offsets", true)
                    ? new TrimOffsetsPostProcessor(part.Flag("add_prefix_space", true))
                    : new PostProcessorSequence([]);
            case "TemplateProcessing":
                var special = SpecialTokens(part);
                return new TemplatePostProcessor(Template(part.Required("single"), special, 1), Template(part.Required("pair"), special, 2));
            default:
                throw part.Unknown("post-processor", type);
        }
    }

    private static (int, string) TokenPair(JsonPart part)
    {
        var items = part.Items().ToArray();
        return items.Length == 2 ? (items[1].Integer(), items[0].Text()) : throw part.Wrong("a token and its id");
    }

    private static Dictionary<string, (int, string)[]> SpecialTokens(JsonPart part)
    {
        var result = new Dictionary<string, (int, string)[]>();
        if (part.Optional("special_tokens") is not { } tokens)
            return result;
        foreach (var (name, token) in tokens.Members())
        {
            var ids = token.Required("ids").Items().Select(id => id.Integer()).ToArray();
            var texts = token.Required("tokens").Items().Select(text => text.Text()).ToArray();
            if (ids.Length != texts.Length)
                throw token.Wrong("a special token with as many ids as spellings");
            result[name] = [.. ids.Zip(texts)];
        }
        return result;
    }

    private static TemplatePart[] Template(JsonPart part, Dictionary<string, (int, string)[]> special, int sequences) =>
    [
        .. part.Items().Select(item =>
        {
            if (item.Optional("Sequence") is { } sequence)
            {
                var name = sequence.Required("id").Text();
                var index = name switch { "A" => 0, "B" => 1, _ => throw sequence.Wrong("sequence A or B") };
                return index < sequences
                    ? TemplatePostProcessor.Text(index, sequence.Integer("type_id", 0))
                    : throw sequence.Wrong("sequence A, the only one of a single text");
            }
            var token = item.Required("SpecialToken");
            var id = token.Required("id").Text();
            return special.TryGetValue(id, out var tokens)
                ? new TemplatePart(null, tokens, token.Integer("type_id", 0))
                : throw new TokenizerException($"{token.Path} names the special token '{Vocabulary.Shorten(id)}', which special_tokens lacks.");
        }),
    ];

    private static Decoder Decoder(JsonPart part)
    {
        var type = part.Required("type").Text();
        return type switch
        {
            "Sequence" => new DecoderSequence([.. part.Required("decoders").Items().Select(Decoder)]),
            "WordPiece" => new WordPieceDecoder(part.Text("prefix", "##"), part.Flag("cleanup", true)),
            "ByteLevel" => new ByteLevelDecoder(),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Metaspace" => new MetaspaceDecoder(
                Replacement(part), part.Text("prepend_scheme", part.Flag("add_prefix_space", true) ? "always" : "never") != "never"),
            "BPEDecoder" => new BytePairDecoder(part.Text("suffix", "</w>")),
            "CTC" => new CtcDecoder(
                part.Text("pad_token", "<pad>"), part.Text("word_delimiter_token", "|"), part.Flag("cleanup", true)),
            "Replace" => new ReplaceDecoder(Pattern(part.Required("pattern")), part.Required("content").Text()),
            "Strip" => new StripDecoder(part.Required("content").Text(), part.Integer("start", 0), part.Integer("stop", 0)),
            _ => throw part.Unknown("decoder", type),
        };
    }
}
