using System.Text.Json.Nodes;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Analysis.Heads;
using AttentionLens.Analysis.Outputs;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

public sealed class EvaluationTests
{
    private const string Story = "The keeper lit the lamp before the storm came and the ships were late.";

    private static JsonObject Asked(string[] measures, int? query = null, string view = """{"layer":1,"head":2}""", int[]? rationale = null)
    {
        var request = new JsonObject
        {
            ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0)),
            ["view"] = JsonNode.Parse(view),
            ["measures"] = new JsonArray([.. measures.Select(static m => (JsonNode)m)]),
        };
        if (query is { } q)
            request["query"] = q;
        if (rationale is not null)
            request["rationale"] = new JsonArray([.. rationale.Select(static i => (JsonNode)i)]);
        return request;
    }

    private static Dictionary<string, (double Value, double? Chance)> Metrics(JsonNode result) =>
        result["metrics"]!.AsArray().ToDictionary(static m => (string)m!["name"]!, static m => ((double)m!["value"]!, (double?)m["chance"]));

    [Fact]
    public async Task A_picture_is_held_against_the_output_of_its_query()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story, version: 4);
            JsonNode result = await client.Request("attentionLens/evaluation", Asked(["clarity", "faithfulness"], query: 9));
            Assert.Equal("ok", (string?)result["status"]);
            Assert.Equal(4, (int)result["version"]!);

            int[] ids = model.Encode(Story, null, default).Ids();
            OutputTarget target = OutputTarget.Of(model.Model, new ModelInput { InputIds = ids }, new OutputChoice(9));
            var output = new ErasedOutput(model.Model, target);
            double[] scores = output.Of(TokenScores.Of(Methods.Raw, model.Model, target, new HeadSelection(1, 2)));
            Faithfulness expected = Faithfulness.Of(output, scores)!;
            Assert.Equal(target.Name, (string?)result["output"]);
            Assert.False((bool)result["isMasked"]!);
            Assert.Equal(output.Items, result["items"]!.AsArray().Select(static i => (int)i!));
            Dictionary<string, (double Value, double? Chance)> metrics = Metrics(result);
            Assert.Equal(expected.Comprehensiveness.Value!.Value, metrics["comprehensiveness"].Value, 2e-6); // rounded to six digits
            Assert.Equal(expected.Comprehensiveness.Chance!.Value, metrics["comprehensiveness"].Chance!.Value, 2e-6);
            Assert.Equal(Clarity.Of([.. scores.Select(static s => (float)s)])!.Gini, metrics["gini"].Value, 2e-6);
            Assert.Equal(expected.Curve.Shares.Length, result["curve"]!["chanceOnly"]!.AsArray().Count);
            Assert.Equal(9, metrics.Count);
        }
    }

    [Fact]
    public async Task Marked_tokens_are_compared_with_the_picture_and_typos_with_the_text()
    {
        (TestClient client, _) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            Dictionary<string, (double Value, double? Chance)> marked = Metrics(await client.Request(
                "attentionLens/evaluation", Asked(["plausibility"], query: 9, rationale: [1, 4])));
            Assert.Equal(["auprc", "spanF1", "tokenF1"], marked.Keys.Order());
            // Two of nine tokens chosen, two marked.
            Assert.Equal(2.0 / 9, marked["tokenF1"].Chance!.Value, 1e-6);
            Dictionary<string, (double Value, double? Chance)> typos = Metrics(await client.Request("attentionLens/evaluation", Asked(["robustness"], query: 9)));
            Assert.InRange(typos["robustness"].Value, -1, 1);
        }
    }

    [Fact]
    public async Task Without_an_output_only_clarity_can_be_said_and_why()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode result = await client.Request("attentionLens/evaluation", Asked(["clarity", "faithfulness", "robustness"]));
            Assert.Equal("ok", (string?)result["status"]);
            Assert.Null(result["output"]);
            Assert.Equal(["effectiveTokens", "entropy", "gini"], Metrics(result).Keys.Order());
            Assert.Contains("cursor", (string?)result["problems"]![0], StringComparison.Ordinal);
            Assert.DoesNotContain(0, result["items"]!.AsArray().Select(static i => (int)i!)); // [CLS]
        }
    }

    [Fact]
    public async Task A_measurement_can_be_cancelled_and_asked_again()
    {
        (TestClient client, _) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            (int id, Task<JsonNode> answer) = await client.Send("attentionLens/evaluation", Asked(["faithfulness", "robustness"], query: 12));
            await client.Cancel(id);
            try
            {
                await answer; // it may have been faster
            }
            catch (RpcException cancelled)
            {
                Assert.Equal(ErrorCodes.RequestCancelled, cancelled.Code);
            }
            JsonNode again = await client.Request("attentionLens/evaluation", Asked(["faithfulness"], query: 12));
            Assert.Equal("ok", (string?)again["status"]);
            Assert.Equal(6, Metrics(again).Count);
        }
    }

    [Theory]
    [InlineData("""{"measures":["beauty"]}""", "no measure \"beauty\"")]
    [InlineData("""{"measures":["clarity"],"query":999}""", "query must be from 0 to")]
    [InlineData("""{"measures":["plausibility"],"rationale":[-1]}""", "rationale names tokens from 0 to")]
    public async Task Wrong_questions_are_named(string request, string problem)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode asked = JsonNode.Parse(request)!;
            asked["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0));
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/evaluation", asked));
            Assert.Contains(problem, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Heads_have_traits_and_are_like_themselves()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync("gpt2");
        await using (client)
        {
            await client.Open(Story);
            JsonNode result = await client.Request("attentionLens/heads", new JsonObject
            {
                ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0)),
                ["like"] = new JsonArray(2, 1),
            });
            Assert.Equal("ok", (string?)result["status"]);
            HeadTraits[][] expected = HeadProbe.Of(model.Model, AttentionKind.Decoder);
            Assert.Equal(expected[1][3].Induction, (float)result["traits"]![1]![3]!["induction"]!, 1e-6f);
            Assert.Equal(expected[2][0].Stability, (float)result["traits"]![2]![0]!["stability"]!, 1e-6f);
            Assert.Equal(1, (float)result["likeness"]![2]![1]!, 1e-5f);
            Assert.InRange((float)result["likeness"]![0]![0]!, 0, 1);
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/heads", new JsonObject
            {
                ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0)),
                ["like"] = new JsonArray(9, 0),
            }));
            Assert.Contains("a layer from 0 to 2", refused.Message, StringComparison.Ordinal);
        }
    }
}
