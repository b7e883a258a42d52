using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Two documents side by side: parallel text, or two selections.</summary>
public sealed class PairTests
{
    private const string English = "file:///corpus/news.en", German = "file:///corpus/news.de";

    private static async Task<TestClient> StartAsync(string architecture)
    {
        (TestClient client, _) = await TestClient.StartAsync(architecture);
        await client.Open("a lamp\n\nthe beach 🔎\n", uri: English);
        await client.Open("eine Lampe\n\nder Strand\n", version: 4, uri: German);
        return client;
    }

    [Fact]
    public async Task Open_documents_with_names_of_one_corpus_are_read_line_by_line_as_source_and_target()
    {
        await using TestClient client = await StartAsync("t5");
        JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(2, 5, 2, 5), English) });
        Assert.Equal("ok", (string?)tokens["status"]);
        Assert.Equal(["[CLS]", "der", "Strand", "[SEP]"], Texts(tokens["tokens"]!)); // de before en: German is the source
        Assert.Equal(["the", "beach", "🔎"], tokens["targetTokens"]!.AsArray().Where(static token => !(bool)token!["special"]!).Select(static token => (string?)token!["text"]));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(2, 0, 2, 12), tokens["range"]));
        Assert.True(JsonNode.DeepEquals(
            new JsonObject { ["uri"] = German, ["version"] = 4, ["range"] = TestClient.Range(2, 0, 2, 10), ["source"] = true }, tokens["pair"]));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(2, 4, 2, 10), tokens["tokens"]![2]!["range"]));
        Assert.True((bool?)tokens["tokens"]![2]!["inPair"]);
        Assert.Null(tokens["targetTokens"]!.AsArray().Last(static t => (string?)t!["text"] == "beach")!["inPair"]);
    }

    [Fact]
    public async Task A_query_in_one_document_tints_the_other()
    {
        await using TestClient client = await StartAsync("t5");
        JsonNode target = await client.Request("attentionLens/tints", TestClient.Tints(0, 3, 0, 3, English));
        Assert.Equal(("cross", "row"), ((string?)target["view"]!["stack"], (string?)target["mode"]));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 2, 0, 6), target["query"]));
        Assert.Empty(target["tokens"]!.AsArray());
        Assert.Equal([0, 0, 0, 4, 1, 0, 5, 0, 10, 2], Numbers(target["pair"]!["tokens"]!));
        Assert.Equal(2, target["pair"]!["buckets"]!.AsArray().Count);
        Assert.Equal((float)target["max"]!, target["pair"]!["weights"]!.AsArray().Max(static w => (float)w!));

        JsonNode source = await client.Request("attentionLens/tints", TestClient.Tints(0, 6, 0, 6, German));
        Assert.Equal(("column", 4), ((string?)source["mode"], (int)source["version"]!));
        Assert.Empty(source["tokens"]!.AsArray());
        Assert.Equal(English, (string?)source["pair"]!["uri"]);
        Assert.False((bool)source["pair"]!["source"]!);
        Assert.NotEmpty(source["pair"]!["tokens"]!.AsArray());
    }

    [Fact]
    public async Task An_encoder_reads_both_as_one_input_and_every_feature_keeps_to_its_document()
    {
        await using TestClient client = await StartAsync("bert");
        JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 3, 0, 3, English));
        Assert.Equal([0, 0, 0, 1, 4, 0, 2, 0, 6, 5], Numbers(tints["tokens"]!)); // a lamp, behind [CLS] eine Lampe [SEP]
        Assert.Equal([0, 0, 0, 4, 1, 0, 5, 0, 10, 2], Numbers(tints["pair"]!["tokens"]!));
        JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 3, English));
        Assert.Contains("`lamp`", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
        Assert.Contains("`Lampe`", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
        Assert.Contains("source: `news.de`, line 1", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
        JsonArray marks = (await client.Request("textDocument/documentHighlight", TestClient.At(0, 3, English))).AsArray();
        Assert.NotEmpty(marks);
        Assert.All(marks, static mark => Assert.InRange((int)mark!["range"]!["end"]!["character"]!, 1, 6));
    }

    [Fact]
    public async Task Lines_move_with_edits_and_a_line_that_is_empty_on_one_side_stands_alone()
    {
        await using TestClient client = await StartAsync("bert");
        await client.Change(2, "a new line\n", TestClient.Range(0, 0, 0, 0), English);
        // Not the same number of lines: the names alone prove nothing.
        Assert.Null((await client.Request("attentionLens/tints", TestClient.Tints(0, 3, uri: English)))["pair"]);
        await client.Change(5, "eine neue Zeile\n", TestClient.Range(0, 0, 0, 0), German);
        JsonNode both = await client.Request("attentionLens/tints", TestClient.Tints(1, 3, uri: English));
        Assert.Equal((5, 1), ((int)both["pair"]!["version"]!, (int)both["pair"]!["range"]!["start"]!["line"]!));
        await client.Change(6, "", TestClient.Range(1, 0, 1, 10), German);
        JsonNode alone = await client.Request("attentionLens/tints", TestClient.Tints(1, 3, uri: English));
        Assert.Equal("ok", (string?)alone["status"]);
        Assert.Null(alone["pair"]);
    }

    [Fact]
    public async Task A_command_pairs_turns_and_parts_documents()
    {
        await using TestClient client = await StartAsync("t5");
        await client.Open("some text\nof another name\n", uri: "file:///other.txt");
        Task<JsonNode> Execute(string command, JsonObject argument) =>
            client.Request("workspace/executeCommand", new JsonObject { ["command"] = $"attentionLens.{command}", ["arguments"] = new JsonArray(argument) });
        async Task<JsonNode?> Pair(string uri) => (await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 1, 0, 1), uri) }))["pair"];

        Assert.True((bool)(await Pair(English))!["source"]!);
        await Execute("pairDocuments", new JsonObject { ["source"] = English, ["target"] = German });
        Assert.False((bool)(await Pair(English))!["source"]!);
        Assert.True((bool)(await Pair(German))!["source"]!);

        await Execute("pairDocuments", new JsonObject { ["source"] = "file:///other.txt", ["target"] = German });
        Assert.Equal("file:///other.txt", (string?)(await Pair(German))!["uri"]);
        Assert.Null(await Pair(English)); // German is taken
        await Execute("unpairDocument", new JsonObject { ["uri"] = German });
        Assert.Null(await Pair(German));
        Assert.Null(await Pair("file:///other.txt"));
        await client.Notify("textDocument/didClose", new JsonObject { ["textDocument"] = new JsonObject { ["uri"] = German } });
        await client.Open("eine Lampe\n\nder Strand\n", version: 9, uri: German);
        Assert.Equal(German, (string?)(await Pair(English))!["uri"]); // closing forgets what was said

        RpcException self = await Assert.ThrowsAsync<RpcException>(() => Execute("pairDocuments", new JsonObject { ["source"] = English, ["target"] = English }));
        Assert.Equal(ErrorCodes.RequestFailed, self.Code);
        RpcException closed = await Assert.ThrowsAsync<RpcException>(() => Execute("pairDocuments", new JsonObject { ["source"] = English, ["target"] = "file:///no" }));
        Assert.Equal(ErrorCodes.RequestFailed, closed.Code);
        RpcException shape = await Assert.ThrowsAsync<RpcException>(() => Execute("pairDocuments", new JsonObject { ["source"] = English }));
        Assert.Equal(ErrorCodes.InvalidParams, shape.Code);
    }

    [Fact]
    public async Task Two_selections_in_two_documents_are_a_pair_from_either_side()
    {
        await using TestClient client = await StartAsync("t5");
        JsonObject scope = TestClient.Scope(TestClient.Range(0, 2, 0, 6), English);
        scope["pair"] = new JsonObject { ["textDocument"] = new JsonObject { ["uri"] = German }, ["range"] = TestClient.Range(2, 4, 2, 10) };
        JsonNode english = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope });
        JsonObject turned = TestClient.Scope(TestClient.Range(2, 4, 2, 10), German);
        turned["pair"] = new JsonObject { ["textDocument"] = new JsonObject { ["uri"] = English }, ["range"] = TestClient.Range(0, 2, 0, 6), ["source"] = true };
        JsonNode german = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = turned });
        Assert.Equal(["[CLS]", "lamp", "[SEP]"], Texts(english["tokens"]!));
        Assert.Equal(Texts(english["tokens"]!), Texts(german["tokens"]!));
        Assert.Equal(Texts(english["targetTokens"]!), Texts(german["targetTokens"]!));
        Assert.True((bool?)german["tokens"]![1]!["inPair"]);
        Assert.Null(english["tokens"]![1]!["inPair"]);

        scope = scope.DeepClone().AsObject();
        scope["pair"]!["textDocument"]!["uri"] = "file:///closed";
        JsonNode failed = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope });
        Assert.Equal("failed", (string?)failed["status"]);
        Assert.Contains("not open", (string?)failed["message"], StringComparison.Ordinal);
    }

    private static string[] Texts(JsonNode tokens) => [.. tokens.AsArray().Select(static t => (string)t!["text"]!)];

    private static int[] Numbers(JsonNode array) => [.. array.AsArray().Select(static n => (int)n!)];
}
