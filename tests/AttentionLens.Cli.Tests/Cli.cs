using System.Text;
using AttentionLens.Models;

namespace AttentionLens.Cli.Tests;

/// <summary>What one run of the program answered.</summary>
internal sealed record Answer(int Status, byte[] Bytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(Bytes);
}

/// <summary>The whole program in process, with captured streams.</summary>
internal static class Cli
{
    public static Answer Run(params string[] args) => Run([], terminal => terminal, args);

    public static Answer Run(byte[] input, Func<Terminal, Terminal> change, params string[] args)
    {
        using var output = new MemoryStream();
        using var error = new StringWriter();
        var status = CommandLine.RunAsync(args, change(new Terminal(new MemoryStream(input), output, error))).GetAwaiter().GetResult();
        return new Answer(status, output.ToArray(), error.ToString());
    }

    /// <summary>A run that must succeed and say nothing on stderr.</summary>
    public static Answer Good(params string[] args)
    {
        var answer = Run(args);
        Assert.Equal("", answer.Error);
        Assert.Equal(0, answer.Status);
        return answer;
    }

    /// <summary>A run that must fail with one clear sentence.</summary>
    public static void Refused(int status, string about, params string[] args) => Refused(status, about, Run(args));

    public static void Refused(int status, string about, Answer answer)
    {
        Assert.Contains(about, answer.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("", answer.Output);
        Assert.Equal(status, answer.Status);
        var line = Assert.Single(answer.Error.TrimEnd().Split('\n'));
        Assert.EndsWith(".", line, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", line, StringComparison.Ordinal);
        Assert.DoesNotContain("should not have happened", line, StringComparison.Ordinal);
    }

    public static string Fixture(string name) => Path.Combine(Root.Value, "tests", "fixtures", name);

    private static readonly Lazy<string> Root = new(() =>
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "AttentionLens.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("The tests run inside the repository.");
    });
}

/// <summary>A folder of its own that goes away with the test class.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"attention-lens-{Guid.NewGuid():N}");

    /// <summary>The oracle's BERT with a small vocabulary of words, so that it reads text.</summary>
    public string TextModel()
    {
        var folder = System.IO.Path.Combine(Path, "words");
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            foreach (var file in new[] { "config.json", "model.safetensors" })
            {
                File.Copy(System.IO.Path.Combine(Cli.Fixture("oracle/bert"), file), System.IO.Path.Combine(folder, file));
            }

            string[] words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "on", "mat", ".", "小", "猫", "😀"];
            File.WriteAllLines(System.IO.Path.Combine(folder, "vocab.txt"), words);
        }

        return folder;
    }

    /// <summary>A model of the oracle, with a tokenizer of the same words.</summary>
    public string WordModel(string oracle)
    {
        var folder = System.IO.Path.Combine(Path, oracle);
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            foreach (var file in new[] { "config.json", "model.safetensors" })
            {
                File.Copy(System.IO.Path.Combine(Cli.Fixture("oracle/" + oracle), file), System.IO.Path.Combine(folder, file));
            }

            File.WriteAllText(System.IO.Path.Combine(folder, "tokenizer.json"), """
                {
                  "pre_tokenizer": { "type": "Whitespace" },
                  "model": { "type": "WordLevel", "unk_token": "?", "vocab": { "?": 0, "the": 5, "cat": 6, "sat": 7, "on": 8, "mat": 9, ".": 10 } }
                }
                """);
        }

        return folder;
    }

    public string Write(string name, byte[] bytes)
    {
        var path = System.IO.Path.Combine(Path, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>The tensors of a safetensors file.</summary>
internal static class Tensors
{
    public static Dictionary<string, (int[] Shape, float[] Values)> Floats(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Entries.Values.Where(e => e.Type == SafetensorsType.F32).ToDictionary(e => e.Name, e => (e.Shape, file.ReadFloats(e.Name)));
    }
}
