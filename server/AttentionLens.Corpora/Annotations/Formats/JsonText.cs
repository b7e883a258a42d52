using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Formats;

internal static class JsonText
{
    public static string Write(Action<Utf8JsonWriter> write, bool indented = false)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = indented }))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The objects of a file that is a JSON array, one object, or one object a line; with the line or index for messages.</summary>
    public static IEnumerable<(int Number, JsonElement Element)> Objects(string path, string content)
    {
        content = WholeCharacters(content.TrimStart('\uFEFF'));
        if (content.AsSpan().TrimStart().StartsWith("["))
        {
            var i = 0;
            foreach (var e in Parse(path, content, null).EnumerateArray()) yield return (++i, e);
            yield break;
        }

        if (Whole(content) is { } whole)
        {
            yield return (1, whole);
            yield break;
        }

        var number = 0;
        foreach (var line in content.Split('\n'))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line)) yield return (number, Parse(path, line, number));
        }
    }

    /// <summary>
    /// The same text with escapes of half a surrogate pair (Python writes them for bytes that were no UTF-8) as U+FFFD, which is what a
    /// decoder makes of them; System.Text.Json reads them and throws when the string is asked for. No place in the text moves.
    /// </summary>
    public static string WholeCharacters(string json)
    {
        if (!json.Contains("\\u", StringComparison.Ordinal)) return json;
        char[]? changed = null;
        for (var i = 0; i + 1 < json.Length; i++)
        {
            if (json[i] != '\\') continue;
            var unit = Escaped(json, i);
            if (unit is null || !char.IsSurrogate(unit.Value))
            {
                // The character after a backslash is no backslash of its own.
                i++;
            }
            else if (char.IsHighSurrogate(unit.Value) && Escaped(json, i + 6) is { } low && char.IsLowSurrogate(low))
            {
                i += 11;
            }
            else
            {
                changed ??= json.ToCharArray();
                "fffd".CopyTo(changed.AsSpan(i + 2));
                i += 5;
            }
        }

        return changed is null ? json : new string(changed);

        static char? Escaped(string json, int at) => at < json.Length ? JsonEscape.Unit(json.AsSpan(at)) : null;
    }

    private static JsonElement? Whole(string content)
    {
        try
        {
            using var json = JsonDocument.Parse(content);
            return json.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonElement Parse(string path, string content, int? line)
    {
        try
        {
            using var json = JsonDocument.Parse(content);
            return json.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new SidecarException($"{Path.GetFileName(path)} is not valid JSON{(line is { } l ? $" on line {l}" : e.LineNumber is { } n ? $" near line {n + 1}" : "")}.", e);
        }
    }

    /// <summary>
    /// The document's name goes with records of formats that have none, where tools keep what they do not know. A name seen before in
    /// <paramref name="names"/>, or none, becomes the file's name and a number.
    /// </summary>
    public static string Document(this JsonElement record, HashSet<string> names, string otherwise)
    {
        var name = record.Property("meta").String("document");
        return name is not null && names.Add(name) ? name : otherwise;
    }

    public static void WriteDocument(this Utf8JsonWriter json, string name)
    {
        json.WriteStartObject("meta");
        json.WriteString("document", name);
        json.WriteEndObject();
    }

    public static string? String(this JsonElement e, string name) => e.Property(name) switch
    {
        { ValueKind: JsonValueKind.String } v => v.GetString(),
        { ValueKind: JsonValueKind.Number } v => v.GetRawText(),
        _ => null,
    };

    public static int? Int(this JsonElement e, string name) => e.Property(name).Int();

    public static int? Int(this JsonElement e) => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out var i) ? i : null;

    /// <summary>Undefined where there is none, or nothing that could have one.</summary>
    public static JsonElement Property(this JsonElement e, string name) => e.ValueKind == JsonValueKind.Object && e.TryGetProperty(name, out var v) ? v : default;

    public static IEnumerable<JsonElement> Array(this JsonElement e, string name) =>
        e.Property(name) is { ValueKind: JsonValueKind.Array } v ? v.EnumerateArray() : [];
}
