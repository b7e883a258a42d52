namespace AttentionLens.Tokenization.Loading;

/// <summary>Which token is [CLS], which the padding, ...: as the configuration says, else by the customary spellings.</summary>
internal sealed class SpecialTokenRoles(TokenizerPipeline pipeline, FolderConfiguration config)
{
    public SpecialTokens Tokens() => new(
        Find("cls_token", "[CLS]"),
        Find("sep_token", "[SEP]"),
        Find("mask_token", "[MASK]", "<mask>"),
        Find("pad_token", "[PAD]", "<pad>"),
        Find("unk_token", "[UNK]", "<unk>"),
        Find("bos_token", "<s>", "<bos>", "<|begin_of_text|>"),
        Find("eos_token", "</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>"));

    private int? Find(string role, params ReadOnlySpan<string> customary)
    {
        foreach (var source in (ReadOnlySpan<JsonPart?>)[config.Tokenizer, config.SpecialMap])
        {
            if (FolderConfiguration.Spelling(source, role) is { } text && Id(text) is { } id)
                return id;
        }
        foreach (var spelling in customary)
        {
            if (Id(spelling) is { } id)
                return id;
        }
        return null;
    }

    private int? Id(string text) =>
        pipeline.AddedTokens.All.FirstOrDefault(token => token.Content == text)?.Id ?? pipeline.Model.Vocabulary.Find(text);
}
