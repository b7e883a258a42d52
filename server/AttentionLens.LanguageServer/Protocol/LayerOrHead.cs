using System.Text.Json;
using System.Text.Json.Serialization;

namespace AttentionLens.LanguageServer.Protocol;

/// <summary>On the wire a zero-based number, "mean" for the mean over all, or "auto" for the clearest head (both layer and head).</summary>
[JsonConverter(typeof(LayerOrHeadConverter))]
internal readonly record struct LayerOrHead(int? Index, bool IsAuto = false)
{
    public static LayerOrHead Auto { get; } = new(null, IsAuto: true);

    public override string ToString() => Index is { } index ? index.ToString(System.Globalization.CultureInfo.InvariantCulture) : IsAuto ? "auto" : "mean";
}

internal sealed class LayerOrHeadConverter : JsonConverter<LayerOrHead>
{
    public override LayerOrHead Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out int index) && index >= 0 => new LayerOrHead(index),
        JsonTokenType.String when reader.ValueTextEquals("mean"u8) => new LayerOrHead(null),
        JsonTokenType.String when reader.ValueTextEquals("auto"u8) => LayerOrHead.Auto,
        _ => throw new JsonException("A layer or head is a number from 0, \"mean\" or \"auto\"."),
    };

    public override void Write(Utf8JsonWriter writer, LayerOrHead value, JsonSerializerOptions options)
    {
        if (value.Index is { } index)
            writer.WriteNumberValue(index);
        else
            writer.WriteStringValue(value.ToString());
    }
}
