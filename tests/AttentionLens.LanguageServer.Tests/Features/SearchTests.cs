using System.Text.Json.Nodes;
using AttentionLens.Corpora.Search;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Questions to the index of a run through the protocol. What the index answers is held against runs in the tests of the command line.</summary>
public sealed class SearchTests : IDisposable
{
    private const string Story = "Anna said that she slept. Then Anna slept.";
    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_index_says_what_it_holds()
    {
        string path = Index("a");
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            foreach (string named in new[] { path, Path.GetDirectoryName(path)! })
            {
                JsonNode answer = await client.Request("attentionLens/searchIndex", new JsonObject { ["path"] = named });
                Assert.Equal(("mini", 2, 4, 1, 1), ((string)answer["model"]!, (int)answer["layers"]!, (int)answer["heads"]!, (int)answer["documents"]!, (int)answer["texts"]!));
                Assert.Equal(["heads", "hidden", "predictions"], answer["keep"]!.AsArray().Select(static name => (string)name!));
            }
            Assert.Equal(0, model.Passes);
        }
    }

    [Fact]
    public async Task Attention_is_found_word_by_word_page_by_page()
    {
        string path = Index("a");
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            JsonObject Ask(int skip, int most) => new()
            {
                ["index"] = path,
                ["find"] = "attention",
                ["layer"] = 1,
                ["head"] = 2,
                ["from"] = "any",
                ["to"] = "name",
                ["least"] = 0.2,
                ["skip"] = skip,
                ["most"] = most,
            };
            JsonNode first = await client.Request("attentionLens/search", Ask(0, 1));
            JsonNode hit = Assert.Single(first["hits"]!.AsArray())!;
            Assert.True((bool)first["more"]!);
            // "she" looks at both pieces of the first "Anna": one hit, with the larger weight, from whole word to whole word.
            Assert.Equal(("she", "Anna", 0.5f), ((string)hit["word"]!, (string)hit["other"]!, (float)hit["score"]!));
            Assert.Equal("she", Story[(int)hit["start"]!..(int)hit["end"]!]);
            Assert.Equal("Anna", Story[(int)hit["otherStart"]!..(int)hit["otherEnd"]!]);
            string context = (string)hit["context"]!;
            Assert.Equal("she", context.Substring((int)hit["contextStart"]!, 3));
            Assert.Equal("Anna", context.Substring((int)hit["otherContextStart"]!, 4));
            JsonNode rest = await client.Request("attentionLens/search", Ask(1, 10));
            Assert.Equal("slept", (string)Assert.Single(rest["hits"]!.AsArray())!["word"]!);
            Assert.False((bool)rest["more"]!);
        }
    }

    [Fact]
    public async Task Contexts_like_that_of_the_word_at_the_cursor_are_found()
    {
        string path = Index("a");
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            // Not quite there: an edit has moved the word since the run.
            JsonNode answer = await client.Request("attentionLens/search", new JsonObject
            {
                ["index"] = path,
                ["find"] = "nearest",
                ["word"] = "anna",
                ["document"] = Document,
                ["offset"] = Story.LastIndexOf("Anna", StringComparison.Ordinal) + 2,
                ["most"] = 2,
            });
            Assert.Equal(Story.LastIndexOf("Anna", StringComparison.Ordinal), (int)answer["sought"]!["start"]!);
            Assert.Equal("Anna", (string)answer["hits"]![0]!["quote"]!);
            Assert.Equal(0, (int)answer["hits"]![0]!["start"]!);
            Assert.Equal(1, (float)answer["hits"]![0]!["score"]!, 0.001f); // equal states
            Assert.True((bool)answer["more"]!);
            Assert.Equal(2, answer["hits"]!.AsArray().Count);
        }
    }

    [Fact]
    public async Task Predictions_that_differ_are_found_with_both_words()
    {
        (string path, string other) = (Index("a"), Index("b", "dreamt"));
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            JsonNode answer = await client.Request("attentionLens/search", new JsonObject { ["index"] = path, ["find"] = "changed", ["other"] = other });
            JsonNode hit = Assert.Single(answer["hits"]!.AsArray())!;
            Assert.Equal(("said", "slept", "dreamt"), ((string)hit["quote"]!, (string)hit["word"]!, (string)hit["other"]!));
            Assert.Null(hit["otherStart"]);
            answer = await client.Request("attentionLens/search", new JsonObject { ["index"] = path, ["find"] = "changed", ["other"] = path });
            Assert.Empty(answer["hits"]!.AsArray());
        }
    }

    [Theory]
    [InlineData("""{"find": "attention", "layer": 2}""", "There is no head 2.0; the heads are 0.0 to 1.3.")]
    [InlineData("""{"find": "attention", "from": "/(/"}""", "no regular expression")]
    [InlineData("""{"find": "attention", "to": " "}""", "Say which word")]
    [InlineData("""{"find": "nearest", "word": "nobody"}""", "The word 'nobody' does not stand in the corpus.")]
    [InlineData("""{"find": "changed", "other": "/no/such/index"}""", "is no index of a run")]
    [InlineData("""{"find": "changed"}""", "other must be given")]
    [InlineData("""{"find": "all"}""", "find must be")]
    [InlineData("""{"find": "attention", "most": 0}""", "most must be")]
    public async Task What_cannot_be_answered_is_said(string question, string message)
    {
        JsonObject request = JsonNode.Parse(question)!.AsObject();
        request["index"] = Index("a");
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/search", request));
            Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        }
    }

    private string Document => Path.Combine(folder, "story.txt");

    /// <summary>The index of a run over one text; "Anna" is two tokens, and the two have the same states.</summary>
    private string Index(string run, string predicted = "slept")
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, run)).FullName, SearchIndex.FileName);
        var tokens = new List<SearchToken> { new("", -1, -1, true, false) };
        foreach (string word in "Anna said that she slept . Then Anna slept .".Split(' '))
        {
            int start = Story.IndexOf(word, tokens.Count == 1 ? 0 : (int)tokens[^1].End, StringComparison.Ordinal);
            int middle = word == "Anna" ? start + 2 : start + word.Length;
            tokens.Add(new SearchToken(word, start, middle, true, tokens.Count > 1));
            if (middle < start + word.Length)
                tokens.Add(new SearchToken(word, middle, start + word.Length, false, true));
        }
        // Each token's state points its own way, but those of the two "Anna" point the same.
        float[] states = new float[tokens.Count * 16];
        for (int i = 0; i < tokens.Count; i++)
            states[(i * 16) + (tokens[i].Word == "Anna" ? 0 : 1 + (i % 15))] = 1;
        int she = tokens.FindIndex(static token => token.Word == "she"), slept = tokens.FindLastIndex(static token => token.Word == "slept");
        int said = tokens.FindIndex(static token => token.Word == "said");
        using var writer = new SearchIndexWriter(path, new Dictionary<string, string>
        {
            ["model"] = "mini",
            ["fingerprint"] = "0",
            ["layers"] = "2",
            ["heads"] = "4",
            ["keep"] = "heads,hidden,predictions",
            ["least"] = "0.1",
        });
        writer.Add(
            Document, 0, tokens,
            [(1, 2, [new SearchEdge(she, 1, 0.3f), new SearchEdge(she, 2, 0.5f), new SearchEdge(slept, 1, 0.25f), new SearchEdge(slept, she, 0.9f), new SearchEdge(said, 1, 0.15f)]), (0, 2, [new SearchEdge(she, 1, 1)])],
            [new SearchPrediction(tokens[said].Start, tokens[said].End, predicted, 0.5f)],
            states);
        writer.Finish();
        return path;
    }
}
