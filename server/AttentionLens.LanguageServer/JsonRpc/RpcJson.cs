using System.Text.Json.Serialization;

namespace AttentionLens.LanguageServer.JsonRpc;

internal sealed record RpcError(int Code, string Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RpcError))]
internal sealed partial class RpcJson : JsonSerializerContext;
