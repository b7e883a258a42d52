using System.Text;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// Prodigy and spaCy JSONL: <c>{"text", "tokens", "spans": [{start, end, token_start, token_end, label}], "relations", "accept", "answer"}</c>,
/// character offsets in code points, <c>token_end</c> inclusive. Relations name tokens: they become relations of the spans at these tokens.
/// </summary>
public sealed class ProdigyFormat : AnnotationFormat
{
    public override string Name => "prodigy";

    public override string Description => "Prodigy / spaCy JSONL";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var documents = new List<AnnotatedDocument>();
        var names = new HashSet<string>();
        foreach (var (number, record) in JsonText.Objects(path, ReadText(path)))
        {
            var document = record.Document(names, $"{name}-{number}");
            if (record.String("text") is not { } text) throw new SidecarException($"{Path.GetFileName(path)}, record {number}: \"text\" is missing.");
            var points = new CodePoints(text);
            var annotations = new List<Annotation>();
            if (record.String("answer") is "reject" or "ignore")
            {
                report(new Loss(document, $"the task was answered \"{record.String("answer")}\"; its text was imported without labels"));
            }
            else
            {
                foreach (var span in record.Array("spans").Concat(record.Array("entities").Where(e => e.ValueKind == JsonValueKind.Object)))
                {
                    if (span.Int("start") is { } s && span.Int("end") is { } e && points.Range(s, e) is { Length: > 0 } range && span.String("label") is { Length: > 0 } label)
                        annotations.Add(Span(label, range));
                    else
                        report(new Loss(document, $"the span {span.GetRawText()} lies outside the text or has no label and was left out"));
                }

                var tokens = record.Array("tokens").Select(t => t.Int("start") is { } s && t.Int("end") is { } e ? points.Range(s, e) : null).ToArray();
                foreach (var relation in record.Array("relations"))
                {
                    if (At(relation.Int("head")) is { } head && At(relation.Int("child")) is { } child) annotations.Add(Relation(relation.String("label") ?? "relation", head.Id, child.Id));
                    else report(new Loss(document, $"the relation {relation.String("label")} joins tokens that no span covers and was left out"));
                }

                foreach (var accepted in record.Array("accept")) annotations.Add(DocumentLabel(accepted.ToString()));

                Annotation? At(int? token) =>
                    token is { } t && t >= 0 && t < tokens.Length && tokens[t] is { } range ? annotations.Find(a => a.Kind == AnnotationKind.Span && a.Fragments[0].Contains(range)) : null;
            }

            documents.Add(new AnnotatedDocument(document, text, [.. annotations]));
        }

        return documents;
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            ReportLosses(document, report, relations: true, documentLabels: true);
            var points = new CodePoints(document.Text);
            var spans = Placed(document).ToArray();
            // Prodigy wants spans on token borders: tokens are cut there.
            var tokens = TokenTags.Tokens(document.Text, spans.Select(Whole)).Where(t => !t.Of(document.Text).IsWhiteSpace()).ToList();
            output.Append(JsonText.Write(json => Write(json, document, points, spans, tokens, report))).Append('\n');
        }

        WriteText(path, output.ToString());
    }

    private static void Write(Utf8JsonWriter json, AnnotatedDocument document, CodePoints points, Annotation[] spans, List<TextRange> tokens, Action<Loss> report)
    {
        json.WriteStartObject();
        json.WriteString("text", document.Text);
        json.WriteDocument(document.Name);
        json.WriteStartArray("tokens");
        for (var i = 0; i < tokens.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("text", tokens[i].Of(document.Text));
            json.WriteNumber("start", points.FromUtf16(tokens[i].Start));
            json.WriteNumber("end", points.FromUtf16(tokens[i].End));
            json.WriteNumber("id", i);
            json.WriteBoolean("ws", tokens[i].End < document.Text.Length && document.Text[tokens[i].End] == ' ');
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("spans");
        foreach (var a in spans)
        {
            var range = Whole(a);
            json.WriteStartObject();
            json.WriteNumber("start", points.FromUtf16(range.Start));
            json.WriteNumber("end", points.FromUtf16(range.End));
            json.WriteNumber("token_start", First(a));
            json.WriteNumber("token_end", Math.Max(First(a), TokenTags.FirstEndingAfter(tokens, range.End) - 1));
            json.WriteString("label", a.Label);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        var relations = document.Annotations.Where(a => a.Kind == AnnotationKind.Relation).ToArray();
        if (relations.Length > 0)
        {
            var byId = spans.ToDictionary(a => a.Id);
            json.WriteStartArray("relations");
            foreach (var a in relations)
            {
                if (a.From is null || a.To is null || !byId.TryGetValue(a.From, out var from) || !byId.TryGetValue(a.To, out var to))
                {
                    report(new Loss(document.Name, $"the relation {a.Label} lacks one of its spans and was left out"));
                    continue;
                }

                json.WriteStartObject();
                json.WriteNumber("head", First(from));
                json.WriteNumber("child", First(to));
                json.WriteString("label", a.Label);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        var labels = document.Annotations.Where(a => a.Kind == AnnotationKind.Document).ToArray();
        if (labels.Length > 0)
        {
            json.WriteStartArray("accept");
            foreach (var a in labels) json.WriteStringValue(a.Label);
            json.WriteEndArray();
        }

        json.WriteString("answer", "accept");
        json.WriteEndObject();

        int First(Annotation a) => Math.Min(TokenTags.FirstEndingAfter(tokens, Whole(a).Start), Math.Max(0, tokens.Count - 1));
    }
}
