using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AttentionLens.Tokenization.Tests;

/// <summary>Hostile files end in one sentence; long texts end at all.</summary>
public sealed class BadInputTests
{
    [Fact]
    public void AMissingFolderIsNamed()
    {
        Assert.False(Tokenizer.Exists("/no/such/folder"));
        Assert.Contains("/no/such/folder", Assert.Throws<TokenizerException>(() => Tokenizer.Load("/no/such/folder")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEmptyFolderSaysWhatIsNeeded()
    {
        using var folder = new TokenizerFolderBuilder();
        Assert.False(Tokenizer.Exists(folder.Path));
        Assert.Contains("tokenizer.json", Assert.Throws<TokenizerException>(folder.Load).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("{", "JSON")]
    [InlineData("[]", "object")]
    [InlineData("{}", "model")]
    [InlineData("""{"model": {"type": "Oracle"}}""", "'Oracle'")]
    [InlineData("""{"model": {"type": 7}}""", "string")]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"a": 4000000000}}}""", "whole number")]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"a": 2000000000}}}""", "2000000000")]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"a": -1}}}""", "-1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "'b'")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}}""", "merges")]
    [InlineData("""{"model": {"type": "Unigram", "vocab": [["a", 0.5]], "unk_id": 9}}""", "9")]
    [InlineData("""{"model": {"type": "Unigram", "vocab": [["a", 1e999]]}}""", "number")]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"\ud800": 0}}}""", "Unicode")]
    [InlineData("""{"normalizer": {"type": "Magic"}, "model": {"type": "WordLevel", "vocab": {}}}""", "'Magic'")]
    [InlineData("""{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}}, "model": {"type": "WordLevel", "vocab": {}}}""", "unclosed group")]
    [InlineData("""{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAA="}, "model": {"type": "WordLevel", "vocab": {}}}""", "map")]
    public void WhatIsWrongIsSaid(string json, string part)
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", json);
        var message = Assert.Throws<TokenizerException>(folder.Load).Message;
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void DeepNestingIsRefused()
    {
        const int Depth = 100_000;
        var nested = string.Concat(Enumerable.Repeat("""{"type":"Sequence","normalizers":[""", Depth)) + string.Concat(Enumerable.Repeat("]}", Depth));
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", "{\"normalizer\": " + nested + ", \"model\": {\"type\": \"WordLevel\", \"vocab\": {}}}");
        Assert.Throws<TokenizerException>(folder.Load);
    }

    [Fact]
    public void ATextWithoutAnyTokenForItSaysSo()
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", """{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}}""");
        Assert.Contains("'b'", Assert.Throws<TokenizerException>(() => folder.Load().Encode("b")).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> Fuzzed =>
    [
        "model-wordpiece", "model-unigram-bytes", "model-bpe-bytes", "model-bpe-affixes", "model-bpe-byte-level", "post-sequence", "added-normalized",
        "pre-tokenizer-regex-kimi", "pre-tokenizer-metaspace-first", "normalizer-bert", "normalizer-nfd-lower-strip", "normalizer-precompiled",
    ];

    /// <summary>Bytes flipped, cut and doubled; values of the tree swapped for others: a TokenizerException or a tokenizer that works.</summary>
    [Theory]
    [MemberData(nameof(Fuzzed))]
    public void FuzzedFilesLoadOrAreRefused(string name)
    {
        var random = new Random(20_261_123);
        var json = ComponentTests.Item(name).GetProperty("json").GetRawText();
        var original = Encoding.UTF8.GetBytes(json);
        for (var round = 0; round < 60; round++)
            Try(Damage(original, random));
        for (var round = 0; round < 60; round++)
            Try(Encoding.UTF8.GetBytes(Graft(json, random)));
    }

    private static void Try(byte[] file)
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", file);
        try
        {
            var tokenizer = folder.Load();
            var ids = tokenizer.Encode("The quick  brown\tfox: é 漢字 😀 \ud800 [MASK] <s>", "pair").Ids();
            tokenizer.Decode(ids);
        }
        catch (TokenizerException problem)
        {
            Assert.InRange(problem.Message.Length, 10, 1_000);
        }
    }

    private static byte[] Damage(byte[] original, Random random)
    {
        var bytes = original.ToList();
        for (var edits = random.Next(1, 6); edits > 0; edits--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(1, 40)));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, random.Next(1, 200))));
                    break;
                default:
                    bytes[at] = (byte)"{}[]\",:0-9\\un"[random.Next(13)];
                    break;
            }
            if (bytes.Count == 0)
                break;
        }
        return [.. bytes];
    }

    /// <summary>Puts a wrong value in a random place outside the vocabulary.</summary>
    private static string Graft(string json, Random random)
    {
        var root = JsonNode.Parse(json) ?? throw new JsonException();
        var places = new List<JsonNode>();
        Collect(root, places);
        JsonNode? value = random.Next(9) switch
        {
            0 => null,
            1 => JsonValue.Create(-1),
            2 => JsonValue.Create(1e300),
            3 => JsonValue.Create(""),
            4 => JsonValue.Create("(?:a+)+$"),
            5 => new JsonArray(),
            6 => new JsonObject(),
            7 => JsonValue.Create(true),
            _ => JsonValue.Create(new string('x', 5_000)),
        };
        if (places.Count > 0)
            places[random.Next(places.Count)].ReplaceWith(value);
        return root.ToJsonString();
    }

    private static void Collect(JsonNode node, List<JsonNode> places)
    {
        var children = node switch
        {
            JsonObject map when map.Count < 40 => map.Select(member => member.Value),
            JsonArray list when list.Count < 40 => list,
            _ => [],
        };
        foreach (var child in children)
        {
            if (child is null)
                continue;
            places.Add(child);
            Collect(child, places);
        }
    }

    /// <summary>A file of one line: every model must go through it in about the time that its length asks for.</summary>
    [Theory]
    [InlineData("model-wordpiece")]
    [InlineData("model-unigram")]
    [InlineData("model-unigram-whole")]
    [InlineData("model-bpe")]
    [InlineData("model-bpe-whole")]
    [InlineData("model-bpe-bytes")]
    [InlineData("model-bpe-byte-level")]
    [InlineData("normalizer-nfkc")]
    public void LongLinesEnd(string name)
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", ComponentTests.Item(name).GetProperty("json").GetRawText());
        var tokenizer = folder.Load();
        const int Length = 1_000_000;
        foreach (var line in new[] { new string('a', Length), new string(' ', Length), string.Concat(Enumerable.Repeat("e\u0301 the quick 漢字", Length / 14)) })
        {
            var tokens = tokenizer.Encode(line, addSpecialTokens: false).Tokens;
            Assert.All(tokens, token => Assert.InRange(token.End, token.Start, line.Length));
        }
    }

    [Fact]
    public void EncodingCanBeCancelled()
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", ComponentTests.Item("model-bpe-whole").GetProperty("json").GetRawText());
        var tokenizer = folder.Load();
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => tokenizer.Encode("the quick", cancellation: source.Token));
        Assert.NotEmpty(tokenizer.Encode("the quick").Tokens);
    }

    [Fact]
    public void ThreadsShareATokenizer()
    {
        using var folder = new TokenizerFolderBuilder().With("tokenizer.json", ComponentTests.Item("model-bpe-byte-level").GetProperty("json").GetRawText());
        var tokenizer = folder.Load();
        var lines = Enumerable.Range(0, 200).Select(i => $"the quick brown fox {i} jumps 漢字 {i * i}").ToArray();
        var expected = lines.Select(line => tokenizer.Encode(line).Ids()).ToArray();
        var actual = new int[lines.Length][];
        Parallel.For(0, lines.Length, i => actual[i] = tokenizer.Encode(lines[i]).Ids());
        Assert.Equal(expected, actual);
    }
}
