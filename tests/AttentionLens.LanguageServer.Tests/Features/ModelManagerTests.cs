using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Listing, checking and removing through the protocol; fetching has its own tests against a loopback Hub.</summary>
public sealed class ModelManagerTests
{
    [Fact]
    public async Task The_embedded_model_is_listed_and_works()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            JsonNode answer = await client.Request("attentionLens/models", new JsonObject());
            JsonNode model = Assert.Single(answer["models"]!.AsArray(), static model => (string?)model!["name"] == EmbeddedModels.Default)!;
            Assert.Equal("embedded", (string?)model["place"]);
            Assert.True((long)model["bytes"]! > 1_000_000);
            JsonNode check = await client.Request("attentionLens/checkModel", new JsonObject { ["name"] = EmbeddedModels.Default });
            Assert.Equal(("bert", "encoder", true), ((string?)check["modelType"], (string?)check["kind"], (bool)check["hasTokenizer"]!));
        }
    }

    [Theory]
    [InlineData("attentionLens/checkModel", "no/such", "No model 'no/such'")]
    [InlineData("attentionLens/removeModel", EmbeddedModels.Default, "ships with AttentionLens")]
    [InlineData("attentionLens/removeModel", "no/such", "no model 'no/such' in the Hugging Face cache")]
    [InlineData("attentionLens/pullModel", "not a name", "is not a model name of the Hub")]
    public async Task What_cannot_be_done_is_said(string method, string name, string message)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            RpcException refused = await Assert.ThrowsAsync<RpcException>(() => client.Request(method, new JsonObject { ["name"] = name }));
            Assert.Equal(ErrorCodes.RequestFailed, refused.Code);
            Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        }
    }
}
