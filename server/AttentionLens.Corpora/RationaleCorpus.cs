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

/// <summary>Which of the marks in a corpus are reasons.</summary>
/// <param name="Label">Only spans of this label; null = all, in annotations beside a document those called "rationale".</param>
/// <param name="Annotator">Whose annotations beside a document; null = the only ones there are.</param>
public readonly record struct RationaleSource(string? Label = null, string? Annotator = null);

/// <summary>
/// Texts with or without the reasons that people marked in them, from whatever a corpus comes in: an ERASER folder; JSON or JSON Lines with spans beside
/// their text; any document that <see cref="DocumentFormats"/> reads, or a folder of such, with the annotations in the sidecars beside them.
/// </summary>
public static class RationaleCorpus
{
    private static readonly string[] SpanFields = ["rationales", "rationale", "spans", "entities", "label", "labels"];

    /// <summary>Reads a file or folder. What cannot be read is said, and the rest is read.</summary>
    /// <param name="path">File, ERASER folder, or folder of annotated documents.</param>
    /// <param name="text">The file's decoded text; unused for a folder.</param>
    /// <param name="options">Of the readers.</param>
    /// <param name="source">What the reasons are.</param>
    /// <param name="problem">Receives one sentence for each thing that was left out.</param>
    /// <exception cref="SidecarException">A folder without annotations, or several annotators and none of them chosen.</exception>
    public static IReadOnlyList<CorpusText> Read(string path, string text, ReaderOptions options, RationaleSource source, Action<string> problem)
    {
        if (Directory.Exists(path) && !Directory.Exists(Path.Combine(path, "docs")))
        {
            return FromSidecars(path, options, source, problem);
        }

        if (Directory.Exists(path) || IsEraser(path, text))
        {
            return [.. new EraserFormat().Import(path, loss => problem($"{loss.Document}: {loss.Message}.")).Select(FromEraser)];
        }

        var extension = Path.GetExtension(path).ToLowerInvariant();
        if (extension is ".jsonl" or ".ndjson" or ".jsonlines" or ".json" && FromJson(path, text, options, source.Label, problem) is { Count: > 0 } marked)
        {
            return marked;
        }

        return SidecarName.Beside(path) is { Count: > 0 }
            ? FromSidecars(path, options, source, problem)
            : FromDocument(path, Path.GetFileName(path), text, options, static _ => null, problem);
    }

    private static List<CorpusText> FromDocument(
        string path, string name, string text, ReaderOptions options, Func<Segment, IReadOnlyList<RationaleSpan>?> reasons, Action<string> problem)
    {
        var document = DocumentFormats.For(null, path, options).Read(text);
        foreach (var p in document.Problems)
        {
            problem($"{name}, line {text.AsSpan(0, p.Start).Count('\n') + 1}: {p.Message}");
        }

        return [.. document.Segments.Where(s => !string.IsNullOrWhiteSpace(s.Text)).Select(s => new CorpusText(
            $"{name}, line {text.AsSpan(0, s.Start).Count('\n') + 1}", s.Text, s.Pair?.Text, reasons(s)))];
    }

    /// <summary>
    /// Documents with sidecars. A segment without a mark counts as looked at only where the annotator is done with the document; nobody knows of the others.
    /// </summary>
    private static List<CorpusText> FromSidecars(string path, ReaderOptions options, RationaleSource source, Action<string> problem)
    {
        var texts = new List<CorpusText>();
        foreach (var document in CorpusIndex.Open(path).Documents.Where(d => !d.Sidecars.IsEmpty))
        {
            if (Chosen(document, source.Annotator) is not { } sidecar)
            {
                continue;
            }

            var label = source.Label ?? EraserFormat.Rationale;
            var read = CorpusIndex.Load(document.Path, sidecar.Name);
            Annotation[] accepted = [.. read.Annotations.Where(a => a is { Kind: AnnotationKind.Span, Status: AnnotationStatus.Accepted })];
            Annotation[] marked = [.. accepted.Where(a => a.Label == label)];
            if (marked.Length == 0 && accepted.Length > 0)
            {
                problem($"{document.Name}: nothing is labelled '{label}'; there are {string.Join(", ", accepted.Select(a => a.Label).Distinct().Order(StringComparer.Ordinal))}.");
            }

            if (marked.Count(a => a.State != AnchorState.Anchored) is > 0 and var unsure)
            {
                problem($"{document.Name}: {unsure} of the reasons are not sure of their place since the text changed, and were left out.");
            }

            TextRange[] ranges = [.. marked.Where(a => a.State == AnchorState.Anchored).SelectMany(a => a.Fragments)];
            texts.AddRange(FromDocument(document.Path, document.Name, read.Text, options, segment => Inside(segment, ranges) is { Count: > 0 } spans ? spans : sidecar.Approved ? [] : null, problem));
        }

        return texts.Count > 0 ? texts : throw new SidecarException(
            source.Annotator is { } name ? $"Nothing in '{path}' was annotated by {name}." : $"'{path}' is no ERASER folder (it has no docs/), and there are no annotations in it.");
    }

    private static IndexedSidecar? Chosen(CorpusDocument document, string? annotator) => annotator is not null ? document.By(annotator)
        : document.Sidecars is [var only] ? only
        : throw new SidecarException($"{document.Name} was annotated by {string.Join(", ", document.Sidecars.Select(s => s.Name.Annotator ?? "(none)"))}: say whose reasons count with --by NAME.");

    /// <summary>The parts of document ranges that stand in a segment or its pair.</summary>
    private static List<RationaleSpan> Inside(Segment segment, TextRange[] ranges)
    {
        var spans = new List<RationaleSpan>();
        foreach (var range in ranges)
        {
            Add(segment, 0, range);
            if (segment.Pair is { } pair)
            {
                Add(pair, 1, range);
            }
        }

        return spans;

        void Add(Segment part, int sequence, TextRange range)
        {
            int start = Math.Max(range.Start, part.Start), end = Math.Min(range.End, part.End);
            if (start < end && (part.ToText(start), part.ToText(end)) is var (from, to) && from < to)
            {
                spans.Add(new RationaleSpan(sequence, from, to));
            }
        }
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
