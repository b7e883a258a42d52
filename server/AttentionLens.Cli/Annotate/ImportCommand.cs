using System.CommandLine;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate import</c>: another tool's files become documents with sidecars.</summary>
internal static class ImportCommand
{
    public static Command Create(Terminal terminal)
    {
        var format = AnnotateCommand.FormatArgument();
        var source = new Argument<string>("FILE") { Description = "The file, or the folder where the format is one." };
        var output = new Option<string>("--output", "-o") { Description = "The folder to write documents and sidecars into.", HelpName = "FOLDER", Required = true };
        var by = AnnotateCommand.AnnotatorOption("Whose annotations they are; part of the sidecars' names.");
        var strict = new Option<bool>("--strict") { Description = "Fail, and write nothing, when something cannot be carried over." };
        var command = new Command("import", "Read annotations of another tool. What cannot be carried over is named on stderr.") { format, source, output, by, strict };
        command.SetWork((parsed, cancellation) =>
        {
            var annotator = AnnotateCommand.Annotator(parsed.GetValue(by));
            var reader = AnnotationFormat.Of(parsed.GetRequiredValue(format));
            var path = parsed.GetRequiredValue(source);
            if (!File.Exists(path) && !Directory.Exists(path)) throw new CommandException($"There is no file or folder '{path}'.");
            var losses = new List<Loss>();
            var documents = reader.Import(path, losses.Add);
            AnnotateCommand.Report(terminal, losses);
            if (losses.Count > 0 && parsed.GetValue(strict)) throw new CommandException("Nothing was written, because --strict allows no loss.");
            var folder = parsed.GetRequiredValue(output);
            int added = 0, known = 0;
            using (var bar = new Progress(terminal, "writing documents"))
            {
                for (var i = 0; i < documents.Count; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    bar.Report((double)i / documents.Count);
                    var one = AnnotationStore.Write(folder, annotator, documents[i]);
                    (added, known) = (added + one.New, known + one.Known);
                }
            }

            AnnotateCommand.WriteLines(terminal, null, write => write(
                $"{documents.Count} document(s), {added} annotation(s) added{(known > 0 ? $", {known} already there" : "")}{(losses.Count > 0 ? $", {losses.Count} loss(es)" : "")}."));
        });
        return command;
    }
}
