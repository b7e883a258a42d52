using System.Text;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// ERASER rationales (DeYoung et al. 2020): a folder with <c>docs/ID</c> (tokens separated by white space) and JSONL files of
/// <c>{annotation_id, query, classification, evidences: [[{text, docid, start_token, end_token}]]}</c>. Evidence becomes spans with the label
/// <c>rationale</c>, the classification a document label.
/// </summary>
public sealed class EraserFormat : AnnotationFormat
{
    public const string Rationale = "rationale";

    public override string Name => "eraser";

    public override string Description => "ERASER rationales (a folder with docs/ and .jsonl)";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".";
        var files = Directory.Exists(path) ? Directory.GetFiles(path, "*.jsonl").Order(StringComparer.Ordinal).ToArray() : [path];
        var docs = Path.Combine(folder, "docs");
        if (files.Length == 0 || !Directory.Exists(docs)) throw new SidecarException($"{folder} is not an ERASER folder: it needs .jsonl files and a folder docs.");
        var documents = new SortedDictionary<string, (string Text, List<TextRange> Tokens, List<Annotation> Annotations)>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            foreach (var (number, record) in JsonText.Objects(file, ReadText(file)))
            {
                var evidences = record.Array("evidences").SelectMany(g => g.ValueKind == JsonValueKind.Array ? g.EnumerateArray().ToArray() : []).ToArray();
                var ids = evidences.Select(e => e.String("docid")).OfType<string>().Append(record.String("annotation_id") ?? "").Distinct().Where(id => Open(id)).ToArray();
                if (ids.Length == 0)
                {
                    report(new Loss(Path.GetFileName(file), $"record {number} names no document in docs and was left out"));
                    continue;
                }

                if (record.String("classification") is { Length: > 0 } label) documents[ids[0]].Annotations.Add(DocumentLabel(label));
                foreach (var e in evidences)
                {
                    if (e.String("docid") is { } id && documents.TryGetValue(id, out var d) && e.Int("start_token") is { } s && e.Int("end_token") is { } end && 0 <= s && s < end && end <= d.Tokens.Count)
                        d.Annotations.Add(Span(Rationale, new TextRange(d.Tokens[s].Start, d.Tokens[end - 1].End)));
                    else
                        report(new Loss(Path.GetFileName(file), $"an evidence of record {number} lies outside its document and was left out"));
                }

                if (record.String("query") is { Length: > 0 } query)
                {
                    var first = documents[ids[0]].Annotations;
                    var at = first.FindLastIndex(a => a.Kind == AnnotationKind.Document);
                    if (at >= 0) first[at] = first[at] with { Attributes = first[at].Attributes.SetItem("query", query) };
                }
            }
        }

        return [.. documents.Select(d => new AnnotatedDocument(d.Key, d.Value.Text, [.. d.Value.Annotations]))];

        bool Open(string id)
        {
            if (documents.ContainsKey(id)) return true;
            // Only a plain file name: an id like ../../secret must not be opened.
            var file = Path.Combine(docs, Path.GetFileName(id));
            if (id.Length == 0 || Path.GetFileName(id) != id || !File.Exists(file)) return false;
            var text = ReadText(file);
            documents[id] = (text, Tokens(text), []);
            return true;
        }
    }

    private static List<TextRange> Tokens(string text)
    {
        var tokens = new List<TextRange>();
        for (var i = 0; i < text.Length;)
        {
            var start = i;
            while (i < text.Length && !char.IsWhiteSpace(text[i])) i++;
            if (i > start) tokens.Add(new TextRange(start, i));
            else i++;
        }

        return tokens;
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            var spans = Placed(document).ToArray();
            // A document is a file in one folder here.
            var id = document.Name.Replace('/', '_');
            ReportLosses(document, report, documentLabels: true);
            if (spans.Any(a => a.Label != Rationale)) report(new Loss(document.Name, "span labels other than \"rationale\" were written as rationales: ERASER has one kind"));
            var tokens = Tokens(document.Text);
            var moved = 0;
            output.Append(JsonText.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("annotation_id", id);
                var label = document.Annotations.FirstOrDefault(a => a.Kind == AnnotationKind.Document);
                json.WriteString("query", label?.Attributes.GetValueOrDefault("query") ?? "");
                json.WriteString("classification", label?.Label ?? "");
                json.WriteStartArray("evidences");
                foreach (var a in spans)
                {
                    var range = Whole(a);
                    var first = TokenTags.FirstEndingAfter(tokens, range.Start);
                    // The last token that begins before the end: the one after it, or a gap, is what reaches beyond.
                    var last = TokenTags.FirstEndingAfter(tokens, range.End - 1);
                    if (last == tokens.Count || tokens[last].Start >= range.End) last--;
                    if (last < first) continue;
                    if (tokens[first].Start != range.Start || tokens[last].End != range.End) moved++;
                    json.WriteStartArray();
                    json.WriteStartObject();
                    json.WriteString("text", string.Join(' ', tokens[first..(last + 1)].Select(t => t.Of(document.Text).ToString())));
                    json.WriteString("docid", id);
                    json.WriteNumber("start_token", first);
                    json.WriteNumber("end_token", last + 1);
                    json.WriteNumber("start_sentence", -1);
                    json.WriteNumber("end_sentence", -1);
                    json.WriteEndObject();
                    json.WriteEndArray();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            })).Append('\n');
            if (moved > 0) report(new Loss(document.Name, $"{moved} span(s) were widened to whole tokens: ERASER counts tokens between white space"));
            WriteText(Path.Combine(path, "docs", id), document.Text);
        }

        WriteText(Path.Combine(path, "annotations.jsonl"), output.ToString());
    }
}
