using AttentionLens.Analysis.Outputs;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary><c>attentionLens/prediction</c>: what the model says, how that comes about layer by layer, and how it moves with what is changed.</summary>
internal sealed class PredictionHandler(AttentionService service)
{
    private const string Method = "attentionLens/prediction";
    private const int MostCandidates = 1000;
    private const int LensCandidates = 3;
    private const int MostTokens = 256;

    public Task<PredictionResult> HandleAsync(PredictionParams request, ServerState state, CancellationToken cancellation) =>
        service.AnswerAsync(state, request.Scope.TextDocument.Uri, Method, async () =>
        {
            if (request.Top is < 1 or > MostCandidates || request.Generate is < 0 or > MostTokens)
                throw new RpcException(ErrorCodes.InvalidParams, $"top must be from 1 to {MostCandidates}, generate from 0 to {MostTokens}.");
            // The pass that the pictures show is not needed here, but waiting for it keeps heavy work one at a time.
            SegmentAttention attention = await service.AskAsync(
                state, request.Scope, request.View is { } view ? view with { Method = null } : null, request.Position, Method, Priority.Interactive, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = attention.Held.Enter();
            return Answer(attention, request, cancellation) with { Version = attention.Document.Version, Status = attention.Status, Message = attention.Text.Notice };
        });

    private static PredictionResult Answer(SegmentAttention attention, PredictionParams request, CancellationToken cancellation)
    {
        Model model = attention.Held.Runner.Model;
        Token[] tokens = attention.Text.Target.Length > 0 ? attention.Text.Target : attention.Text.Source;
        int? token = request.Token;
        if (token is null && request.Position is { } position && attention.TokenAt(tokens, attention.Document.Text.Offset(position)) is >= 0 and var at)
            token = at;
        Prediction prediction = Prediction.Of(model, attention.Trace.Input, token, request.Top, cancellation); // a generated target is the trace's
        bool isPerToken = prediction.Kind is not (HeadKind.SequenceClassification or HeadKind.QuestionAnswering);
        int row = prediction.Rows[0];
        return new PredictionResult
        {
            Kind = NameOf(prediction.Kind),
            About = prediction.About(row < tokens.Length ? attention.TextOf(tokens[row]) : ""),
            Token = isPerToken ? row : null,
            Range = isPerToken && row < tokens.Length && attention.IsOwn(tokens[row]) ? attention.RangeOf(tokens[row]) : null,
            Candidates = [.. prediction.Candidates.Select(c => Item(attention, c))],
            Actual = Actual(model, attention, tokens, prediction) is { } id ? Item(attention, prediction.Find(model, id)) : null,
            Asked = Asked(model, attention, request.View, prediction),
            Entropy = (float)(prediction.Entropy / Math.Log(2)),
            Layers = request.Layers && prediction.Kind != HeadKind.QuestionAnswering
                ? [.. LogitLens.Of(model, prediction, LensCandidates, cancellation).Select(state => new LensItem(
                    state.State, [.. state.Prediction.Candidates.Select(c => Item(attention, c))], state.FinalRank, (float)state.FinalProbability))]
                : null,
            Before = Before(model, attention, token, prediction, cancellation),
            Generated = request.Generate > 0 ? Generated(model, attention.Text.Input, request.Generate, cancellation) : null,
        };
    }

    private static CandidateItem[]? Asked(Model model, SegmentAttention attention, View? view, Prediction prediction)
    {
        string[] asked = [.. new[] { view?.Output, view?.Contrast }.OfType<string>()];
        return asked.Length == 0 || prediction.Kind is HeadKind.QuestionAnswering or HeadKind.Discriminator
            ? null
            : [.. asked.Select(name => Item(attention, prediction.Find(model, OutputNames.Find(model, name))))];
    }

    /// <summary>What the unchanged model says to the unchanged text: its own best, then the candidates of now.</summary>
    private static CandidateItem[]? Before(Model model, SegmentAttention attention, int? token, Prediction now, CancellationToken cancellation)
    {
        if (attention.Text.Unchanged is not { } unchanged || now.Kind is HeadKind.QuestionAnswering or HeadKind.Discriminator)
            return null;
        Prediction before = Prediction.Of(model, unchanged with { DecoderInputIds = attention.Trace.Input.DecoderInputIds }, token ?? (now.Kind is HeadKind.SequenceClassification ? null : now.Rows[0]), 1, cancellation);
        return [.. before.Candidates.Concat(now.Candidates).Select(static c => c.Index).Distinct().Select(id => Item(attention, before.Find(model, id)))];
    }

    private static string Generated(Model model, ModelInput input, int count, CancellationToken cancellation)
    {
        Generation generation = model.Generate(input with { DecoderInputIds = null }, count, cancellation: cancellation);
        return model.Tokenizer?.Decode(generation.Tokens) ?? string.Join(' ', generation.Tokens);
    }

    /// <summary>The token that stands where one is predicted, or comes after it.</summary>
    private static int? Actual(Model model, SegmentAttention attention, Token[] tokens, Prediction prediction)
    {
        int row = prediction.Rows[0];
        return prediction.Kind switch
        {
            HeadKind.MaskedLanguage when tokens[row].Id != model.Tokenizer?.Special.Mask => tokens[row].Id,
            HeadKind.CausalLanguage or HeadKind.Sequence2SequenceLanguage when row + 1 < tokens.Length && attention.Text.Target.Length > 0 == (prediction.Kind == HeadKind.Sequence2SequenceLanguage) =>
                tokens[row + 1].Id,
            _ => null,
        };
    }

    private static CandidateItem Item(SegmentAttention attention, Candidate candidate)
    {
        if (candidate.First < 0)
            return new CandidateItem(candidate.Index, candidate.Name, candidate.Logit, (float)candidate.Probability, candidate.Rank);
        Token first = attention.Text.Source[candidate.First], last = attention.Text.Source[candidate.Last];
        Segment part = first.Sequence == 1 && attention.Segment.Pair is { } pair ? pair : attention.Segment;
        string text = part.Text[first.Start..Math.Max(first.Start, last.End)];
        TextRange? range = attention.RangeOf(first) is { } from && attention.RangeOf(last) is { } to ? new TextRange(from.Start, to.End) : null;
        return new CandidateItem(candidate.Index, text, candidate.Logit, (float)candidate.Probability, candidate.Rank, range);
    }

    private static string NameOf(HeadKind kind) => kind switch
    {
        HeadKind.MaskedLanguage => "masked",
        HeadKind.CausalLanguage => "next",
        HeadKind.Sequence2SequenceLanguage => "target",
        HeadKind.TokenClassification => "tokenClass",
        HeadKind.QuestionAnswering => "answer",
        HeadKind.Discriminator => "replaced",
        _ => "class",
    };
}
