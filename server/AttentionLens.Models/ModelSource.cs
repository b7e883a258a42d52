using System.Text;
using AttentionLens.Tokenization;

namespace AttentionLens.Models;

/// <summary>
/// Where a model comes from, opened but not yet read: a Hugging Face folder with safetensors or a known ONNX export, or a GGUF file.
/// </summary>
internal sealed class ModelSource : IDisposable
{
    private readonly byte[] configuration;
    private readonly Func<(Tokenizer? Tokenizer, string? Problem)> tokenizer;

    private ModelSource(
        string name, string path, ModelConfig config, byte[] configuration, Func<Checkpoint> open, Func<(Tokenizer? Tokenizer, string? Problem)> tokenizer)
    {
        Name = name;
        Path = System.IO.Path.GetFullPath(path);
        Config = config;
        // Before anything is read: of a model that is not supported, this is what its user must hear first.
        Architecture = Models.Architecture.Find(config.Text("model_type"));
        Checkpoint = open();
        this.configuration = configuration;
        this.tokenizer = tokenizer;
    }

    public string Name { get; }

    /// <summary>The folder, or the GGUF file.</summary>
    public string Path { get; }

    public ModelConfig Config { get; }

    /// <summary>Makes the network that the configuration describes.</summary>
    public Func<ModelConfig, Weights, Network> Architecture { get; }

    public Checkpoint Checkpoint { get; }

    /// <exception cref="ModelException">There is no model, or it is damaged or of a kind that is not read.</exception>
    public static ModelSource Open(string path)
    {
        if (GgufPath(path) is { } file)
        {
            GgufModel model = GgufModel.Open(file);
            return new ModelSource(model.Name, file, model.Config, Encoding.UTF8.GetBytes("gguf"), () => Checkpoint.Of(model), () => Tokenize(model.ReadTokenizer));
        }

        if (!Directory.Exists(path))
        {
            throw new ModelException($"The model folder '{path}' does not exist.");
        }

        ModelConfig config = ModelConfig.Load(path);
        return new ModelSource(FolderName(path), path, config, File.ReadAllBytes(System.IO.Path.Combine(path, "config.json")), () => Checkpoint.Open(path), () => Tokenizer.Exists(path)
            ? Tokenize(() => Tokenizer.Load(path))
            : (null, $"'{path}' has no tokenizer: neither tokenizer.json nor the vocabulary files of one are there."));
    }

    /// <summary>Whether a folder is one that <see cref="Open"/> would try.</summary>
    public static bool IsModel(string path) => Directory.Exists(path)
        && (File.Exists(System.IO.Path.Combine(path, "config.json")) || Directory.EnumerateFiles(path, "*.gguf").Any());

    /// <summary>A stable hash of configuration and weights, for cache keys.</summary>
    public string Fingerprint() => Checkpoint.Fingerprint(configuration);

    /// <summary>The tokenizer, or why there is none.</summary>
    public (Tokenizer? Tokenizer, string? Problem) FindTokenizer() => tokenizer();

    public void Dispose() => Checkpoint.Dispose();

    /// <summary>The file itself, or the only one of a folder that has no other weights.</summary>
    public static string? GgufPath(string path)
    {
        if (File.Exists(path))
        {
            // By its content: Ollama's files have no extension.
            return GgufFile.IsGguf(path)
                ? path
                : throw new ModelException($"'{path}' is no model: name a folder with config.json and model.safetensors, or a GGUF file.");
        }

        if (!Directory.Exists(path) || Checkpoint.Exists(path))
        {
            return null;
        }

        string[] files = [.. Directory.EnumerateFiles(path, "*.gguf").Order(StringComparer.Ordinal)];
        return files.Length <= 1
            ? files.FirstOrDefault()
            : throw new ModelException($"'{path}' holds {files.Length} GGUF files; name one of them, such as '{files[0]}'.");
    }

    private static (Tokenizer? Tokenizer, string? Problem) Tokenize(Func<Tokenizer> load)
    {
        try
        {
            return (load(), null);
        }
        catch (TokenizerException error)
        {
            return (null, error.Message);
        }
    }

    /// <summary>The folder's name; in the Hugging Face cache (models--ORG--NAME/snapshots/COMMIT) ORG/NAME.</summary>
    private static string FolderName(string folder)
    {
        DirectoryInfo directory = new(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(folder)));
        return directory.Parent is { Name: "snapshots", Parent: { } home } && home.Name.StartsWith("models--", StringComparison.Ordinal)
            ? home.Name["models--".Length..].Replace("--", "/", StringComparison.Ordinal)
            : directory.Name;
    }
}
