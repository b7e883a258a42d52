using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// Label Studio JSON: tasks with <c>data.text</c> and <c>annotations[].result[]</c> (labels, choices, relation). Its offsets count code points
/// in files that its Python side writes; a result whose <c>text</c> says otherwise is read as UTF-16, which its browser side counts in.
/// </summary>
public sealed class LabelStudioFormat : AnnotationFormat
{
    public override string Name => "label-studio";

    public override string Description => "Label Studio JSON (labels, relations, choices)";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var documents = new List<AnnotatedDocument>();
        var names = new HashSet<string>();
        foreach (var (number, task) in JsonText.Objects(path, ReadText(path)))
        {
            var document = task.Document(names, $"{name}-{task.String("id") ?? number.ToString(System.Globalization.CultureInfo.InvariantCulture)}");
            if (Text(task.Property("data")) is not { } text) throw new SidecarException($"{Path.GetFileName(path)}, task {number}: \"data\" holds no text.");
            var sets = task.Array("annotations").Concat(task.Array("completions")).Where(a => a.Property("was_cancelled").ValueKind != JsonValueKind.True).ToArray();
            if (sets.Length > 1) report(new Loss(document, $"{sets.Length} annotators labelled this task; all their labels were imported together"));
            if (task.Array("predictions").Any()) report(new Loss(document, "the predictions of a model were left out"));
            documents.Add(new AnnotatedDocument(document, text, [.. sets.SelectMany(s => Results(s, document, text, report))]));
        }

        return documents;
    }

    private static string? Text(JsonElement data) =>
        data.String("text") ?? (data.ValueKind == JsonValueKind.Object ? data.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String).Select(p => p.Value.GetString()).FirstOrDefault() : null);

    private static List<Annotation> Results(JsonElement set, string document, string text, Action<Loss> report)
    {
        var points = new CodePoints(text);
        var annotations = new List<Annotation>();
        var ids = new Dictionary<string, string>();
        var by = set.String("completed_by");
        foreach (var result in set.Array("result").OrderBy(r => r.String("type") == "relation" ? 1 : 0))
        {
            var type = result.String("type");
            var value = result.Property("value");
            if (type is "labels" or "hypertextlabels" && value.Int("start") is { } s && value.Int("end") is { } e && Range(s, e, value.String("text")) is { } range)
            {
                foreach (var label in value.Array("labels").Concat(value.Array("hypertextlabels")))
                {
                    var span = Span(label.ToString(), range) with { By = by };
                    if (result.String("id") is { } id) ids.TryAdd(id, span.Id);
                    annotations.Add(span);
                }
            }
            else if (type == "choices")
            {
                annotations.AddRange(value.Array("choices").Select(c => DocumentLabel(c.ToString()) with { By = by }));
            }
            else if (type == "relation" && result.String("from_id") is { } a && result.String("to_id") is { } b && ids.TryGetValue(a, out var from) && ids.TryGetValue(b, out var to))
            {
                var left = result.String("direction") == "left";
                annotations.Add(Relation(result.Array("labels").Select(l => l.ToString()).FirstOrDefault() ?? "relation", left ? to : from, left ? from : to) with { By = by });
            }
            else
            {
                report(new Loss(document, $"a result of type \"{type}\" could not be read and was left out"));
            }
        }

        return annotations;

        TextRange? Range(int start, int end, string? quote)
        {
            var counted = points.Range(start, end);
            if (quote is null || (counted is { } c && c.Of(text).SequenceEqual(quote))) return counted;
            return 0 <= start && start <= end && end <= text.Length && text.AsSpan(start, end - start).SequenceEqual(quote) ? new TextRange(start, end) : counted;
        }
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report) =>
        WriteText(path, JsonText.Write(json =>
        {
            json.WriteStartArray();
            var number = 0;
            foreach (var document in documents)
            {
                ReportLosses(document, report, relations: true, documentLabels: true);
                json.WriteStartObject();
                json.WriteNumber("id", ++number);
                json.WriteStartObject("data");
                json.WriteString("text", document.Text);
                json.WriteEndObject();
                json.WriteDocument(document.Name);
                json.WriteStartArray("annotations");
                json.WriteStartObject();
                json.WriteStartArray("result");
                Results(json, document, report);
                json.WriteEndArray();
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }, indented: true) + "\n");

    private static void Results(Utf8JsonWriter json, AnnotatedDocument document, Action<Loss> report)
    {
        var points = new CodePoints(document.Text);
        var written = new HashSet<string>();
        foreach (var a in Placed(document))
        {
            var range = Whole(a);
            written.Add(a.Id);
            Begin(a.Id, "label", "labels");
            json.WriteStartObject("value");
            json.WriteNumber("start", points.FromUtf16(range.Start));
            json.WriteNumber("end", points.FromUtf16(range.End));
            json.WriteString("text", range.Of(document.Text));
            Strings("labels", a.Label);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        foreach (var a in document.Annotations)
        {
            if (a.Kind == AnnotationKind.Document)
            {
                Begin(a.Id, "choice", "choices");
                json.WriteStartObject("value");
                Strings("choices", a.Label);
                json.WriteEndObject();
                json.WriteEndObject();
            }
            else if (a.Kind == AnnotationKind.Relation && a.From is { } from && a.To is { } to)
            {
                if (!written.Contains(from) || !written.Contains(to))
                {
                    report(new Loss(document.Name, $"the relation {a.Label} lacks one of its spans and was left out"));
                    continue;
                }

                json.WriteStartObject();
                json.WriteString("type", "relation");
                json.WriteString("from_id", from);
                json.WriteString("to_id", to);
                json.WriteString("direction", "right");
                Strings("labels", a.Label);
                json.WriteEndObject();
            }
        }

        void Begin(string id, string from, string type)
        {
            json.WriteStartObject();
            json.WriteString("id", id);
            json.WriteString("from_name", from);
            json.WriteString("to_name", "text");
            json.WriteString("type", type);
        }

        void Strings(string name, string value)
        {
            json.WriteStartArray(name);
            json.WriteStringValue(value);
            json.WriteEndArray();
        }
    }
}
