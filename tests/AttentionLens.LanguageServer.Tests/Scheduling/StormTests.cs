using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Scheduling;

/// <summary>What a fast typist, a slow model and a nervous mouse do to each other.</summary>
public sealed class StormTests
{
    [Fact]
    public async Task Hover_overtakes_the_tints_that_are_being_computed()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("background paragraph\n\ninteractive paragraph");
            model.Gate = new TaskCompletionSource();
            (_, Task<JsonNode> tints) = await client.Send("attentionLens/tints", TestClient.Tints(0, 0));
            await model.Started.WaitAsync();
            (_, Task<JsonNode> hover) = await client.Send("textDocument/hover", TestClient.At(2, 3));
            await model.Started.WaitAsync(); // the hover's pass has started: the tints' one was interrupted at the gate
            Assert.False(tints.IsCompleted);
            model.Gate.SetResult();
            Assert.Contains("interact", (string)(await hover)["contents"]!["value"]!, StringComparison.Ordinal);
            Assert.Equal("ok", (string?)(await tints)["status"]);
            Assert.Equal(3, model.Passes);
        }
    }

    [Fact]
    public async Task Of_waiting_versions_of_a_question_only_the_newest_is_computed()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("v1");
            model.Gate = new TaskCompletionSource();
            var answers = new List<Task<JsonNode>> { (await client.Send("attentionLens/tints", TestClient.Tints(0, 0))).Answer };
            await model.Started.WaitAsync(); // version 1 runs
            for (int version = 2; version <= 50; version++)
            {
                await client.Change(version, $"v{version}");
                answers.Add((await client.Send("attentionLens/tints", TestClient.Tints(0, 0))).Answer);
            }
            // Every version between the running and the newest gives way without waiting for the gate.
            JsonNode[] replaced = await Task.WhenAll(answers[1..^1]);
            Assert.All(replaced, static answer => Assert.Equal("stale", (string?)answer["status"]));
            Assert.Equal(Enumerable.Range(2, 48), replaced.Select(static answer => (int)answer["version"]!));
            model.Gate.SetResult();
            Assert.Equal(("ok", 1), ((string?)(await answers[0])["status"], (int)(await answers[0])["version"]!));
            Assert.Equal(("ok", 50), ((string?)(await answers[^1])["status"], (int)(await answers[^1])["version"]!));
            Assert.Equal(2, model.Passes);
        }
    }

    [Fact]
    public async Task Questions_about_one_text_share_one_pass()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("one text for all");
            model.Gate = new TaskCompletionSource();
            var answers = new List<Task<JsonNode>>();
            for (int i = 0; i < 20; i++)
            {
                answers.Add((await client.Send("attentionLens/tints", TestClient.Tints(0, 0, 0, i % 10))).Answer);
                answers.Add((await client.Send("attentionLens/overview", new JsonObject
                {
                    ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0)),
                    ["size"] = 4,
                })).Answer);
            }
            await model.Started.WaitAsync();
            model.Gate.SetResult();
            Assert.All(await Task.WhenAll(answers), static answer => Assert.Equal("ok", (string?)answer["status"]));
            // A background pass that an interactive asker joined may have been interrupted for itself, never more than once.
            Assert.InRange(model.Passes, 1, 2);
        }
    }

    [Fact]
    public async Task Cancelling_the_last_asker_stops_the_pass_itself()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("nobody waits for this\n\nsomebody waits for that");
            model.Gate = new TaskCompletionSource();
            (int id, Task<JsonNode> tints) = await client.Send("attentionLens/tints", TestClient.Tints(0, 0));
            await model.Started.WaitAsync();
            await client.Cancel(id);
            Assert.Equal(ErrorCodes.RequestCancelled, (await Assert.ThrowsAsync<RpcException>(() => tints)).Code);
            (_, Task<JsonNode> other) = await client.Send("attentionLens/tints", TestClient.Tints(2, 0));
            await model.Started.WaitAsync(); // the gate is closed: it can only have started because the first pass has ended
            model.Gate.SetResult();
            Assert.Equal("ok", (string?)(await other)["status"]);
        }
    }

    /// <summary>Edits without pause and hovers in between: each reply is about the text of the version that was current when it was asked.</summary>
    [Fact]
    public async Task In_a_storm_of_edits_every_reply_is_right_for_its_version()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("start of the text");
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            long before = 0;
            for (int round = 0; round < 3; round++)
            {
                var tints = new List<(int Version, Task<JsonNode> Answer)>();
                var hovers = new List<(string Word, Task<JsonNode> Answer)>();
                int version = round * 1000;
                for (int i = 0; i < 400; i++)
                {
                    string word = $"w{round}x{i}";
                    await client.Change(++version, word, TestClient.Range(0, 0, 0, i == 0 ? "start".Length : $"w{round}x{i - 1}".Length));
                    if (i % 3 == 0)
                        tints.Add((version, (await client.Send("attentionLens/tints", TestClient.Tints(0, 0))).Answer));
                    if (i % 10 == 0)
                        hovers.Add((word, (await client.Send("textDocument/hover", TestClient.At(0, 1))).Answer));
                }
                await client.Change(++version, "start", TestClient.Range(0, 0, 0, $"w{round}x399".Length));
                JsonNode last = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
                Assert.Equal(("ok", version), ((string?)last["status"], (int)last["version"]!));
                foreach ((int asked, Task<JsonNode> answer) in tints)
                {
                    JsonNode tint = await answer;
                    Assert.Equal(asked, (int)tint["version"]!);
                    Assert.True((string?)tint["status"] is "ok" or "stale");
                }
                int answered = 0;
                foreach ((string word, Task<JsonNode> answer) in hovers)
                {
                    try
                    {
                        Assert.Contains($"`{word}`", (string)(await answer)["contents"]!["value"]!, StringComparison.Ordinal);
                        answered++;
                    }
                    catch (RpcException replaced)
                    {
                        Assert.Equal(ErrorCodes.ContentModified, replaced.Code);
                    }
                }
                Assert.True(answered > 0);
                long now = GC.GetTotalMemory(forceFullCollection: true);
                // The traces of three words are a few kilobytes each; what would grow here is a leak of requests, documents or flights.
                if (round > 0)
                    Assert.True(now < before + (48 << 20), $"{before} -> {now} bytes");
                before = now;
            }
        }
    }

    [Fact]
    public async Task The_cache_keeps_to_its_bytes()
    {
        // One megabyte holds a few dozen traces of the longest text this model reads.
        (TestClient client, TestModel model) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"cacheMegabytes":1,"layer":0,"head":0}"""));
        await using (client)
        {
            string Text(int seed) => string.Join(' ', Enumerable.Range(0, 60).Select(i => $"w{seed}x{i}"));
            await client.Open(Text(0));
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 1));
            for (int version = 2; version < 80; version++)
            {
                await client.Change(version, Text(version));
                await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 1));
            }
            int passes = model.Passes;
            await client.Change(100, Text(79)); // recent: known
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 1));
            Assert.Equal(passes, model.Passes);
            await client.Change(101, Text(0)); // old: forgotten
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 1));
            Assert.Equal(passes + 1, model.Passes);
        }
    }
}
