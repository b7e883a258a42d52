using System.CommandLine;
using System.Text;
using System.Text.Json;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Cli.Annotate;

/// <summary>
/// <c>annotate add</c>: labels a document from a script, one or a stream of them. Each is safe on disk before its id is printed, so that a
/// script that is cut off knows what was done.
/// </summary>
internal static class AddCommand
{
    public static Command Create(Terminal terminal)
    {
        var document = new Argument<string>("DOCUMENT") { Description = "The document." };
        var label = new Option<string?>("--label") { Description = "The label.", HelpName = "NAME" };
        var start = new Option<int?>("--start") { Description = "Where the span begins, in UTF-16 code units; without --start and --end the document is labelled.", HelpName = "N" };
        var end = new Option<int?>("--end") { Description = "Where it ends.", HelpName = "N" };
        var batch = new Option<bool>("--batch") { Description = "Read labels from standard input, a JSON object on each line: {\"label\", \"start\", \"end\"}." };
        var every = new Option<int>("--save-every")
        {
            Description = "Write the sidecar anew after so many labels of a stream; until then they are safe in its journal.",
            HelpName = "N",
            DefaultValueFactory = _ => 100,
        };
        var by = AnnotateCommand.AnnotatorOption("Who labels.");
        var command = new Command("add", "Label a document from a script and print the ids of the new annotations.") { document, label, start, end, batch, every, by };
        command.SetWork((parsed, cancellation) =>
        {
            var path = parsed.GetRequiredValue(document);
            if (!File.Exists(path)) throw new CommandException($"The file '{path}' does not exist.");
            if (parsed.GetValue(batch) == parsed.GetValue(label) is not null) throw new UsageException("Give --label NAME, or --batch and the labels on standard input.");
            var text = CorpusIndex.ReadText(path);
            var set = LabelSet.Nearest(path) is { } file ? LabelSet.Load(file).Set : LabelSet.Empty;
            using var sidecar = SidecarFile.Open(new SidecarName(Path.GetFullPath(path), AnnotateCommand.Annotator(parsed.GetValue(by))).Path);
            using var output = new StreamWriter(terminal.Output, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n", AutoFlush = true };
            var live = Anchoring.Place(text, [.. sidecar.Annotations.Values]).ToDictionary(a => a.Id);
            var unsaved = 0;
            foreach (var (name, range) in parsed.GetValue(batch) ? Lines(terminal.Input, text) : [(parsed.GetValue(label) ?? "", Range(text, parsed.GetValue(start), parsed.GetValue(end), ""))])
            {
                cancellation.ThrowIfCancellationRequested();
                var annotation = new Annotation
                {
                    Id = Annotation.NewId(),
                    Kind = range is null ? AnnotationKind.Document : AnnotationKind.Span,
                    Label = name,
                    Fragments = range is { } r ? [r] : [],
                    By = AnnotateCommand.Annotator(parsed.GetValue(by)),
                    Time = DateTimeOffset.UtcNow,
                };
                if (set.Refuses(text, annotation, live.Values) is { } why) throw new CommandException(why);
                annotation = Anchoring.Describe(text, [annotation]).Single();
                sidecar.Put(annotation);
                live[annotation.Id] = annotation;
                output.WriteLine(annotation.Id);
                if (++unsaved < parsed.GetValue(every)) continue;
                sidecar.Save(text, live.Values);
                unsaved = 0;
            }

            sidecar.Save(text, live.Values);
        });
        return command;
    }

    private static string? Label(JsonElement line)
    {
        try
        {
            return line.ValueKind == JsonValueKind.Object && line.TryGetProperty("label", out var label) ? label.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // no text, or half a character
        }
    }

    private static TextRange? Range(string text, int? start, int? end, string where)
    {
        if (start is null && end is null) return null;
        if (start is not { } s || end is not { } e) throw new UsageException($"{where}A span needs both its start and its end.");
        if (s < 0 || e <= s || e > text.Length) throw new CommandException($"{where}[{s}, {e}) does not lie in the text, which has {text.Length} UTF-16 code units.");
        if (Splits(text, s) || Splits(text, e)) throw new CommandException($"{where}[{s}, {e}) cuts a character in two (a surrogate pair).");
        return new TextRange(s, e);
    }

    private static bool Splits(string text, int at) => at > 0 && at < text.Length && char.IsSurrogatePair(text[at - 1], text[at]);

    private static IEnumerable<(string Label, TextRange? Range)> Lines(Stream input, string text)
    {
        using var reader = new StreamReader(input, new UTF8Encoding(false));
        var number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            var where = $"Line {number}: ";
            JsonDocument json;
            try
            {
                json = JsonDocument.Parse(line);
            }
            catch (JsonException)
            {
                throw new CommandException($"{where}this is not valid JSON.");
            }

            using (json)
            {
                if (Label(json.RootElement) is not { Length: > 0 } name) throw new CommandException($"{where}an object with \"label\" is expected.");
                yield return (name, Range(text, Number("start"), Number("end"), where));
            }

            int? Number(string property) =>
                json.RootElement.TryGetProperty(property, out var value) ? value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) ? n : throw new CommandException($"{where}\"{property}\" is a whole number.") : null;
        }
    }
}
