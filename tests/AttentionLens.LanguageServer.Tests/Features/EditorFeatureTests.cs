using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Standard features besides hover: lenses, hints, actions, commands, diagnostics, notebooks.</summary>
public sealed class EditorFeatureTests
{
    private const string Story = "The keeper lit the lamp.\n\nNobody saw it twice.\n";

    private static JsonObject Document() => new() { ["textDocument"] = new JsonObject { ["uri"] = TestClient.Uri } };

    private static JsonObject Ranged(JsonNode range)
    {
        JsonObject request = Document();
        request["range"] = range;
        return request;
    }

    private static JsonObject Pin(JsonNode range, string command = "attentionLens.pinQuery") => new()
    {
        ["command"] = command,
        ["arguments"] = new JsonArray(new JsonObject { ["uri"] = TestClient.Uri, ["range"] = range }),
    };

    private static JsonNode Pinned(int line = 0) => new JsonObject
    {
        ["scope"] = TestClient.Scope(TestClient.Range(line, 0, line, 0)),
        ["pinned"] = true,
    };

    [Fact]
    public async Task Lenses_and_hints_are_off_until_asked_for()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            Assert.Null(await client.Request("textDocument/codeLens", Document()));
            Assert.Null(await client.Request("textDocument/inlayHint", Ranged(TestClient.Range(0, 0, 3, 0))));
            Assert.Equal(0, model.Passes);
        }
    }

    [Fact]
    public async Task There_is_one_lens_a_segment_and_none_without_a_command_to_run()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync(
            settings: JsonNode.Parse("""{"codeLens":true,"layer":1,"head":2,"clientCommands":["attentionLens.openHeadView"]}"""));
        await using (client)
        {
            await client.Open(Story);
            JsonArray lenses = (await client.Request("textDocument/codeLens", Document())).AsArray();
            Assert.Equal(2, lenses.Count);
            Assert.Equal("layer 1 · head 2 · open head view", (string?)lenses[0]!["command"]!["title"]);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(2, 0, 2, 20), lenses[1]!["command"]!["arguments"]![0]!["range"]));
            Assert.Equal(0, model.Passes); // a lens costs no pass
            foreach ((string settings, string title) in new[] { ("""{"layer":"auto"}""", "clearest head"), ("""{"heads":"1.*,2.0"}""", "heads 1.*,2.0") })
            {
                await client.Notify("workspace/didChangeConfiguration", new JsonObject { ["settings"] = JsonNode.Parse(settings) });
                lenses = (await client.Request("textDocument/codeLens", Document())).AsArray();
                Assert.Equal($"{title} · open head view", (string?)lenses[0]!["command"]!["title"]);
            }
            await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse("""{"settings":{"clientCommands":[]}}""")!);
            Assert.Null(await client.Request("textDocument/codeLens", Document()));
        }
    }

    [Fact]
    public async Task Hints_show_weights_after_the_strongest_tokens_on_screen()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"inlayHints":true}"""));
        await using (client)
        {
            await client.Open(Story);
            JsonArray hints = (await client.Request("textDocument/inlayHint", Ranged(TestClient.Range(2, 0, 2, 5)))).AsArray();
            Assert.NotEmpty(hints);
            Assert.All(hints, static hint =>
            {
                Assert.Equal(2, (int)hint!["position"]!["line"]!);
                Assert.Matches(@"^\.\d\d$", (string)hint["label"]!);
            });
            Assert.Equal(1, model.Passes); // only the segment that was asked about
        }
    }

    [Fact]
    public async Task A_pinned_query_goes_before_the_cursor_and_moves_with_edits()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), await client.Request("workspace/executeCommand", Pin(TestClient.Range(0, 4, 0, 10)))));
            JsonNode tints = await client.Request("attentionLens/tints", Pinned());
            Assert.Equal(("row", true), ((string?)tints["mode"], (bool)tints["pinned"]!));
            await client.Change(2, "Then ", TestClient.Range(0, 0, 0, 0)); // before it
            await client.Change(3, " again", TestClient.Range(0, 28, 0, 28)); // after it
            await client.Change(4, "eeee", TestClient.Range(0, 10, 0, 12)); // inside it
            tints = await client.Request("attentionLens/tints", Pinned());
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 9, 0, 17), tints["query"]), tints["query"]?.ToJsonString());
            JsonNode elsewhere = await client.Request("attentionLens/tints", Pinned(2)); // not in that segment
            Assert.Equal("received", (string?)elsewhere["mode"]);
            await client.Change(5, "", TestClient.Range(0, 0, 0, 20)); // with all around it
            tints = await client.Request("attentionLens/tints", Pinned());
            Assert.Equal("received", (string?)tints["mode"]);
        }
    }

    [Fact]
    public async Task Commands_with_wrong_arguments_are_refused_in_one_sentence()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            foreach (string bad in new[]
            {
                """{"command":"rm"}""", """{"command":"attentionLens.pinQuery"}""", """{"command":"attentionLens.pinQuery","arguments":[5]}""",
                """{"command":"attentionLens.pinQuery","arguments":[{"uri":"file:///no"}]}""", """{"command":"attentionLens.unpinQuery","arguments":[{}]}""",
            })
                Assert.Equal(ErrorCodes.InvalidParams, (await Assert.ThrowsAsync<RpcException>(() => client.Request("workspace/executeCommand", JsonNode.Parse(bad)))).Code);
            Assert.Equal(
                ErrorCodes.RequestFailed, (await Assert.ThrowsAsync<RpcException>(() => client.Request("workspace/executeCommand", Pin(TestClient.Range(0, 4, 0, 4))))).Code);
        }
    }

    [Fact]
    public async Task Actions_are_offered_when_asked_for_and_carry_all_they_need()
    {
        (TestClient client, _) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"clientCommands":["attentionLens.openHeatmap","attentionLens.compareWithPinned"]}"""));
        await using (client)
        {
            await client.Open(Story);
            JsonObject request = Ranged(TestClient.Range(0, 6, 0, 6));
            request["context"] = JsonNode.Parse("""{"diagnostics":[],"triggerKind":1}""");
            JsonArray actions = (await client.Request("textDocument/codeAction", request.DeepClone())).AsArray();
            Assert.Equal(["attentionLens.pinQuery", "attentionLens.openHeatmap"], actions.Select(static a => (string?)a!["command"]!["command"]));
            JsonNode pin = actions[0]!["command"]!;
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), pin["arguments"]![0]!["range"])); // the word at the cursor
            await client.Request("workspace/executeCommand", pin.DeepClone());
            actions = (await client.Request("textDocument/codeAction", request.DeepClone())).AsArray();
            Assert.Equal(["attentionLens.pinQuery", "attentionLens.unpinQuery", "attentionLens.openHeatmap"], actions.Select(static a => (string?)a!["command"]!["command"]));
            // Another text can be compared with that of the pinned query, and the action says where it is.
            JsonObject elsewhere = Ranged(TestClient.Range(2, 2, 2, 2));
            elsewhere["context"] = JsonNode.Parse("""{"diagnostics":[],"triggerKind":1}""");
            JsonNode compare = (await client.Request("textDocument/codeAction", elsewhere)).AsArray().Single(static a => (string?)a!["command"]!["command"] == "attentionLens.compareWithPinned")!;
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), compare["command"]!["arguments"]![0]!["pinned"]));
            request["context"] = JsonNode.Parse("""{"diagnostics":[],"triggerKind":2}""");
            Assert.Null(await client.Request("textDocument/codeAction", request.DeepClone()));
            request["context"] = JsonNode.Parse("""{"diagnostics":[],"only":["quickfix"]}""");
            Assert.Null(await client.Request("textDocument/codeAction", request));
        }
    }

    [Fact]
    public async Task Diagnostics_name_real_problems_only_and_are_not_repeated()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Request("attentionLens/modelInfo", new JsonObject()); // the model is there
            string tooLong = string.Join(' ', Enumerable.Range(0, 100).Select(static i => $"w{i}"));
            await client.Open($"fine\n\nbad \ufffd\ufffd bytes\n\n{tooLong}\n");
            JsonNode report = await client.Request("textDocument/diagnostic", Document());
            Assert.Equal("full", (string?)report["kind"]);
            JsonArray items = report["items"]!.AsArray();
            Assert.Equal(["undecodable", "window"], items.Select(static i => (string?)i!["code"]));
            Assert.True(JsonNode.DeepEquals(TestClient.Range(2, 4, 2, 6), items[0]!["range"]));
            JsonObject again = Document();
            again["previousResultId"] = (string?)report["resultId"];
            Assert.Equal("unchanged", (string?)(await client.Request("textDocument/diagnostic", again.DeepClone()))["kind"]);
            await client.Change(2, "fine now");
            JsonNode changed = await client.Request("textDocument/diagnostic", again);
            Assert.Equal("full", (string?)changed["kind"]);
            Assert.Empty(changed["items"]!.AsArray());
            Assert.Equal(0, model.Passes);
        }
    }

    [Fact]
    public async Task A_malformed_line_of_a_corpus_is_named_and_the_others_are_read()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            const string Uri = "file:///corpus.jsonl";
            await client.Open("{\"text\": \"caf\\u00e9 au lait\"}\n{\"text\": oops}\n{\"text\": \"tea\"}\n", uri: Uri, language: "jsonl");
            JsonNode report = await client.Request("textDocument/diagnostic", new JsonObject { ["textDocument"] = new JsonObject { ["uri"] = Uri } });
            JsonNode item = Assert.Single(report["items"]!.AsArray())!;
            Assert.Equal(("malformed", 1), ((string?)item["code"], (int)item["range"]!["start"]!["line"]!));
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 12, 0, 12, Uri));
            Assert.Equal("ok", (string?)tints["status"]);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 10, 0, 19), tints["query"])); // caf\u00e9 as it stands in the file
        }
    }

    [Fact]
    public async Task Notebook_cells_are_documents()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Notify("notebookDocument/didOpen", JsonNode.Parse("""
                {"notebookDocument":{"uri":"file:///n.ipynb","notebookType":"jupyter-notebook","version":1,"cells":[]},
                 "cellTextDocuments":[{"uri":"cell:1","languageId":"markdown","version":1,"text":"first cell"},{"uri":"cell:2","languageId":"python","version":1,"text":"x = 1"}]}
                """)!);
            Assert.NotNull(await client.Request("textDocument/hover", TestClient.At(0, 1, "cell:1")));
            await client.Notify("notebookDocument/didChange", JsonNode.Parse("""
                {"notebookDocument":{"uri":"file:///n.ipynb","version":2},"change":{"cells":{
                  "structure":{"array":{"start":2,"deleteCount":0},"didOpen":[{"uri":"cell:3","languageId":"markdown","version":1,"text":"third"}],"didClose":[{"uri":"cell:2"}]},
                  "textContent":[{"document":{"uri":"cell:1","version":2},"changes":[{"range":{"start":{"line":0,"character":0},"end":{"line":0,"character":5}},"text":"changed"}]}]}}}
                """)!);
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 3, "cell:1"));
            Assert.Equal(2, (int)tints["version"]!);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 0, 0, 7), tints["query"]));
            Assert.NotNull(await client.Request("textDocument/hover", TestClient.At(0, 1, "cell:3")));
            Assert.Equal("failed", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0, uri: "cell:2")))["status"]);
            await client.Notify("notebookDocument/didClose", JsonNode.Parse(
                """{"notebookDocument":{"uri":"file:///n.ipynb"},"cellTextDocuments":[{"uri":"cell:1"},{"uri":"cell:3"}]}""")!);
            Assert.Equal("failed", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0, uri: "cell:1")))["status"]);
        }
    }

    [Fact]
    public async Task Hover_speaks_of_the_text_and_head_that_the_client_shows()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonObject request = TestClient.At(0, 6);
            request["scope"] = TestClient.Scope(TestClient.Range(0, 4, 0, 14));
            request["view"] = JsonNode.Parse("""{"layer":2,"head":3}""");
            string text = (string)(await client.Request("textDocument/hover", request))["contents"]!["value"]!;
            Assert.Contains("layer 2 · head 3", text, StringComparison.Ordinal);
            Assert.DoesNotContain("lamp", text, StringComparison.Ordinal);
            Assert.Equal(1, model.Passes);
        }
    }
}
