namespace AttentionLens.Models.Tests;

/// <summary>Where the tests find their data.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Oracle(string model) => Path.Combine(Root, "tests", "fixtures", "oracle", model);

    /// <summary>Third-party models that lie beside the repository on some machines; null where they do not.</summary>
    public static string? Shared(params string[] path)
    {
        string root = Environment.GetEnvironmentVariable("ATTENTIONLENS_SHARED") is { Length: > 0 } configured
            ? configured
            : Path.Combine(Root, "..", "shared");
        string found = Path.Combine([root, .. path]);
        return File.Exists(found) || Directory.Exists(found) ? found : null;
    }

    private static string FindRoot()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("attentionlens-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
