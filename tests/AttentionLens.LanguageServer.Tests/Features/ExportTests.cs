using System.IO.Compression;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

public sealed class ExportTests : IDisposable
{
    private const string Story = "The keeper lit the lamp.\n";

    private readonly string folder = Directory.CreateTempSubdirectory("attentionlens-export-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Tensors_are_the_weights_of_every_head()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story, version: 3);
            string path = Path.Combine(folder, "story.safetensors");
            JsonNode answer = await client.Request("attentionLens/export", Request("safetensors", path));
            Assert.Equal("ok", (string?)answer["status"]);
            Assert.Equal(3, (int)answer["version"]!);
            Assert.True((bool)answer["isWhole"]!);

            AttentionTrace trace = model.Forward(new ModelInput { InputIds = model.Encode(Story.TrimEnd(), null, default).Ids() }, Keep.Attention, default);
            AttentionStack stack = trace.Stacks[0];
            using SafetensorsFile file = SafetensorsFile.Open(path);
            for (int layer = 0; layer < stack.Layers; layer++)
            {
                Assert.Equal([stack.Heads, stack.Queries, stack.Keys], file.Entries[$"attentions.{layer}"].Shape);
                float[] written = file.ReadFloats($"attentions.{layer}"), row = new float[stack.Keys];
                stack.Row(layer, stack.Heads - 1, 2, row);
                int at = (((stack.Heads - 1) * stack.Queries) + 2) * stack.Keys;
                // Whole heads and single rows sum their products in another order: a unit in the last place of a weight below 1.
                for (int key = 0; key < row.Length; key++)
                    Assert.Equal(row[key], written[at + key], 2e-7f);
            }
        }
    }

    [Fact]
    public async Task A_page_stands_alone_and_an_archive_names_its_arrays()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            string page = Path.Combine(folder, "story.html"), arrays = Path.Combine(folder, "story.npz");
            await File.WriteAllTextAsync(page, "older");
            await client.Request("attentionLens/export", Request("html", page));
            string html = await File.ReadAllTextAsync(page);
            Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
            Assert.DoesNotContain("://", html, StringComparison.Ordinal);
            Assert.Contains("\"text\":\"keeper\"", html, StringComparison.Ordinal);
            await client.Request("attentionLens/export", Request("npz", arrays));
            using ZipArchive archive = ZipFile.OpenRead(arrays);
            Assert.Contains(archive.Entries, static entry => entry.FullName == "attentions.0.npy");
            Assert.Equal(2, Directory.GetFiles(folder).Length); // nothing temporary is left
        }
    }

    [Fact]
    public async Task What_cannot_be_written_is_said_in_a_sentence()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(Story);
            JsonNode answer = await client.Request("attentionLens/export", Request("html", Path.Combine(folder, "nowhere", "story.html")));
            Assert.Equal("failed", (string?)answer["status"]);
            Assert.Contains("does not exist", (string?)answer["message"], StringComparison.Ordinal);
            RpcException relative = await Assert.ThrowsAsync<RpcException>(() => client.Request("attentionLens/export", Request("html", "story.html")));
            Assert.Equal(ErrorCodes.InvalidParams, relative.Code);
        }
    }

    private static JsonNode Request(string format, string path)
    {
        JsonNode request = TestClient.Tints(0, 3);
        request["format"] = format;
        request["path"] = path;
        request["view"] = JsonNode.Parse("""{"layer":"auto"}""");
        return request;
    }
}
