using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Row 18 of the host's checklist: the server asks only what the client can answer, and not before <c>initialized</c>.</summary>
public sealed class RefreshTests
{
    private static readonly JsonNode Change = JsonNode.Parse("""{"settings":{"inlayHints":true,"codeLens":true,"segment":"line"}}""")!;

    [Fact]
    public async Task A_client_that_can_refresh_is_asked_to_when_settings_change_what_it_shows()
    {
        var asked = new ConcurrentQueue<string>();
        var all = new TaskCompletionSource();
        var client = new TestClient(new TestLoader(static _ => new TestModel("bert")))
        {
            OnRequest = (method, _) =>
            {
                asked.Enqueue(method);
                if (asked.Distinct().Count() == 3)
                    all.TrySetResult();
                return null;
            },
        };
        await using (client)
        {
            await client.InitializeAsync(capabilities: JsonNode.Parse(
                """{"workspace":{"codeLens":{"refreshSupport":true},"inlayHint":{"refreshSupport":true},"diagnostics":{"refreshSupport":true}}}"""));
            await client.Notify("workspace/didChangeConfiguration", Change.DeepClone());
            await all.Task.WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Equal(["workspace/codeLens/refresh", "workspace/diagnostic/refresh", "workspace/inlayHint/refresh"], asked.Distinct().Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"workspace":{"codeLens":{"refreshSupport":false},"inlayHint":{},"diagnostics":null}}""")]
    public async Task A_client_that_cannot_is_left_alone(string capabilities)
    {
        var asked = new ConcurrentQueue<string>();
        var client = new TestClient(new TestLoader(static _ => new TestModel("bert")))
        {
            OnRequest = (method, _) =>
            {
                asked.Enqueue(method);
                return null;
            },
        };
        await using (client)
        {
            await client.InitializeAsync(capabilities: JsonNode.Parse(capabilities));
            await client.Open("some text");
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0)); // the model is there: that is news too
            await client.Notify("workspace/didChangeConfiguration", Change.DeepClone());
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        }
        // The connection has ended, and everything that was sent has been read.
        Assert.Empty(asked);
    }
}
