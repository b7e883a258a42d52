using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.ExecuteCommand;

/// <summary>
/// <c>workspace/executeCommand</c>: what a user says about documents. A pinned query belongs to its document, moves with edits, and goes when its
/// text goes; two paired documents are read line by line as source and target until one of them is closed.
/// </summary>
internal static class DocumentCommands
{
    public const string Pin = "attentionLens.pinQuery";
    public const string Unpin = "attentionLens.unpinQuery";
    public const string Pair = "attentionLens.pairDocuments";
    public const string Unpair = "attentionLens.unpairDocument";

    public static string[] All => [Pin, Unpin, Pair, Unpair];

    /// <returns>The new state, and the range that is pinned now.</returns>
    /// <exception cref="RpcException">Unknown command, wrong arguments, or the document is not open.</exception>
    public static (ServerState State, TextRange? Pinned) Execute(ExecuteCommandParams request, ServerState state)
    {
        switch (request.Command)
        {
            case Pin:
                PlaceArgument place = Argument(request, AttentionJson.Default.PlaceArgument, "{uri, range}");
                return SetPin(state, Open(state, place.Uri), place.Range);
            case Unpin:
                return SetPin(state, Open(state, Argument(request, AttentionJson.Default.DocumentArgument, "{uri}").Uri), null);
            case Pair:
                PairArgument pair = Argument(request, AttentionJson.Default.PairArgument, "{source, target}");
                if (pair.Source == pair.Target)
                    throw new RpcException(ErrorCodes.RequestFailed, "A document cannot be paired with itself: open its translation beside it.");
                return (state with { Pairs = state.Pairs.With(Open(state, pair.Source).Uri, Open(state, pair.Target).Uri) }, null);
            case Unpair:
                DocumentSnapshot one = Open(state, Argument(request, AttentionJson.Default.DocumentArgument, "{uri}").Uri);
                return (state with { Pairs = state.Pairs.Apart(one.Uri, state.PartnerOf(one)?.Document.Uri) }, null);
            default:
                throw new RpcException(ErrorCodes.InvalidParams, $"The commands are {string.Join(", ", All)}.");
        }
    }

    private static (ServerState State, TextRange? Pinned) SetPin(ServerState state, DocumentSnapshot document, TextRange? range)
    {
        OffsetRange? pin = range is { } pinned ? new OffsetRange(document.Text.Offset(pinned.Start), document.Text.Offset(pinned.End)) : null;
        if (pin is { } wanted && wanted.Start >= wanted.End)
            throw new RpcException(ErrorCodes.RequestFailed, "There is nothing to pin: select a token or a phrase.");
        ServerState next = state with { Documents = state.Documents.SetItem(document.Uri, document.WithPin(pin)) };
        return (next, pin is { } p ? document.Text.Range(p.Start, p.End) : null);
    }

    private static DocumentSnapshot Open(ServerState state, string uri) =>
        state.Documents.TryGetValue(uri, out DocumentSnapshot? document) ? document : throw new RpcException(ErrorCodes.RequestFailed, "The document is not open.");

    private static T Argument<T>(ExecuteCommandParams request, JsonTypeInfo<T> type, string shape)
        where T : class
    {
        try
        {
            if (request.Arguments is [var first, ..] && first.Deserialize(type) is { } argument)
                return argument;
        }
        catch (JsonException)
        {
            // Said below, as for one that is missing.
        }
        throw new RpcException(ErrorCodes.InvalidParams, $"The argument is {shape}.");
    }
}
