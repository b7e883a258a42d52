using System.Text.Json.Nodes;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Special tokens and the attention sink are shown, hidden or renormalised, and every answer with weights says which.</summary>
public sealed class SpecialTokensTests
{
    [Theory]
    [InlineData("bert", "hide", "hidden", "special tokens hidden (")]
    [InlineData("bert", "show", "shown", "special tokens shown (")]
    [InlineData("bert", "renormalize", "renormalized", "the rest renormalized")]
    [InlineData("gpt2", "hide", "hidden", "special tokens hidden (")]
    [InlineData("gpt2", "show", "shown", "special tokens shown (")]
    [InlineData("gpt2", "renormalize", "renormalized", "the rest renormalized")]
    public async Task What_was_done_to_them_is_said_with_their_share(string architecture, string setting, string word, string clause)
    {
        (TestClient client, _) = await TestClient.StartAsync(
            architecture, new JsonObject { ["specialTokens"] = setting, ["layer"] = 1, ["head"] = 2, ["inlayHints"] = true });
        await using (client)
        {
            await client.Open("one two three four");
            JsonNode tints = await client.Request("attentionLens/tints", TestClient.Tints(0, 0, 0, 9)); // "three"
            float[] weights = [.. tints["weights"]!.AsArray().Select(static w => (float)w!)];
            float mass = (float)tints["specialMass"]!;
            Assert.Equal(word, (string?)tints["special"]);
            Assert.InRange(mass, 0.01f, 0.99f);
            bool isDecoder = architecture == "gpt2";
            // A decoder's sink is a token with a place in the text, an encoder's special tokens have none.
            Assert.Equal(setting == "renormalize" || (isDecoder && setting == "show") ? 1 : 1 - mass, weights.Sum(), 1e-4);
            if (isDecoder)
                Assert.Equal(setting == "show" ? mass : 0, weights[0], 1e-5);

            JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 9));
            Assert.Contains(clause, (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
            JsonArray hints = (await client.Request("textDocument/inlayHint", new JsonObject
            {
                ["textDocument"] = new JsonObject { ["uri"] = TestClient.Uri },
                ["range"] = TestClient.Range(0, 0, 1, 0),
            })).AsArray();
            Assert.NotEmpty(hints);
            Assert.All(hints, hint => Assert.Contains(clause, (string)hint!["tooltip"]!, StringComparison.Ordinal));
        }
    }
}
