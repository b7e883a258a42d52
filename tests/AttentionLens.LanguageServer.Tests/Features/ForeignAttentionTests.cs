using System.Globalization;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Attention of another program is a document like any other, and no model is there: the loader of these tests has none.</summary>
public sealed class ForeignAttentionTests : IDisposable
{
    private static readonly string[] Tokens = ["[CLS]", "the", "cat", "##s", "sat", "[SEP]"];
    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_file_is_a_text_with_tints_rows_tiles_and_profiles()
    {
        string uri = Write("cats 50% #1.json", Whole(2, 3, 6));
        await using TestClient client = await Start();
        JsonNode opened = await client.Request("attentionLens/attentionFile", new JsonObject { ["uri"] = uri });
        Assert.Equal("the cats sat", (string?)opened["text"]);
        Assert.Equal(("cats 50% #1.json", "encoder", 2, 3), ((string)opened["model"]!["name"]!, (string)opened["model"]!["kind"]!, (int)opened["model"]!["layers"]!, (int)opened["model"]!["heads"]!));
        await client.Open("the cats sat", uri: uri);
        JsonObject scope = TestClient.Scope(TestClient.Range(0, 4, 0, 4), uri);

        JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope.DeepClone() });
        Assert.Equal("ok", (string?)tokens["status"]);
        Assert.Equal(Tokens, tokens["tokens"]!.AsArray().Select(static token => (string?)token!["text"]));
        Assert.Null(tokens["tokens"]![0]!["range"]);
        Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 7, 0, 8), tokens["tokens"]![3]!["range"]));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 0, 0, 12), tokens["range"]));

        var view = new JsonObject { ["layer"] = 1, ["head"] = 2 };
        JsonNode row = await client.Request("attentionLens/row", new JsonObject { ["scope"] = scope.DeepClone(), ["view"] = view.DeepClone(), ["query"] = 2 });
        float[] weights = Floats(row["weights"]!);
        Assert.Equal(Enumerable.Range(0, 6).Select(static key => Weight(1, 2, 2, key, 6)), weights);

        JsonNode tints = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope.DeepClone(), ["view"] = view.DeepClone(), ["position"] = TestClient.Position(0, 5), ["unit"] = "word" });
        Assert.Equal(("row", "cats 50% #1.json"), ((string)tints["mode"]!, (string)tints["model"]!));
        // Pieces of a word are one: attention to it is their sum, of its pieces the mean.
        Assert.Equal(3, tints["weights"]!.AsArray().Count);

        JsonNode overview = await client.Request("attentionLens/overview", new JsonObject { ["scope"] = scope.DeepClone(), ["size"] = 6 });
        Assert.Equal([2, 3, 6, 6], overview["shape"]!.AsArray().Select(static n => (int)n!));
        JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 5, uri));
        Assert.Contains("cats 50% #1.json", (string?)hover["contents"]!["value"], StringComparison.Ordinal);
        JsonNode rollout = await client.Request("attentionLens/row", new JsonObject { ["scope"] = scope.DeepClone(), ["view"] = new JsonObject { ["layer"] = 1, ["head"] = 0, ["method"] = "rollout" }, ["query"] = 2 });
        Assert.Equal(1, Floats(rollout["weights"]!).Sum(), 1e-5);
    }

    [Theory]
    [InlineData("attentionLens/row", """{"query": 1, "view": {"layer": 0, "head": 0, "method": "value-norm"}}""")]
    [InlineData("attentionLens/row", """{"query": 1, "view": {"layer": 0, "head": 0, "method": "alti"}}""")]
    [InlineData("attentionLens/tints", """{"view": {"layer": 0, "head": 0, "method": "saliency"}}""")]
    [InlineData("attentionLens/tints", """{"view": {"layer": 0, "head": 0, "changes": {"heads": [{"layer": 0, "head": 0, "effect": "zero"}]}}}""")]
    [InlineData("attentionLens/score", """{"query": 1, "key": 1, "view": {"layer": 0, "head": 0}}""")]
    [InlineData("attentionLens/prediction", "{}")]
    [InlineData("attentionLens/evaluation", """{"measures": ["clarity"]}""")]
    public async Task What_needs_a_model_says_so(string method, string request)
    {
        string uri = Write("cats.json", Whole(1, 1, 6));
        await using TestClient client = await Start();
        await client.Open("the cats sat", uri: uri);
        JsonObject asked = JsonNode.Parse(request)!.AsObject();
        asked["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0), uri);
        JsonNode answer = await client.Request(method, asked);
        Assert.Equal("failed", (string?)answer["status"]);
        Assert.Contains("attention from a file has none", (string?)answer["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_translator_has_two_paragraphs_and_its_cross_attention_leads_from_one_to_the_other()
    {
        string uri = Write("translation.json", $$"""
            {"stacks": [
              {"kind": "encoder", "queries": [{"text": "▁the"}, {"text": "▁cat"}], "layers": [{"layer": 0, "heads": [{"rows": [[0.5, 0.5], [0.25, 0.75]]}]}]},
              {"kind": "decoder", "queries": [{"text": "<s>"}, {"text": "▁die"}, {"text": "▁Katze"}], "layers": [{"layer": 0, "heads": [{"rows": [[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.25, 0.5]]}]}]},
              {"kind": "cross", "queries": [{"text": "<s>"}, {"text": "▁die"}, {"text": "▁Katze"}], "keys": [{"text": "▁the"}, {"text": "▁cat"}], "layers": [{"layer": 0, "heads": [{"rows": [[0.5, 0.5], [0.75, 0.25], [0.125, 0.875]]}]}]}
            ]}
            """);
        await using TestClient client = await Start();
        const string Text = "the cat\n\ndie Katze";
        Assert.Equal(Text, (string?)(await client.Request("attentionLens/attentionFile", new JsonObject { ["uri"] = uri }))["text"]);
        await client.Open(Text, uri: uri);
        JsonNode tints = await client.Request("attentionLens/tints", new JsonObject
        {
            ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0), uri),
            ["view"] = new JsonObject { ["layer"] = 0, ["head"] = 0 },
            ["position"] = TestClient.Position(2, 5),
        });
        Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 0, 2, 9), tints["range"]));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(2, 4, 2, 9), tints["query"]));
        Assert.Equal([0.125f, 0.875f], tints["weights"]!.AsArray().Select(static weight => (float)weight!));
        Assert.Equal([0, 0, 0, 3, 0, 0, 4, 0, 7, 1], tints["tokens"]!.AsArray().Select(static n => (int)n!));
    }

    [Fact]
    public async Task A_file_that_has_changed_is_opened_again()
    {
        string uri = Write("cats.json", Whole(1, 1, 6));
        await using TestClient client = await Start();
        await client.Open("the dogs sat", uri: uri);
        JsonNode answer = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0), uri) });
        Assert.Equal("The file of attention has changed since; open it again.", (string?)answer["message"]);
    }

    [Theory]
    [InlineData("a.json", "{", "is not attention as BertViz")]
    [InlineData("a.npz", "no archive", "is no NPZ file")]
    [InlineData("a.safetensors", "no tensors", "")]
    [InlineData("a.txt", "text", "is no file that attention is read from")]
    [InlineData("a.json", """[{"attn": [[[[0.5, 0.5]]]], "left_text": ["output"], "right_text": ["a", "b"]}]""", "the editor shows attention of every token")]
    [InlineData("a.json", "", "or nothing in it")]
    public async Task A_bad_file_costs_a_sentence(string name, string content, string message)
    {
        string uri = Write(name, content);
        await using TestClient client = await Start();
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/attentionFile", new JsonObject { ["uri"] = uri }));
        Assert.Equal(ErrorCodes.RequestFailed, refused.Code);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attentionlens-file:/no/such/file.json", "There is no file")]
    [InlineData("attentionlens-file://server/share/a.json", "on this machine")]
    [InlineData("attentionlens-file:/dev/zero", "There is no file")]
    public async Task Only_files_of_this_machine_are_opened(string uri, string message)
    {
        await using TestClient client = await Start();
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/attentionFile", new JsonObject { ["uri"] = uri }));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    private static async Task<TestClient> Start()
    {
        var client = new TestClient(new TestLoader(static _ => throw new ModelMissingException("There is no model.")));
        await client.InitializeAsync();
        return client;
    }

    private static float[] Floats(JsonNode base64) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Convert.FromBase64String((string)base64!)).ToArray();

    private static float Weight(int layer, int head, int query, int key, int count) => (1f + ((layer + head + query + key) % count)) / (count * (count + 1) / 2f);

    /// <summary>As BertViz writes it: rows that sum to 1, different in each head.</summary>
    private static string Whole(int layers, int heads, int count)
    {
        string Rows(int layer, int head) => $"[{string.Join(',', Enumerable.Range(0, count).Select(q => $"[{string.Join(',', Enumerable.Range(0, count).Select(k => Weight(layer, head, q, k, count).ToString("R", CultureInfo.InvariantCulture)))}]"))}]";
        string Layer(int layer) => $"[{string.Join(',', Enumerable.Range(0, heads).Select(head => Rows(layer, head)))}]";
        string text = new JsonArray([.. Tokens.Select(static token => (JsonNode)token)]).ToJsonString();
        return $$"""[{"name": null, "attn": [{{string.Join(',', Enumerable.Range(0, layers).Select(Layer))}}], "left_text": {{text}}, "right_text": {{text}}}]""";
    }

    /// <summary>A file and the address of its document, as VS Code writes it.</summary>
    private string Write(string name, string content)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, content);
        return $"attentionlens-file:{string.Join('/', path.Replace('\\', '/').Split('/').Select(Uri.EscapeDataString))}";
    }
}
