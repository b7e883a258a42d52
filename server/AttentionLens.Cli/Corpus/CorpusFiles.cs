using AttentionLens.Corpora;

namespace AttentionLens.Cli.Corpus;

/// <summary>From what was named to the files of a run.</summary>
internal static class CorpusFiles
{
    private const string StandardInput = "stdin.txt";

    public static void Prepare(string folder)
    {
        Directory.CreateDirectory(folder);
        // What a killed run left half-written; a younger one may be another process's that is at work here.
        foreach (var left in new DirectoryInfo(folder).EnumerateFiles(".*.tmp").Where(file => file.LastWriteTimeUtc < DateTime.UtcNow.AddDays(-1)))
        {
            left.Delete();
        }
    }

    /// <summary>Files in the order of the arguments, those of a folder or pattern by name; each once, by its full path.</summary>
    public static string[] Find(string[] arguments, Terminal terminal, string folder)
    {
        var files = arguments.SelectMany(argument => Expand(argument, terminal, folder)).Distinct().ToArray();
        return files.Length > 0 ? files : throw new CommandException("There is no file to run: the folders and patterns hold none.");
    }

    private static IEnumerable<string> Expand(string argument, Terminal terminal, string folder)
    {
        if (argument == "-")
        {
            return [Store(terminal, folder)];
        }

        if (File.Exists(argument))
        {
            return [Path.GetFullPath(argument)];
        }

        if (Directory.Exists(argument))
        {
            return Directory.EnumerateFiles(Path.GetFullPath(argument), "*", SearchOption.AllDirectories)
                .Where(file => DocumentFormats.IsCorpus(file)).Order(StringComparer.Ordinal);
        }

        if (!argument.Contains('*', StringComparison.Ordinal) && !argument.Contains('?', StringComparison.Ordinal))
        {
            throw new CommandException($"The file '{argument}' does not exist.");
        }

        // Shells expand patterns before they come here; Windows' does not, and quotes keep others from it.
        var root = Path.GetDirectoryName(argument) ?? "";
        var deep = root.EndsWith("**", StringComparison.Ordinal);
        root = deep ? root[..^2] : root;
        root = Path.GetFullPath(root.Length == 0 ? "." : root);
        return Directory.Exists(root)
            ? Directory.EnumerateFiles(root, Path.GetFileName(argument), deep ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly).Order(StringComparer.Ordinal)
            : throw new CommandException($"The folder '{root}' does not exist.");
    }

    /// <summary>A run that goes on after a break must find its text again, so standard input is kept.</summary>
    private static string Store(Terminal terminal, string folder)
    {
        var path = Path.Combine(folder, StandardInput);
        OutputFile.Write(terminal, path, terminal.Input.CopyTo);
        return path;
    }
}
