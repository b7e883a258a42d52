using System.Text.Json;
using AttentionLens.Models.Hub;

namespace AttentionLens.Models;

/// <summary>Where an installed model lies.</summary>
public enum ModelPlace
{
    /// <summary>Ships with AttentionLens.</summary>
    Embedded,

    /// <summary>The Hugging Face cache.</summary>
    Cache,

    /// <summary>The store of Ollama.</summary>
    Ollama,

    /// <summary>The download folder of llama.cpp.</summary>
    LlamaCpp,
}

/// <summary>A model on this machine.</summary>
/// <param name="Name">What <see cref="ModelLocator.Resolve"/> finds it by.</param>
/// <param name="Place">Whose it is.</param>
/// <param name="Path">Its folder or GGUF file.</param>
/// <param name="Bytes">What it takes on the disk.</param>
public sealed record InstalledModel(string Name, ModelPlace Place, string Path, long Bytes);

/// <summary>The models that are on this machine already, whoever put them there.</summary>
public static class ModelCatalog
{
    internal const string OllamaPrefix = "ollama:";
    internal const string LlamaCppPrefix = "llama.cpp:";
    private const string CachePrefix = "models--";
    private const string OllamaRegistry = "registry.ollama.ai";
    private const string OllamaLibrary = "library";

    /// <summary>By place, then by name. A place that cannot be read is left out.</summary>
    public static IReadOnlyList<InstalledModel> List() =>
    [
        .. EmbeddedModels.Names()
            .Select(static name => (Name: name, Folder: EmbeddedModels.Folder(name)))
            .Where(static model => model.Folder is not null)
            .Select(static model => new InstalledModel(model.Name, ModelPlace.Embedded, model.Folder!, Size(model.Folder!))), // filtered
        .. Guarded(Cached),
        .. Guarded(Ollama),
        .. Guarded(LlamaCpp),
    ];

    /// <summary>Deletes a model from the Hugging Face cache, every revision of it.</summary>
    /// <returns>The bytes that it took.</returns>
    /// <exception cref="ModelException">It is not there, belongs to another program, or cannot be deleted.</exception>
    public static long Remove(string name)
    {
        InstalledModel? model = List().FirstOrDefault(model => model.Name == name);
        switch (model?.Place)
        {
            case ModelPlace.Cache:
                break;
            case ModelPlace.Embedded:
                throw new ModelException($"'{name}' ships with AttentionLens and is not removed.");
            case ModelPlace.Ollama:
                throw new ModelException($"'{name}' belongs to Ollama; remove it with `ollama rm {name[OllamaPrefix.Length..]}`.");
            case ModelPlace.LlamaCpp:
                throw new ModelException($"'{name}' belongs to llama.cpp; delete '{model.Path}' yourself.");
            default:
                throw new ModelException($"There is no model '{name}' in the Hugging Face cache ({HubOptions.CacheFolder()}).");
        }

        string folder = CacheFolder(name);
        try
        {
            long bytes = Size(folder);
            Directory.Delete(folder, recursive: true);
            return bytes;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"'{folder}' cannot be deleted: {error.Message}");
        }
    }

    /// <summary>The newest usable snapshot of a Hub id in the cache: <c>models--ORG--NAME/refs/main</c> holds a commit, <c>snapshots/COMMIT/</c> the files.</summary>
    internal static string? Snapshot(string id)
    {
        string root = CacheFolder(id);
        string snapshots = Path.Combine(root, "snapshots");
        if (!Directory.Exists(snapshots))
        {
            return null;
        }

        string reference = Path.Combine(root, "refs", "main");
        IEnumerable<string> candidates = Directory.EnumerateDirectories(snapshots).OrderByDescending(Directory.GetLastWriteTimeUtc);
        if (File.Exists(reference))
        {
            candidates = candidates.Prepend(Path.Combine(snapshots, File.ReadAllText(reference).Trim()));
        }

        return candidates.FirstOrDefault(ModelSource.IsModel);
    }

    /// <summary>The blob of <c>ollama:NAME[:TAG]</c>.</summary>
    internal static string? OllamaBlob(string name)
    {
        string[] parts = name[OllamaPrefix.Length..].Split(':');
        if (parts.Length > 2 || !parts.All(ModelLocator.IsName))
        {
            return null;
        }

        string path = parts[0].Contains('/', StringComparison.Ordinal) ? parts[0] : $"{OllamaLibrary}/{parts[0]}";
        string tag = parts.Length == 2 ? parts[1] : "latest";
        return OllamaRoots().Select(root => Blob(root, Path.Combine(root, "manifests", OllamaRegistry, path, tag))).FirstOrDefault(static blob => blob is not null);
    }

    /// <summary>The file of <c>llama.cpp:FILE</c>.</summary>
    internal static string? LlamaCppFile(string name)
    {
        string file = name[LlamaCppPrefix.Length..];
        string path = Path.Combine(LlamaCppFolder(), file);
        return file == Path.GetFileName(file) && File.Exists(path) ? path : null;
    }

    private static string CacheFolder(string id) => Path.Combine(HubOptions.CacheFolder(), CachePrefix + id.Replace("/", "--", StringComparison.Ordinal));

    private static IEnumerable<InstalledModel> Cached()
    {
        string cache = HubOptions.CacheFolder();
        if (!Directory.Exists(cache))
        {
            yield break;
        }

        foreach (string folder in Directory.EnumerateDirectories(cache, CachePrefix + "*").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(folder)[CachePrefix.Length..].Replace("--", "/", StringComparison.Ordinal);
            // What transfers left half-done, and models in formats that are not read, are no models.
            if (ModelLocator.IsName(name) && Snapshot(name) is { } snapshot
                && Directory.EnumerateFiles(snapshot, "*", SearchOption.AllDirectories).Any(static file => Path.GetExtension(file) is ".safetensors" or ".gguf" or ".onnx"))
            {
                yield return new InstalledModel(name, ModelPlace.Cache, snapshot, Size(folder));
            }
        }
    }

    private static IEnumerable<InstalledModel> Ollama()
    {
        foreach (string root in OllamaRoots())
        {
            string registry = Path.Combine(root, "manifests", OllamaRegistry);
            if (!Directory.Exists(registry))
            {
                continue;
            }

            foreach (string manifest in Directory.EnumerateFiles(registry, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                string[] parts = Path.GetRelativePath(registry, manifest).Split(Path.DirectorySeparatorChar);
                if (parts.Length == 3 && Blob(root, manifest) is { } blob)
                {
                    string name = parts[0] == OllamaLibrary ? parts[1] : $"{parts[0]}/{parts[1]}";
                    yield return new InstalledModel($"{OllamaPrefix}{name}:{parts[2]}", ModelPlace.Ollama, blob, new FileInfo(blob).Length);
                }
            }
        }
    }

    private static IEnumerable<InstalledModel> LlamaCpp()
    {
        string folder = LlamaCppFolder();
        return !Directory.Exists(folder) ? [] : Directory.EnumerateFiles(folder, "*.gguf").Order(StringComparer.Ordinal)
            .Select(static file => new InstalledModel(LlamaCppPrefix + Path.GetFileName(file), ModelPlace.LlamaCpp, file, new FileInfo(file).Length));
    }

    private static IEnumerable<string> OllamaRoots()
    {
        if (Environment.GetEnvironmentVariable("OLLAMA_MODELS") is { Length: > 0 } configured)
        {
            return [configured];
        }

        // The second is where Ollama's service keeps its models on Linux.
        return [Path.Combine(Home(), ".ollama", "models"), "/usr/share/ollama/.ollama/models"];
    }

    private static string LlamaCppFolder()
    {
        if (Environment.GetEnvironmentVariable("LLAMA_CACHE") is { Length: > 0 } configured)
        {
            return configured;
        }

        string root = OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : OperatingSystem.IsMacOS() ? Path.Combine(Home(), "Library", "Caches")
            : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : Path.Combine(Home(), ".cache");
        return Path.Combine(root, "llama.cpp");
    }

    private static string Home() => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>A manifest names its layers by digest; the model's weights are one of them.</summary>
    private static string? Blob(string root, string manifest)
    {
        try
        {
            if (!File.Exists(manifest) || new FileInfo(manifest).Length > 1 << 20)
            {
                return null;
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(manifest));
            foreach (JsonElement layer in document.RootElement.GetProperty("layers").EnumerateArray())
            {
                if (layer.GetProperty("mediaType").GetString() == "application/vnd.ollama.image.model"
                    && layer.GetProperty("digest").GetString()?.Split(':') is ["sha256", { Length: 64 } hex] && hex.All(char.IsAsciiHexDigit))
                {
                    string blob = Path.Combine(root, "blobs", $"sha256-{hex}");
                    return File.Exists(blob) ? blob : null;
                }
            }

            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static InstalledModel[] Guarded(Func<IEnumerable<InstalledModel>> list)
    {
        try
        {
            return [.. list()];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Links are not followed: in the Hugging Face cache each file of a snapshot is one to a blob beside it.</summary>
    private static long Size(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Where(static file => file.LinkTarget is null).Sum(static file => file.Length);
}
