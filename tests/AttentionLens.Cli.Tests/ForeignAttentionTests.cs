using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace AttentionLens.Cli.Tests;

/// <summary>Attention that another program computed is shown as if a model here had: from the files that those programs write.</summary>
public sealed class ForeignAttentionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("npz")]
    [InlineData("safetensors")]
    [InlineData("bertviz")]
    [InlineData("json")]
    public void WhatIsWrittenIsReadBackToTheLastBit(string format)
    {
        var file = Out(format is "bertviz" ? "a.json" : "a." + format);
        Cli.Good("attend", "The cat sat on 小猫 😀.", "--model", folder.TextModel(), "--format", format, "-o", file);
        Cli.Good("attend", "The cat sat on 小猫 😀.", "--model", folder.TextModel(), "--format", "safetensors", "-o", Out("model.safetensors"));
        Cli.Good("attend", "--from", file, "--format", "safetensors", "-o", Out("back.safetensors"));
        var (expected, found) = (Tensors.Floats(Out("model.safetensors")), Tensors.Floats(Out("back.safetensors")));
        var attention = expected.Keys.Where(name => name.StartsWith("attentions.", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(attention);
        Assert.Equal(attention.Order(), found.Keys.Order());
        foreach (var name in attention)
        {
            Assert.Equal(expected[name].Shape, found[name].Shape);
            Assert.Equal(expected[name].Values, found[name].Values);
        }

        var table = Cli.Good("attend", "--from", file).Output;
        Assert.Contains("小", table, StringComparison.Ordinal);
        Assert.Contains("[CLS]", table, StringComparison.Ordinal);
        // A method that reads attention alone says of the file what it says of the model.
        Assert.Equal(
            Body(Cli.Good("attend", "The cat sat on 小猫 😀.", "--model", folder.TextModel(), "--method", "rollout").Output),
            Body(Cli.Good("attend", "--from", file, "--method", "rollout").Output));
        foreach (var picture in new[] { "svg", "png", "html" })
        {
            Cli.Good("attend", "--from", file, "--format", picture, "--special", "hide", "-o", Out(picture));
            Assert.True(new FileInfo(Out(picture)).Length > 500);
        }

        static string[] Body(string table) => table.Split('\n')[1..];
    }

    /// <summary>Three stacks keep their kinds and both texts.</summary>
    [Theory]
    [InlineData("npz")]
    [InlineData("safetensors")]
    [InlineData("bertviz")]
    public void AnEncoderDecoderKeepsItsThreeStacks(string format)
    {
        var file = Out(format is "bertviz" ? "a.json" : "a." + format);
        string[] input = ["--ids", "5 7 9 11", "--decoder-ids", "0 4 6", "--model", Cli.Fixture("oracle/t5")];
        Cli.Good(["attend", .. input, "--format", format, "-o", file]);
        Cli.Good(["attend", .. input, "--format", "safetensors", "-o", Out("model.safetensors")]);
        Cli.Good("attend", "--from", file, "--format", "safetensors", "-o", Out("back.safetensors"));
        var expected = Tensors.Floats(Out("model.safetensors")).Where(pair => pair.Key.Contains("attentions.", StringComparison.Ordinal)).ToDictionary();
        var found = Tensors.Floats(Out("back.safetensors"));
        Assert.Contains("cross_attentions.0", expected.Keys);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        Assert.All(expected, pair => Assert.Equal(pair.Value.Values, found[pair.Key].Values));
        Assert.All(expected, pair => Assert.Equal(pair.Value.Shape, found[pair.Key].Shape));
    }

    [Fact]
    public void BertVizBeforeVersionOneIsRead()
    {
        var file = folder.Write("old.json", Encoding.UTF8.GetBytes("""
            {"attention": {"all": {"attn": [[[[0.25, 0.75], [1, 0]]], [[[0.5, 0.5], [0.125, 0.875]]]], "left_text": ["a<b", "b"], "right_text": ["a<b", "b"]},
             "aa": {"attn": [[[[1]]]], "left_text": ["a"], "right_text": ["a"]}}, "default_filter": "all"}
            """));
        using var json = JsonDocument.Parse(Cli.Good("attend", "--from", file, "--format", "json").Output);
        var stack = json.RootElement.GetProperty("stacks")[0];
        Assert.Equal("encoder", stack.GetProperty("kind").GetString());
        Assert.Equal(0.875f, stack.GetProperty("layers")[1].GetProperty("heads")[0].GetProperty("rows")[1][1].GetSingle());
        Assert.Equal("a<b", stack.GetProperty("queries")[0].GetProperty("text").GetString());
    }

    /// <summary>No query has weight on what comes after it: a decoder, whose first token is the sink.</summary>
    [Fact]
    public void CausalAttentionIsADecoder()
    {
        var file = folder.Write("causal.json", """[{"name": null, "attn": [[[[1, 0], [0.5, 0.5]]]], "left_text": ["a", "b"], "right_text": ["a", "b"]}]"""u8.ToArray());
        using var json = JsonDocument.Parse(Cli.Good("attend", "--from", file, "--format", "json").Output);
        Assert.Equal("decoder", json.RootElement.GetProperty("stacks")[0].GetProperty("kind").GetString());
    }

    [Theory]
    [InlineData("a.json", "{}", "BertViz")]
    [InlineData("a.json", "[]", "BertViz")]
    [InlineData("a.json", "{\"attention\": 5}", "BertViz")]
    [InlineData("a.json", "not json", "BertViz")]
    [InlineData("a.json", "[{\"attn\": [[[[1, 2]]]], \"left_text\": [\"a\"], \"right_text\": [\"a\"]}]", "tokens")]
    [InlineData("a.json", "[{\"attn\": [[[[-1]]]], \"left_text\": [\"a\"], \"right_text\": [\"a\"]}]", "negative")]
    [InlineData("a.json", "[{\"attn\": [], \"left_text\": [\"a\"], \"right_text\": [\"a\"]}]", "heads")]
    [InlineData("a.json", "[{\"attn\": [[]], \"left_text\": [\"a\"], \"right_text\": [\"a\"]}]", "heads")]
    [InlineData("a.json", "[{\"attn\": [[[[1]], [[1], [2]]]], \"left_text\": [\"a\"], \"right_text\": [\"a\"]}]", "heads")]
    [InlineData("a.npz", "PK no zip", "NPZ")]
    [InlineData("a.safetensors", "x", "safetensors")]
    [InlineData("a.txt", "text", ".npz")]
    public void WhatCannotBeReadIsSaidInASentence(string name, string content, string about) =>
        Cli.Refused(1, about, "attend", "--from", folder.Write(name, Encoding.UTF8.GetBytes(content)));

    [Theory]
    [InlineData("|O", false, 4, "pickle")]
    [InlineData("<f4", true, 4, "ascontiguousarray")]
    [InlineData("<c8", false, 4, "float32")]
    [InlineData(">f4", false, 4, "float32")]
    [InlineData("<f4", false, 2_000_000_000, "values")]
    [InlineData("<f4", false, 40_000_000, "damaged")]
    public void AnArrayThatCannotBeUsedIsSaidInASentence(string type, bool byColumns, int count, string about)
    {
        using var bytes = new MemoryStream();
        using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var entry = archive.CreateEntry("attentions.npy").Open();
            var header = string.Create(CultureInfo.InvariantCulture, $"{{'descr': '{type}', 'fortran_order': {byColumns}, 'shape': (1, {count}), }}\n");
            entry.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header), .. new byte[16]]);
        }

        Cli.Refused(1, about, "attend", "--from", folder.Write("a.npz", bytes.ToArray()));
    }

    [Fact]
    public void BesideAFileNothingElseIsGiven()
    {
        var file = folder.Write("a.json", """[{"attn": [[[[1]]]], "left_text": ["a"], "right_text": ["a"]}]"""u8.ToArray());
        Cli.Refused(2, "--from", "attend", "a text", "--from", file);
        Cli.Refused(2, "--from", "attend", "--from", file, "--model", "mini-encoder");
        Cli.Refused(2, "--from", "attend", "--from", file, "--mask-token", "0");
        Cli.Refused(1, "the model itself", "attend", "--from", file, "--method", "alti");
        Cli.Refused(1, "the model itself", "attend", "--from", file, "--method", "saliency");
        Cli.Refused(1, "no layer 1", "attend", "--from", file, "--layer", "1");
        Cli.Refused(1, "does not exist", "attend", "--from", Out("none.npz"));
    }

    [Fact]
    public void LayersThatAreMissingAreSaid()
    {
        Cli.Good("attend", "The cat", "--model", folder.TextModel(), "--layer", "1", "--format", "npz", "-o", Out("one.npz"));
        var answer = Cli.Run("attend", "--from", Out("one.npz"));
        Assert.Equal(0, answer.Status);
        Assert.Contains("layers 1; they are numbered from 0 here", answer.Error, StringComparison.Ordinal);
    }

    private string Out(string name) => Path.Combine(folder.Path, name);
}
