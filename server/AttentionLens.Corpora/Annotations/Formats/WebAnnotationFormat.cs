using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// W3C Web Annotation (JSON-LD): one <c>AnnotationPage</c> a document, with a TextPositionSelector and a TextQuoteSelector each, both in code
/// points as the recommendation demands. The text itself lies beside the file under the name that the targets give as source.
/// </summary>
public sealed class WebAnnotationFormat : AnnotationFormat
{
    public override string Name => "web-annotation";

    public override string Description => "W3C Web Annotation JSON-LD with its text file";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".";
        var items = JsonText.Objects(path, ReadText(path)).SelectMany(o => o.Element.Array("items").DefaultIfEmpty(o.Element)).ToArray();
        var documents = new Dictionary<string, (string Text, QuoteMatcher Quotes, CodePoints Points, List<Annotation> Annotations)>();
        var links = new List<(string Source, JsonElement Item)>();
        var ids = new Dictionary<string, string>();
        foreach (var item in items)
        {
            var target = item.Property("target");
            if (target.ValueKind == JsonValueKind.Undefined) throw new SidecarException($"{Path.GetFileName(path)} is not a Web Annotation file: an item has no \"target\".");
            if (target.ValueKind == JsonValueKind.Array)
            {
                links.Add(("", item));
                continue;
            }

            var source = target.ValueKind == JsonValueKind.String ? target.GetString() ?? "" : target.String("source") ?? "";
            if (!documents.TryGetValue(source, out var document))
            {
                // Only a plain file name: a source like ../../secret must not be opened.
                var file = Path.Combine(folder, Path.GetFileName(source));
                if (Path.GetFileName(source) is not { Length: > 0 } || !File.Exists(file)) throw new SidecarException($"The text \"{source}\" that {Path.GetFileName(path)} speaks of does not lie beside it.");
                var text = ReadText(file);
                documents[source] = document = (text, new QuoteMatcher(text), new CodePoints(text), []);
            }

            var label = Body(item) ?? "";
            if (label.Length == 0)
            {
                report(new Loss(source, "an annotation without a text body was left out"));
                continue;
            }

            var selectors = target.Property("selector") switch
            {
                { ValueKind: JsonValueKind.Undefined } => [],
                { ValueKind: JsonValueKind.Array } some => some.EnumerateArray().ToArray(),
                var one => [one],
            };
            var annotation = selectors.Length == 0 ? DocumentLabel(label) : Place(selectors, document.Text, document.Quotes, document.Points) is { } range ? Span(label, range) : null;
            if (annotation is null)
            {
                report(new Loss(source, $"the annotation \"{label}\" could not be found in the text and was left out"));
                continue;
            }

            if (item.String("id") is { } id) ids[id] = annotation.Id;
            document.Annotations.Add(annotation);
        }

        foreach (var (_, item) in links)
        {
            var ends = item.GetProperty("target").EnumerateArray().Select(t => t.ValueKind == JsonValueKind.String ? t.GetString() : t.String("id")).ToArray();
            var home = ends is [{ } a, { } b] && ids.TryGetValue(a, out var from) && ids.TryGetValue(b, out var to)
                ? documents.Values.FirstOrDefault(d => d.Annotations.Exists(x => x.Id == from)) is { Annotations: { } list } ? (list, from, to) : default
                : default;
            if (home.list is null) report(new Loss(Path.GetFileName(path), "a relation between annotations that are not there was left out"));
            else home.list.Add(Relation(Body(item) ?? "relation", home.from, home.to));
        }

        return [.. documents.Select(d => new AnnotatedDocument(Path.GetFileNameWithoutExtension(d.Key), d.Value.Text, [.. d.Value.Annotations]))];
    }

    private static string? Body(JsonElement item)
    {
        var body = item.Property("body");
        if (body.ValueKind == JsonValueKind.Array) body = body.EnumerateArray().FirstOrDefault(b => b.String("value") is not null);
        return body.ValueKind == JsonValueKind.String ? body.GetString() : body.String("value");
    }

    /// <summary>The quote is right where both are given and disagree: positions are brittle, the recommendation says.</summary>
    private static TextRange? Place(JsonElement[] selectors, string text, QuoteMatcher quotes, CodePoints points)
    {
        var position = selectors.FirstOrDefault(s => s.String("type") == "TextPositionSelector");
        var quote = selectors.FirstOrDefault(s => s.String("type") == "TextQuoteSelector");
        var at = position.Int("start") is { } start && position.Int("end") is { } end ? points.Range(start, end) : null;
        if (quote.String("exact") is not { } exact || (at is { } a && a.Of(text).SequenceEqual(exact))) return at;
        return quotes.Find(exact, quote.String("prefix") ?? "", quote.String("suffix") ?? "", at?.Start, 1000);
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        foreach (var document in documents)
        {
            ReportLosses(document, report, relations: true, documentLabels: true);
            // Beside its annotations, whatever folder the document's name puts both into.
            var source = Path.GetFileName(document.Name) + ".txt";
            var target = documents.Count == 1 && Path.HasExtension(path) ? path : Path.Combine(path, document.Name + ".jsonld");
            WriteText(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(target)) ?? ".", source), document.Text);
            var points = new CodePoints(document.Text);
            WriteText(target, JsonText.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("@context", "http://www.w3.org/ns/anno.jsonld");
                json.WriteString("type", "AnnotationPage");
                json.WriteStartArray("items");
                foreach (var a in document.Annotations.Where(a => a.Kind != AnnotationKind.Span || !a.Fragments.IsEmpty)) Write(json, a, source, document.Text, points);
                json.WriteEndArray();
                json.WriteEndObject();
            }, indented: true) + "\n");
        }
    }

    private static void Write(Utf8JsonWriter json, Annotation a, string source, string text, CodePoints points)
    {
        json.WriteStartObject();
        json.WriteString("id", $"urn:attention-lens:{a.Id}");
        json.WriteString("type", "Annotation");
        json.WriteString("motivation", a.Kind == AnnotationKind.Relation ? "linking" : "tagging");
        json.WriteStartObject("body");
        json.WriteString("type", "TextualBody");
        json.WriteString("purpose", a.Kind == AnnotationKind.Relation ? "linking" : "tagging");
        json.WriteString("value", a.Label);
        json.WriteEndObject();
        if (a.Kind == AnnotationKind.Relation)
        {
            json.WriteStartArray("target");
            json.WriteStringValue($"urn:attention-lens:{a.From}");
            json.WriteStringValue($"urn:attention-lens:{a.To}");
            json.WriteEndArray();
        }
        else
        {
            json.WriteStartObject("target");
            json.WriteString("source", source);
            if (a.Kind == AnnotationKind.Span)
            {
                var range = Whole(a);
                json.WriteStartArray("selector");
                json.WriteStartObject();
                json.WriteString("type", "TextPositionSelector");
                json.WriteNumber("start", points.FromUtf16(range.Start));
                json.WriteNumber("end", points.FromUtf16(range.End));
                json.WriteEndObject();
                json.WriteStartObject();
                json.WriteString("type", "TextQuoteSelector");
                json.WriteString("exact", range.Of(text));
                json.WriteString("prefix", Anchoring.Before(text, range.Start));
                json.WriteString("suffix", Anchoring.After(text, range.End));
                json.WriteEndObject();
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
