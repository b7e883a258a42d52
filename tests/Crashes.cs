namespace AttentionLens.Tests;

/// <summary>The inputs in <c>tests/fixtures/crashes</c>, each of which broke a parser once.</summary>
internal static class Crashes
{
    private static readonly string Root = Path.Combine(Repository(), "tests", "fixtures", "crashes");

    /// <summary>A parser's files, by their paths inside its folder.</summary>
    public static TheoryData<string> Of(string parser) =>
    [
        .. Directory.EnumerateFiles(Path.Combine(Root, parser), "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Path.Combine(Root, parser), file).Replace('\\', '/')).Order(StringComparer.Ordinal),
    ];

    /// <summary>Where a file of <see cref="Of"/> is. Fails the test where nobody has written down what was wrong with it.</summary>
    public static string File(string parser, string name)
    {
        Assert.Contains($"| `{parser}/{name}` |", System.IO.File.ReadAllText(Path.Combine(Root, "README.md")), StringComparison.Ordinal);
        return Path.Combine(Root, parser, name);
    }

    public static byte[] Bytes(string parser, string name) => System.IO.File.ReadAllBytes(File(parser, name));

    public static string Text(string parser, string name) => System.IO.File.ReadAllText(File(parser, name));

    private static string Repository()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (System.IO.File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
                return at.FullName;
        }
        throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
