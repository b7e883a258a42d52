using System.Text.Json;
using System.Text.Json.Serialization;

namespace AttentionLens.LanguageServer.Protocol;

/// <summary>On the wire a zero-based number, or "mean" for the mean over all.</summary>
[JsonConverter(typeof(LayerOrHeadConverter))]
internal readonly record struct LayerOrHead(int? Index)
{
    public override string ToString() => Index is { } index ? index.ToString(System.Globalization.CultureInfo.InvariantCulture) : "mean";
}

internal sealed class LayerOrHeadConverter : JsonConverter<LayerOrHead>
{
    public override LayerOrHead Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out int index) && index >= 0 => new LayerOrHead(index),
        JsonTokenType.String when reader.ValueTextEquals("mean"u8) => new LayerOrHead(null),
        _ => throw new JsonException("A layer or head is a number from 0 or \"mean\"."),
    };

    public override void Write(Utf8JsonWriter writer, LayerOrHead value, JsonSerializerOptions options)
    {
        if (value.Index is { } index)
            writer.WriteNumberValue(index);
        else
            writer.WriteStringValue("mean"u8);
    }
}
