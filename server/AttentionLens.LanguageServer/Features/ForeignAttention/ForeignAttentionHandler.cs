using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Features.ForeignAttention;

/// <param name="Uri">Of the document, <see cref="ForeignDocuments.Scheme"/>.</param>
internal sealed record AttentionFileParams(string Uri);

/// <summary>What stands in the document of a file.</summary>
/// <param name="Text">Its tokens as they are spelled together.</param>
/// <param name="Notice">What its user should know about how it was read.</param>
internal sealed record AttentionFileResult(string Text, ModelSummary Model, string? Notice = null);

/// <summary><c>attentionLens/attentionFile</c>: opens attention that another program computed.</summary>
internal sealed class ForeignAttentionHandler(AttentionService service)
{
    public Task<AttentionFileResult> OpenAsync(AttentionFileParams request, ServerState state, CancellationToken cancellation)
    {
        if (!ForeignDocuments.Holds(request.Uri))
            throw new RpcException(ErrorCodes.InvalidParams, $"uri must begin with {ForeignDocuments.Scheme}.");
        return Task.Run(
            () =>
            {
                try
                {
                    ForeignDocument file = service.Foreign.Read(request.Uri, cancellation);
                    return new AttentionFileResult(file.Text, AttentionHandlers.Summary(file.Trace.Model), file.Encoded.Notice);
                }
#pragma warning disable CA1031 // Whatever is wrong with a file is told in a sentence.
                catch (Exception failure) when (failure is not OperationCanceledException)
                {
                    throw new RpcException(ErrorCodes.RequestFailed, service.Describe(failure, "attentionLens/attentionFile").Message);
                }
#pragma warning restore CA1031
            },
            cancellation);
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(AttentionFileParams))]
[JsonSerializable(typeof(AttentionFileResult))]
internal sealed partial class ForeignAttentionJson : JsonSerializerContext;
