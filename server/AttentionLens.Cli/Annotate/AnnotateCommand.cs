using System.CommandLine;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate</c>: annotations of a corpus from scripts. What the verbs share is here.</summary>
internal static class AnnotateCommand
{
    public static Command Create(Terminal terminal) => new("annotate", "Import, export, check, compare and merge the annotations of a corpus.")
    {
        ImportCommand.Create(terminal),
        ExportCommand.Create(terminal),
        CheckCommand.Create(terminal),
        StatsCommand.Create(terminal),
        FindCommand.Create(terminal),
        AgreementCommand.Create(terminal),
        AdjudicateCommand.Create(terminal),
        MergeCommand.Create(terminal),
        AddCommand.Create(terminal),
    };

    public static Argument<string> CorpusArgument() => new("PATH") { Description = "A corpus folder, or one document.", DefaultValueFactory = _ => "." };

    public static Argument<string> FormatArgument() => new("FORMAT")
    {
        Description = string.Join("; ", AnnotationFormat.All.Select(f => $"{f.Name}: {f.Description}")) + ".",
        HelpName = string.Join('|', AnnotationFormat.All.Select(f => f.Name)),
    };

    public static Option<string?> AnnotatorOption(string description) => new("--by") { Description = description, HelpName = "NAME" };

    public static string? Annotator(string? name) =>
        name is null or "" ? null
        : SidecarName.IsAnnotator(name) ? name
        : throw new UsageException($"'{name}' is no annotator's name: give letters, digits, - and _.");

    public static CorpusIndex Open(Terminal terminal, string path, CancellationToken cancellation)
    {
        using var bar = new Progress(terminal, "reading annotations");
        return CorpusIndex.Open(path, bar, cancellation);
    }

    /// <summary>
    /// The sidecar that is meant in each document: that of the annotator asked for, else the only one there is.
    /// </summary>
    public static IEnumerable<(CorpusDocument Document, IndexedSidecar Sidecar)> Chosen(CorpusIndex index, string? annotator)
    {
        foreach (var document in index.Documents.Where(d => !d.Sidecars.IsEmpty))
        {
            if (annotator is not null)
            {
                if (document.By(annotator) is { } own) yield return (document, own);
                continue;
            }

            if (document.Sidecars is [var only]) yield return (document, only);
            else
            {
                var names = string.Join(", ", document.Sidecars.Select(s => s.Name.Annotator ?? "(none)"));
                throw new CommandException($"{document.Name} was annotated by {names}: say whose annotations with --by NAME.");
            }
        }
    }

    /// <summary>Says each loss once on stderr; equal ones of many documents become one line with their number.</summary>
    public static void Report(Terminal terminal, IReadOnlyCollection<Loss> losses)
    {
        foreach (var group in losses.GroupBy(l => l.Message))
        {
            var documents = group.Select(l => l.Document).Distinct().ToArray();
            var where = documents.Length <= 3 ? string.Join(", ", documents) : $"{documents[0]} and {documents.Length - 1} others";
            terminal.Error.WriteLine(DisplayText.Clean($"{where}: {group.Key}."));
        }
    }

    public static void WriteJson(Terminal terminal, string? path, Action<Utf8JsonWriter> write) => OutputFile.Write(terminal, path, stream =>
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            write(json);
        }

        stream.Write("\n"u8);
    });

    public static void WriteLines(Terminal terminal, string? path, Action<Action<string>> write) => OutputFile.Write(terminal, path, stream =>
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        write(line => writer.WriteLine(DisplayText.Clean(line)));
    });

    public static string Percent(double? share) =>
        share is { } s ? (s * 100).ToString("0.0", System.Globalization.CultureInfo.InvariantCulture) + " %" : "-";

    public static string Coefficient(double? value) => value is { } v ? v.ToString("0.000", System.Globalization.CultureInfo.InvariantCulture) : "-";

    public static void WriteNumber(this Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } v) json.WriteNumber(name, v);
        else json.WriteNull(name);
    }
}
