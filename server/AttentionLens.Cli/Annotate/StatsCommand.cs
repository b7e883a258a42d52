using System.CommandLine;
using System.Globalization;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate stats</c>: what a corpus holds.</summary>
internal static class StatsCommand
{
    private sealed record Row(string? Annotator, AnnotationKind Kind, string Label, int Count, int Documents, int Suggested, int Review, int Orphans);

    public static Command Create(Terminal terminal)
    {
        var corpus = AnnotateCommand.CorpusArgument();
        var by = AnnotateCommand.AnnotatorOption("Only this annotator.");
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("stats", "Count annotations by annotator and label.") { corpus, by, format };
        command.SetWork((parsed, cancellation) =>
        {
            var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
            var annotator = AnnotateCommand.Annotator(parsed.GetValue(by));
            var sidecars = index.Documents.SelectMany(d => d.Sidecars.Select(s => (Document: d, Sidecar: s))).Where(p => annotator is null || p.Sidecar.Name.Annotator == annotator).ToArray();
            var rows = sidecars.SelectMany(p => p.Sidecar.Annotations.Where(a => a.Kind != AnnotationKind.Approval && a.Status != AnnotationStatus.Rejected).Select(a => (p.Document, p.Sidecar, Annotation: a)))
                .GroupBy(p => (p.Sidecar.Name.Annotator, p.Annotation.Kind, p.Annotation.Label))
                .OrderBy(g => g.Key.Annotator, StringComparer.Ordinal).ThenBy(g => g.Key.Kind).ThenByDescending(g => g.Count())
                .Select(g => new Row(
                    g.Key.Annotator, g.Key.Kind, g.Key.Label,
                    g.Count(p => p.Annotation.Status == AnnotationStatus.Accepted), g.Select(p => p.Document.Name).Distinct().Count(),
                    g.Count(p => p.Annotation.Status == AnnotationStatus.Suggested),
                    g.Count(p => p.Annotation.State == AnchorState.Review), g.Count(p => p.Annotation.State == AnchorState.Orphan)))
                .ToArray();
            var annotated = sidecars.Select(p => p.Document.Name).Distinct().Count();
            var approved = sidecars.Where(p => p.Sidecar.Approved).Select(p => p.Document.Name).Distinct().Count();
            if (parsed.GetValue(format) == "json") WriteJson(terminal, index.Documents.Length, annotated, approved, rows);
            else WriteTable(terminal, index.Documents.Length, annotated, approved, rows);
        });
        return command;
    }

    private static void WriteJson(Terminal terminal, int documents, int annotated, int approved, Row[] rows) => AnnotateCommand.WriteJson(terminal, null, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("documents", documents);
        json.WriteNumber("annotated", annotated);
        json.WriteNumber("approved", approved);
        json.WriteStartArray("labels");
        foreach (var row in rows)
        {
            json.WriteStartObject();
            json.WriteString("annotator", row.Annotator);
            json.WriteString("kind", Name(row.Kind));
            json.WriteString("label", row.Label);
            json.WriteNumber("count", row.Count);
            json.WriteNumber("documents", row.Documents);
            json.WriteNumber("suggested", row.Suggested);
            json.WriteNumber("review", row.Review);
            json.WriteNumber("orphans", row.Orphans);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void WriteTable(Terminal terminal, int documents, int annotated, int approved, Row[] rows) => AnnotateCommand.WriteLines(terminal, null, write =>
    {
        write($"{documents} document(s), {annotated} annotated, {approved} approved.");
        if (rows.Length == 0) return;
        var several = rows.Any(r => r.Annotator is not null);
        var names = Math.Max(9, rows.Max(r => DisplayText.Width(r.Annotator ?? "")));
        var labels = Math.Clamp(rows.Max(r => DisplayText.Width(r.Label)), 5, 40);
        write($"{(several ? DisplayText.Fit("annotator", names) + "  " : "")}{"kind",-8}  {DisplayText.Fit("label", labels)} {"count",8} {"documents",10} {"suggested",10} {"review",7} {"orphans",8}");
        foreach (var r in rows)
            write(string.Create(CultureInfo.InvariantCulture, $"{(several ? DisplayText.Fit(r.Annotator ?? "", names) + "  " : "")}{Name(r.Kind),-8}  {DisplayText.Fit(DisplayText.Clean(r.Label), labels)} {r.Count,8} {r.Documents,10} {r.Suggested,10} {r.Review,7} {r.Orphans,8}"));
    });

    private static string Name(AnnotationKind kind) => kind switch { AnnotationKind.Span => "span", AnnotationKind.Relation => "relation", _ => "document" };
}
