using System.Diagnostics;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests;

/// <summary>Rows 10, 15 and 17 of the host's checklist, on the whole server.</summary>
public sealed class LifecycleTests
{
    private static TestLoader NoModel() => new(static _ => throw new ModelMissingException("There is no model."));

    [Fact]
    public async Task Before_initialize_requests_are_refused_and_notifications_dropped()
    {
        await using var client = new TestClient(NoModel());
        await client.Open("text");
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("textDocument/hover", TestClient.At(0, 0)));
        Assert.Equal(ErrorCodes.ServerNotInitialized, refused.Code);
        JsonNode answer = await client.InitializeAsync();
        Assert.Equal("attention-lens", (string?)answer["serverInfo"]!["name"]);
        Assert.Equal("utf-16", (string?)answer["capabilities"]!["positionEncoding"]);
        Assert.Equal(2, (int)answer["capabilities"]!["textDocumentSync"]!["change"]!);
        RpcException twice = await Assert.ThrowsAsync<RpcException>(() => client.Request("initialize", new JsonObject()));
        Assert.Equal(ErrorCodes.InvalidRequest, twice.Code);
    }

    public static TheoryData<string> Crashed => Crashes.Of("messages");

    [Theory]
    [MemberData(nameof(Crashed))]
    public async Task A_message_that_broke_the_server_once_leaves_it_alive(string name)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("placeholder");
            await client.SendRaw(Crashes.Text("messages", name));
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("ok", (string?)tints["status"]);
            Assert.Equal(0, await client.ShutdownAsync());
        }
    }

    [Fact]
    public async Task After_shutdown_requests_are_refused_and_exit_is_0()
    {
        await using var client = new TestClient(NoModel());
        await client.InitializeAsync();
        Assert.Null(await client.Request("shutdown", null));
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("textDocument/hover", TestClient.At(0, 0)));
        Assert.Equal(ErrorCodes.InvalidRequest, refused.Code);
        await client.Notify("exit", new JsonObject());
        Assert.Equal(0, await client.Exit.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Exit_without_shutdown_is_1_also_before_initialize()
    {
        await using var client = new TestClient(NoModel());
        await client.Notify("exit", new JsonObject());
        Assert.Equal(1, await client.Exit.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Shutdown_answers_what_runs()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            model.Gate = new TaskCompletionSource();
            await client.Open("held at the gate");
            (_, Task<JsonNode> hover) = await client.Send("textDocument/hover", TestClient.At(0, 1));
            await model.Started.WaitAsync();
            Assert.Equal(0, await client.ShutdownAsync());
            Assert.Equal(ErrorCodes.RequestCancelled, (await Assert.ThrowsAsync<RpcException>(() => hover)).Code);
        }
    }

    [Fact]
    public async Task The_end_of_the_input_ends_it_mid_compute()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        model.Gate = new TaskCompletionSource();
        await client.Open("held at the gate");
        await client.Send("textDocument/hover", TestClient.At(0, 1));
        await model.Started.WaitAsync();
        client.Disconnect();
        Assert.Equal(1, await client.Exit.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task It_ends_when_the_process_that_started_it_has_gone()
    {
        using Process gone = Process.Start(new ProcessStartInfo("dotnet", "--version") { RedirectStandardOutput = true })!;
        await gone.WaitForExitAsync();
        await using var client = new TestClient(NoModel(), clientProcessId: gone.Id);
        Assert.Equal(1, await client.Exit.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Trace_levels_reach_the_client_without_document_text()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Notify("$/setTrace", new JsonObject { ["value"] = "verbose" });
            await client.Open("xyzzy plugh");
            model.Fail = static _ => new InvalidOperationException("xyzzy");
            JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 1));
            Assert.DoesNotContain("xyzzy", hover.ToJsonString(), StringComparison.Ordinal);
            JsonNode error = await client.Next("window/logMessage", static p => (int)p["type"]! == 1);
            Assert.DoesNotContain("xyzzy", (string)error["message"]!, StringComparison.Ordinal);
            JsonNode debug = await client.Next("window/logMessage", static p => (int)p["type"]! == 4);
            Assert.Contains("textDocument/hover", (string)debug["message"]!, StringComparison.Ordinal);
            Assert.Contains("xyzzy", client.Errors.ToString(), StringComparison.Ordinal); // stderr has the exception in full
        }
    }

    [Theory]
    [InlineData("""{"settings":{}}""")]
    [InlineData("""{"settings":null}""")]
    [InlineData("""{"settings":{"attentionLens":{"segment":"line","layer":null}}}""")]
    [InlineData("{}")]
    public async Task A_configuration_that_says_less_leaves_the_initialization_options_as_they_are(string configuration)
    {
        (TestClient client, _) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"layer":1}"""));
        await using (client)
        {
            await client.Open("one two");
            await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse("""{"settings":{"layer":2}}""")!);
            Assert.Contains("layer 2", (string)(await client.Request("textDocument/hover", TestClient.At(0, 1)))["contents"]!["value"]!, StringComparison.Ordinal);
            await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse(configuration)!);
            Assert.Contains("layer 1", (string)(await client.Request("textDocument/hover", TestClient.At(0, 1)))["contents"]!["value"]!, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Wrong_settings_keep_their_defaults_and_are_logged()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse(
                """{"settings":{"attentionLens":{"layer":"all","head":-1,"heads":"4","specialTokens":"sometimes","segment":3,"threads":"x","cacheMegabytes":0,"hover":{"top":0},"new":1,"model":null}}}""")!);
            var named = new HashSet<string>();
            foreach (string _ in new[] { "layer", "head", "heads", "specialTokens", "segment", "threads", "cacheMegabytes", "hover" })
            {
                JsonNode line = await client.Next("window/logMessage", static p => (int)p["type"]! == 2);
                named.Add(((string)line["message"]!).Split(' ')[1]);
            }
            Assert.Equal(["cacheMegabytes", "head", "heads", "hover", "layer", "segment", "specialTokens", "threads"], named.Order(StringComparer.Ordinal));
        }
    }
}
