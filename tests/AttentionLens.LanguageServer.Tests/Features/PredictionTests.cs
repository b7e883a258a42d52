using System.Text.Json.Nodes;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

public sealed class PredictionTests
{
    private const string Story = "The keeper lit the lamp and it burned all night.\n";

    private static JsonObject Ask(int? token = null, string? view = null)
    {
        var request = new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 3, 0, 3)), ["top"] = 4, ["layers"] = true };
        if (token is { } index)
            request["token"] = index;
        if (view is not null)
            request["view"] = JsonNode.Parse(view);
        return request;
    }

    private static ModelInput Input(TestModel model) => new() { InputIds = model.Encode(Story.TrimEnd(), null, default).Ids() };

    [Fact]
    public async Task The_next_token_of_a_decoder_with_every_layer()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story, version: 3);
            JsonNode answer = await client.Request("attentionLens/prediction", Ask());
            Assert.Equal("ok", (string?)answer["status"]);
            Assert.Equal(3, (int)answer["version"]!);
            Assert.Equal("next", (string?)answer["kind"]);
            Prediction expected = Prediction.Of(model.Model, Input(model), null, 4);
            JsonArray candidates = answer["candidates"]!.AsArray();
            Assert.Equal(expected.Candidates.Select(static c => c.Index), candidates.Select(static c => (int)c!["id"]!));
            Assert.Equal(expected.Candidates[0].Probability, (double)candidates[0]!["probability"]!, 1e-5);
            Assert.Equal(expected.Rows[0], (int)answer["token"]!);
            JsonArray layers = answer["layers"]!.AsArray();
            Assert.Equal(model.Info.Layers + 1, layers.Count);
            Assert.Equal(0, (int)layers[^1]!["rank"]!);
            Assert.Equal((double)candidates[0]!["probability"]!, (double)layers[^1]!["probability"]!, 1e-5);
            Assert.Null(answer["before"]);

            JsonNode inside = await client.Request("attentionLens/prediction", Ask(token: 2));
            Assert.Equal(Input(model).InputIds[3], (int)inside["actual"]!["id"]!);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 11, 0, 14), inside["range"]));
        }
    }

    [Fact]
    public async Task A_change_moves_prediction_and_pictures_and_says_what_was_before()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            const string changes = """{"changes":{"heads":[{"layer":0,"head":1,"effect":"zero"}]},"layer":0,"head":1}""";
            JsonNode answer = await client.Request("attentionLens/prediction", Ask(view: changes));
            ModelInput forced = Input(model) with { Interventions = [new HeadIntervention(AttentionKind.Decoder, 0, 1, HeadEffect.Zero)] };
            Prediction now = Prediction.Of(model.Model, forced, null, 4), before = Prediction.Of(model.Model, Input(model), null, 1);
            Assert.Equal(now.Candidates[0].Index, (int)answer["candidates"]![0]!["id"]!);
            Assert.Equal(before.Candidates[0].Index, (int)answer["before"]![0]!["id"]!);
            Assert.Equal(before.Candidates[0].Probability, (double)answer["before"]![0]!["probability"]!, 1e-5);
            Assert.NotEqual(before.Find(model.Model, now.Candidates[0].Index).Probability, now.Candidates[0].Probability);

            // The head's own row is empty, the others' move with it; without changes they are as ever.
            JsonNode row = await client.Request("attentionLens/row", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 3, 0, 3)), ["query"] = 5, ["view"] = JsonNode.Parse(changes) });
            Assert.All(Convert.FromBase64String((string)row["weights"]!), static b => Assert.Equal(0, b));
            JsonNode plain = await client.Request("attentionLens/row", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 3, 0, 3)), ["query"] = 5, ["view"] = JsonNode.Parse("""{"layer":0,"head":1}""") });
            Assert.Contains(Convert.FromBase64String((string)plain["weights"]!), static b => b != 0);
        }
    }

    [Theory]
    [InlineData("""{"changes":{"heads":[{"layer":9,"head":1,"effect":"zero"}]}}""", "layer 9")]
    [InlineData("""{"changes":{"heads":[{"layer":0,"head":1,"effect":"bent"}]}}""", "uniform")]
    [InlineData("""{"changes":{"tokens":[{"index":99}]}}""", "token 99")]
    public async Task A_change_that_cannot_be_made_is_said(string view, string said)
    {
        (TestClient client, _) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            JsonNode answer = await client.Request("attentionLens/prediction", Ask(view: view));
            Assert.Equal("failed", (string?)answer["status"]);
            Assert.Contains(said, (string?)answer["message"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_change_of_a_token_that_is_no_longer_there_is_left_out()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            JsonNode answer = await client.Request("attentionLens/prediction", Ask(view: """{"changes":{"tokens":[{"index":1,"text":"#7","was":"lantern"}]}}"""));
            Assert.Equal(Prediction.Of(model.Model, Input(model), null, 1).Candidates[0].Index, (int)answer["candidates"]![0]!["id"]!);
            Assert.Equal("ok", (string?)answer["status"]);
        }
    }

    [Fact]
    public async Task Tints_of_a_method_that_explains_are_the_shares_of_one_output()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            JsonNode request = TestClient.Tints(0, 3);
            request["view"] = JsonNode.Parse("""{"method":"input-x-gradient","layer":1,"head":0}""");
            JsonNode tints = await client.Request("attentionLens/tints", request);
            Assert.Equal("ok", (string?)tints["status"]);
            Assert.Equal("output", (string?)tints["mode"]);
            OutputTarget target = OutputTarget.Of(model.Model, Input(model));
            Assert.Equal(target.Name, (string?)tints["about"]);
            TokenScores scores = TokenScores.Of(Analysis.Methods.InputTimesGradient, model.Model, target);
            double sum = scores.Source.Sum(static s => Math.Abs((double)s));
            float[] weights = [.. tints["weights"]!.AsArray().Select(static w => (float)w!)];
            for (int i = 1; i < weights.Length; i++) // the first token is the sink
                Assert.Equal(scores.Source[i] / sum, weights[i], 1e-4);

            JsonNode hover = await client.Request("textDocument/hover", new JsonObject
            {
                ["textDocument"] = new JsonObject { ["uri"] = TestClient.Uri },
                ["position"] = new JsonObject { ["line"] = 0, ["character"] = 5 },
                ["view"] = JsonNode.Parse("""{"method":"input-x-gradient"}"""),
            });
            Assert.Contains("speaks for it", (string?)hover["contents"]!["value"], StringComparison.Ordinal);
        }
    }
}
