using System.Text.Json;

namespace AttentionLens.Tokenization.Tests;

/// <summary>Every component of tokenizer.json against what the reference implementation gave for the same file.</summary>
public sealed class ComponentTests
{
    private static readonly JsonElement Fixture = Fixtures.Json("components.json");

    public static TheoryData<string> Names => [.. Fixture.GetProperty("tokenizers").EnumerateArray().Select(item => item.GetProperty("name").GetString() ?? "")];

    [Theory]
    [MemberData(nameof(Names))]
    public void IdsAndRangesAreTheReferences(string name)
    {
        var item = Item(name);
        var tokenizer = Load(item);
        var lines = Fixture.GetProperty("lines").EnumerateArray().Select(Fixtures.Unescape).ToArray();
        var expected = item.GetProperty("expected").EnumerateArray().Select(Fixtures.Unescape).ToArray();
        Assert.Equal(lines.Length, expected.Length);
        for (var i = 0; i < lines.Length; i++)
        {
            var actual = tokenizer.Encode(lines[i]).Tokens;
            // Where the reference drops characters that have no token, its ranges slip by what it dropped; ours stay.
            if (name == "model-bpe-dropping")
                Assert.Equal(expected[i].Split(' ').Select(token => token.Split(',')[0]), string.Join(' ', actual.Select(token => token.Id)).Split(' '));
            else
                Assert.Equal(expected[i], Format(actual));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void PairsAndDecodingAreTheReferences(string name)
    {
        var item = Item(name);
        var tokenizer = Load(item);
        var lines = Fixture.GetProperty("lines").EnumerateArray().Select(Fixtures.Unescape).ToArray();
        if (name != "model-bpe-dropping")
            Assert.Equal(Fixtures.Unescape(item.GetProperty("pair")), Format(tokenizer.Encode(lines[20], lines[30]).Tokens));
        Assert.Equal(Fixtures.Unescape(item.GetProperty("decoded")), tokenizer.Decode(tokenizer.Encode(lines[25]).Ids()));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void RangesNeverSplitASurrogatePairAndStayInTheText(string name)
    {
        var tokenizer = Load(Item(name));
        foreach (var line in Fixture.GetProperty("lines").EnumerateArray().Select(Fixtures.Unescape))
        {
            foreach (var token in tokenizer.Encode(line).Tokens)
            {
                Assert.InRange(token.Start, 0, line.Length);
                Assert.InRange(token.End, token.Start, line.Length);
                Assert.False(Splits(line, token.Start) || Splits(line, token.End), $"{token} splits a pair");
            }
        }

        static bool Splits(string text, int at) =>
            at > 0 && at < text.Length && char.IsHighSurrogate(text[at - 1]) && char.IsLowSurrogate(text[at]);
    }

    internal static JsonElement Item(string name) =>
        Fixture.GetProperty("tokenizers").EnumerateArray().First(item => item.GetProperty("name").GetString() == name);

    private static Tokenizer Load(JsonElement item)
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", item.GetProperty("json").GetRawText());
        return folder.Load();
    }

    private static string Format(Token[] tokens) => string.Join(' ', tokens.Select(token => $"{token.Id},{token.Start},{token.End}"));
}
