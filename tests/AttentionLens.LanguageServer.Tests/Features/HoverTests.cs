using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.Features.Hover;

namespace AttentionLens.LanguageServer.Tests.Features;

public sealed class HoverTests
{
    [Fact]
    public async Task Hover_says_token_layer_head_model_and_weights()
    {
        (TestClient client, _) = await TestClient.StartAsync(settings: JsonNode.Parse("""{"layer":1,"head":2,"hover":{"top":3}}"""));
        await using (client)
        {
            await client.Open("The keeper lit the lamp.");
            JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 6));
            string text = (string)hover["contents"]!["value"]!;
            Assert.Equal("markdown", (string?)hover["contents"]!["kind"]);
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), hover["range"]));
            Assert.StartsWith("**`keeper`** · layer 1 · head 2 · bert\n", text, StringComparison.Ordinal);
            Assert.Contains("special tokens hidden", text, StringComparison.Ordinal);
            Assert.Equal(3, text.Split('\n').Count(static line => line.StartsWith("| `", StringComparison.Ordinal)));
            Assert.Matches(@"\| `[^`]+` \| 0\.\d{3} \|", text);

            JsonNode row = TestClient.Tints(0, 6, 0, 6);
            JsonNode tints = await client.Request("attentionLens/tints", row);
            float strongest = tints["weights"]!.AsArray().Max(static w => (float)w!);
            Assert.Contains(strongest.ToString("F3", System.Globalization.CultureInfo.InvariantCulture), text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_client_without_markdown_gets_plain_text()
    {
        (TestClient client, _) = await TestClient.StartAsync(capabilities: JsonNode.Parse("""{"textDocument":{"hover":{"contentFormat":["plaintext"]}}}"""));
        await using (client)
        {
            await client.Open("The keeper lit the lamp.");
            JsonNode hover = await client.Request("textDocument/hover", TestClient.At(0, 6));
            Assert.Equal("plaintext", (string?)hover["contents"]!["kind"]);
            Assert.DoesNotContain('`', (string)hover["contents"]!["value"]!);
            Assert.Contains("attended by:", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("", 0, 0)]
    [InlineData("word   word", 0, 6)]
    [InlineData("word\n\n\nword", 1, 0)]
    public async Task Nothing_is_said_where_no_token_is(string text, int line, int character)
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(text);
            Assert.Null(await client.Request("textDocument/hover", TestClient.At(line, character)));
            Assert.Null(await client.Request("textDocument/documentHighlight", TestClient.At(line, character)));
        }
    }

    [Fact]
    public async Task Highlights_are_the_attended_tokens_with_the_token_itself_first()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open("The keeper lit the lamp.");
            JsonArray highlights = (await client.Request("textDocument/documentHighlight", TestClient.At(0, 6))).AsArray();
            Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 4, 0, 10), highlights[0]!["range"]));
            Assert.Equal(1, (int)highlights[0]!["kind"]!);
            Assert.Contains(highlights.Skip(1), static h => (int)h!["kind"]! == 3);
        }
    }

    [Theory]
    [InlineData("word", "`word`")]
    [InlineData("a`b", "``a`b``")]
    [InlineData("`", "`` ` ``")]
    [InlineData("a|b", "`a\\|b`")]
    [InlineData("\\|[x](command:y)", "`⧵\\|[x](command:y)`")]
    [InlineData("\\\\|", "`\\⧵\\|`")]
    [InlineData("a\nb\tc\r", "`a⏎b⇥c`")]
    [InlineData("\u202eevil", "`U+202Eevil`")]
    [InlineData("<script>", "`<script>`")]
    [InlineData("", "` `")]
    public void Document_text_in_markdown_stays_text(string text, string markdown) => Assert.Equal(markdown, Markdown.Code(text));

    /// <summary>Names of models and messages stand outside of code spans.</summary>
    [Theory]
    [InlineData("![x](http://a.b)", "!\\[x\\](http\\://a.b)")]
    [InlineData("www.a.b and me@a.b", "www\\.a.b and me\\@a.b")]
    [InlineData("<img src=x>", "\\<img src=x\\>")]
    [InlineData("a\n# b", "a # b")]
    [InlineData("\u202ecba", " cba")]
    [InlineData("models/mini-encoder: 1.5", "models/mini-encoder: 1.5")]
    public void Words_outside_of_code_spans_make_no_link_image_or_element(string text, string markdown) => Assert.Equal(markdown, Markdown.Escape(text));

    [Fact]
    public void Half_a_character_is_shown_as_one_that_is_not_known() => Assert.Equal("`\ufffd`", Markdown.Code("\ud83d"));

    [Fact]
    public void Long_text_is_shortened_between_characters() => Assert.Equal(
        string.Concat(Enumerable.Repeat("🔎", 20)) + "…", Markdown.Plain(string.Concat(Enumerable.Repeat("🔎", 30))));
}
