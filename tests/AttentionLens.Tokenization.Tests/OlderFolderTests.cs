using System.Text;

namespace AttentionLens.Tokenization.Tests;

/// <summary>Folders without tokenizer.json.</summary>
public sealed class OlderFolderTests
{
    [Fact]
    public void Gpt2ReadsBytes()
    {
        using var folder = BytePairFolder("gpt2", "Ġ h", "e l", "Ġh el");
        var tokenizer = folder.Load();
        Assert.Equal("h el|Ġhel|ð Ł Ĺ Ģ".Replace("h el", "h|el", StringComparison.Ordinal).Replace("ð Ł Ĺ Ģ", "ð|Ł|ĺ|Ģ", StringComparison.Ordinal),
            string.Join('|', tokenizer.Encode("hel hel😀").Tokens.Select(token => token.Text)));
        Assert.Equal([(0, 1), (1, 3), (3, 7), (7, 9), (7, 9), (7, 9), (7, 9)], tokenizer.Encode("hel hel😀").Tokens.Select(token => (token.Start, token.End)));
        Assert.Equal("hel hel😀", tokenizer.Decode(tokenizer.Encode("hel hel😀").Ids()));
    }

    [Fact]
    public void RobertaAddsItsSpecialTokensAndTrimsSpaces()
    {
        using var folder = BytePairFolder("roberta", "Ġ h", "e l", "Ġh el");
        var tokenizer = folder.Load();
        var tokens = tokenizer.Encode("h hel <mask>", "h").Tokens;
        Assert.Equal("<s> h Ġhel <mask> </s> </s> h </s>", string.Join(' ', tokens.Select(token => token.Text)));
        Assert.Equal([(0, 0), (0, 1), (2, 5), (6, 12), (0, 0), (0, 0), (0, 1), (0, 0)], tokens.Select(token => (token.Start, token.End)));
        Assert.All(tokens, token => Assert.Equal(0, token.TypeId));
    }

    [Fact]
    public void ClipLowersAndEndsWords()
    {
        using var folder = BytePairFolder("clip", "h e</w>");
        var tokens = folder.Load().Encode("HE  he").Tokens;
        Assert.Equal("<|startoftext|> he</w> he</w> <|endoftext|>", string.Join(' ', tokens.Select(token => token.Text)));
        Assert.Equal([(0, 0), (0, 2), (4, 6), (0, 0)], tokens.Select(token => (token.Start, token.End)));
    }

    [Fact]
    public void AFamilyThatIsNotKnownIsRefusedByName()
    {
        using var folder = BytePairFolder("zebra");
        Assert.Contains("'zebra'", Assert.Throws<TokenizerException>(folder.Load).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void T5SegmentsByProbability()
    {
        using var folder = new TokenizerFolderBuilder()
            .With("spiece.model", SentencePiece(1,
                ("<pad>", 0, 3), ("</s>", 0, 3), ("<unk>", 0, 2), ("▁", -2, 1), ("▁un", -3, 1), ("related", -4, 1), ("▁unrelated", -9, 1), ("r", -8, 1)))
            .With("config.json", """{"model_type": "t5"}""");
        var tokenizer = folder.Load();
        var tokens = tokenizer.Encode("unrelated  é").Tokens;
        Assert.Equal("▁un|related|▁|<unk>|</s>", string.Join('|', tokens.Select(token => token.Text)));
        Assert.Equal([(0, 2), (2, 9), (10, 11), (11, 12), (0, 0)], tokens.Select(token => (token.Start, token.End)));
        Assert.Equal(108, tokenizer.VocabularySize);
        Assert.Equal(107, tokenizer.TokenToId("<extra_id_0>"));
    }

    [Fact]
    public void XlmRobertaMovesItsIds()
    {
        using var folder = new TokenizerFolderBuilder()
            .With("sentencepiece.bpe.model", SentencePiece(1, ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁a", -2, 1), ("b", -3, 1)))
            .With("config.json", """{"model_type": "xlm-roberta"}""");
        Assert.Equal([0, 4, 5, 2], folder.Load().Encode("ab").Ids());
    }

    [Fact]
    public void LlamaMergesByScoreAndFallsBackToBytes()
    {
        var pieces = new List<(string, float, int)> { ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3) };
        for (var b = 0; b < 256; b++)
            pieces.Add(($"<0x{b:X2}>", 0, 6));
        pieces.AddRange([("▁", -10, 1), ("a", -11, 1), ("b", -12, 1), ("▁a", -1, 1), ("ab", -2, 1), ("▁ab", -3, 1)]);
        using var folder = new TokenizerFolderBuilder()
            .With("tokenizer.model", SentencePiece(2, [.. pieces]))
            .With("config.json", """{"model_type": "llama"}""");
        var tokenizer = folder.Load();
        var tokens = tokenizer.Encode("ab bé").Tokens;
        Assert.Equal("<s>|▁ab|▁|b|<0xC3>|<0xA9>", string.Join('|', tokens.Select(token => token.Text)));
        Assert.Equal([(0, 0), (0, 2), (2, 3), (3, 4), (4, 5), (4, 5)], tokens.Select(token => (token.Start, token.End)));
        Assert.Equal("ab bé", tokenizer.Decode(tokenizer.Encode("ab bé").Ids()));
    }

    [Fact]
    public void MarianCutsByOneFileAndNumbersByAnother()
    {
        using var folder = new TokenizerFolderBuilder()
            .With("source.spm", SentencePiece(1, ("<unk>", 0, 2), ("▁un", -3, 1), ("related", -4, 1), ("▁rare", -5, 1), ("▁", -6, 1)))
            .With("vocab.json", """{"</s>": 0, "<unk>": 1, ">>fra<<": 2, "related": 3, "▁un": 4, "<pad>": 5, "▁": 6}""");
        var tokens = folder.Load().Encode(">>fra<< unrelated  rare").Tokens;
        Assert.Equal([2, 4, 3, 1, 0], tokens.Select(token => token.Id));
        // ▁rare carries its space: the last of the two that became one.
        Assert.Equal([(0, 7), (8, 10), (10, 17), (18, 23), (0, 0)], tokens.Select(token => (token.Start, token.End)));
    }

    [Fact]
    public void CutSentencePieceFilesAreRefused()
    {
        var whole = SentencePiece(1, ("<unk>", 0, 2), ("▁a", -2, 1));
        for (var length = 0; length < whole.Length; length++)
        {
            using var folder = new TokenizerFolderBuilder().With("spiece.model", whole[..length]).With("config.json", """{"model_type": "t5"}""");
            Assert.Throws<TokenizerException>(folder.Load);
        }
    }

    /// <summary>A byte-level vocabulary with the given merges and every special token the families ask for.</summary>
    private static TokenizerFolderBuilder BytePairFolder(string family, params string[] merges)
    {
        var tokens = new List<string> { "<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>", "<|startoftext|>" };
        for (var c = 33; c < 400; c++)
            tokens.Add(((char)c).ToString());
        tokens.AddRange(tokens.Where(token => token.Length == 1).Select(token => token + "</w>").ToArray());
        tokens.AddRange(merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal)));
        var json = new StringBuilder("{");
        foreach (var (index, token) in tokens.Distinct().Index())
            json.Append(index == 0 ? "" : ",").Append('"').Append(token.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)).Append("\":").Append(index);
        return new TokenizerFolderBuilder()
            .With("vocab.json", json.Append('}').ToString())
            .With("merges.txt", "#version: 0.2\n" + string.Join('\n', merges) + "\n")
            .With("config.json", $$"""{"model_type": "{{family}}"}""");
    }

    /// <summary>The few fields of sentencepiece_model.proto that matter.</summary>
    private static byte[] SentencePiece(byte modelType, params (string Text, float Score, int Kind)[] pieces)
    {
        var file = new List<byte>();
        foreach (var (text, score, kind) in pieces)
        {
            var utf8 = Encoding.UTF8.GetBytes(text);
            byte[] message = [0x0A, (byte)utf8.Length, .. utf8, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)kind];
            file.AddRange([0x0A, (byte)message.Length, .. message]);
        }
        file.AddRange([0x12, 2, 0x18, modelType]);
        return [.. file];
    }
}
