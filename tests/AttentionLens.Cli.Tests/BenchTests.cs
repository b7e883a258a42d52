using System.Text.Json;

namespace AttentionLens.Cli.Tests;

public sealed class BenchTests
{
    [Theory]
    [InlineData("bert", 13)]
    [InlineData("t5", 9)]
    [InlineData("vit", null)]
    public void MediansAreReportedAsJson(string model, int? tokens)
    {
        var answer = Cli.Good("bench", "--model", Cli.Fixture($"oracle/{model}"), "--tokens", $"{tokens ?? 5}", "--threads", "2", "--seconds", "0.05", "--json");
        using var json = JsonDocument.Parse(answer.Output);
        var root = json.RootElement;
        Assert.Equal(model, root.GetProperty("model").GetString());
        Assert.Equal(2, root.GetProperty("threads").GetInt32());
        Assert.True(root.GetProperty("runs").GetInt32() >= 5);
        Assert.True(root.GetProperty("median_ms").GetDouble() >= root.GetProperty("best_ms").GetDouble());
        Assert.True(root.GetProperty("best_ms").GetDouble() > 0);
        Assert.True(root.GetProperty("trace_bytes").GetInt64() > 0);
        if (tokens is { } n)
        {
            Assert.Equal(n, root.GetProperty("tokens").GetInt32());
        }
    }

    [Fact]
    public void TheTextNamesWhatWasMeasured()
    {
        var output = Cli.Good("bench", "-m", Cli.Fixture("oracle/gpt2"), "-n", "7", "-t", "1", "--seconds", "0.05").Output;
        Assert.Contains("gpt2: 7 tokens, 1 thread,", output, StringComparison.Ordinal);
        Assert.Contains("forward pass  median", output, StringComparison.Ordinal);
    }

    [Fact]
    public void SenselessNumbersAreRefused()
    {
        Cli.Refused(2, "--tokens", "bench", "--tokens", "0");
        Cli.Refused(2, "--threads", "bench", "--threads", "-1");
        Cli.Refused(2, "--seconds", "bench", "--seconds", "0");
        Cli.Refused(1, "tokens", "bench", "-m", Cli.Fixture("oracle/bert"), "-n", "100000");
    }
}
