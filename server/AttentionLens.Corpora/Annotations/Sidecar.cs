using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations;

/// <summary>A line of a sidecar that could not be read. It is kept and written back as it came.</summary>
public sealed record SidecarProblem(int Line, string Message);

/// <summary>
/// The content of one <c>NAME.al.jsonl</c>: a static first line, then one annotation a line, ordered by position, keys in a fixed order.
/// Absolute offsets would make every line change with every edit above it; line hash and column merged without conflict wherever two
/// branches did not touch the same line.
/// </summary>
public sealed record Sidecar(ImmutableArray<Annotation> Annotations, ImmutableArray<string> Unread, ImmutableArray<SidecarProblem> Problems)
{
    public const int Version = 1;

    public const string Header = """{"al":1,"unit":"codepoint","eol":"lf"}""";

    private const int MaxLineLength = 1_000_000;

    /// <summary>Of a sidecar or a journal; a million annotations take half of it.</summary>
    internal const int MaxBytes = 512 << 20;

    public static Sidecar Empty { get; } = new([], [], []);

    /// <exception cref="SidecarException">The file is no text in UTF-8, or of a later version: rewriting it would destroy what is in it.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Sidecar Read(string path)
    {
        try
        {
            return Parse(SmallFile.ReadText(path, MaxBytes, Strict));
        }
        catch (DecoderFallbackException e)
        {
            throw new SidecarException($"{Path.GetFileName(path)} is not UTF-8 text and was left alone; put a good copy in its place, or move it away.", e);
        }
    }

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Never throws on content: what cannot be read is a problem with its line, and survives a rewrite.</summary>
    /// <exception cref="SidecarException">The file is of a later version of the format, which this one must not rewrite.</exception>
    public static Sidecar Parse(string content)
    {
        var annotations = ImmutableArray.CreateBuilder<Annotation>();
        var unread = ImmutableArray.CreateBuilder<string>();
        var problems = ImmutableArray.CreateBuilder<SidecarProblem>();
        var ids = new Dictionary<string, int>();
        var number = 0;
        var conflict = Conflict.None;
        foreach (var raw in content.AsSpan().TrimStart('\uFEFF').EnumerateLines())
        {
            number++;
            if (raw.IsWhiteSpace()) continue;
            if (Marker(raw) is { } marker)
            {
                if (marker == Conflict.Ours) problems.Add(new SidecarProblem(number, "git left a conflict here; the annotations of both sides were taken, the later change of each"));
                conflict = marker;
                continue;
            }

            // What both sides came from is not what either says.
            if (conflict == Conflict.Base) continue;
            var line = raw.ToString();
            try
            {
                if (line.Length > MaxLineLength) throw new FormatException("the line is longer than a million characters");
                using var json = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 32 });
                if (json.RootElement.ValueKind != JsonValueKind.Object) throw new FormatException("an annotation is a JSON object in braces");
                if (json.RootElement.TryGetProperty("al", out var version))
                {
                    if (version.ValueKind != JsonValueKind.Number || version.GetInt32() is < 1 or > Version)
                        throw new SidecarException($"The annotations were written by a later version of AttentionLens (format {version}); update to edit them.");
                    continue;
                }

                var annotation = ReadRecord(json.RootElement);
                if (ids.TryGetValue(annotation.Id, out var earlier))
                {
                    if (conflict != Conflict.Theirs) throw new FormatException($"the id \"{annotation.Id}\" stands on an earlier line too");
                    if (annotation.Time > annotations[earlier].Time) annotations[earlier] = annotation;
                    continue;
                }

                ids[annotation.Id] = annotations.Count;
                annotations.Add(annotation);
            }
            catch (Exception e) when (e is JsonException or ArgumentException or FormatException or InvalidOperationException or KeyNotFoundException)
            {
                unread.Add(line);
                problems.Add(new SidecarProblem(number, e switch
                {
                    FormatException => e.Message,
                    // An argument: the line holds half of a surrogate pair.
                    JsonException or ArgumentException => "the line is not valid JSON",
                    _ => "an entry of \"at\" needs \"line\", \"from\", \"to\" and \"quote\"",
                }));
            }
        }

        return new Sidecar(annotations.ToImmutable(), unread.ToImmutable(), problems.ToImmutable());
    }

    /// <summary>Where in a conflict that git left a line stands.</summary>
    private enum Conflict
    {
        None,
        Ours,
        Base,
        Theirs,
    }

    private static Conflict? Marker(ReadOnlySpan<char> line) =>
        line.StartsWith("<<<<<<< ") ? Conflict.Ours
        : line.StartsWith("||||||| ") ? Conflict.Base
        : line is "=======" ? Conflict.Theirs
        : line.StartsWith(">>>>>>> ") ? Conflict.None
        : null;

    /// <summary>The file's text, LF at every line's end, the last included.</summary>
    public string Format() =>
        // Where two annotations begin and end together the id decides, so that the order never depends on history.
        Lines(Annotations.OrderBy(Position).ThenBy(End).ThenBy(a => a.Id, StringComparer.Ordinal), Unread);

    /// <summary>A file of these records in this order.</summary>
    internal static string Lines(IEnumerable<Annotation> annotations, IEnumerable<string> unread)
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (var a in annotations) text.Append(Write(a)).Append('\n');
        foreach (var line in unread) text.Append(line).Append('\n');
        return text.ToString();
    }

    /// <summary>Document labels first, relations at the end with orphans before them: they have no place in the text.</summary>
    private static int Position(Annotation a) => a.Kind switch
    {
        AnnotationKind.Document or AnnotationKind.Approval => -1,
        AnnotationKind.Relation => int.MaxValue,
        _ => a.Fragments.IsEmpty ? int.MaxValue - 1 : a.Fragments[0].Start,
    };

    private static int End(Annotation a) => a.Fragments.IsEmpty ? 0 : a.Fragments[^1].End;

    public static string Write(Annotation a)
    {
        var buffer = new ArrayBufferWriter<byte>();
        // The relaxed encoder keeps CJK and accents readable in a diff; the file is never embedded in HTML.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("id", a.Id);
            json.WriteString("type", NameOf(a.Kind));
            json.WriteString("label", a.Label);
            if (!a.Anchors.IsEmpty)
            {
                json.WriteStartArray("at");
                foreach (var anchor in a.Anchors) Write(json, anchor);
                json.WriteEndArray();
                json.WriteString("before", a.Before);
                json.WriteString("after", a.After);
            }

            if (a.From is not null) json.WriteString("from", a.From);
            if (a.To is not null) json.WriteString("to", a.To);
            if (!a.Attributes.IsEmpty)
            {
                json.WriteStartObject("attributes");
                foreach (var (name, value) in a.Attributes) json.WriteString(name, value);
                json.WriteEndObject();
            }

            if (a.State != AnchorState.Anchored) json.WriteString("state", a.State == AnchorState.Review ? "review" : "orphan");
            if (a.Status != AnnotationStatus.Accepted) json.WriteString("status", a.Status == AnnotationStatus.Suggested ? "suggested" : "rejected");
            if (a.Source is not null) json.WriteString("source", a.Source);
            if (a.Score is { } score) json.WriteNumber("score", score);
            if (a.Shown is { } shown) json.WriteString("shown", Stamp(shown));
            if (a.By is not null) json.WriteString("by", a.By);
            if (a.Time is { } time) json.WriteString("time", Stamp(time));
            foreach (var (name, value) in a.Unknown)
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static string NameOf(AnnotationKind kind) => kind switch
    {
        AnnotationKind.Span => "span",
        AnnotationKind.Relation => "relation",
        AnnotationKind.Approval => "approval",
        _ => "document",
    };

    private static string Stamp(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var t) ? t : null;

    private static void Write(Utf8JsonWriter json, Anchor anchor)
    {
        json.WriteStartObject();
        json.WriteString("line", anchor.Start.Line);
        if (anchor.Start.Ordinal > 0) json.WriteNumber("nth", anchor.Start.Ordinal);
        json.WriteNumber("from", anchor.Start.Column);
        if (anchor.End.Line != anchor.Start.Line || anchor.End.Ordinal != anchor.Start.Ordinal)
        {
            json.WriteString("endLine", anchor.End.Line);
            if (anchor.End.Ordinal > 0) json.WriteNumber("endNth", anchor.End.Ordinal);
        }

        json.WriteNumber("to", anchor.End.Column);
        json.WriteString("quote", anchor.Quote);
        json.WriteEndObject();
    }

    private static Annotation ReadRecord(JsonElement record)
    {
        string? id = null, type = null, label = null, before = null, after = null, from = null, to = null, state = null, by = null, time = null;
        string? status = null, source = null, shown = null;
        double? score = null;
        var anchors = ImmutableArray<Anchor>.Empty;
        var attributes = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
        var unknown = ImmutableArray.CreateBuilder<KeyValuePair<string, JsonElement>>();
        foreach (var p in record.EnumerateObject())
        {
            switch (p.Name)
            {
                case "id": id = Text(p); break;
                case "type": type = Text(p); break;
                case "label": label = Text(p); break;
                case "at": anchors = [.. p.Value.EnumerateArray().Select(ReadAnchor)]; break;
                case "before": before = Text(p); break;
                case "after": after = Text(p); break;
                case "from": from = Text(p); break;
                case "to": to = Text(p); break;
                case "attributes": attributes = attributes.AddRange(p.Value.EnumerateObject().Select(o => KeyValuePair.Create(o.Name, Text(o)))); break;
                case "state": state = Text(p); break;
                case "status": status = Text(p); break;
                case "source": source = Text(p); break;
                case "score": score = p.Value.GetDouble(); break;
                case "shown": shown = Text(p); break;
                case "by": by = Text(p); break;
                case "time": time = Text(p); break;
                default: unknown.Add(KeyValuePair.Create(p.Name, p.Value.Clone())); break;
            }
        }

        if (string.IsNullOrEmpty(id)) throw new FormatException("the annotation has no \"id\"");
        if (string.IsNullOrEmpty(label)) throw new FormatException("the annotation has no \"label\"");
        var kind = type switch
        {
            "span" => AnnotationKind.Span,
            "relation" => AnnotationKind.Relation,
            "document" => AnnotationKind.Document,
            "approval" => AnnotationKind.Approval,
            _ => throw new FormatException($"\"type\" is \"{type}\"; it can be span, relation, document or approval"),
        };
        if (kind == AnnotationKind.Span && anchors.IsEmpty) throw new FormatException("a span needs its place: \"at\" is missing or empty");
        if (kind == AnnotationKind.Relation && (from is null || to is null)) throw new FormatException("a relation needs \"from\" and \"to\"");
        return new Annotation
        {
            Id = id,
            Kind = kind,
            Label = label,
            Anchors = anchors,
            Before = before ?? "",
            After = after ?? "",
            From = from,
            To = to,
            Attributes = attributes,
            State = state switch { "review" => AnchorState.Review, "orphan" => AnchorState.Orphan, _ => AnchorState.Anchored },
            Status = status switch
            {
                null or "accepted" => AnnotationStatus.Accepted,
                "suggested" => AnnotationStatus.Suggested,
                "rejected" => AnnotationStatus.Rejected,
                _ => throw new FormatException($"\"status\" is \"{status}\"; it can be suggested, rejected or absent"),
            },
            Source = source,
            Score = score,
            Shown = Time(shown),
            By = by,
            Time = Time(time),
            Unknown = unknown.ToImmutable(),
        };
    }

    private static Anchor ReadAnchor(JsonElement e)
    {
        var line = e.GetProperty("line").GetString() ?? "";
        var ordinal = e.TryGetProperty("nth", out var nth) ? nth.GetInt32() : 0;
        var endLine = e.TryGetProperty("endLine", out var l) ? l.GetString() ?? "" : null;
        var endOrdinal = endLine is null ? ordinal : e.TryGetProperty("endNth", out var n) ? n.GetInt32() : 0;
        return new Anchor(
            new LinePoint(line, ordinal, e.GetProperty("from").GetInt32()),
            new LinePoint(endLine ?? line, endOrdinal, e.GetProperty("to").GetInt32()),
            e.GetProperty("quote").GetString() ?? "");
    }

    private static string Text(JsonProperty p) =>
        p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString() ?? "" : throw new FormatException($"\"{p.Name}\" must be text in quotes");
}

/// <summary>An annotation file that cannot be used or written; the message is one sentence for the user.</summary>
public sealed class SidecarException(string message, Exception? inner = null) : Exception(message, inner);
