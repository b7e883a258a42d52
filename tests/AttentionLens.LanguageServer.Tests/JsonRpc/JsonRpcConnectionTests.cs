using System.Text;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using CsCheck;

namespace AttentionLens.LanguageServer.Tests.JsonRpc;

/// <summary>Rows 5 to 9, 11 to 13, 16 and 18 of the host's checklist: one response each, whatever comes in.</summary>
public sealed class JsonRpcConnectionTests
{
    public static TheoryData<int> Chunks => [1, 2, 7, 4096];

    [Theory]
    [MemberData(nameof(Chunks))]
    public async Task Bad_json_is_answered_and_the_stream_goes_on(int chunk)
    {
        string[] bad = ["", "{", "nonsense", "{\"jsonrpc\":\"2.0\",", "{} {}", "\u0000", "[1,", new string('[', 100), "{\"id\":1,\"method\":\"echo\",\"params\":{\"value\":\"\\x\"}}"];
        byte[] stream = [.. bad.SelectMany(Wire.Frame), .. Wire.Frame("""{"jsonrpc":"2.0","id":7,"method":"nothing"}""")];
        (List<JsonNode> messages, int code, _) = await RpcHarness.Play(stream, chunk);
        Assert.Equal(bad.Length + 1, messages.Count);
        foreach (JsonNode message in messages.Where(static m => m["error"] is not null))
        {
            Assert.Equal(ErrorCodes.ParseError, (int)message["error"]!["code"]!);
            Assert.True(message.AsObject().ContainsKey("id"));
            Assert.Null(message["id"]);
        }
        Assert.Contains(messages, static m => m["id"] is not null);
        Assert.Equal(1, code); // the client went away without `exit`
    }

    [Fact]
    public async Task After_damaged_messages_the_next_one_is_answered()
    {
        const int Trials = 1000;
        string[] whole =
        [
            """{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":"a\ud83d\ude00 \"b\" \\ é"}}""",
            """{"jsonrpc":"2.0","method":"note","params":{"value":"text"}}""",
            """{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":"x"}}""",
            """{"jsonrpc":"2.0","id":"s","result":{"value":[1,2.5e3,null,true]}}""",
        ];
        var random = new Random(16);
        var stream = new List<byte>();
        for (int trial = 0; trial < Trials; trial++)
        {
            byte[] body = Encoding.UTF8.GetBytes(whole[trial % whole.Length]);
            for (int changes = random.Next(1, 4); changes > 0; changes--)
                body[random.Next(body.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"019[]{}\",:\\udx"[random.Next(14)];
            body = random.Next(4) == 0 ? body[..random.Next(body.Length)] : body;
            stream.AddRange([.. Encoding.ASCII.GetBytes($"Content-Length: {body.Length}\r\n\r\n"), .. body]);
        }
        (List<JsonNode> messages, int code, _) = await RpcHarness.Play([.. stream, .. Wire.Frame("""{"jsonrpc":"2.0","id":"the end","method":"nothing"}""")], 4096);
        Assert.Single(messages, static m => m["id"] is JsonValue id && id.TryGetValue(out string? name) && name == "the end" && m["error"] is null);
        Assert.True(messages.Count > Trials / 4, $"{messages.Count} answers");
        Assert.Equal(1, code);
    }

    [Theory]
    [MemberData(nameof(Chunks))]
    public async Task Json_that_is_no_message_is_an_invalid_request(int chunk)
    {
        string[] bad = ["[]", "[{\"id\":1}]", "1", "\"x\"", "null", "{}", "{\"id\":null,\"method\":\"nothing\"}", "{\"id\":{},\"method\":\"nothing\"}", "{\"method\":5}"];
        (List<JsonNode> messages, _, _) = await RpcHarness.Play([.. bad.SelectMany(Wire.Frame)], chunk);
        Assert.Equal(bad.Length, messages.Count);
        Assert.All(messages, static m => Assert.Equal(ErrorCodes.InvalidRequest, (int)m["error"]!["code"]!));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"params\":null")]
    [InlineData(",\"params\":{}")]
    [InlineData(",\"params\":[]")]
    [InlineData(",\"params\":[null]")]
    [InlineData(",\"params\":[{}]")]
    [InlineData(",\"params\":{\"unknown\":[1,{\"a\":2}]}")]
    public async Task Params_may_be_anything_that_means_none(string parameters)
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(Wire.Frame($"{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\"{parameters}}}"), 4096);
        Assert.NotNull(Assert.Single(messages)["result"]);
    }

    [Fact]
    public async Task Params_may_be_positional()
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(Wire.Frame("""{"id":1,"params":[{"value":"x"}],"method":"echo"}"""), 7);
        Assert.Equal("x", (string?)Assert.Single(messages)["result"]!["value"]);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("7")]
    [InlineData("\"x\"")]
    [InlineData("{\"value\":null}")]
    [InlineData("{\"value\":{}}")]
    public async Task Wrong_params_are_invalid_params(string parameters)
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(Wire.Frame($"{{\"id\":1,\"method\":\"echo\",\"params\":{parameters}}}"), 4096);
        Assert.Equal(ErrorCodes.InvalidParams, (int)Assert.Single(messages)["error"]!["code"]!);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("-9223372036854775809")]
    [InlineData("1.5")]
    [InlineData("\"1\"")]
    [InlineData("\"\"")]
    [InlineData("\"a\\u00e9\"")]
    public async Task Ids_come_back_as_they_were(string id)
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(Wire.Frame($"{{\"id\":{id},\"method\":\"nothing\"}}"), 1);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(id), Assert.Single(messages)["id"]));
    }

    [Fact]
    public async Task An_id_in_use_is_refused_without_touching_the_first_request()
    {
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        await harness.Send("""{"id":1,"method":"wait"}""");
        await harness.Send("""{"id":1,"method":"wait"}""");
        JsonNode refusal = await harness.Replies.Next();
        Assert.Null(refusal["id"]);
        Assert.Equal(ErrorCodes.InvalidRequest, (int)refusal["error"]!["code"]!);
        harness.Gate.SetResult();
        JsonNode answer = await harness.Replies.Next();
        Assert.Equal(1, (int)answer["id"]!);
        Assert.NotNull(answer["result"]);
        harness.End();
        Assert.Equal(1, await run);
    }

    [Fact]
    public async Task A_cancelled_request_is_answered_at_once_even_when_its_handler_is_deaf()
    {
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        await harness.Send("""{"id":"a","method":"deaf"}""");
        await harness.Send("""{"method":"$/cancelRequest","params":{"id":"a"}}""");
        JsonNode answer = await harness.Replies.Next();
        Assert.Equal("a", (string?)answer["id"]);
        Assert.Equal(ErrorCodes.RequestCancelled, (int)answer["error"]!["code"]!);
        harness.Gate.SetResult();
        await harness.Send("""{"id":"b","method":"nothing"}""");
        Assert.Equal("b", (string?)(await harness.Replies.Next())["id"]); // and nothing more about "a"
        harness.End();
        await run;
    }

    [Fact]
    public async Task Cancelling_what_is_unknown_or_done_is_ignored()
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(
            [
                .. Wire.Frame("""{"method":"$/cancelRequest","params":{"id":99}}"""), .. Wire.Frame("""{"method":"$/cancelRequest"}"""),
                .. Wire.Frame("""{"method":"$/cancelRequest","params":{"id":[]}}"""), .. Wire.Frame("""{"method":"$/cancelRequest","params":7}"""),
                .. Wire.Frame("""{"id":1,"method":"nothing"}"""),
            ], 7);
        Assert.Single(messages);
    }

    /// <summary>Row 8: cancellations, completions and the end race; each id is answered exactly once.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Each_request_has_exactly_one_response(int seed)
    {
        const int Count = 400;
        var random = new Random(seed);
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        Task opener = Task.Run(async () =>
        {
            await harness.Started.WaitAsync();
            harness.Gate.SetResult();
        });
        for (int i = 0; i < Count; i++)
        {
            await harness.Send($"{{\"id\":{i},\"method\":\"{(random.Next(2) == 0 ? "wait" : "nothing")}\"}}");
            if (random.Next(2) == 0)
                await harness.Send($"{{\"method\":\"$/cancelRequest\",\"params\":{{\"id\":{random.Next(i + 1)}}}}}");
        }
        var seen = new HashSet<int>();
        for (int i = 0; i < Count; i++)
            Assert.True(seen.Add((int)(await harness.Replies.Next())["id"]!));
        await opener;
        Assert.Equal(0, harness.Connection.PendingCount);
        await harness.Send("""{"method":"stop"}""");
        Assert.Equal(0, await run);
    }

    [Fact]
    public async Task At_the_end_every_open_request_is_answered()
    {
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        for (int i = 0; i < 20; i++)
            await harness.Send($"{{\"id\":{i},\"method\":\"deaf\"}}");
        await harness.Send("""{"method":"stop"}""");
        var seen = new HashSet<int>();
        for (int i = 0; i < 20; i++)
        {
            JsonNode answer = await harness.Replies.Next();
            Assert.Equal(ErrorCodes.RequestCancelled, (int)answer["error"]!["code"]!);
            Assert.True(seen.Add((int)answer["id"]!));
        }
        Assert.Equal(0, await run.WaitAsync(TimeSpan.FromSeconds(30))); // though the handlers still wait
    }

    [Fact]
    public async Task Unknown_methods_are_refused_unknown_notifications_ignored()
    {
        (List<JsonNode> messages, _, RpcHarness harness) = await RpcHarness.Play(
            [
                .. Wire.Frame("""{"id":1,"method":"no/such"}"""), .. Wire.Frame("""{"id":2,"method":"$/noSuch"}"""),
                .. Wire.Frame("""{"method":"no/such"}"""), .. Wire.Frame("""{"method":"$/noSuch","params":{}}"""),
            ], 2);
        Assert.Equal([1, 2], messages.Select(static m => (int)m["id"]!));
        Assert.All(messages, static m => Assert.Equal(ErrorCodes.MethodNotFound, (int)m["error"]!["code"]!));
        Assert.DoesNotContain("$/noSuch", harness.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failures_are_logged_in_full_and_told_in_one_sentence()
    {
        (List<JsonNode> messages, _, RpcHarness harness) = await RpcHarness.Play(
            [
                .. Wire.Frame("""{"method":"badNote"}"""), .. Wire.Frame("""{"id":1,"method":"throwEarly"}"""), .. Wire.Frame("""{"id":2,"method":"throw"}"""),
                .. Wire.Frame("""{"id":3,"method":"nothing"}"""), .. Wire.Frame("""{"method":"note","params":{"value":"after"}}"""),
            ], 4096);
        Assert.Equal([1, 2], messages.Where(static m => (int?)m["error"]?["code"] == ErrorCodes.InternalError).Select(static m => (int)m["id"]!).Order());
        Assert.DoesNotContain("secret", string.Concat(messages.Select(static m => m.ToJsonString())), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", string.Concat(messages.Select(static m => m.ToJsonString())), StringComparison.Ordinal);
        Assert.Contains("secret detail", harness.Log.Text, StringComparison.Ordinal);
        Assert.Equal(["after"], harness.Notes);
    }

    [Fact]
    public async Task Lone_surrogates_and_bytes_that_are_no_utf8_do_not_lose_the_message()
    {
        byte[] body = [.. "{\"method\":\"note\",\"params\":{\"value\":\""u8, 0xff, 0xc3, .. "\"}}"u8];
        byte[] stream = [.. Wire.Frame("""{"method":"note","params":{"value":"a\ud83d b\udc00\n\"\u00e9\ud83d\udd0e"}}"""),
            .. Encoding.ASCII.GetBytes($"Content-Length: {body.Length}\r\n\r\n"), .. body];
        foreach (int chunk in new[] { 1, 7, 4096 })
        {
            (_, _, RpcHarness harness) = await RpcHarness.Play(stream, chunk);
            Assert.Equal(["a\ud83d b\udc00\n\"é🔎", "\ufffd\ufffd"], harness.Notes);
        }
    }

    [Fact]
    public async Task Text_with_a_lone_surrogate_can_be_sent()
    {
        (List<JsonNode> messages, _, _) = await RpcHarness.Play(Wire.Frame("""{"id":1,"method":"echo","params":{"value":"a\ud83d b"}}"""), 4096);
        Assert.Equal("a\ufffd b", (string?)Assert.Single(messages)["result"]!["value"]);
    }

    [Fact]
    public async Task The_server_can_ask_and_is_answered_by_result_or_error()
    {
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        Task<byte[]> first = harness.Connection.RequestAsync("ask", new NoParams(), LspJson.Default.NoParams, default);
        JsonNode request = await harness.Replies.Next();
        Assert.Equal("ask", (string?)request["method"]);
        await harness.Send($"{{\"id\":{request["id"]!.ToJsonString()},\"result\":{{\"x\":1}}}}");
        Assert.Equal("{\"x\":1}", Encoding.UTF8.GetString(await first));

        Task<byte[]> second = harness.Connection.RequestAsync("ask", new NoParams(), LspJson.Default.NoParams, default);
        request = await harness.Replies.Next();
        await harness.Send($"{{\"id\":{request["id"]!.ToJsonString()},\"error\":{{\"code\":-5,\"message\":\"no\"}}}}");
        Assert.Equal(-5, (await Assert.ThrowsAsync<RpcException>(() => second)).Code);

        Task<byte[]> third = harness.Connection.RequestAsync("ask", new NoParams(), LspJson.Default.NoParams, default);
        await harness.Replies.Next();
        await harness.Send("""{"id":12345,"result":null}"""); // to nothing that was asked
        harness.End();
        await run;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
    }

    [Fact]
    public async Task Any_stream_of_frames_ends_and_only_well_formed_messages_come_back()
    {
        Gen<string> value = Gen.OneOf(
            Choice("null", "{}", "[]", "1", "\"x\"", "{\"value\":\"v\"}", "[{\"value\":\"v\"}]", "{\"id\":1}", "1e999", "\"\\ud800\"", "{\"value\":\"\\ud800\"}"),
            Gen.String.Select(static s => System.Text.Json.JsonSerializer.Serialize(s)));
        Gen<string> method = Choice("\"echo\"", "\"nothing\"", "\"note\"", "\"throw\"", "\"$/cancelRequest\"", "\"x\"", "5", "\"\\ud800\"");
        Gen<string> message = Gen.Select(value, method, value, Gen.Int[0, 63]).Select(static (id, m, p, which) =>
            "{" + string.Join(',', new[]
            {
                (which & 1) != 0 ? $"\"id\":{id}" : null, (which & 2) != 0 ? $"\"method\":{m}" : null, (which & 4) != 0 ? $"\"params\":{p}" : null,
                (which & 8) != 0 ? $"\"result\":{p}" : null, (which & 16) != 0 ? $"\"\\ud800\":{p}" : null, (which & 32) != 0 ? $"\"error\":{p}" : null,
            }.Where(static part => part is not null)) + "}");
        Gen<byte[]> mangled = Gen.Select(message, Gen.Int[0, 200], Gen.Byte).Select(static (text, at, value) =>
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            if (at < bytes.Length)
                bytes[at] = value;
            return bytes;
        });
        Gen<byte[]> stream = Gen.OneOf(message.Select(Encoding.UTF8.GetBytes), mangled).Array[0, 12].Select(static bodies => bodies
            .SelectMany(static b => Encoding.ASCII.GetBytes($"Content-Length: {b.Length}\r\n\r\n").Concat(b)).ToArray());
        await Gen.Select(stream, Gen.OneOf(Gen.Const(1), Gen.Const(2), Gen.Const(7), Gen.Const(4096))).SampleAsync(async (bytes, chunk) =>
        {
            (List<JsonNode> messages, _, _) = await RpcHarness.Play(bytes, chunk);
            return messages.All(static m => (string?)m["jsonrpc"] == "2.0" && (m["error"] is null) != (m["result"] is null));
        }, iter: 300);
    }

    private static Gen<string> Choice(params string[] choices) => Gen.Int[0, choices.Length - 1].Select(i => choices[i]);
}
