using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Cli.Tests;

/// <summary>Corpora in, shards out: what is in them, and that nothing is lost or doubled however a run is cut or broken off.</summary>
public sealed class CorpusTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void WhatIsKeptIsWhatAPassSays()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 3));
        Cli.Good("corpus", "run", corpus, "-o", Out("a"), "-m", model, "--keep", "profiles,received,edges,heads,hidden", "--top-k", "3", "--heads", "1.2,0-0.0");
        using var file = SafetensorsFile.Open(Path.Combine(Out("a"), "shard-00000.safetensors"));
        var items = Items("a");
        Assert.Equal(3, items.Length);
        using var loaded = Model.Load(model);
        foreach (var item in items)
        {
            var number = item.GetProperty("item").GetInt32();
            var trace = loaded.Forward(new ModelInput { InputIds = file.ReadIntegers($"{number}.input_ids") }, Keep.HiddenStates);
            var stack = trace.Stacks[0];
            var n = stack.Keys;
            Assert.Equal(n, item.GetProperty("tokens").GetArrayLength());
            var matrix = new float[n * n];
            stack.Head(1, 2, matrix);
            Assert.Equal(matrix, file.ReadFloats($"{number}.attention.1.2"), Near);
            Assert.Equal(stack.HiddenState(stack.HiddenStates - 1).ToArray(), file.ReadFloats($"{number}.hidden"), Near);
            var received = file.ReadFloats($"{number}.received").AsSpan(((1 * stack.Heads) + 2) * n, n);
            for (var key = 0; key < n; key++)
            {
                Assert.Equal(Enumerable.Range(0, n).Average(query => matrix[(query * n) + key]), received[key], 1e-5f);
            }

            var top = Math.Min(3, n);
            var keys = file.ReadIntegers($"{number}.edge_keys");
            var weights = file.ReadFloats($"{number}.edge_weights");
            Assert.Equal(2 * n * top, keys.Length);
            // The heads are in the order in which they were named.
            for (var i = 0; i < top; i++)
            {
                Assert.Equal(matrix[keys[i]], weights[i], 1e-5f);
                Assert.Equal(matrix.Take(n).OrderDescending().ElementAt(i), weights[i], 1e-5f);
            }

        }
    }

    [Fact]
    public void RangesAreThoseOfTheDocumentAcrossBlocks()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 40));
        Cli.Good("corpus", "run", corpus, "-o", Out("a"), "-m", model, "--shard-bytes", "200");
        Assert.True(Directory.GetFiles(Out("a"), "*.safetensors").Length > 5);
        var text = File.ReadAllText(corpus);
        var seen = 0;
        foreach (var item in Items("a"))
        {
            var ranges = item.GetProperty("ranges").EnumerateArray().Select(value => value.GetInt32()).ToArray();
            var tokens = item.GetProperty("tokens").EnumerateArray().Select(value => value.GetString()!).ToArray();
            for (var i = 0; i < tokens.Length; i++)
            {
                if (ranges[2 * i] >= 0 && tokens[i] == "cat")
                {
                    Assert.Equal("cat", text[ranges[2 * i]..ranges[(2 * i) + 1]].ToLowerInvariant());
                    seen++;
                }
            }
        }

        Assert.Equal(40, seen);
    }

    [Theory]
    [InlineData("profiles,received,edges", 60)]
    [InlineData("evaluation", 12)]
    public void PartsAndWorkersGiveTheSameBytesAsOneRun(string keep, int lines)
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines));
        string[] options = ["-m", model, "--shard-bytes", keep == "evaluation" ? "100" : "300", "--keep", keep];
        Cli.Good(["corpus", "run", corpus, "-o", Out("one"), "--workers", "1", .. options]);
        Cli.Good(["corpus", "run", corpus, "-o", Out("parts"), "--shard", "1/3", .. options]);
        Assert.False(File.Exists(Path.Combine(Out("parts"), "index.json")));
        Cli.Good(["corpus", "run", corpus, "-o", Out("parts"), "--shard", "0/3", "--workers", "3", .. options]);
        Cli.Good(["corpus", "run", corpus, "-o", Out("parts"), "--shard", "2/3", .. options]);
        Same("one", "parts");
    }

    /// <summary>Killed, not asked to end: what is there afterwards is whole shards, and the run goes on from them.</summary>
    [Fact]
    public void AKilledRunGoesOnWithNothingLostOrDoubled()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 900));
        string[] options = ["-m", model, "--shard-bytes", "400", "--keep", "profiles,heads"];
        Cli.Good(["corpus", "run", corpus, "-o", Out("whole"), .. options]);
        var random = new Random(8);
        var killed = 0;
        for (var i = 0; i < 4; i++)
        {
            using var process = Start(["corpus", "run", corpus, "-o", Out("broken"), .. options]);
            // Between two moments of the work itself, not of a clock: after so many shards.
            var wanted = Count("broken") + 1 + random.Next(10);
            while (!process.HasExited && Count("broken") < wanted)
            {
                Thread.Yield();
            }

            if (!process.HasExited)
            {
                process.Kill();
                killed++;
            }

            process.WaitForExit();
        }

        Assert.True(killed >= 2, "the run was over before it could be killed");
        Cli.Good(["corpus", "run", corpus, "-o", Out("broken"), .. options]);
        Same("whole", "broken");
    }

    [Fact]
    public void AnotherRunInTheSameFolderIsRefused()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 2));
        Cli.Good("corpus", "run", corpus, "-o", Out("a"), "-m", model);
        Cli.Refused(1, "holds another run", "corpus", "run", corpus, "-o", Out("a"), "-m", model, "--keep", "hidden");
    }

    [Theory]
    [InlineData("--keep", "nonsense", "--keep takes")]
    [InlineData("--shard", "4/4", "--shard takes i/n")]
    [InlineData("--heads", "9.9", "has no layer 9: its layers are 0 to 2")]
    [InlineData("--heads", "9", "--heads takes LAYER.HEAD")]
    [InlineData("--workers", "0", "--workers must be at least 1")]
    public void SenselessOptionsAreRefused(string option, string value, string message) =>
        Cli.Refused(2, message, "corpus", "run", Corpus(lines: 1), "-o", Out("a"), "-m", folder.TextModel(), option, value);

    [Fact]
    public void ScoresOfAModelWithoutOneOutputAreRefused() =>
        Cli.Refused(1, "has no such output", "corpus", "run", Corpus(lines: 1), "-o", Out("a"), "-m", folder.TextModel(), "--keep", "scores");

    [Theory]
    [InlineData("gpt2", "raw,leave-one-out")]
    [InlineData("marian", "raw")]
    public void ScoresAreWhatTheMethodsSayOfTheOutput(string oracle, string methods)
    {
        var (path, corpus) = (folder.WordModel(oracle), folder.Write("words.txt", "the cat sat\n\nthe cat sat on the mat .\n"u8.ToArray()));
        Cli.Good("corpus", "run", corpus, "-o", Out("a"), "-m", path, "--keep", "scores", "--methods", methods);
        using var file = SafetensorsFile.Open(Path.Combine(Out("a"), "shard-00000.safetensors"));
        using var model = Model.Load(path);
        foreach (var item in Items("a"))
        {
            var number = item.GetProperty("item").GetInt32();
            var target = OutputTarget.Of(
                model, new ModelInput { InputIds = file.ReadIntegers($"{number}.input_ids"), DecoderInputIds = oracle == "marian" ? file.ReadIntegers($"{number}.decoder_input_ids") : null });
            var scores = item.GetProperty("scores");
            Assert.Equal(target.Name, scores.GetProperty("output").GetString());
            Assert.Equal(methods.Split(',').Order(StringComparer.Ordinal), scores.GetProperty("methods").EnumerateObject().Select(m => m.Name));
            foreach (var method in scores.GetProperty("methods").EnumerateObject())
            {
                var said = TokenScores.Of(Methods.Named(method.Name), model, target);
                Assert.Equal(item.GetProperty("tokens").GetArrayLength(), said.Source.Length);
                Assert.Equal(said.Source, Numbers(method.Value), Near);
                Assert.Equal(said.Target, oracle == "marian" ? Numbers(scores.GetProperty("target").GetProperty(method.Name)) : [], Near);
            }
        }

        static float[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(n => n.GetSingle())];
    }

    [Fact]
    public void AMethodThatCannotAnswerCostsOnlyItsOwnScores()
    {
        Cli.Good("corpus", "run", folder.Write("words.txt", "the cat sat\n"u8.ToArray()), "-o", Out("a"), "-m", folder.WordModel("marian"), "--keep", "received,scores", "--methods", "raw,rollout");
        var item = Assert.Single(Items("a"));
        Assert.False(item.TryGetProperty("error", out _));
        Assert.Equal(["raw"], item.GetProperty("scores").GetProperty("methods").EnumerateObject().Select(m => m.Name));
        Assert.Contains("not defined for cross-attention", Assert.Single(item.GetProperty("problems").EnumerateArray()).GetString(), StringComparison.Ordinal);
    }

    /// <summary>Two ways to one report: over the texts of a file, and over the shards of a run.</summary>
    [Fact]
    public void AReportOfARunIsThatOfItsTexts()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 7));
        string[] asked = ["--methods", "raw,saliency", "--outputs", "2", "--seed", "3"];
        Cli.Good(["corpus", "run", corpus, "-o", Out("a"), "-m", model, "--keep", "evaluation", "--shard-bytes", "100", .. asked]);
        Assert.True(Directory.GetFiles(Out("a"), "shard-*.jsonl").Length > 1);
        using var ofRun = JsonDocument.Parse(Cli.Good("corpus", "report", Out("a"), "--format", "json").Bytes);
        using var ofTexts = JsonDocument.Parse(Cli.Good(["evaluate", "-f", corpus, "-m", model, "--format", "json", .. asked]).Bytes);
        Assert.Equal(7, ofRun.RootElement.GetProperty("texts").GetInt32());
        foreach (var name in (string[])["texts", "outputs", "fingerprint", "seed", "skipped"])
        {
            Assert.Equal(ofTexts.RootElement.GetProperty(name).ToString(), ofRun.RootElement.GetProperty(name).ToString());
        }

        var (expected, actual) = (Numbers(ofTexts), Numbers(ofRun));
        Assert.True(expected.Count > 40, $"{expected.Count} numbers");
        Assert.Equal(expected.Keys, actual.Keys);
        Assert.All(expected, pair => Assert.Equal(pair.Value, actual[pair.Key], 1e-5)); // threads of a product sum in another order

        static SortedDictionary<string, double> Numbers(JsonDocument report) => new(
            (from method in report.RootElement.GetProperty("methods").EnumerateArray()
             from metric in method.GetProperty("metrics").EnumerateObject()
             from number in metric.Value.EnumerateObject()
             where number.Value.ValueKind == JsonValueKind.Number
             select ($"{method.GetProperty("name").GetString()} {metric.Name} {number.Name}", number.Value.GetDouble())).ToDictionary(), StringComparer.Ordinal);
    }

    [Fact]
    public void EvaluationThatCannotBeIsRefused()
    {
        var (model, corpus) = (folder.TextModel(), Corpus(lines: 1));
        Cli.Refused(2, "plausibility compares with what people marked", "corpus", "run", corpus, "-o", Out("a"), "-m", model, "--keep", "evaluation", "--measures", "clarity,plausibility");
        Cli.Refused(2, "nonsense", "corpus", "run", corpus, "-o", Out("a"), "-m", model, "--keep", "evaluation", "--methods", "nonsense");
        Cli.Good("corpus", "run", corpus, "-o", Out("a"), "-m", model);
        Cli.Refused(1, "has measured nothing", "corpus", "report", Out("a"));
        Cli.Refused(1, "holds no run", "corpus", "report", Out("b"));
    }

    [Fact]
    public void FilesThatAreNotThereAreNamed() =>
        Cli.Refused(1, "'none.txt' does not exist", "corpus", "run", "none.txt", "-o", Out("a"), "-m", folder.TextModel());

    private static bool Near(float expected, float actual) => Math.Abs(expected - actual) < 1e-5f; // passes of several texts sum in another order

    private string Out(string name) => Path.Combine(folder.Path, name);

    private int Count(string name) => Directory.Exists(Out(name)) ? Directory.GetFiles(Out(name), "shard-*.safetensors").Length : 0;

    private JsonElement[] Items(string name) =>
    [
        .. Directory.GetFiles(Out(name), "shard-*.jsonl").Order(StringComparer.Ordinal).SelectMany(File.ReadLines).Select(line =>
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }),
    ];

    /// <summary>A paragraph a line, with characters of every width.</summary>
    private string Corpus(int lines)
    {
        var path = Path.Combine(folder.Path, $"corpus-{lines}.txt");
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, lines).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"The cat sat{(i % 3 == 0 ? " 😊" : "")} on the mat{(i % 2 == 0 ? " é" : " 猫")} .{(i % 5 == 0 ? "\r\n\r\n" : "\n\n")}"))));
        return path;
    }

    private void Same(string expected, string actual)
    {
        string[] names = [.. Directory.GetFiles(Out(expected)).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        Assert.Contains("index.json", names);
        Assert.Equal(names, Directory.GetFiles(Out(actual)).Select(path => Path.GetFileName(path)).Where(name => !name.EndsWith(".tmp", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        foreach (var name in names)
        {
            Assert.True(File.ReadAllBytes(Path.Combine(Out(expected), name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(Out(actual), name))), $"{name} differs");
        }
    }

    private static Process Start(string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "attention-lens.dll"), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start) ?? throw new InvalidOperationException("The program did not start.");
    }
}
