using System.Text.Json;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

public sealed class AttentionTests
{
    private const string Story = "The keeper lit the lamp.\nIt burned all night.\n\nNobody saw it 🔎 twice.\n";

    [Fact]
    public async Task Tints_of_a_place_are_those_of_its_segment()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story, version: 7);
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 3));
            Assert.Equal("ok", (string?)tints["status"]);
            Assert.Equal(7, (int)tints["version"]!);
            Assert.Equal("received", (string?)tints["mode"]);
            Assert.Equal("hidden", (string?)tints["special"]);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 0, 1, 20), tints["range"]));
            int[] tokens = Numbers(tints["tokens"]!);
            Assert.Equal([0, 0, 0, 3, 1], tokens[..5]); // "The"; index 0 is [CLS]
            Assert.Equal(tokens.Length / 5, tints["weights"]!.AsArray().Count);
            float[] weights = [.. tints["weights"]!.AsArray().Select(static w => (float)w!)];
            Assert.Equal((float)tints["max"]!, weights.Max());
            Assert.Equal(11, Numbers(tints["buckets"]!).Max());
            // Attention received: columns of matrices whose rows sum to 1, so all tokens together have 1, special ones included.
            Assert.Equal(1, weights.Sum() + (float)tints["specialMass"]!, 1e-4);
            JsonNode view = tints["view"]!;
            Assert.Equal(("encoder", "raw"), ((string?)view["stack"], (string?)view["method"]));
            // What nothing is said about is the clearest head, and one head it is.
            Assert.Equal((JsonValueKind.Number, JsonValueKind.Number), (view["layer"]!.GetValueKind(), view["head"]!.GetValueKind()));
        }
    }

    [Fact]
    public async Task The_clearest_head_is_chosen_once_and_every_answer_means_the_same_one()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(string.Concat(Enumerable.Repeat("The keeper lit the lamp and nobody saw it. ", 3)) + "\n\nIt burned all night.\n");
            JsonNode long1 = await client.Request("attentionLens/tints", TestClient.Tints(0, 3));
            JsonNode short1 = await client.Request("attentionLens/tints", TestClient.Tints(2, 3));
            Assert.True(JsonNode.DeepEquals(long1["view"], short1["view"]));
            JsonNode asked = TestClient.Tints(2, 3);
            asked["view"] = JsonNode.Parse("""{"layer":"auto","head":"mean"}""");
            JsonNode tokens = await client.Request("attentionLens/tokens", asked.DeepClone());
            Assert.True(JsonNode.DeepEquals(long1["view"], tokens["view"]));
            // A method about all layers has no head to choose.
            asked["view"] = JsonNode.Parse("""{"layer":"auto","method":"rollout"}""");
            JsonNode rollout = await client.Request("attentionLens/tints", asked);
            Assert.Equal("mean", (string?)rollout["view"]!["head"]);
        }
    }

    [Fact]
    public async Task A_position_inside_makes_its_token_the_query_and_the_weights_its_row()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode request = TestClient.Tints(0, 3, 0, 6);
            request["view"] = JsonNode.Parse("""{"layer":2,"head":1}""");
            JsonNode tints = await client.Request("attentionLens/tints", request);
            Assert.Equal("row", (string?)tints["mode"]);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), tints["query"]));

            AttentionTrace trace = model.Forward(new ModelInput { InputIds = model.Encode(Story[..45], null, default).Ids() }, Keep.Attention, default);
            float[] row = new float[trace.Stacks[0].Keys];
            trace.Stacks[0].Row(2, 1, 2, row);
            AssertClose(row[1..^1], [.. tints["weights"]!.AsArray().Select(static w => (float)w!)]);
            Assert.Equal(1 - row[1..^1].Sum(), (float)tints["specialMass"]!, 1e-5);
        }
    }

    [Fact]
    public async Task Several_heads_are_one_in_tints_rows_tiles_and_the_setting()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"heads":"0.1,2.*"}"""));
        await using (client)
        {
            await client.Open(Story);
            AttentionStack stack = model.Forward(new ModelInput { InputIds = model.Encode(Story[..45], null, default).Ids() }, Keep.Attention, default).Stacks[0];
            (int, int)[] heads = [(0, 1), .. Enumerable.Range(0, stack.Heads).Select(static h => (2, h))];
            float[][] rows = [.. heads.Select(h =>
            {
                float[] row = new float[stack.Keys];
                stack.Row(h.Item1, h.Item2, 2, row);
                return row;
            })];
            float[] mean = [.. Enumerable.Range(0, stack.Keys).Select(k => rows.Average(r => r[k]))], max = [.. Enumerable.Range(0, stack.Keys).Select(k => rows.Max(r => r[k]))];

            // The setting, for who says nothing; then a view, which goes before the setting; then one head, which does too.
            JsonNode request = TestClient.Tints(0, 3, 0, 6);
            JsonNode tints = await client.Request("attentionLens/tints", request.DeepClone());
            AssertClose(mean[1..^1], [.. tints["weights"]!.AsArray().Select(static w => (float)w!)]);
            Assert.Equal("""{"layer":"mean","head":"mean","stack":"encoder","method":"raw","heads":"0.1,2.*"}""", tints["view"]!.ToJsonString());
            request["view"] = JsonNode.Parse("""{"layer":"mean","head":"mean","heads":"2.*, 0.1","method":"max"}""");
            tints = await client.Request("attentionLens/tints", request.DeepClone());
            AssertClose(max[1..^1], [.. tints["weights"]!.AsArray().Select(static w => (float)w!)]);
            request["view"] = JsonNode.Parse("""{"layer":1,"head":"mean"}""");
            tints = await client.Request("attentionLens/tints", request);
            Assert.Null(tints["view"]!["heads"]);

            JsonObject scope = TestClient.Scope(TestClient.Range(0, 3, 0, 3));
            JsonNode row = await client.Request("attentionLens/row", new JsonObject { ["scope"] = scope.DeepClone(), ["query"] = 2, ["view"] = new JsonObject { ["heads"] = "0.1,2.*" } });
            AssertClose(mean, Floats(row["weights"]!));
            JsonNode tile = await client.Request("attentionLens/tile", new JsonObject
            {
                ["scope"] = scope.DeepClone(),
                ["view"] = new JsonObject { ["heads"] = "0.1,2.*", ["method"] = "max" },
                ["exact"] = true,
                ["rows"] = new JsonArray(2, 3),
                ["columns"] = new JsonArray(0, stack.Keys),
                ["size"] = new JsonArray(1, stack.Keys),
            });
            AssertClose(max, Floats(tile["data"]!));
            string hover = (string)(await client.Request("textDocument/hover", TestClient.At(0, 6)))["contents"]!["value"]!;
            Assert.StartsWith("**`keeper`** · heads 0.1,2.\\* · bert\n", hover, StringComparison.Ordinal);

            foreach ((string heads2, string reason) in new[] { ("9.0", "no layer 9: its layers are 0 to"), ("0.44", "no head 44"), ("all", "3.5,4.*,6-8.2") })
            {
                JsonNode wrong = await client.Request("attentionLens/row", new JsonObject { ["scope"] = scope.DeepClone(), ["query"] = 2, ["view"] = new JsonObject { ["heads"] = heads2 } });
                Assert.Equal("failed", (string?)wrong["status"]);
                Assert.Contains(reason, (string)wrong["message"]!, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A_selection_is_the_segment_exactly_and_never_half_a_character()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            int line = 3, emoji = "Nobody saw it ".Length;
            JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject
            {
                ["scope"] = TestClient.Scope(TestClient.Range(line, 7, line, emoji + 1)),
            });
            Assert.Equal(["[CLS]", "saw", "it", "🔎", "[SEP]"], tokens["tokens"]!.AsArray().Select(static t => (string?)t!["text"]));
            Assert.Null(tokens["tokens"]![0]!["range"]);
            Assert.True(tokens["tokens"]![0]!.AsObject().ContainsKey("range"));
            Assert.True(JsonNode.DeepEquals(TestClient.Range(line, emoji, line, emoji + 2), tokens["tokens"]![3]!["range"]));
            Assert.Equal("bert", (string?)tokens["model"]!["modelType"]);
            Assert.Equal(5, (int)tokens["stacks"]![0]!["keys"]!);
        }
    }

    [Fact]
    public async Task Rows_tiles_and_overviews_agree_with_the_trace()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("one two three four five");
            JsonObject scope = TestClient.Scope(TestClient.Range(0, 0, 0, 0));
            JsonObject view = new() { ["layer"] = 1, ["head"] = 3 };
            JsonNode row = await client.Request("attentionLens/row", new JsonObject { ["scope"] = scope.DeepClone(), ["view"] = view.DeepClone(), ["query"] = 2 });
            AttentionStack stack = model.Forward(new ModelInput { InputIds = model.Encode("one two three four five", null, default).Ids() }, Keep.Attention, default).Stacks[0];
            float[] matrix = new float[49];
            stack.Head(1, 3, matrix);
            AssertClose(matrix[14..21], Floats(row["weights"]!));

            JsonObject Tile(int[] rows, int[] columns, int[] size, string pooling, bool exact) => new()
            {
                ["scope"] = scope.DeepClone(),
                ["view"] = view.DeepClone(),
                ["rows"] = Array(rows),
                ["columns"] = Array(columns),
                ["size"] = Array(size),
                ["pooling"] = pooling,
                ["exact"] = exact,
            };
            JsonNode whole = await client.Request("attentionLens/tile", Tile([0, 7], [0, 7], [100, 100], "max", true));
            Assert.Equal([7, 7], Numbers(whole["shape"]!));
            AssertClose(matrix, Floats(whole["data"]!));
            JsonNode small = await client.Request("attentionLens/tile", Tile([1, 5], [2, 6], [2, 2], "mean", true));
            float[] expected = new float[4];
            for (int r = 0; r < 4; r++)
            {
                for (int c = 0; c < 4; c++)
                    expected[(r / 2 * 2) + (c / 2)] += matrix[((r + 1) * 7) + c + 2] / 4;
            }
            AssertClose(expected, Floats(small["data"]!));
            JsonNode bytes = await client.Request("attentionLens/tile", Tile([0, 7], [0, 7], [7, 7], "max", false));
            float most = (float)bytes["max"]!;
            Assert.Equal(matrix.Max(), most, 1e-6f);
            AssertClose(matrix, [.. Convert.FromBase64String((string)bytes["data"]!).Select(b => b / 255f * most)], 0.5001f / 255 * most);

            JsonNode overview = await client.Request("attentionLens/overview", new JsonObject { ["scope"] = scope.DeepClone(), ["size"] = 7 });
            Assert.Equal([3, 4, 7, 7], Numbers(overview["shape"]!));
            byte[] all = Convert.FromBase64String((string)overview["data"]!);
            Assert.Equal(most, (float)overview["maxima"]![1]![3]!, 1e-6f);
            AssertClose(matrix, [.. all[(7 * 49)..(8 * 49)].Select(b => b / 255f * most)], 0.5001f / 255 * most); // layer 1, head 3
            JsonNode profiles = await client.Request("attentionLens/profiles", new JsonObject { ["scope"] = scope.DeepClone() });
            Assert.True(JsonNode.DeepEquals(overview["profiles"], profiles["profiles"]));
            Assert.InRange((float)profiles["profiles"]![1]![3]!["normalizedEntropy"]!, 0.01f, 1f);
        }

        static JsonArray Array(int[] numbers) => [.. numbers.Select(static n => (JsonNode)n)];
    }

    [Fact]
    public async Task What_is_known_is_not_computed_again()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            await client.Request("attentionLens/tints", TestClient.Tints(0, 3));
            await client.Request("attentionLens/tints", TestClient.Tints(0, 3, 0, 6));
            await client.Request("textDocument/hover", TestClient.At(1, 1));
            await client.Request("textDocument/documentHighlight", TestClient.At(1, 1));
            Assert.Equal(1, model.Passes);
            await client.Change(2, "!", TestClient.Range(0, 23, 0, 24));
            JsonNode changed = await client.Request("attentionLens/tints", TestClient.Tints(0, 3));
            Assert.Equal(2, (int)changed["version"]!);
            Assert.Equal(2, model.Passes);
            await client.Change(3, ".", TestClient.Range(0, 23, 0, 24)); // undo: the same text under a new version
            JsonNode undone = await client.Request("attentionLens/tints", TestClient.Tints(0, 3));
            Assert.Equal(3, (int)undone["version"]!);
            Assert.Equal(2, model.Passes);
        }
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData(" \n\t\n ", "empty")]
    [InlineData("a\0b", "failed")]
    public async Task Text_without_an_answer_has_a_status_and_a_sentence(string text, string status)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(text);
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal(status, (string?)tints["status"]);
            Assert.EndsWith(".", (string?)tints["message"], StringComparison.Ordinal);
            Assert.Null(tints["tokens"]);
        }
    }

    [Fact]
    public async Task A_line_of_a_megabyte_is_shown_around_the_cursor()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            string line = string.Concat(Enumerable.Range(0, 200_000).Select(static i => $"w{i % 1000} "));
            await client.Open(line);
            JsonNode start = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("truncated", (string?)start["status"]);
            Assert.NotNull(start["message"]);
            int middle = line.Length / 2;
            JsonNode there = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, middle));
            Assert.Equal("row", (string?)there["mode"]);
            Assert.InRange((int)there["query"]!["start"]!["character"]!, middle - 10, middle);
            int[] tokens = Numbers(there["tokens"]!);
            for (int i = 0; i < tokens.Length; i += 5)
                Assert.Matches("^w[0-9]+$", line[tokens[i + 1]..tokens[i + 3]]);
            Assert.Equal(62, tokens.Length / 5); // 64 positions less [CLS] and [SEP]
            JsonNode end = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, line.Length - 2));
            Assert.Equal("row", (string?)end["mode"]);
            Assert.True(model.Passes <= 3);
        }
    }

    [Fact]
    public async Task Windows_overlap_so_that_every_token_is_some_windows_middle()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            string[] words = [.. Enumerable.Range(0, 300).Select(static i => $"w{i}")];
            string text = string.Join(' ', words);
            await client.Open(text);
            int at = 0;
            foreach (string word in words)
            {
                JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, at));
                Assert.Equal(at, (int)tints["query"]!["start"]!["character"]!);
                at += word.Length + 1;
            }
            Assert.True(model.Passes < 300 / 31 + 3, $"{model.Passes} passes");
        }
    }

    [Fact]
    public async Task Lone_surrogates_in_a_document_are_read()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("placeholder");
            // By hand: JsonNode would replace the surrogates, editors send them as escapes.
            await client.SendRaw("""{"method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///story.txt","version":2},"contentChanges":[{"text":"a \ud83d b \udc00c"}]}}""");
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 7));
            Assert.Equal("ok", (string?)tints["status"]);
            Assert.Equal([0, 0, 0, 1, 1, 0, 2, 0, 3, 2, 0, 4, 0, 5, 3, 0, 6, 0, 7, 4, 0, 7, 0, 8, 5], Numbers(tints["tokens"]!));
            Assert.NotNull(await client.Request("textDocument/hover", TestClient.At(0, 2)));
        }
    }

    [Fact]
    public async Task A_document_that_is_not_open_has_no_answer_and_no_version()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("failed", (string?)tints["status"]);
            Assert.True(tints.AsObject().ContainsKey("version"));
            Assert.Null(tints["version"]);
        }
    }

    [Fact]
    public async Task Layers_and_heads_that_do_not_exist_are_named()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode request = TestClient.Tints(0, 3);
            request["view"] = JsonNode.Parse("""{"layer":3,"head":0}""");
            JsonNode tints = await client.Request("attentionLens/tints", request);
            Assert.Equal("failed", (string?)tints["status"]);
            Assert.Equal("bert has no layer 3: its layers are 0 to 2.", (string?)tints["message"]);
        }
    }

    [Theory]
    [InlineData("attentionLens/row", """{"query":-1}""")]
    [InlineData("attentionLens/row", """{"query":99}""")]
    [InlineData("attentionLens/tile", """{"rows":[0,99],"columns":[0,1],"size":[1,1]}""")]
    [InlineData("attentionLens/tile", """{"rows":[3,1],"columns":[0,1],"size":[1,1]}""")]
    [InlineData("attentionLens/tile", """{"rows":[0],"columns":[0,1],"size":[1,1]}""")]
    [InlineData("attentionLens/tile", """{"rows":[0,1],"columns":[0,1],"size":[0,1]}""")]
    [InlineData("attentionLens/tile", """{"rows":[0,1],"columns":[0,1],"size":[1,1],"pooling":"sum"}""")]
    [InlineData("attentionLens/overview", """{"size":0}""")]
    [InlineData("attentionLens/overview", """{"size":1000000}""")]
    public async Task Numbers_out_of_range_are_invalid_parameters(string method, string members)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonObject request = JsonNode.Parse(members)!.AsObject();
            request["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0));
            Assert.Equal(ErrorCodes.InvalidParams, (await Assert.ThrowsAsync<RpcException>(() => client.Request(method, request))).Code);
        }
    }

    [Fact]
    public async Task A_decoder_is_shown_by_its_decoder_stack_without_its_first_token()
    {
        (TestClient client, _) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open("one two three");
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("decoder", (string?)tints["view"]!["stack"]);
            Assert.Equal(0f, (float)tints["weights"]![0]!); // the sink
            JsonNode row = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 5));
            Assert.Equal(0f, (float)row["weights"]![2]!); // causal: "two" does not see "three"
        }
    }

    [Fact]
    public async Task An_image_model_says_that_it_reads_no_text()
    {
        (TestClient client, _) = await TestClient.StartAsync("vit");
        await using (client)
        {
            await client.Open(Story);
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("failed", (string?)tints["status"]);
            Assert.Contains("images", (string?)tints["message"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Model_info_names_the_model()
    {
        (TestClient client, _) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            JsonNode info = await client.Request("attentionLens/modelInfo", new JsonObject());
            Assert.Equal(("ok", "gpt2", "gpt2", "decoder"), ((string)info["status"]!, (string)info["name"]!, (string)info["modelType"]!, (string)info["kind"]!));
        }
    }

    /// <summary>One and the same weight by way of a row and of a whole head differs in the last bits (the sums run in another order).</summary>
    private static void AssertClose(float[] expected, float[] actual, float tolerance = 1e-6f)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }

    [Fact]
    public async Task Several_selected_tokens_are_one_query_and_words_are_merged()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            const string Text = "The extraordinarily long word";
            await client.Open(Text);
            AttentionStack stack = model.Forward(new ModelInput { InputIds = model.Encode(Text, null, default).Ids() }, Keep.Attention, default).Stacks[0];
            float[] first = new float[stack.Keys], second = new float[stack.Keys];
            stack.Row(0, 0, 1, first); // The
            stack.Row(0, 0, 2, second); // extraord
            JsonNode request = TestClient.Tints(0, 0);
            request["query"] = TestClient.Range(0, 1, 0, 6);
            request["view"] = JsonNode.Parse("""{"layer":0,"head":0}""");
            JsonNode tints = await client.Request("attentionLens/tints", request.DeepClone());
            Assert.Equal("row", (string?)tints["mode"]);
            AssertClose([.. first.Zip(second).Select(static p => (p.First + p.Second) / 2).Skip(1).SkipLast(1)], Weights(tints));

            request["unit"] = "word";
            JsonNode words = await client.Request("attentionLens/tints", request);
            Assert.Equal([0, 0, 0, 3, 1, 0, 4, 0, 19, 2, 0, 20, 0, 24, 4, 0, 25, 0, 29, 5], Numbers(words["tokens"]!)); // extraord + inarily
            Assert.Equal(Weights(tints)[1] + Weights(tints)[2], Weights(words)[1], 1e-5f);
        }
    }

    [Fact]
    public async Task Two_selections_are_a_pair()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("premise here\n\nhypothesis there");
            JsonObject scope = TestClient.Scope(TestClient.Range(2, 0, 2, 16));
            scope["pair"] = new JsonObject { ["range"] = TestClient.Range(0, 0, 0, 12) };
            JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope.DeepClone() });
            JsonArray items = tokens["tokens"]!.AsArray();
            Assert.Equal(["[CLS]", "hypothes", "##is", "there", "[SEP]", "premise", "here", "[SEP]"], items.Select(static t => (string?)t!["text"]));
            Assert.Equal([0, 0, 0, 0, 0, 1, 1, 1], items.Select(static t => (int)t!["typeId"]!));
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 8, 0, 12), items[6]!["range"]));
            JsonNode tints = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope, ["position"] = TestClient.Position(0, 9) });
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 8, 0, 12), tints["query"]));
        }
    }

    [Fact]
    public async Task A_source_and_its_target_are_shown_by_cross_attention()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("t5");
        await using (client)
        {
            await client.Open("a b c\nx y");
            JsonObject scope = TestClient.Scope(TestClient.Range(0, 0, 0, 5));
            JsonNode alone = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope.DeepClone() });
            Assert.Equal("encoder", (string?)alone["view"]!["stack"]);
            JsonNode missing = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope.DeepClone(), ["view"] = JsonNode.Parse("""{"stack":"cross"}""") });
            Assert.Equal("empty", (string?)missing["status"]); // a hint, not an error
            Assert.Contains("no target text for cross attention", (string?)missing["message"], StringComparison.Ordinal);

            scope["pair"] = new JsonObject { ["range"] = TestClient.Range(1, 0, 1, 3) };
            JsonNode target = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope.DeepClone(), ["position"] = TestClient.Position(1, 2) });
            Assert.Equal(("cross", "row"), ((string?)target["view"]!["stack"], (string?)target["mode"]));
            Assert.All(Numbers(target["tokens"]!).Chunk(5), static token => Assert.Equal(0, token[0])); // the source is tinted
            JsonNode source = await client.Request("attentionLens/tints", new JsonObject { ["scope"] = scope.DeepClone(), ["position"] = TestClient.Position(0, 2) });
            Assert.Equal("column", (string?)source["mode"]);
            Assert.All(Numbers(source["tokens"]!).Chunk(5), static token => Assert.Equal(1, token[0])); // the target is tinted
            JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope });
            Assert.Equal(["encoder", "decoder", "cross"], tokens["stacks"]!.AsArray().Select(static s => (string?)s!["kind"]));
            Assert.Equal(tokens["targetTokens"]!.AsArray().Count, (int)tokens["stacks"]![2]!["queries"]!);
        }
    }

    [Fact]
    public async Task A_source_alone_gets_the_target_that_the_model_writes()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("marian");
        await using (client)
        {
            await client.Open("a b c");
            JsonObject scope = TestClient.Scope(TestClient.Range(0, 0, 0, 5));
            scope["generate"] = true;
            JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope.DeepClone() });
            Assert.True((bool)tokens["generated"]!);
            AttentionTrace trace = model.Generate(
                new ModelInput { InputIds = model.Encode("a b c", null, default).Ids() }, 16 + (2 * 5), Keep.Attention, default);
            Assert.Equal(trace.Input.DecoderInputIds!, tokens["targetTokens"]!.AsArray().Select(static t => (int)t!["id"]!));
            Assert.Equal("w119", (string?)tokens["targetTokens"]![0]!["text"]); // the decoder's start
            Assert.True((bool)tokens["targetTokens"]![0]!["special"]!);
            Assert.All(tokens["targetTokens"]!.AsArray(), static token => Assert.Null(token!["range"]));

            JsonNode row = await client.Request("attentionLens/row", new JsonObject
            {
                ["scope"] = scope.DeepClone(),
                ["query"] = 1,
                ["view"] = JsonNode.Parse("""{"layer":2,"head":1,"stack":"cross"}"""),
            });
            float[] expected = new float[5];
            trace.Stack(AttentionKind.Cross)!.Row(2, 1, 1, expected);
            AssertClose(expected, Floats(row["weights"]!));

            // Without the wish the same text is a source alone, whatever is cached.
            scope.Remove("generate");
            JsonNode alone = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope });
            Assert.Null(alone["targetTokens"]);
            Assert.Null(alone["generated"]);
            Assert.Equal(["encoder"], alone["stacks"]!.AsArray().Select(static s => (string?)s!["kind"]));
        }
    }

    [Fact]
    public async Task Methods_are_listed_and_an_unknown_one_is_refused()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode info = await client.Request("attentionLens/modelInfo", new JsonObject());
            string[] methods = [.. info["methods"]!.AsArray().Select(static m => (string)m!["name"]!)];
            Assert.Contains("raw", methods);
            foreach (string method in methods.Append("magic"))
            {
                JsonNode request = TestClient.Tints(0, 3, 0, 6);
                request["view"] = new JsonObject { ["method"] = method };
                JsonNode tints = await client.Request("attentionLens/tints", request);
                if (method == "magic")
                    Assert.Equal("failed", (string?)tints["status"]);
                else
                    Assert.Equal(("ok", method), ((string?)tints["status"], (string?)tints["view"]!["method"]));
            }
        }
    }

    private static float[] Weights(JsonNode tints) => [.. tints["weights"]!.AsArray().Select(static w => (float)w!)];

    private static int[] Numbers(JsonNode array) => [.. array.AsArray().Select(static n => (int)n!)];

    private static float[] Floats(JsonNode base64) =>
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Convert.FromBase64String((string)base64!)).ToArray();
}
