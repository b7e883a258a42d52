using System.CommandLine;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Cli.Evaluation;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus report</c>: what a run measured, as the report that <c>evaluate</c> writes.</summary>
internal static class ReportCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = new Argument<string>("RUN") { Description = "The folder of a finished run that kept its evaluation." };
        var format = AttendCommand.FormatOption(["md", "json", "html"]);
        format.DefaultValueFactory = _ => "md";
        var output = new Option<string?>("--output", "-o") { Description = "Write the report to a file.", HelpName = "FILE" };
        var command = new Command("report", "Report how far pictures can be trusted, from a run with --keep evaluation.") { run, format, output };
        command.SetWork((parsed, cancellation) =>
        {
            var folder = parsed.GetRequiredValue(run);
            var from = RunFolder.Open(folder);
            var settings = from.Index.Outputs.Evaluation
                ?? throw new CommandException($"The run in '{folder}' has measured nothing; 'attention-lens corpus run' with --keep evaluation does.");
            List<TextScores> results = [];
            List<string> skipped = [];
            using (var bar = new Progress(terminal, "report"))
            {
                foreach (var text in from.Texts(0, bar, cancellation))
                {
                    if (text.Item.Evaluation is { } measured)
                    {
                        results.Add(measured);
                    }
                    else
                    {
                        skipped.Add(text.Item.Error ?? text.Item.Problems?[0] ?? "nothing was measured");
                    }
                }
            }

            if (results.Count == 0)
            {
                throw new CommandException($"No text could be measured: {(skipped.Count > 0 ? skipped[0] : "there is none in the run.")}");
            }

            Method[] methods = [.. from.Index.Outputs.Methods.Select(Methods.Named)];
            var report = EvaluationReport.Of(
                from.Index.Model, from.Index.Fingerprint, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), methods, settings.Options, 0, results, skipped);
            OutputFile.Write(terminal, parsed.GetValue(output), stream => report.Write(stream, parsed.GetRequiredValue(format)));
        });
        return command;
    }
}
