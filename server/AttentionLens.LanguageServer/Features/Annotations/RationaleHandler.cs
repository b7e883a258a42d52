using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Tokenization;
using Span = AttentionLens.Corpora.Annotations.TextRange;
using TextRange = AttentionLens.LanguageServer.Protocol.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary><c>attentionLens/rationale</c>: what the annotator marked as the reason against a model's weights, while it is being marked.</summary>
internal sealed class RationaleHandler(AnnotationService annotations, AttentionService attention)
{
    public Func<CancellationToken, Task<RationaleResult>> Measure(RationaleParams request, ServerState state)
    {
        string label = request.Label ?? "rationale";
        Task<Span[]> asked = annotations.Ask(request.TextDocument.Uri, document => document.Labelled.Where(a => a.Label == label).SelectMany(static a => a.Fragments).ToArray());
        return cancellation => attention.AnswerAsync(state, request.TextDocument.Uri, "attentionLens/rationale", async () =>
        {
            if (request.Scores is not ("received" or "first"))
                throw new RpcException(ErrorCodes.InvalidParams, "scores must be \"received\" or \"first\".");
            Span[] marked = await asked.ConfigureAwait(false);
            SegmentAttention read = await attention.AskAsync(
                state, new Scope(request.TextDocument, new TextRange(request.Position, request.Position)), request.View, request.Position, "attentionLens/rationale",
                Priority.Background, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(read, request.View);
            return Rationale(read, request, marked, cancellation);
        });
    }

    private RationaleResult Rationale(SegmentAttention read, RationaleParams request, Span[] marked, CancellationToken cancellation)
    {
        Weighing weighing = AttentionService.Resolve(read, request.View, cancellation);
        Token[] tokens = read.Keys(weighing.Stack);
        float[] weights = new float[tokens.Length];
        if (request.Scores == "first")
            attention.Row(read, weighing, [0], weights, cancellation);
        else
            Weights.Received(attention.Selected(read, weighing, cancellation), new HeadSelection(0, 0), weights, cancellation);

        // Special tokens are nobody's reason; a person cannot mark them.
        int[] real = [.. Enumerable.Range(0, tokens.Length).Where(i => read.RangeOf(tokens[i]) is not null)];
        double[] scores = [.. real.Select(i => (double)weights[i])];
        var spans = new List<TokenSpan>();
        foreach (Span range in marked)
        {
            int[] inside = read.TokensIn(tokens, range.Start, range.End);
            int first = inside.Length == 0 ? -1 : Array.IndexOf(real, inside[0]);
            if (first >= 0)
                spans.Add(new TokenSpan(first, Math.Min(first + inside.Length, real.Length)));
        }
        int count = real.Where((_, i) => spans.Any(span => span.First <= i && i < span.End)).Count();
        if (count == 0)
            throw new AttentionException(AttentionStatus.Empty, "Nothing in this segment is marked as rationale.");
        int chosen = Math.Clamp(request.Chosen ?? count, 1, real.Length);
        Plausibility found = Plausibility.Of(scores, spans, chosen);
        return new RationaleResult
        {
            Version = read.Document.Version,
            Status = read.Status,
            Message = read.Text.Notice,
            Range = read.Range,
            View = View.Of(weighing),
            Tokens = real.Length,
            Marked = count,
            Chosen = chosen,
            Auprc = Item(found.Auprc),
            TokenF1 = Item(found.TokenF1),
            IouF1 = Item(found.SpanF1),
            Strongest = [.. Enumerable.Range(0, real.Length).OrderByDescending(i => scores[i]).ThenBy(static i => i).Take(chosen).Select(i => read.RangeOf(tokens[real[i]])).OfType<TextRange>()],
        };

        static MeasureItem? Item(Measured measured) =>
            measured is { Value: { } value, Chance: { } chance } ? new MeasureItem(Math.Round(value, 4), Math.Round(chance, 4)) : null;
    }
}
