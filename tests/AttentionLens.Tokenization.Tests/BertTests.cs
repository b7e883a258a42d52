namespace AttentionLens.Tokenization.Tests;

/// <summary>vocab.txt without tokenizer.json: every range points at what was typed.</summary>
public sealed class BertTests
{
    private const string Vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncafe\nun\n##aff\n##able\n漢\n字\n!\n한\nx\n##y\n";

    [Theory]
    [InlineData("The  CAFÉ!", "the 0-3|cafe 5-9|! 9-10")]
    [InlineData("cafe\u0301 the", "cafe 0-4|the 6-9")] // the mark is dropped with its place, as in the reference
    [InlineData("unaffable", "un 0-2|##aff 2-5|##able 5-9")]
    [InlineData("漢字the", "漢 0-1|字 1-2|the 2-5")]
    [InlineData("x\u0000\u200By", "x 0-1|##y 3-4")] // dropped controls leave one word
    [InlineData("the\u00A0the\r\n\tthe", "the 0-3|the 4-7|the 10-13")]
    [InlineData("the [MASK]!", "the 0-3|[MASK] 4-10|! 10-11")]
    [InlineData("", "")]
    [InlineData(" \t\n", "")]
    public void RangesPointAtTheOriginalText(string text, string expected)
    {
        using var folder = new TokenizerFolderBuilder().With("vocab.txt", Vocabulary);
        var tokens = folder.Load().Encode(text, addSpecialTokens: false).Tokens;
        Assert.Equal(expected, string.Join('|', tokens.Select(token => $"{token.Text} {token.Start}-{token.End}")));
        Assert.All(tokens, token => Assert.False(token.Special));
    }

    [Fact]
    public void LoneSurrogatesAreReadAsReplacementCharacters()
    {
        using var folder = new TokenizerFolderBuilder().With("vocab.txt", Vocabulary);
        var tokens = folder.Load().Encode("\uD83D\uDE00 the \uD83D the", addSpecialTokens: false).Tokens;
        Assert.Equal([(0, 2), (3, 6), (9, 12)], tokens.Select(token => (token.Start, token.End)));
    }

    [Fact]
    public void PairsCarryTypesSequencesAndSpecialTokens()
    {
        using var folder = new TokenizerFolderBuilder().With("vocab.txt", Vocabulary);
        var tokenizer = folder.Load();
        var tokens = tokenizer.Encode("the cafe", "xy").Tokens;
        Assert.Equal([2, 5, 6, 3, 14, 15, 3], tokens.Select(token => token.Id));
        Assert.Equal([0, 0, 0, 0, 1, 1, 1], tokens.Select(token => token.TypeId));
        Assert.Equal([-1, 0, 0, -1, 1, 1, -1], tokens.Select(token => token.Sequence));
        Assert.Equal([-1, 0, 1, -1, 0, 0, -1], tokens.Select(token => token.Word));
        Assert.Equal([true, false, false, true, false, false, true], tokens.Select(token => token.Special));
        Assert.Equal("the cafe xy", tokenizer.Decode([.. tokens.Select(token => token.Id)]));
        Assert.Equal(new SpecialTokens(2, 3, 4, 0, 1, null, null), tokenizer.Special);
        Assert.Equal(16, tokenizer.VocabularySize);
    }

    [Fact]
    public void CasedVocabulariesKeepCaseAndAccents()
    {
        using var folder = new TokenizerFolderBuilder()
            .With("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nCafé\ncafe\n")
            .With("tokenizer_config.json", """{"do_lower_case": false, "model_max_length": 512}""");
        var tokenizer = folder.Load();
        Assert.Equal([3, 4, 0], tokenizer.Encode("Café cafe CAFÉ", addSpecialTokens: false).Ids());
        Assert.Equal(512, tokenizer.MaxLength);
    }
}
