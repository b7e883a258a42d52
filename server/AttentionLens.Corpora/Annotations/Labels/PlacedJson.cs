using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Corpora.Annotations.Labels;

/// <summary>A JSON value with its place in the text (UTF-16 code units): what System.Text.Json forgets and a message needs.</summary>
internal sealed record PlacedJson(JsonValueKind Kind, TextRange Range, string Text, ImmutableArray<PlacedMember> Members, ImmutableArray<PlacedJson> Items)
{
    /// <summary>Reads JSON with comments and trailing commas. Null, with a problem, where it is not JSON.</summary>
    public static PlacedJson? Read(string text, Action<DocumentProblem> report)
    {
        var bytes = Encoding.UTF8.GetBytes(JsonText.WholeCharacters(text));
        var start = bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        var places = new Places(bytes);
        var reader = new Utf8JsonReader(
            bytes.AsSpan(start), new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 });
        try
        {
            reader.Read();
            var value = Value(ref reader, start, places);
            // Anything but comments after the value is an error that only reading on brings up.
            reader.Read();
            return value;
        }
        catch (JsonException e)
        {
            var at = Math.Min(places.Offset(start + (int)reader.BytesConsumed), text.Length);
            if (e is { LineNumber: { } line, BytePositionInLine: { } column }) at = Math.Min(places.Offset(places.Line((int)line, start) + (int)column), text.Length);
            var from = Math.Max(0, Math.Min(at, text.Length - 1));
            var message = e.Message.Split(" LineNumber:", 2)[0].TrimEnd('.');
            report(new DocumentProblem(from, Math.Min(text.Length, from + 1), $"This is not valid JSON: {message}."));
            return null;
        }
    }

    public PlacedMember? Member(string name) => Members.FirstOrDefault(m => m.Name == name);

    private static PlacedJson Value(ref Utf8JsonReader reader, int shift, Places places)
    {
        var start = shift + (int)reader.TokenStartIndex;
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var members = ImmutableArray.CreateBuilder<PlacedMember>();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    // With the name the reader has consumed the colon: only the name's own length says where it ends.
                    var nameStart = shift + (int)reader.TokenStartIndex;
                    var (name, place) = (reader.GetString() ?? "", new TextRange(places.Offset(nameStart), places.Offset(nameStart + reader.ValueSpan.Length + 2)));
                    reader.Read();
                    members.Add(new PlacedMember(name, place, Value(ref reader, shift, places)));
                }

                return new PlacedJson(JsonValueKind.Object, End(ref reader), "", members.ToImmutable(), []);
            case JsonTokenType.StartArray:
                var items = ImmutableArray.CreateBuilder<PlacedJson>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) items.Add(Value(ref reader, shift, places));
                return new PlacedJson(JsonValueKind.Array, End(ref reader), "", [], items.ToImmutable());
            case JsonTokenType.String:
                return new PlacedJson(JsonValueKind.String, Range(ref reader), reader.GetString() ?? "", [], []);
            default:
                var kind = reader.TokenType switch
                {
                    JsonTokenType.True => JsonValueKind.True,
                    JsonTokenType.False => JsonValueKind.False,
                    JsonTokenType.Number => JsonValueKind.Number,
                    _ => JsonValueKind.Null,
                };
                return new PlacedJson(kind, Range(ref reader), Encoding.UTF8.GetString(reader.ValueSpan), [], []);
        }

        TextRange End(ref Utf8JsonReader r) => new(places.Offset(start), places.Offset(shift + (int)r.BytesConsumed));

        TextRange Range(ref Utf8JsonReader r) => new(places.Offset(shift + (int)r.TokenStartIndex), places.Offset(shift + (int)r.BytesConsumed));
    }

    /// <summary>From bytes to UTF-16 code units.</summary>
    private sealed class Places(byte[] bytes)
    {
        private int _byte, _char;

        public int Offset(int at)
        {
            at = Math.Clamp(at, 0, bytes.Length);
            // Places come nearly in order: counting on from the last one keeps a file of any size linear.
            if (at < _byte) (_byte, _char) = (0, 0);
            _char += Encoding.UTF8.GetCharCount(bytes, _byte, at - _byte);
            _byte = at;
            return _char;
        }

        public int Line(int number, int start)
        {
            var at = start;
            for (; number > 0 && at < bytes.Length; at++)
                if (bytes[at] == (byte)'\n') number--;
            return at;
        }
    }
}

internal sealed record PlacedMember(string Name, TextRange NameRange, PlacedJson Value);
