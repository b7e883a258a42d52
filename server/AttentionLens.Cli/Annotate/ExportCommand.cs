using System.CommandLine;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate export</c>: a corpus becomes another tool's files.</summary>
internal static class ExportCommand
{
    public static Command Create(Terminal terminal)
    {
        var format = AnnotateCommand.FormatArgument();
        var corpus = AnnotateCommand.CorpusArgument();
        var output = new Option<string>("--output", "-o") { Description = "The file, or the folder where the format is one.", HelpName = "FILE", Required = true };
        var by = AnnotateCommand.AnnotatorOption("Whose annotations, where there are several annotators.");
        var label = new Option<string?>("--label") { Description = "Only this label.", HelpName = "NAME" };
        var strict = new Option<bool>("--strict") { Description = "Fail, and write nothing, when the format cannot hold something." };
        var command = new Command("export", "Write annotations for another tool. What its format cannot hold is named on stderr.") { format, corpus, output, by, label, strict };
        command.SetWork((parsed, cancellation) =>
        {
            var writer = AnnotationFormat.Of(parsed.GetRequiredValue(format));
            var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
            var chosen = AnnotateCommand.Chosen(index, AnnotateCommand.Annotator(parsed.GetValue(by))).ToArray();
            if (chosen.Length == 0) throw new CommandException($"There are no annotations in '{parsed.GetRequiredValue(corpus)}'{(parsed.GetValue(by) is { } name ? $" by {name}" : "")}.");
            var documents = new List<AnnotatedDocument>(chosen.Length);
            var losses = new List<Loss>();
            using (var bar = new Progress(terminal, "placing annotations"))
            {
                foreach (var (document, sidecar) in chosen)
                {
                    cancellation.ThrowIfCancellationRequested();
                    bar.Report((double)documents.Count / chosen.Length);
                    // The name without its extension, as the tools have it; with its folders, or two documents would become one.
                    var loaded = CorpusIndex.Load(document.Path, sidecar.Name, Path.ChangeExtension(document.Name, null));
                    foreach (var p in sidecar.Problems) losses.Add(new Loss(loaded.Name, $"line {p.Line} of the annotations could not be read ({p.Message})"));
                    documents.Add(parsed.GetValue(label) is { } only ? Only(loaded, only) : loaded);
                }
            }

            var path = parsed.GetRequiredValue(output);
            if (parsed.GetValue(strict))
            {
                // A rehearsal in a folder that goes away: the format alone knows what it cannot hold.
                var rehearsal = Directory.CreateTempSubdirectory("attention-lens-export-");
                try
                {
                    writer.Export(documents, Path.Combine(rehearsal.FullName, Path.GetFileName(Path.TrimEndingDirectorySeparator(path))), losses.Add);
                }
                finally
                {
                    rehearsal.Delete(recursive: true);
                }

                AnnotateCommand.Report(terminal, losses);
                if (losses.Count > 0) throw new CommandException("Nothing was written, because --strict allows no loss.");
            }

            writer.Export(documents, path, losses.Add);
            AnnotateCommand.Report(terminal, losses);
            var count = documents.Sum(d => d.Annotations.Count(a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval));
            AnnotateCommand.WriteLines(terminal, null, write => write($"{documents.Count} document(s), {count} annotation(s){(losses.Count > 0 ? $", {losses.Count} loss(es)" : "")}."));
        });
        return command;
    }

    /// <summary>The annotations with one label, and the relations between them.</summary>
    private static AnnotatedDocument Only(AnnotatedDocument document, string label) =>
        document with { Annotations = [.. document.Annotations.Where(a => a.Label == label)] };
}
