using System.Text.Json;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Corpora;

/// <summary>A stretch [Start, End) of UTF-16 code units that somebody gave as a reason.</summary>
/// <param name="Sequence">0 = the text, 1 = its pair.</param>
public readonly record struct RationaleSpan(int Sequence, int Start, int End);

/// <summary>One text (or pair) of a corpus.</summary>
/// <param name="Name">For messages: file and line, document id.</param>
/// <param name="Rationale">What was marked; null = nobody was asked.</param>
public sealed record CorpusText(string Name, string Text, string? Pair, IReadOnlyList<RationaleSpan>? Rationale);

/// <summary>
/// Texts with or without the reasons that people marked in them, from whatever a corpus comes in: an ERASER folder; JSON or JSON Lines with spans beside
/// their text; any document that <see cref="DocumentFormats"/> reads, then without rationales.
/// </summary>
public static class RationaleCorpus
{
    private static readonly string[] SpanFields = ["rationales", "rationale", "spans", "entities", "label", "labels"];

    /// <summary>Reads a file or folder. What cannot be read is said, and the rest is read.</summary>
    /// <param name="path">File or ERASER folder.</param>
    /// <param name="text">The file's decoded text; unused for a folder.</param>
    /// <param name="options">Of the readers.</param>
    /// <param name="label">Only spans of this label are reasons; null = all.</param>
    /// <param name="problem">Receives one sentence for each thing that was left out.</param>
    /// <exception cref="SidecarException">Not an ERASER folder.</exception>
    public static IReadOnlyList<CorpusText> Read(string path, string text, ReaderOptions options, string? label, Action<string> problem)
    {
        if (Directory.Exists(path) || IsEraser(path, text))
        {
            return [.. new EraserFormat().Import(path, loss => problem($"{loss.Document}: {loss.Message}.")).Select(FromEraser)];
        }

        var extension = Path.GetExtension(path).ToLowerInvariant();
        if (extension is ".jsonl" or ".ndjson" or ".jsonlines" or ".json" && FromJson(path, text, options, label, problem) is { Count: > 0 } marked)
        {
            return marked;
        }

        var document = DocumentFormats.For(null, path, options).Read(text);
        foreach (var p in document.Problems)
        {
            problem($"{Path.GetFileName(path)}, line {text.AsSpan(0, p.Start).Count('\n') + 1}: {p.Message}");
        }

        return [.. document.Segments.Where(s => !string.IsNullOrWhiteSpace(s.Text)).Select(s => new CorpusText(
            $"{Path.GetFileName(path)}, line {text.AsSpan(0, s.Start).Count('\n') + 1}", s.Text, s.Pair?.Text, null))];
    }

    /// <summary>A JSON Lines file whose records name documents instead of holding text.</summary>
    private static bool IsEraser(string path, string text) =>
        text.Contains("\"evidences\"", StringComparison.Ordinal) && Directory.Exists(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".", "docs"));

    /// <summary>The question comes first, as models for pairs were trained; the reasons are in the document.</summary>
    private static CorpusText FromEraser(AnnotatedDocument document)
    {
        var query = document.Annotations.FirstOrDefault(a => a.Kind == AnnotationKind.Document)?.Attributes.GetValueOrDefault("query");
        var sequence = string.IsNullOrWhiteSpace(query) ? 0 : 1;
        RationaleSpan[] spans =
        [
            .. document.Annotations.Where(a => a is { Kind: AnnotationKind.Span, Label: EraserFormat.Rationale })
                .SelectMany(a => a.Fragments).Select(f => new RationaleSpan(sequence, f.Start, f.End)),
        ];
        return new CorpusText(document.Name, sequence == 0 ? document.Text : query ?? "", sequence == 0 ? null : document.Text, spans);
    }

    /// <summary>Null where no record holds spans: then the file is a document like others.</summary>
    private static List<CorpusText>? FromJson(string path, string text, ReaderOptions options, string? label, Action<string> problem)
    {
        var texts = new List<CorpusText>();
        var anySpans = false;
        foreach (var (number, record) in Records(path, text, problem))
        {
            if (record.ValueKind != JsonValueKind.Object)
            {
                continue;
            }

            var fields = record.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String).ToArray();
            var (chosen, second, _) = FieldNames.Choose([.. fields.Select(f => f.Name)], options);
            if (chosen.Count == 0 || fields[chosen[0]].Value.GetString() is not { Length: > 0 } first)
            {
                problem($"{Path.GetFileName(path)}, record {number}: there is no text in it.");
                continue;
            }

            var pair = second >= 0 ? fields[second].Value.GetString() : null;
            var spans = Spans(record, first, pair, label, message => problem($"{Path.GetFileName(path)}, record {number}: {message}"));
            anySpans |= spans is not null;
            texts.Add(new CorpusText($"{Path.GetFileName(path)}, record {number}", first, pair, spans));
        }

        return anySpans ? texts : null;
    }

    private static IEnumerable<(int Number, JsonElement Record)> Records(string path, string text, Action<string> problem)
    {
        using var records = JsonText.Objects(path, text).GetEnumerator();
        while (true)
        {
            try
            {
                if (!records.MoveNext())
                {
                    yield break;
                }
            }
            catch (SidecarException error)
            {
                problem(error.Message);
                yield break;
            }

            yield return records.Current;
        }
    }

    /// <summary>[start, end], [start, end, label] or objects with start and end (start_offset, end_offset), in code points as Python counts.</summary>
    private static List<RationaleSpan>? Spans(JsonElement record, string text, string? pair, string? label, Action<string> problem)
    {
        List<RationaleSpan>? spans = null;
        foreach (var field in SpanFields)
        {
            foreach (var entry in record.Array(field))
            {
                (int? start, int? end, string? name) = entry.ValueKind switch
                {
                    JsonValueKind.Array when entry.GetArrayLength() is 2 or 3 => (Number(entry[0]), Number(entry[1]), entry.GetArrayLength() == 3 ? entry[2].ToString() : null),
                    JsonValueKind.Object => (entry.Int("start") ?? entry.Int("start_offset"), entry.Int("end") ?? entry.Int("end_offset"), entry.String("label")),
                    _ => (null, null, null),
                };
                if (entry.ValueKind == JsonValueKind.String)
                {
                    continue; // a class, not a span
                }

                spans ??= [];
                var sequence = entry.Int("sequence") ?? 0;
                var points = new CodePoints(sequence == 1 ? pair ?? "" : text);
                if (start is not { } s || end is not { } e || sequence is not (0 or 1) || points.Range(s, e) is not { Length: > 0 } range)
                {
                    problem($"the span {entry.GetRawText()} lies outside its text and was left out.");
                }
                else if (label is null || name is null || name == label)
                {
                    spans.Add(new RationaleSpan(sequence, range.Start, range.End));
                }
            }

            // An empty list says that somebody looked and marked nothing.
            if (spans is null && field is "rationales" or "rationale" && record.TryGetProperty(field, out var list) && list.ValueKind == JsonValueKind.Array)
            {
                spans = [];
            }
        }

        return spans;

        static int? Number(JsonElement e) => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out var value) ? value : null;
    }
}
