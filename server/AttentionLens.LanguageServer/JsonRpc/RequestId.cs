using System.Text;
using System.Text.Json;

namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>A JSON-RPC id, number or string, kept as written so that it is echoed in its original form (1, 1.0 and "1" are three ids).</summary>
internal readonly record struct RequestId(string Text, bool IsString)
{
    public static RequestId? Read(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => new RequestId(LenientString.Read(ref reader), true),
        JsonTokenType.Number => new RequestId(
            reader.HasValueSequence ? Encoding.UTF8.GetString(reader.ValueSequence) : Encoding.UTF8.GetString(reader.ValueSpan), false),
        _ => null,
    };

    public void Write(Utf8JsonWriter writer)
    {
        if (IsString)
            writer.WriteStringValue(Text);
        else
            writer.WriteRawValue(Text);
    }

    public override string ToString() => IsString ? $"\"{Text}\"" : Text;
}
