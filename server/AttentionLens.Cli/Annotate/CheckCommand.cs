using System.CommandLine;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate check</c>: label sets, sidecars and annotations held against each other.</summary>
internal static class CheckCommand
{
    public static Command Create(Terminal terminal)
    {
        var corpus = AnnotateCommand.CorpusArgument();
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("check", "Find mistakes in label sets and sidecars, annotations that lost their text, and those a label set does not allow.") { corpus, format };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
                CorpusProblem[] problems;
                using (var bar = new Progress(terminal, "checking"))
                {
                    problems = [.. CorpusCheck.Of(index, bar, cancellation)];
                }

                var folder = Directory.GetCurrentDirectory();
                if (parsed.GetValue(format) == "json")
                {
                    AnnotateCommand.WriteJson(terminal, null, json =>
                    {
                        json.WriteStartArray();
                        foreach (var p in problems)
                        {
                            json.WriteStartObject();
                            json.WriteString("file", Path.GetRelativePath(folder, p.Path));
                            json.WriteNumber("line", p.Line);
                            json.WriteNumber("column", p.Column);
                            json.WriteString("message", p.Message);
                            json.WriteEndObject();
                        }

                        json.WriteEndArray();
                    });
                }
                else
                {
                    // The shape that editors and grep understand.
                    AnnotateCommand.WriteLines(terminal, null, write =>
                    {
                        foreach (var p in problems) write($"{Path.GetRelativePath(folder, p.Path)}{(p.Line > 0 ? $":{p.Line}:{p.Column}" : "")}: {p.Message}");
                    });
                }

                var sidecars = index.Documents.Sum(d => d.Sidecars.Length);
                terminal.Error.WriteLine(problems.Length == 0 ? $"{sidecars} sidecar(s), nothing to complain of." : $"{sidecars} sidecar(s), {problems.Length} problem(s).");
                return problems.Length == 0 ? CommandLine.Done : CommandLine.Failed;
            },
            cancellation));
        return command;
    }
}
