using System.Buffers;
using System.Text.Json;

namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>The outer members of one message. <see cref="Params"/>, <see cref="Result"/> and <see cref="Error"/> are slices of the body.</summary>
internal readonly record struct Envelope(
    RequestId? Id, bool HasId, string? Method, ReadOnlySequence<byte>? Params, ReadOnlySequence<byte>? Result, ReadOnlySequence<byte>? Error)
{
    /// <exception cref="JsonException">The body is not one JSON value.</exception>
    /// <exception cref="RpcException">It is JSON, but no JSON-RPC message.</exception>
    public static Envelope Read(ReadOnlySequence<byte> body)
    {
        var reader = new Utf8JsonReader(body);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            if (reader.Read())
                throw new JsonException();
            throw new RpcException(ErrorCodes.InvalidRequest, "A message is a JSON object; batches are not part of LSP.");
        }
        var envelope = default(Envelope);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool id = reader.ValueTextEquals("id"u8), method = reader.ValueTextEquals("method"u8), parameters = reader.ValueTextEquals("params"u8);
            bool result = reader.ValueTextEquals("result"u8), error = reader.ValueTextEquals("error"u8);
            reader.Read();
            if (id)
                envelope = envelope with { HasId = true, Id = RequestId.Read(ref reader) };
            else if (method && reader.TokenType == JsonTokenType.String)
                envelope = envelope with { Method = LenientString.Read(ref reader) };
            long start = reader.TokenStartIndex;
            reader.Skip();
            ReadOnlySequence<byte> value = body.Slice(start, reader.BytesConsumed - start);
            if (parameters)
                envelope = envelope with { Params = value };
            else if (result)
                envelope = envelope with { Result = value };
            else if (error)
                envelope = envelope with { Error = value };
        }
        reader.Read(); // anything after the object is an error that the reader reports
        return envelope;
    }
}
