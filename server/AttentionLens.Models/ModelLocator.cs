using AttentionLens.Models.Hub;

namespace AttentionLens.Models;

/// <summary>Finds the models that ship with AttentionLens.</summary>
public static class EmbeddedModels
{
    public const string Default = "mini-encoder";

    /// <summary>
    /// The folder of an embedded model: under <c>ATTENTIONLENS_MODELS</c>, then <c>models/</c> beside the executable,
    /// then <c>models/</c> in any folder above it (a checkout). Null when there is none.
    /// </summary>
    public static string? Folder(string name)
    {
        foreach (string root in Roots())
        {
            string folder = Path.Combine(root, name);
            if (File.Exists(Path.Combine(folder, "config.json")))
            {
                return folder;
            }
        }

        return null;
    }

    /// <summary>Names of all embedded models, sorted.</summary>
    public static IReadOnlyList<string> Names() =>
        [.. Roots()
            .Where(Directory.Exists)
            .SelectMany(Directory.EnumerateDirectories)
            .Where(static folder => File.Exists(Path.Combine(folder, "config.json")))
            .Select(static folder => Path.GetFileName(folder))
            .Distinct()
            .Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("ATTENTIONLENS_MODELS") is { Length: > 0 } configured)
        {
            yield return configured;
        }

        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            yield return Path.Combine(at.FullName, "models");
        }
    }
}

/// <summary>From what a user types to a model folder.</summary>
public static class ModelLocator
{
    /// <summary>
    /// Null = the embedded default; else a folder or GGUF file, the name of an embedded model, a Hub id (<c>org/name</c>) in the local Hugging Face
    /// cache, or a model of Ollama (<c>ollama:name[:tag]</c>) or llama.cpp (<c>llama.cpp:file.gguf</c>).
    /// </summary>
    /// <exception cref="ModelException">Nothing found; the message lists where it looked.</exception>
    public static string Resolve(string? pathOrName)
    {
        if (string.IsNullOrEmpty(pathOrName))
        {
            return EmbeddedModels.Folder(EmbeddedModels.Default)
                ?? throw new ModelException($"The embedded model '{EmbeddedModels.Default}' is not installed; name a model folder.");
        }

        if (Directory.Exists(pathOrName) || File.Exists(pathOrName))
        {
            return Path.GetFullPath(pathOrName);
        }

        string? found = pathOrName.StartsWith(ModelCatalog.OllamaPrefix, StringComparison.Ordinal) ? ModelCatalog.OllamaBlob(pathOrName)
            : pathOrName.StartsWith(ModelCatalog.LlamaCppPrefix, StringComparison.Ordinal) ? ModelCatalog.LlamaCppFile(pathOrName)
            : IsName(pathOrName) ? EmbeddedModels.Folder(pathOrName) ?? ModelCatalog.Snapshot(pathOrName)
            : null;
        if (found is not null)
        {
            return found;
        }

        throw new ModelException(
            $"No model '{pathOrName}': it is not a folder or GGUF file, not an embedded model ({string.Join(", ", EmbeddedModels.Names())}), and not in the Hugging Face cache ({HubOptions.CacheFolder()}).");
    }

    /// <summary>Only ORG/NAME or NAME may be joined to a cache path: a name never walks out of it.</summary>
    internal static bool IsName(string text)
    {
        string[] parts = text.Split('/');
        return parts.Length <= 2 && parts.All(static p => p.Length > 0 && p[0] != '.' && p.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
    }
}
