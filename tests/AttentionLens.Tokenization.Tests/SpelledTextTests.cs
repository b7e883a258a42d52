using AttentionLens.Tokenization.Decoders;

namespace AttentionLens.Tokenization.Tests;

/// <summary>Tokens of which only the spellings are known become a text that can be read, each with its place in it.</summary>
public sealed class SpelledTextTests
{
    [Theory]
    [InlineData("[CLS]|un|##aff|##able|小|##猫|!|[SEP]", "unaffable 小猫 !", "|un|aff|able|小|猫|!|")]
    [InlineData("<s>|ĠHello|,|Ġworld|Ċ|Ġcaf|Ã©|</s>", "Hello, world\n café", "|Hello|,|world||caf|é|")]
    [InlineData("▁Das|▁H|aus|<0x0A>|▁😀|</s>", "Das Haus\n 😀", "Das|H|aus||😀|")]
    [InlineData("The| cat|s| sat|.", "The cats sat.", "The|cat|s|sat|.")]
    [InlineData("0|1|2", "0 1 2", "0|1|2")]
    [InlineData("##alone|##", "alone ##", "alone|##")]
    [InlineData("[CLS]", "", "")]
    public void Words_and_places_are_told_from_the_marks(string spellings, string text, string places)
    {
        string[] tokens = spellings.Split('|');
        (string made, Token[] placed) = SpelledText.Of(tokens, Array.ConvertAll(tokens, static t => t is "[CLS]" or "[SEP]" or "<s>" or "</s>"), 0);
        Assert.Equal(text, made);
        Assert.Equal(places.Split('|'), placed.Select(token => made[token.Start..token.End]));
        Assert.Equal(tokens, placed.Select(static token => token.Text));
    }

    /// <summary>GPT-2 spells an emoji in several tokens: each of them has the whole, as from the tokenizer itself.</summary>
    [Fact]
    public void A_character_in_several_tokens_is_the_place_of_each()
    {
        (string text, Token[] tokens) = SpelledText.Of(["a", "ĠðŁ", "ĺ", "Ģ", "b"], new bool[5], 1);
        Assert.Equal("a 😀b", text);
        Assert.Equal(["a", "😀", "😀", "😀", "b"], tokens.Select(token => text[token.Start..token.End]));
        Assert.All(tokens, static token => Assert.Equal(1, token.Sequence));
    }

    [Fact]
    public void Pieces_of_a_word_belong_together_and_signs_do_not()
    {
        (_, Token[] tokens) = SpelledText.Of(["the", "cat", "##s", ",", "小", "##猫"], new bool[6], 0);
        Assert.Equal([0, 1, 1, 2, 3, 4], tokens.Select(static token => token.Word));
        (_, tokens) = SpelledText.Of(["ĠThe", "Ġcat", "s", ",", "Ġit"], new bool[5], 0);
        Assert.Equal([0, 1, 1, 2, 3], tokens.Select(static token => token.Word));
    }

    /// <summary>What is broken off is a space, so that no place moves; an editor makes no other lines of it.</summary>
    [Fact]
    public void Long_lines_are_broken_and_no_line_end_is_lost()
    {
        string[] words = [.. Enumerable.Range(0, 500).Select(static i => i % 50 == 49 ? "\r" : $"word{i}")];
        (string text, Token[] tokens) = SpelledText.Of(words, new bool[500], 0);
        Assert.All(text.Split('\n'), static line => Assert.InRange(line.Length, 0, 100));
        Assert.DoesNotContain('\r', text);
        Assert.All(words.Zip(tokens), pair => Assert.Equal(pair.First.Trim(), text[pair.Second.Start..pair.Second.End]));
    }

    [Fact]
    public void Any_spellings_have_places_inside_the_text()
    {
        var random = new Random(20261126);
        string[] parts = ["##", "Ġ", "▁", " ", "Ċ", "\r", "\n", "a", "é", "Ã", "ðŁ", "😀", "\ud83d", "小", "<0x0A>", "[SEP]", "", "\u0301"];
        for (int round = 0; round < 2000; round++)
        {
            string[] spellings = [.. Enumerable.Range(0, random.Next(12)).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => parts[random.Next(parts.Length)])))];
            (string text, Token[] tokens) = SpelledText.Of(spellings, Array.ConvertAll(spellings, static s => s == "[SEP]"), 0);
            int last = 0;
            foreach (Token token in tokens)
            {
                Assert.InRange(token.Start, 0, token.End);
                Assert.InRange(token.End, 0, text.Length);
                Assert.True(token.Special || token.Start == token.End || token.Start >= last || token.End >= last);
                Assert.False(token.Start < text.Length && char.IsLowSurrogate(text[token.Start]), "a surrogate pair is split");
                last = Math.Max(last, token.Start);
            }
        }
    }

    /// <summary>Bytes are spelled as letters that nobody reads: what is read is the character, whole or in parts.</summary>
    [Theory]
    [InlineData("mini-translator", "Die Schaltfläche", "Schaltfläche")]
    [InlineData("mini-decoder", "a fläche 猫 b", "|fl|ä|ä|che||猫|猫|猫|")]
    [InlineData("mini-decoder", "x 😀", "😀|😀")]
    public void What_a_byte_level_vocabulary_spells_is_read_as_characters(string model, string text, string read)
    {
        Tokenizer tokenizer = Fixtures.Embedded(model);
        Token[] tokens = tokenizer.Encode(text).Tokens;
        string shown = string.Join('|', tokens.Where(static t => !t.Special).Select(t => tokenizer.Readable(t, text) ?? t.Text.TrimStart('Ġ')));
        Assert.Contains(read, shown, StringComparison.Ordinal);
        Assert.DoesNotContain('Ã', shown);
    }

    [Fact]
    public void What_can_be_read_stays_as_it_is_spelled()
    {
        Tokenizer bytes = Fixtures.Embedded("mini-decoder"), pieces = Fixtures.Embedded("mini-encoder");
        Assert.All(bytes.Encode("plain words\n").Tokens, token => Assert.Null(bytes.Readable(token, "plain words\n")));
        Assert.All(pieces.Encode("für größere 猫").Tokens, token => Assert.Null(pieces.Readable(token, "für größere 猫")));
        // A model that wrote it has no text; half of a character stays as it is.
        Token whole = bytes.Encode("é").Tokens.First(static t => !t.Special);
        Assert.Equal(bytes.Decode([whole.Id]) == "é" ? "é" : null, bytes.Readable(whole, null));
    }
}
