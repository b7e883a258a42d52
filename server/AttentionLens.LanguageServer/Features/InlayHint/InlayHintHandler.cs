using System.Globalization;
using AttentionLens.Analysis;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.InlayHint;

/// <summary>
/// <c>textDocument/inlayHint</c>, off by default: the weight after each token that has at least a tenth of the strongest one; the row of the
/// pinned query where there is one, else attention received.
/// </summary>
internal sealed class InlayHintHandler(AttentionHandlers handlers)
{
    /// <summary>An editor asks for what is on screen and some more; more segments than this are no screen.</summary>
    private const int MaxSegments = 40;

    private const float Threshold = 0.1f;

    public async Task<InlayHintItem[]?> HandleAsync(DocumentRangeParams request, ServerState state, CancellationToken cancellation)
    {
        if (!state.Settings.InlayHints || !state.Documents.TryGetValue(request.TextDocument.Uri, out DocumentSnapshot? document))
            return null;
        int start = document.Text.Offset(request.Range.Start), end = document.Text.Offset(request.Range.End);
        var hints = new List<InlayHintItem>();
        foreach (Segment segment in document.Segments(state.ReaderOf(document)).Segments
            .SkipWhile(segment => segment.End < start).TakeWhile(segment => segment.Start <= end).Take(MaxSegments))
        {
            Position at = document.Text.Position(segment.Start);
            TintsResult tints = await handlers.TintsAsync(
                new TintsParams(new Scope(request.TextDocument, new TextRange(at, at)), Pinned: true), state, cancellation).ConfigureAwait(false);
            if (tints is not { Tokens: { } tokens, Weights: { } weights, Max: > 0 and var max })
                continue;
            string what = tints.Mode == "row" ? "attention from the pinned query" : "attention received";
            var sinks = new SinkResult(
                tints.Special switch { "shown" => SinkHandling.Show, "hidden" => SinkHandling.Hide, _ => SinkHandling.Renormalize }, tints.SpecialMass ?? 0);
            for (int i = 0; i < weights.Length; i++)
            {
                if (weights[i] >= max * Threshold)
                {
                    hints.Add(new InlayHintItem(
                        new Position(tokens[(i * 5) + 2], tokens[(i * 5) + 3]), weights[i].ToString(".00", CultureInfo.InvariantCulture),
                        string.Create(CultureInfo.InvariantCulture, $"{what}: {weights[i]:F4}; {sinks}"), PaddingLeft: true));
                }
            }
        }
        return [.. hints];
    }
}
