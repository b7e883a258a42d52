using System.Text;
using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Cli.Tests;

/// <summary>A run is indexed and searched; every hit is held against what the run itself says.</summary>
public sealed class SearchTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void AttentionBetweenWordsIsThatOfTheRun()
    {
        var corpus = Corpus("The cat sats on the mat. It sat on Anna.", "On the mat 小猫 sat, and it sat on 😀 the cat.", "the the the cat");
        Cli.Good("corpus", "run", corpus, "-o", Out("run"), "-m", folder.TextModel(), "--keep", "heads,profiles");
        Cli.Good("corpus", "index", Out("run"), "--least", "0.01");
        using var tensors = SafetensorsFile.Open(Path.Combine(Out("run"), "shard-00000.safetensors"));
        var text = File.ReadAllText(corpus);
        var found = Search("--head", "1.2", "--from", "cat", "--to", "determiner", "--least", "0.05", "--limit", "1000");
        Assert.NotEmpty(found);
        var expected = 0;
        foreach (var item in File.ReadLines(Path.Combine(Out("run"), "shard-00000.jsonl")).Select(line => JsonDocument.Parse(line).RootElement))
        {
            var tokens = item.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()).ToArray();
            var ranges = item.GetProperty("ranges").EnumerateArray().Select(value => value.GetInt32()).ToArray();
            var weights = tensors.ReadFloats($"{item.GetProperty("item").GetInt32()}.attention.1.2");
            for (var query = 0; query < tokens.Length; query++)
            {
                for (var key = 0; key < tokens.Length; key++)
                {
                    if (tokens[query] == "cat" && tokens[key] == "the" && weights[(query * tokens.Length) + key] >= 0.05f)
                    {
                        expected++;
                        var hit = found.Single(h => h.GetProperty("start").GetInt32() == ranges[2 * query] && h.GetProperty("otherStart").GetInt32() == ranges[2 * key]);
                        Assert.Equal(weights[(query * tokens.Length) + key], hit.GetProperty("score").GetSingle());
                        Assert.Equal("cat", text[hit.GetProperty("start").GetInt32()..hit.GetProperty("end").GetInt32()]);
                        Assert.Contains("cat", hit.GetProperty("context").GetString(), StringComparison.Ordinal);
                    }
                }
            }
        }

        Assert.Equal(expected, found.Length);

        // A word of two pieces is one word; a name is no beginning of a sentence; a pronoun is one whatever its case.
        Assert.All(Search("--head", "0.0", "--from", "sats", "--least", "0.01"), hit => Assert.Equal("sats", hit.GetProperty("word").GetString()));
        Assert.NotEmpty(Search("--head", "0.0", "--from", "sats", "--least", "0.01"));
        Assert.All(Search("--head", "0.0", "--from", "sats", "--least", "0.01"), hit => Assert.Equal("sats", text[hit.GetProperty("start").GetInt32()..hit.GetProperty("end").GetInt32()]));
        Assert.Equal(["Anna"], Search("--head", "0.0", "--from", "name", "--least", "0.01").Select(hit => hit.GetProperty("word").GetString()).Distinct());
        Assert.Equal(["It", "it"], Search("--head", "0.0", "--from", "pronoun", "--least", "0.01").Select(hit => hit.GetProperty("word").GetString()).Distinct().Order());
        Assert.Equal(["mat"], Search("--head", "0.0", "--from", "/^m.t$/", "--least", "0.01").Select(hit => hit.GetProperty("word").GetString()).Distinct());
        Assert.Equal(["小", "猫"], Search("--head", "0.0", "--from", "/[\u4e00-\u9fff]/", "--least", "0.01").Select(hit => hit.GetProperty("word").GetString()).Distinct().Order());
        Assert.Contains("→", Cli.Good("corpus", "search", Out("run"), "--head", "0.0", "--from", "cat", "--least", "0.01").Output, StringComparison.Ordinal);
        using var whole = JsonDocument.Parse(Cli.Good("corpus", "search", Out("run"), "--head", "0.0", "--from", "cat", "--least", "0.01", "--format", "json", "--limit", "2").Output);
        Assert.Equal(2, whole.RootElement.GetArrayLength());
    }

    [Fact]
    public void NearestContextsAreThoseOfTheHiddenStates()
    {
        var corpus = Corpus("The cat sat on the mat.", "A cat sat.", "The cat sat on the mat!", "cat cat cat mat");
        Cli.Good("corpus", "run", corpus, "-o", Out("run"), "-m", folder.TextModel(), "--keep", "hidden");
        Cli.Good("corpus", "index", Out("run"));
        var found = Search("--near", "cat", "--at", $"{Path.GetFileName(corpus)}:4", "--limit", "5");
        Assert.Equal(5, found.Length);
        var scores = found.Select(hit => hit.GetProperty("score").GetSingle()).ToArray();
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.All(found, hit => Assert.NotEqual(4, hit.GetProperty("start").GetInt32()));

        // The best by the states themselves, in double, is the best by the bytes.
        using var tensors = SafetensorsFile.Open(Path.Combine(Out("run"), "shard-00000.safetensors"));
        var sought = tensors.ReadFloats("0.hidden").AsSpan(2 * 32, 32).ToArray();
        var best = (Likeness: -2.0, Start: -1);
        foreach (var item in File.ReadLines(Path.Combine(Out("run"), "shard-00000.jsonl")).Select(line => JsonDocument.Parse(line).RootElement))
        {
            var ranges = item.GetProperty("ranges").EnumerateArray().Select(value => value.GetInt32()).ToArray();
            var states = tensors.ReadFloats($"{item.GetProperty("item").GetInt32()}.hidden");
            for (var i = 0; i < ranges.Length / 2; i++)
            {
                var likeness = Cosine(sought, states.AsSpan(i * 32, 32));
                if (ranges[2 * i] >= 0 && ranges[2 * i] != 4 && likeness > best.Likeness)
                {
                    best = (likeness, ranges[2 * i]);
                }
            }
        }

        Assert.Equal(best.Start, found[0].GetProperty("start").GetInt32());
        // Bytes of one vector are off by half a step of 127 at most.
        Assert.Equal(best.Likeness, found[0].GetProperty("score").GetDouble(), 0.01);
    }

    [Fact]
    public void ChangedPredictionsAreThoseOfTheTwoModels()
    {
        var corpus = Corpus("The cat [MASK] on the mat.", "no mask here", "the [MASK] sat on [MASK] mat");
        var other = Path.Combine(folder.Path, "other");
        CopyModel(folder.TextModel(), other);
        foreach (var (name, model) in new[] { ("a", folder.TextModel()), ("b", other) })
        {
            Cli.Good("corpus", "run", corpus, "-o", Out(name), "-m", model, "--keep", "predictions");
            Cli.Good("corpus", "index", Out(name));
        }

        var (first, second) = (Predicted("a"), Predicted("b"));
        Assert.Equal(3, first.Length);
        var differ = first.Zip(second).Count(pair => pair.First != pair.Second);
        var found = Lines(Cli.Good("corpus", "search", Out("a"), "--changed", Out("b"), "--format", "jsonl").Output);
        Assert.Equal(differ, found.Length);
        Assert.True(differ > 0, "the other model predicts otherwise");
        var text = File.ReadAllText(corpus);
        Assert.All(found, hit => Assert.Equal("[MASK]", text[hit.GetProperty("start").GetInt32()..hit.GetProperty("end").GetInt32()]));
        Assert.Empty(Cli.Good("corpus", "search", Out("a"), "--changed", Out("a"), "--format", "jsonl").Output);

        string[] Predicted(string run) => [.. File.ReadLines(Path.Combine(Out(run), "shard-00000.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(item => item.TryGetProperty("predicted", out _)).SelectMany(item => item.GetProperty("predicted").EnumerateArray()).Select(words => words[0].GetString()!)];
    }

    [Fact]
    public void WhatCannotBeSearchedIsSaidInASentence()
    {
        var corpus = Corpus("The cat sat.");
        Cli.Refused(1, "no run", "corpus", "index", folder.Path);
        Cli.Good("corpus", "run", corpus, "-o", Out("run"), "-m", folder.TextModel());
        Cli.Refused(1, "has no index", "corpus", "search", Out("run"), "--head", "0.0");
        Cli.Refused(2, "--least", "corpus", "index", Out("run"), "--least", "0");
        Cli.Good("corpus", "index", Out("run"));
        Cli.Refused(2, "one of them", "corpus", "search", Out("run"));
        Cli.Refused(2, "one of them", "corpus", "search", Out("run"), "--head", "0.0", "--near", "cat");
        Cli.Refused(2, "LAYER.HEAD", "corpus", "search", Out("run"), "--head", "9.9");
        Cli.Refused(2, "regular expression", "corpus", "search", Out("run"), "--head", "0.0", "--from", "/(/");
        Cli.Refused(2, "FILE:OFFSET", "corpus", "search", Out("run"), "--near", "cat", "--at", "here");
        Cli.Refused(1, "kept no attention", "corpus", "search", Out("run"), "--head", "0.0");
        Cli.Refused(1, "hidden states", "corpus", "search", Out("run"), "--near", "cat");
        Cli.Refused(1, "no index", "corpus", "search", Out("run"), "--changed", folder.Path);
        File.WriteAllText(Path.Combine(Out("run"), "search.sqlite"), "no database");
        Cli.Refused(1, "no index of a run", "corpus", "search", Out("run"), "--head", "0.0");
    }

    private JsonElement[] Search(params string[] options) => Lines(Cli.Good(["corpus", "search", Out("run"), .. options, "--format", "jsonl"]).Output);

    private static JsonElement[] Lines(string output) => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double dot = 0, left = 0, right = 0;
        for (var i = 0; i < a.Length; i++)
        {
            dot += (double)a[i] * b[i];
            left += (double)a[i] * a[i];
            right += (double)b[i] * b[i];
        }

        return dot / Math.Sqrt(left * right);
    }

    /// <summary>The same model with its word embeddings upside down, so that it predicts other words.</summary>
    private static void CopyModel(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        var path = Path.Combine(to, "model.safetensors");
        var writer = new SafetensorsWriter();
        using (var source = SafetensorsFile.Open(Path.Combine(from, "model.safetensors")))
        {
            foreach (var entry in source.Entries.Values)
            {
                var values = source.ReadFloats(entry.Name);
                if (entry.Name.Contains("word_embeddings", StringComparison.Ordinal))
                {
                    Array.Reverse(values);
                }

                writer.Add(entry.Name, new Tensor(values, entry.Shape));
            }
        }

        using var stream = File.Create(path);
        writer.WriteTo(stream);
    }

    private string Corpus(params string[] lines)
    {
        // A paragraph each.
        return folder.Write("corpus.txt", Encoding.UTF8.GetBytes(string.Join("\n\n", lines) + "\n"));
    }

    private string Out(string name) => Path.Combine(folder.Path, name);
}
