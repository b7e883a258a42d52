using System.Text.Json;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.ExecuteCommand;

/// <summary>
/// <c>workspace/executeCommand</c>: a document's pinned query. It belongs to the document, moves with edits, and goes when its text goes.
/// </summary>
internal static class PinCommands
{
    public const string Pin = "attentionLens.pinQuery";
    public const string Unpin = "attentionLens.unpinQuery";

    public static string[] All => [Pin, Unpin];

    /// <returns>The new state, and the range that is pinned now.</returns>
    /// <exception cref="RpcException">Unknown command, wrong arguments, or the document is not open.</exception>
    public static (ServerState State, TextRange? Pinned) Execute(ExecuteCommandParams request, ServerState state)
    {
        if (request.Command is not (Pin or Unpin))
            throw new RpcException(ErrorCodes.InvalidParams, $"The commands are {string.Join(" and ", All)}.");
        JsonElement argument = request.Arguments is [var first, ..] ? first : throw Wrong();
        string uri;
        TextRange? range = null;
        try
        {
            if (request.Command == Pin)
                (uri, range) = argument.Deserialize(AttentionJson.Default.PlaceArgument) is { } place ? (place.Uri, place.Range) : throw Wrong();
            else
                uri = argument.Deserialize(AttentionJson.Default.DocumentArgument)?.Uri ?? throw Wrong();
        }
        catch (JsonException)
        {
            throw Wrong();
        }
        if (!state.Documents.TryGetValue(uri, out DocumentSnapshot? document))
            throw new RpcException(ErrorCodes.RequestFailed, "The document is not open.");
        OffsetRange? pin = range is { } pinned ? new OffsetRange(document.Lines.Offset(pinned.Start), document.Lines.Offset(pinned.End)) : null;
        if (pin is { } wanted && wanted.Start >= wanted.End)
            throw new RpcException(ErrorCodes.RequestFailed, "There is nothing to pin: select a token or a phrase.");
        ServerState next = state with { Documents = state.Documents.SetItem(uri, document.WithPin(pin)) };
        return (next, pin is { } p ? document.Lines.Range(p.Start, p.End) : null);

        RpcException Wrong() => new(
            ErrorCodes.InvalidParams, request.Command == Pin ? "The argument is {uri, range}." : "The argument is {uri}.");
    }
}
