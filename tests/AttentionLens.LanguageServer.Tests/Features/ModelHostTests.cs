using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>The server outlives whatever models do: it says so, stays up, and recovers.</summary>
public sealed class ModelHostTests
{
    [Fact]
    public async Task A_missing_model_is_said_and_found_when_it_appears()
    {
        var clock = new ManualClock();
        bool there = false;
        var loader = new TestLoader(_ => there ? new TestModel("bert") : throw new ModelMissingException("No model here; choose one."));
        await using var client = new TestClient(loader, clock);
        await client.InitializeAsync();
        await client.Open("some text");
        JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        Assert.Equal(("modelMissing", "No model here; choose one."), ((string?)tints["status"], (string?)tints["message"]));
        JsonNode status = await client.Next("attentionLens/status", static p => (string?)p["health"] == "error");
        Assert.Equal("No model here; choose one.", (string?)status["message"]);
        JsonNode info = await client.Request("attentionLens/modelInfo", new JsonObject());
        Assert.Equal("modelMissing", (string?)info["status"]);
        JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 1));
        Assert.Contains("No model here", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
        Assert.Null(await client.Request("textDocument/documentHighlight", TestClient.At(0, 1)));
        Assert.Equal(1, loader.Loads); // not once per question

        there = true;
        clock.Advance(TimeSpan.FromSeconds(2));
        tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        Assert.Equal("ok", (string?)tints["status"]);
        status = await client.Next("attentionLens/status", static p => (string?)p["health"] == "ok" && !(bool)p["busy"]!);
        Assert.Equal("bert", (string?)status["model"]!["name"]);
    }

    [Theory]
    [InlineData("missing", "No model here. Put it there, or name another one")]
    [InlineData("broken", "No tensors in it. Name another model")]
    [InlineData("unreadable", "The model cannot be read: denied. Name another model")]
    [InlineData("memory", "There is not enough memory for this model and text; choose a smaller model")]
    public async Task What_the_user_can_mend_is_shown_once_with_what_to_do_and_again_when_it_is_news(string kind, string expected)
    {
        var clock = new ManualClock();
        bool there = false;
        var loader = new TestLoader(_ => there ? new TestModel("bert") : throw kind switch
        {
            "missing" => (Exception)new ModelMissingException("No model here."),
            "broken" => new ModelException("No tensors in it."),
            "unreadable" => new IOException("denied."),
            _ => new InsufficientMemoryException(),
        });
        await using var client = new TestClient(loader, clock);
        await client.InitializeAsync();
        await client.Open("some text");
        await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        List<JsonNode> seen = await client.Until("window/showMessage", static _ => true);
        for (int question = 0; question < 2; question++)
        {
            clock.Advance(TimeSpan.FromSeconds(2)); // each question tries anew
            await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        }
        Assert.Equal(3, loader.Loads);
        there = true;
        clock.Advance(TimeSpan.FromSeconds(2));
        await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        seen.AddRange(await client.Until("attentionLens/status", static p => p["model"] is not null));
        there = false;
        await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse("""{"settings":{"model":"other"}}""")!);
        seen.AddRange(await client.Until("window/showMessage", static _ => true));
        clock.Advance(TimeSpan.FromSeconds(2));
        await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
        await client.Request("attentionLens/modelInfo", new JsonObject());
        seen.AddRange(client.Seen());
        Assert.Equal(2, Shown(seen).Length);
        Assert.All(Shown(seen), message => Assert.StartsWith($"AttentionLens: {expected}", (string?)message["message"], StringComparison.Ordinal));
        Assert.All(Shown(seen), static message => Assert.Equal(1, (int)message["type"]!));
    }

    private static JsonNode[] Shown(List<JsonNode> messages) => [.. messages.Where(static m => (string?)m["method"] == "window/showMessage").Select(static m => m["params"]!)];

    [Fact]
    public async Task What_nobody_can_mend_is_not_shown_and_a_client_may_tell_by_itself()
    {
        foreach ((Exception failure, string settings) in new (Exception, string)[]
        {
            (new InvalidOperationException("a defect"), "{}"),
            (new OperationCanceledException(), "{}"),
            (new ModelMissingException("No model here."), """{"showMessages":false}"""),
        })
        {
            await using var client = new TestClient(new TestLoader(_ => throw failure));
            await client.InitializeAsync(JsonNode.Parse(settings));
            await client.Open("some text");
            Assert.NotEqual("ok", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0)))["status"]);
            List<JsonNode> seen = await client.Until("attentionLens/status", static p => (string?)p["health"] == "error");
            // A status may overtake what was sent before it; the answer to a later question does not.
            await client.Request("attentionLens/modelInfo", new JsonObject());
            Assert.Empty(Shown([.. seen, .. client.Seen()]));
        }
    }

    [Fact]
    public async Task Too_little_memory_for_one_text_is_shown_once()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("some text\n\nother text");
            model.Fail = static _ => new InsufficientMemoryException();
            for (int line = 0; line < 3; line += 2)
                Assert.Equal("failed", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(line, 0)))["status"]);
            Assert.Contains("shorter segment", (string?)Assert.Single(Shown(client.Seen()))["message"], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("model")]
    [InlineData("memory")]
    [InlineData("bug")]
    public async Task A_pass_that_fails_costs_its_own_answer_only(string kind)
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("poison\n\nmedicine");
            model.Fail = _ => kind switch
            {
                "model" => new ModelException("This input does not fit."),
                "memory" => new InsufficientMemoryException(),
                _ => new InvalidOperationException("detail"),
            };
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0));
            Assert.Equal("failed", (string?)tints["status"]);
            Assert.DoesNotContain("detail", (string?)tints["message"], StringComparison.Ordinal);
            Assert.EndsWith(".", (string?)tints["message"], StringComparison.Ordinal);
            model.Fail = null;
            Assert.Equal("ok", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(2, 0)))["status"]);
            Assert.Equal("ok", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0)))["status"]); // failures are not cached
        }
    }

    [Fact]
    public async Task Another_model_takes_over_and_the_old_one_goes_when_its_last_pass_has_ended()
    {
        var models = new Dictionary<string, TestModel> { [""] = new("bert"), ["other"] = new("gpt2") };
        await using var client = new TestClient(new TestLoader(choice => models[choice.Name]));
        await client.InitializeAsync();
        await client.Open("some text");
        models[""].Gate = new TaskCompletionSource();
        (_, Task<JsonNode> old) = await client.Send("attentionLens/tints", TestClient.Tints(0, 0));
        await models[""].Started.WaitAsync();
        await client.Notify("workspace/didChangeConfiguration", JsonNode.Parse("""{"settings":{"attentionLens":{"model":"other"}}}""")!);
        await client.Next("attentionLens/status", static p => (string?)p["model"]?["name"] == "gpt2");
        Assert.False(models[""].Disposed);
        models[""].Gate!.SetResult();
        Assert.Equal("bert", (string?)(await old)["model"]);
        Assert.Equal("gpt2", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0)))["model"]);
        Assert.True(models[""].Disposed);
        await client.ShutdownAsync();
        Assert.True(models["other"].Disposed);
    }

    [Fact]
    public async Task A_question_may_name_another_model_and_the_two_asked_for_last_stay()
    {
        var models = new Dictionary<string, TestModel> { [""] = new("bert"), ["a"] = new("gpt2"), ["b"] = new("roberta"), ["c"] = new("distilbert") };
        bool there = false;
        var clock = new ManualClock();
        var loader = new TestLoader(choice => choice.Name != "gone" ? models[choice.Name] : there ? new TestModel("bert") : throw new ModelMissingException("Nothing there."));
        await using var client = new TestClient(loader, clock);
        await client.InitializeAsync();
        await client.Open("some text");
        Assert.Equal("bert", await NameOf(null));
        Assert.Equal("gpt2", await NameOf("a"));
        Assert.Equal("roberta", await NameOf("b"));
        Assert.Equal("gpt2", await NameOf("a"));
        Assert.Equal("bert", await NameOf(""));
        Assert.Equal(3, loader.Loads); // none twice
        Assert.Equal("distilbert", await NameOf("c"));
        Assert.True(models["b"].Disposed);
        Assert.False(models["a"].Disposed || models[""].Disposed);

        Assert.Equal("modelMissing", (string?)(await Ask("gone"))["status"]);
        Assert.Equal("modelMissing", (string?)(await Ask("gone"))["status"]);
        Assert.Equal(5, loader.Loads); // a failure is not repeated at once
        there = true;
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("bert", await NameOf("gone"));
        await client.ShutdownAsync();
        Assert.All(models.Values, static model => Assert.True(model.Disposed));

        async Task<string?> NameOf(string? model) => (string?)(await Ask(model))["model"]!["name"];

        Task<JsonNode> Ask(string? model)
        {
            JsonObject scope = TestClient.Scope(TestClient.Range(0, 0, 0, 0));
            if (model is not null)
                scope["model"] = model;
            return client.Request("attentionLens/tokens", new JsonObject { ["scope"] = scope });
        }
    }

    [Fact]
    public async Task A_long_load_shows_progress_that_can_be_cancelled_and_is_taken_up_again()
    {
        var clock = new ManualClock();
        var loader = new TestLoader(static _ => new TestModel("bert")) { Gate = new TaskCompletionSource() };
        await using var client = new TestClient(loader, clock);
        var created = new TaskCompletionSource<string>();
        client.OnRequest = (method, parameters) =>
        {
            if (method == "window/workDoneProgress/create")
                created.TrySetResult((string)parameters!["token"]!);
            return null;
        };
        await client.InitializeAsync(capabilities: JsonNode.Parse("""{"window":{"workDoneProgress":true}}"""));
        await client.Open("some text");
        (_, Task<JsonNode> tints) = await client.Send("attentionLens/tints", TestClient.Tints(0, 0));
        await client.Next("attentionLens/status", static p => (bool)p["busy"]!);
        await clock.TimerSet;
        clock.Advance(TimeSpan.FromSeconds(1));
        string token = await created.Task.WaitAsync(TimeSpan.FromSeconds(60));
        JsonNode begin = await client.Next("$/progress", p => (string?)p["token"] == token);
        Assert.Equal(("begin", true), ((string?)begin["value"]!["kind"], (bool)begin["value"]!["cancellable"]!));
        await client.Notify("window/workDoneProgress/cancel", new JsonObject { ["token"] = token });
        Assert.Equal("failed", (string?)(await tints)["status"]);
        Assert.Contains("cancelled", (string?)(await tints)["message"], StringComparison.Ordinal);
        JsonNode end = await client.Next("$/progress", p => (string?)p["token"] == token);
        Assert.Equal("end", (string?)end["value"]!["kind"]);
        loader.Gate = null;
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("ok", (string?)(await client.Request("attentionLens/tints", TestClient.Tints(0, 0)))["status"]);
    }

    [Fact]
    public async Task A_client_without_the_capability_is_not_asked_to_show_progress()
    {
        var clock = new ManualClock();
        var loader = new TestLoader(static _ => new TestModel("bert")) { Gate = new TaskCompletionSource() };
        await using var client = new TestClient(loader, clock);
        bool asked = false;
        client.OnRequest = (_, _) =>
        {
            asked = true;
            return null;
        };
        await client.InitializeAsync();
        clock.Advance(TimeSpan.FromSeconds(5));
        loader.Gate.SetResult();
        await client.Next("attentionLens/status", static p => p["model"] is not null);
        Assert.Equal(0, await client.ShutdownAsync());
        Assert.False(asked);
    }
}
