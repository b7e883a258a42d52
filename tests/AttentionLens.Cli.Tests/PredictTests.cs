using System.Text.Json;

namespace AttentionLens.Cli.Tests;

public sealed class PredictTests(TemporaryFolder folder) : IClassFixture<TemporaryFolder>
{
    private const string Text = "the cat [MASK] on the mat.";

    private JsonElement Json(params string[] args) =>
        JsonDocument.Parse(Cli.Good(["predict", Text, "--model", folder.TextModel(), "--format", "json", .. args]).Output).RootElement;

    [Fact]
    public void TheMaskIsAskedAboutAndLayersEndWithTheAnswer()
    {
        JsonElement answer = Json("--layers", "--top", "3", "--output-token", "sat");
        Assert.Equal("maskedLanguage", answer.GetProperty("head").GetString());
        Assert.Equal(3, answer.GetProperty("rows")[0].GetInt32());
        JsonElement[] candidates = [.. answer.GetProperty("candidates").EnumerateArray()];
        Assert.Equal(3, candidates.Length);
        double[] probabilities = [.. candidates.Select(static c => c.GetProperty("probability").GetDouble())];
        Assert.Equal(probabilities.OrderDescending(), probabilities);
        Assert.Equal(7, answer.GetProperty("asked")[0].GetProperty("id").GetInt32());
        JsonElement last = answer.GetProperty("layers").EnumerateArray().Last();
        Assert.Equal(0, last.GetProperty("rank").GetInt32());
        Assert.Equal(probabilities[0], last.GetProperty("probability").GetDouble(), 1e-5);
        Assert.False(answer.TryGetProperty("before", out _));
    }

    [Fact]
    public void AChangeMovesThePredictionAndSaysWhatWasBefore()
    {
        JsonElement plain = Json("--top", "2"), changed = Json("--top", "2", "--set-head", "0.1=zero", "--replace", "1=mat");
        Assert.Equal(plain.GetProperty("candidates")[0].GetProperty("id").GetInt32(), changed.GetProperty("before")[0].GetProperty("id").GetInt32());
        Assert.NotEqual(
            plain.GetProperty("candidates")[0].GetProperty("probability").GetDouble(), changed.GetProperty("candidates")[0].GetProperty("probability").GetDouble());
        string table = Cli.Good("predict", Text, "--model", folder.TextModel(), "--set-head", "0.1=uniform", "--layers").Output;
        Assert.Contains("(was ", table, StringComparison.Ordinal);
        Assert.Contains("embeddings", table, StringComparison.Ordinal);
    }

    [Fact]
    public void HeadsAreForcedInTheNotationOfHeadSets()
    {
        double Best(params string[] heads) => Json([.. heads.SelectMany(static h => new[] { "--set-head", h })]).GetProperty("candidates")[0].GetProperty("probability").GetDouble();
        Assert.Equal(Best("0.0=zero", "0.1=zero", "2.3=zero"), Best("0.0-1,2.3=zero"));
        Assert.Equal(Best("encoder.1.*=uniform"), Best("1.*=uniform"));
        Cli.Refused(1, "no layer 9", "predict", Text, "--model", folder.TextModel(), "--set-head", "9.*=zero");
        Cli.Refused(2, "2.0=zero", "predict", Text, "--model", folder.TextModel(), "--set-head", "2=zero");
    }

    [Fact]
    public void ATokenIsNamedByItsNumberOrItsText()
    {
        string byNumber = Cli.Good("predict", "the cat sat.", "--model", folder.TextModel(), "--at", "2").Output;
        Assert.Equal(byNumber, Cli.Good("predict", "the cat sat.", "--model", folder.TextModel(), "--at", "cat").Output);
    }

    [Fact]
    public void AttendExplainsOneOutputInOneRow()
    {
        foreach (string method in new[] { "relevancy", "saliency", "input-x-gradient", "integrated-gradients", "leave-one-out" })
        {
            JsonElement answer = JsonDocument.Parse(Cli.Good(
                "attend", Text, "--model", folder.TextModel(), "--method", method, "--output-token", "sat", "--contrast", "on", "--format", "json").Output).RootElement;
            JsonElement stack = answer.GetProperty("stacks")[0];
            Assert.Contains("“sat” rather than “on”", stack.GetProperty("queries")[0].GetProperty("text").GetString(), StringComparison.Ordinal);
            JsonElement rows = stack.GetProperty("layers")[0].GetProperty("heads")[0].GetProperty("rows");
            Assert.Equal(1, rows.GetArrayLength());
            Assert.Equal(1, rows[0].EnumerateArray().Sum(static w => Math.Abs(w.GetDouble())), 1e-4);
        }

        // Without a mask every token is asked about.
        JsonElement all = JsonDocument.Parse(Cli.Good("attend", "the cat sat.", "--model", folder.TextModel(), "--method", "saliency", "--format", "json").Output).RootElement;
        Assert.Equal(6, all.GetProperty("stacks")[0].GetProperty("layers")[0].GetProperty("heads")[0].GetProperty("rows").GetArrayLength());
        Assert.Contains("leave-one-out", Cli.Good("attend", Text, "--model", folder.TextModel(), "--method", "leave-one-out").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatCannotBeIsSaid()
    {
        string model = folder.TextModel();
        Cli.Refused(1, "cursor", "predict", "the cat sat.", "--model", model);
        Cli.Refused(1, "no token 99", "predict", "the cat.", "--model", model, "--at", "99");
        Cli.Refused(1, "no token of the text", "predict", "the cat.", "--model", model, "--at", "dog");
        Cli.Refused(1, "no token for 'dog'", "predict", Text, "--model", model, "--output-token", "dog");
        Cli.Refused(1, "layer 7", "predict", Text, "--model", model, "--set-head", "7.0=zero");
        Cli.Refused(2, "LAYER.HEAD", "predict", Text, "--model", model, "--set-head", "0=zero");
        Cli.Refused(2, "explain an output", "attend", Text, "--model", model, "--at", "3");
        Cli.Refused(1, "no head that predicts the next token", "predict", Text, "--model", model, "--generate", "3");
    }
}
