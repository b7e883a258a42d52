using System.Text;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// doccano JSONL: <c>{"text", "label": [[start, end, "L"]]}</c>, with relations <c>{"text", "entities": [...], "relations": [...]}</c>, document
/// labels as <c>"label": ["L"]</c>. Offsets are code points (doccano's grapheme mode counts otherwise and is not recorded in its files).
/// </summary>
public sealed class DoccanoFormat : AnnotationFormat
{
    public override string Name => "doccano";

    public override string Description => "doccano JSONL (spans, relations, document labels)";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var documents = new List<AnnotatedDocument>();
        var names = new HashSet<string>();
        foreach (var (number, record) in JsonText.Objects(path, ReadText(path)))
        {
            var document = record.Document(names, $"{name}-{number}");
            if ((record.String("text") ?? record.String("data")) is not { } text) throw new SidecarException($"{Path.GetFileName(path)}, record {number}: \"text\" is missing.");
            var points = new CodePoints(text);
            var annotations = new List<Annotation>();
            var ids = new Dictionary<string, string>();
            foreach (var label in record.Array("label").Concat(record.Array("labels")).Concat(record.Array("annotations")))
            {
                if (label.ValueKind == JsonValueKind.String)
                    annotations.Add(DocumentLabel(label.GetString() ?? ""));
                else if (label.ValueKind == JsonValueKind.Array && label.GetArrayLength() == 3 && label[0].Int() is { } s && label[1].Int() is { } e)
                    Add(s, e, label[2].ToString(), null);
                else if (label.Int("start_offset") is { } from && label.Int("end_offset") is { } to)
                    Add(from, to, label.String("label") ?? "", label.String("id"));
                else
                    report(new Loss(document, $"the label {label.GetRawText()} could not be read and was left out"));
            }

            foreach (var entity in record.Array("entities"))
            {
                if (entity.Int("start_offset") is { } from && entity.Int("end_offset") is { } to) Add(from, to, entity.String("label") ?? "", entity.String("id"));
                else report(new Loss(document, $"the entity {entity.GetRawText()} could not be read and was left out"));
            }

            foreach (var category in record.Array("cats")) annotations.Add(DocumentLabel(category.ToString()));
            foreach (var relation in record.Array("relations"))
            {
                if (relation.String("from_id") is { } a && relation.String("to_id") is { } b && ids.TryGetValue(a, out var from) && ids.TryGetValue(b, out var to))
                    annotations.Add(Relation(relation.String("type") ?? "relation", from, to));
                else
                    report(new Loss(document, $"the relation {relation.GetRawText()} names an entity that is not there and was left out"));
            }

            documents.Add(new AnnotatedDocument(document, text, [.. annotations]));

            void Add(int start, int end, string label, string? id)
            {
                if (points.Range(start, end) is not { Length: > 0 } range || label.Length == 0)
                {
                    report(new Loss(document, $"the span [{start}, {end}, \"{label}\"] lies outside the text or has no label and was left out"));
                    return;
                }

                var span = Span(label, range);
                if (id is not null) ids[id] = span.Id;
                annotations.Add(span);
            }
        }

        return documents;
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            var spans = Placed(document).ToArray();
            var relations = document.Annotations.Where(a => a.Kind == AnnotationKind.Relation).ToArray();
            var labels = document.Annotations.Where(a => a.Kind == AnnotationKind.Document).ToArray();
            ReportLosses(document, report, relations: true, documentLabels: true);
            var points = new CodePoints(document.Text);
            var numbers = spans.Select((a, i) => (a.Id, i)).ToDictionary(p => p.Id, p => p.i + 1);
            output.Append(JsonText.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("text", document.Text);
                json.WriteDocument(document.Name);
                if (relations.Length == 0)
                {
                    json.WriteStartArray("label");
                    foreach (var a in spans)
                    {
                        json.WriteStartArray();
                        json.WriteNumberValue(points.FromUtf16(Whole(a).Start));
                        json.WriteNumberValue(points.FromUtf16(Whole(a).End));
                        json.WriteStringValue(a.Label);
                        json.WriteEndArray();
                    }

                    json.WriteEndArray();
                }
                else
                {
                    json.WriteStartArray("entities");
                    foreach (var a in spans)
                    {
                        json.WriteStartObject();
                        json.WriteNumber("id", numbers[a.Id]);
                        json.WriteString("label", a.Label);
                        json.WriteNumber("start_offset", points.FromUtf16(Whole(a).Start));
                        json.WriteNumber("end_offset", points.FromUtf16(Whole(a).End));
                        json.WriteEndObject();
                    }

                    json.WriteEndArray();
                    json.WriteStartArray("relations");
                    foreach (var (a, i) in relations.Select((a, i) => (a, i)))
                    {
                        if (a.From is null || a.To is null || !numbers.TryGetValue(a.From, out var from) || !numbers.TryGetValue(a.To, out var to))
                        {
                            report(new Loss(document.Name, $"the relation {a.Label} lacks one of its spans and was left out"));
                            continue;
                        }

                        json.WriteStartObject();
                        json.WriteNumber("id", i + 1);
                        json.WriteNumber("from_id", from);
                        json.WriteNumber("to_id", to);
                        json.WriteString("type", a.Label);
                        json.WriteEndObject();
                    }

                    json.WriteEndArray();
                }

                if (labels.Length > 0)
                {
                    json.WriteStartArray("cats");
                    foreach (var a in labels) json.WriteStringValue(a.Label);
                    json.WriteEndArray();
                }

                json.WriteEndObject();
            })).Append('\n');
        }

        WriteText(path, output.ToString());
    }
}
