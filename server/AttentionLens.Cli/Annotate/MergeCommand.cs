using System.CommandLine;
using System.Text;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate merge</c>: two versions of a sidecar become one; also a merge driver for git.</summary>
internal static class MergeCommand
{
    public static Command Create(Terminal terminal)
    {
        var ours = new Argument<string>("OURS") { Description = "One version of a sidecar." };
        var theirs = new Argument<string>("THEIRS") { Description = "The other version." };
        var @base = new Option<string?>("--base") { Description = "The version both came from: without it a deletion cannot be told from a record not yet there.", HelpName = "FILE" };
        var output = new Option<string?>("--output", "-o") { Description = "Write the result to a file.", HelpName = "FILE" };
        var command = new Command("merge", "Merge two versions of a sidecar by the ids in it. What both changed is decided by time and named on stderr.") { ours, theirs, @base, output };
        command.SetWork((parsed, _) =>
        {
            var (content, decided) = SidecarMerge.Merge(
                Read(parsed.GetRequiredValue(ours)), Read(parsed.GetRequiredValue(theirs)), parsed.GetValue(@base) is { } b ? Read(b) : null);
            foreach (var line in decided) terminal.Error.WriteLine(DisplayText.Clean(line));
            OutputFile.Write(terminal, parsed.GetValue(output), stream => stream.Write(Encoding.UTF8.GetBytes(content)));
        });
        return command;
    }

    private static Sidecar Read(string path) =>
        File.Exists(path) ? Sidecar.Read(path) : throw new CommandException($"The file '{path}' does not exist.");
}
