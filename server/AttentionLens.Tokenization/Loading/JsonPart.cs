using System.Text.Json;

namespace AttentionLens.Tokenization.Loading;

/// <summary>A place in a JSON file that can say where it is when it holds the wrong thing.</summary>
internal readonly record struct JsonPart(JsonElement Element, string Path)
{
    private JsonValueKind Kind => Element.ValueKind;

    public bool IsString => Kind == JsonValueKind.String;

    public bool IsArray => Kind == JsonValueKind.Array;

    public bool IsObject => Kind == JsonValueKind.Object;

    /// <summary>The member, or null when it is absent or null.</summary>
    public JsonPart? Optional(string name)
    {
        if (Kind != JsonValueKind.Object)
            throw Wrong("an object");
        return Element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? new JsonPart(value, $"{Path}.{name}")
            : null;
    }

    public JsonPart Required(string name) =>
        Optional(name) ?? throw new TokenizerException($"{Path} lacks \"{name}\".");

    public string Text() => Kind == JsonValueKind.String ? Decode() : throw Wrong("a string");

    public bool Flag() => Kind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    public int Integer() =>
        Kind == JsonValueKind.Number && Element.TryGetInt32(out var value) ? value : throw Wrong("a whole number in range");

    public double Number() =>
        Kind == JsonValueKind.Number && Element.TryGetDouble(out var value) && double.IsFinite(value) ? value : throw Wrong("a number");

    public string Text(string name, string fallback) => Optional(name)?.Text() ?? fallback;

    public bool Flag(string name, bool fallback) => Optional(name)?.Flag() ?? fallback;

    public int Integer(string name, int fallback) => Optional(name)?.Integer() ?? fallback;

    /// <summary>The elements. They keep the array's path: an index each would cost more than reading a vocabulary.</summary>
    public IEnumerable<JsonPart> Items()
    {
        if (Kind != JsonValueKind.Array)
            throw Wrong("an array");
        return Walk(this);

        static IEnumerable<JsonPart> Walk(JsonPart array)
        {
            foreach (var item in array.Element.EnumerateArray())
                yield return new JsonPart(item, array.Path);
        }
    }

    /// <summary>An element of an array that has it.</summary>
    public JsonPart Item(int index) => new(Element[index], Path);

    public IEnumerable<(string Name, JsonPart Value)> Members()
    {
        if (Kind != JsonValueKind.Object)
            throw Wrong("an object");
        return Walk(this);

        static IEnumerable<(string, JsonPart)> Walk(JsonPart owner)
        {
            foreach (var member in owner.Element.EnumerateObject())
                yield return (Name(member, owner), new JsonPart(member.Value, owner.Path));
        }
    }

    public TokenizerException Wrong(string expected) => new($"{Path} must be {expected}.");

    /// <summary>The exception for a component that exists nowhere or not here.</summary>
    public TokenizerException Unknown(string what, string type) =>
        new($"{Path} is of the unknown {what} type '{Subwords.Vocabulary.Shorten(type)}'.");

    private static string Name(JsonProperty member, JsonPart owner)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw new TokenizerException($"{owner.Path} has a member whose name is not valid Unicode.");
        }
    }

    private string Decode()
    {
        try
        {
            return Element.GetString() ?? throw Wrong("a string");
        }
        catch (InvalidOperationException)
        {
            throw new TokenizerException($"{Path} holds a string that is not valid Unicode.");
        }
    }
}
