using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Questions about an image file: the same requests, with patches for tokens.</summary>
public sealed class ImageTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("attentionlens-image-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_image_has_patches_for_tokens_and_its_weights_are_those_of_the_model()
    {
        (TestClient client, TestModel model) = await TestClient.StartAsync(VisionModel());
        await using (client)
        {
            string file = Picture("baseline-444.jpg");
            JsonNode tokens = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = Image(file) });
            Assert.Equal("ok", (string?)tokens["status"]);
            PatchGrid grid = model.Info.Patches!.Value;
            Assert.Equal(1 + (grid.Rows * grid.Columns), tokens["tokens"]!.AsArray().Count);
            Assert.True((bool)tokens["tokens"]![0]!["special"]!);
            Assert.Equal("0,1", (string?)tokens["tokens"]![2]!["text"]);
            Assert.Equal(["vision"], tokens["stacks"]!.AsArray().Select(static s => (string?)s!["kind"]));

            RgbImage image = RgbImage.Load(file);
            PreparedImage prepared = model.Model.ImageProcessor!.Prepare(image, default);
            JsonNode place = tokens["image"]!;
            Assert.Equal((image.Width, image.Height), ((int)place["width"]!, (int)place["height"]!));
            ImageRectangle patch = prepared.Patch(grid, 1, 2);
            Assert.Equal(patch.Left, (double)place["left"]! + (2 * (double)place["patchWidth"]!), 9);
            Assert.Equal(patch.Top, (double)place["top"]! + (double)place["patchHeight"]!, 9);

            AttentionStack stack = model.Forward(new ModelInput { Pixels = prepared.Pixels }, Keep.Attention, default).Stacks[0];
            float[] expected = new float[stack.Keys];
            stack.Row(1, 2, 0, expected);
            JsonNode row = await client.Request("attentionLens/row", new JsonObject
            {
                ["scope"] = Image(file),
                ["query"] = 0,
                ["view"] = JsonNode.Parse("""{"layer":1,"head":2}"""),
            });
            Assert.Equal(expected, Floats(row["weights"]!));
            Assert.Equal((int)tokens["version"]!, (int)row["version"]!);

            JsonNode rows = await client.Request("attentionLens/rows", new JsonObject { ["scope"] = Image(file), ["query"] = 0 });
            Assert.Equal([stack.Layers, stack.Heads, stack.Keys], rows["shape"]!.AsArray().Select(static n => (int)n!));
            Assert.Equal(expected, Floats(rows["data"]!).AsSpan(((1 * stack.Heads) + 2) * stack.Keys, stack.Keys).ToArray());

            JsonNode rollout = await client.Request("attentionLens/rows", new JsonObject
            {
                ["scope"] = Image(file),
                ["query"] = 0,
                ["view"] = JsonNode.Parse("""{"method":"rollout"}"""),
            });
            Assert.Equal([stack.Layers, 1, stack.Keys], rollout["shape"]!.AsArray().Select(static n => (int)n!));
            Assert.Equal(1, Floats(rollout["data"]!)[..stack.Keys].Sum(), 1e-5);
        }
    }

    [Fact]
    public async Task A_file_that_has_changed_is_another_version()
    {
        (TestClient client, _) = await TestClient.StartAsync(VisionModel());
        await using (client)
        {
            string file = Picture("baseline-444.jpg");
            JsonNode before = await client.Request("attentionLens/row", new JsonObject { ["scope"] = Image(file), ["query"] = 0 });
            File.Copy(Fixture("images/grey.jpg"), file, overwrite: true);
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddSeconds(5));
            JsonNode after = await client.Request("attentionLens/row", new JsonObject { ["scope"] = Image(file), ["query"] = 0 });
            Assert.NotEqual((int)before["version"]!, (int)after["version"]!);
            Assert.NotEqual(Floats(before["weights"]!), Floats(after["weights"]!));
        }
    }

    [Theory]
    [InlineData("file:///nowhere/at/all.png", "empty", "There is no file")]
    [InlineData("file://server/share/picture.png", "failed", "on this machine")]
    [InlineData("https://example.org/picture.png", "failed", "on this machine")]
    [InlineData("picture", "failed", "on this machine")]
    public async Task What_is_no_file_of_this_machine_is_refused(string uri, string status, string message)
    {
        (TestClient client, _) = await TestClient.StartAsync(VisionModel());
        await using (client)
        {
            JsonNode answer = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = Image(uri, isUri: true) });
            Assert.Equal(status, (string?)answer["status"]);
            Assert.Contains(message, (string?)answer["message"], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_file_that_is_no_image_costs_its_own_answer_only()
    {
        (TestClient client, _) = await TestClient.StartAsync(VisionModel());
        await using (client)
        {
            string file = Path.Combine(folder, "text.png");
            await File.WriteAllTextAsync(file, "no picture at all");
            JsonNode answer = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = Image(file) });
            Assert.Equal("failed", (string?)answer["status"]);
            Assert.Contains("text.png", (string?)answer["message"], StringComparison.Ordinal);
            Assert.Equal("ok", (string?)(await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = Image(Picture("grey.jpg")) }))["status"]);
        }
    }

    [Fact]
    public async Task A_model_that_reads_text_says_so()
    {
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            JsonNode answer = await client.Request("attentionLens/tokens", new JsonObject { ["scope"] = Image(Picture("grey.jpg")) });
            Assert.Equal("failed", (string?)answer["status"]);
            Assert.Contains("choose a vision model", (string?)answer["message"], StringComparison.Ordinal);
        }
    }

    private static JsonObject Image(string file, bool isUri = false)
    {
        JsonObject scope = TestClient.Scope(TestClient.Range(0, 0, 0, 0), isUri ? file : new Uri(file).AbsoluteUri);
        scope["image"] = true;
        return scope;
    }

    /// <summary>The oracle's ViT with a processor for its size.</summary>
    private string VisionModel()
    {
        string model = Directory.CreateDirectory(Path.Combine(folder, "vit")).FullName;
        foreach (string name in (string[])["config.json", "model.safetensors"])
            File.Copy(Fixture(Path.Combine("oracle", "vit", name)), Path.Combine(model, name));
        File.WriteAllText(Path.Combine(model, "preprocessor_config.json"), """{"image_processor_type":"ViTImageProcessor","size":{"height":30,"width":30}}""");
        return model;
    }

    private string Picture(string name)
    {
        string copy = Path.Combine(folder, name);
        File.Copy(Fixture(Path.Combine("images", name)), copy, overwrite: true);
        return copy;
    }

    private static string Fixture(string name, [CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "fixtures", name);

    private static float[] Floats(JsonNode base64) => MemoryMarshal.Cast<byte, float>(Convert.FromBase64String((string)base64!)).ToArray();
}
