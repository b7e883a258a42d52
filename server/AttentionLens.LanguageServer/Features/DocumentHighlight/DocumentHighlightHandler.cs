using AttentionLens.Analysis;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.DocumentHighlight;

/// <summary>
/// <c>textDocument/documentHighlight</c>: the tokens that the one under the cursor attends to. Any editor can show it. Kind: text = the token
/// itself, write = strong (at least half of the maximum), read = the rest.
/// </summary>
internal sealed class DocumentHighlightHandler(AttentionService service)
{
    private const string Method = "textDocument/documentHighlight";

    /// <summary>An editor has three looks, not eleven: weights below this part of the maximum would only be noise.</summary>
    private const float Threshold = 0.1f;

    public async Task<DocumentHighlightItem[]?> HandleAsync(AttentionPositionParams request, ServerState state, CancellationToken cancellation)
    {
        try
        {
            SegmentAttention attention = await service.AskAsync(
                state, request.Scope ?? new Scope(request.TextDocument, new TextRange(request.Position, request.Position)), request.View, request.Position, Method,
                Priority.Interactive, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(attention, request.View);
            return Answer(attention, request, cancellation);
        }
        catch (AttentionException stale) when (stale.Status == AttentionStatus.Stale)
        {
            throw new RpcException(ErrorCodes.ContentModified, stale.Message);
        }
#pragma warning disable CA1031 // Highlights come unasked at each cursor move: no answer is better than an error each time. The status item says why.
        catch (Exception failure) when (failure is not (OperationCanceledException or RpcException))
        {
            service.Describe(failure, Method);
            return null;
        }
#pragma warning restore CA1031
    }

    private DocumentHighlightItem[]? Answer(SegmentAttention attention, AttentionPositionParams request, CancellationToken cancellation)
    {
        Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
        AttentionStack stack = weighing.Stack;
        Token[] keys = attention.Keys(stack), queries = attention.Queries(stack);
        int query = attention.TokenAt(queries, attention.Document.Text.Offset(request.Position));
        if (query < 0)
            return null;
        float[] row = new float[stack.Keys];
        service.Row(attention, weighing, [query], row, cancellation);
        Sinks.Apply(row, Sinks.Of(keys, stack.Causal), attention.Settings.SpecialTokens);
        float max = 0;
        for (int i = 0; i < row.Length; i++)
            max = keys[i].Special ? max : Math.Max(max, row[i]);
        var highlights = new List<DocumentHighlightItem>();
        if (attention.RangeOf(queries[query]) is { } self)
            highlights.Add(new DocumentHighlightItem(self, 1));
        for (int i = 0; i < row.Length; i++)
        {
            if (row[i] >= max * Threshold && row[i] > 0 && attention.IsOwn(keys[i]) && attention.RangeOf(keys[i]) is { } range && (keys != queries || i != query))
                highlights.Add(new DocumentHighlightItem(range, row[i] >= max / 2 ? 3 : 2));
        }
        return [.. highlights];
    }
}
