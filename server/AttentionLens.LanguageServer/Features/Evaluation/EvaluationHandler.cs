using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Analysis.Outputs;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Evaluation;

/// <summary>
/// <c>attentionLens/evaluation</c>: can the present picture be trusted? Runs on the compute thread behind everything interactive; what has been computed is
/// kept, so that an interruption, or a second question about the same output, costs nothing twice.
/// </summary>
internal sealed class EvaluationHandler(
    AttentionService service, ComputeLane lane, ByteCache<object, object> cache, Func<string, Action, ProgressScope> beginProgress)
{
    private const string Method = "attentionLens/evaluation";

    /// <summary>Mistyped variants of the text.</summary>
    private const int Typos = 5;

    /// <summary>What a kept answer may hold at most: some thousand probabilities with their names.</summary>
    private const int WorkBytes = 1 << 20;

    private static readonly string[] Families = [.. Enum.GetValues<MetricFamily>().Select(static f => f.ToString().ToLowerInvariant())];

    /// <summary>One output of one input by one model: equal keys, equal answers.</summary>
    private sealed record WorkKey(HeldModel Model, TraceKey Text, int? Query);

    /// <summary>Filled on the compute thread only.</summary>
    private sealed class Work
    {
        public ErasedOutput? Output { get; set; }
    }

    public Task<EvaluationResult> EvaluateAsync(EvaluationParams request, ServerState state, CancellationToken cancellation)
    {
        if (request.Measures.FirstOrDefault(static m => !Families.Contains(m)) is { } unknown)
            throw new RpcException(ErrorCodes.InvalidParams, $"There is no measure \"{unknown}\"; there are {string.Join(", ", Families)}.");
        return service.AnswerAsync(state, request.Scope.TextDocument.Uri, Method, async () =>
        {
            SegmentAttention attention = await service.AskAsync(state, request.Scope, request.View, null, Method, Priority.Background, cancellation).ConfigureAwait(false);
            Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
            if (request.Query is { } query && (uint)query >= (uint)weighing.Stack.Queries)
                throw new RpcException(ErrorCodes.InvalidParams, $"query must be from 0 to {weighing.Stack.Queries - 1}.");
            if (request.Rationale?.Any(i => (uint)i >= (uint)attention.Text.Source.Length) == true)
                throw new RpcException(ErrorCodes.InvalidParams, $"rationale names tokens from 0 to {attention.Text.Source.Length - 1}.");
            using HeldModel.Lease lease = attention.Held.Enter();
            EvaluationResult result = await OnLane(request, attention, weighing, cancellation).ConfigureAwait(false);
            return result with { Version = attention.Document.Version, Status = attention.Status, Message = attention.Text.Notice };
        });
    }

    private async Task<EvaluationResult> OnLane(EvaluationParams request, SegmentAttention attention, Weighing weighing, CancellationToken cancellation)
    {
        var key = new WorkKey(attention.Held, attention.Text.Key with { Keep = Keep.Attention }, request.Query);
        Work work;
        if (cache.TryGet(key, out object known))
            work = (Work)known;
        else
            cache.Add(key, work = new Work(), WorkBytes);
        var answer = new TaskCompletionSource<EvaluationResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        ComputeLane.Job? job = null;
        // Begun here, not in the job: interrupted work starts again, and would show a second bar.
        using ProgressScope progress = beginProgress("AttentionLens: measuring the picture", () => Stop(new AttentionException(AttentionStatus.Failed, "Cancelled; ask again to measure it.")));
        job = lane.Enqueue(Priority.Background, token =>
        {
            try
            {
                answer.TrySetResult(Evaluate(request, attention, weighing, work, progress, token));
            }
#pragma warning disable CA1031 // The lane must outlive any input; whoever asked is told.
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                answer.TrySetException(failure);
            }
#pragma warning restore CA1031
        });
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(_ => Stop(new OperationCanceledException(cancellation)), null);
        return await answer.Task.ConfigureAwait(false);

        void Stop(Exception reason)
        {
            if (job is { } running)
                lane.Cancel(running);
            answer.TrySetException(reason);
        }
    }

    private EvaluationResult Evaluate(
        EvaluationParams request, SegmentAttention attention, Weighing weighing, Work work, IProgress<double> progress, CancellationToken cancellation)
    {
        (Model model, Token[] tokens) = (attention.Held.Runner.Model, attention.Text.Source);
        var problems = new List<string>();
        ErasedOutput? output = null;
        TokenScores? scores = null;
        HeadSelection? selection = weighing.Selection == default && weighing.Method.Accumulates ? null : weighing.Selection;
        try
        {
            output = work.Output ??= new ErasedOutput(model, OutputTarget.Of(model, attention.Text.Input, new OutputChoice(request.Query), cancellation), cancellation);
            scores = TokenScores.Of(weighing.Method, model, output.Target, selection, null, cancellation);
        }
        catch (MethodException reason)
        {
            // Whether a picture is clear can be said of any picture.
            problems.Add(reason.Message);
            output = null;
        }

        (int[] items, double[] values) = output is not null && scores is not null
            ? ([.. output.Items], output.Of(scores))
            : Shown(request, attention, weighing, cancellation);
        var metrics = new List<MetricItem>();
        CurveItem? curve = null;
        if (request.Measures.Contains("clarity"))
        {
            if (Clarity.Of([.. values.Select(static v => (float)v)]) is { } clarity)
            {
                Add("entropy", new Measured(clarity.Entropy, 1));
                Add("gini", new Measured(clarity.Gini, 0));
                Add("effectiveTokens", new Measured(clarity.EffectiveTokens, clarity.Tokens));
            }
            else
            {
                problems.Add("The picture has no weight on any word, so there is nothing to be clear about.");
            }
        }
        if (request.Measures.Contains("plausibility") && request.Rationale is { } rationale)
        {
            int[] marked = [.. rationale.Distinct().Order().Select(t => Array.IndexOf(items, t)).Where(static i => i >= 0)];
            Plausibility plausibility = Plausibility.Of(values, Spans(marked));
            Add("auprc", plausibility.Auprc);
            Add("tokenF1", plausibility.TokenF1);
            Add("spanF1", plausibility.SpanF1);
        }
        if (request.Measures.Contains("faithfulness") && output is not null)
        {
            if (Faithfulness.Of(output, values, 0, progress, cancellation) is { } faithfulness)
            {
                Add("comprehensiveness", faithfulness.Comprehensiveness);
                Add("sufficiency", faithfulness.Sufficiency);
                Add("deletion", faithfulness.Deletion);
                Add("insertion", faithfulness.Insertion);
                Add("kendall", faithfulness.KendallTau);
                Add("spearman", faithfulness.Spearman);
                curve = new CurveItem(
                    Rounded(faithfulness.Curve.Shares), Rounded(faithfulness.Curve.Without), Rounded(faithfulness.Curve.Only),
                    Rounded(faithfulness.ChanceCurve.Without), Rounded(faithfulness.ChanceCurve.Only));
            }
            else
            {
                problems.Add("The picture gives every word the same weight, or there is only one: there is no order in which words could be taken away.");
            }
        }
        if (request.Measures.Contains("robustness") && output is not null)
        {
            Measured robustness = attention.Text.Notice is not null
                ? Measured.None
                : Robustness.Under(
                    model, weighing.Method, selection, output, values, tokens, attention.Segment.Text, typed => Encode(attention, typed, cancellation),
                    spared => Robustness.Typos(attention.Segment.Text, Typos, 0, spared), progress, cancellation);
            Add("robustness", robustness);
            if (robustness.Value is null)
                problems.Add("The text has too few words that could be mistyped (of four letters or more), or is shown only in part.");
        }

        return new EvaluationResult
        {
            Output = output?.Target.Name,
            Probability = output?.Probability,
            IsMasked = output is null ? null : output.Target.Kind == HeadKind.MaskedLanguage,
            Items = items,
            Scores = [.. values.Select(static v => (float)v)],
            Metrics = [.. metrics],
            Curve = curve,
            Problems = problems.Count > 0 ? [.. problems.Distinct()] : null,
        };

        void Add(string name, Measured measured)
        {
            if (measured.Value is not { } value)
                return;
            Metric metric = Analysis.Evaluation.Metrics.Named(name);
            metrics.Add(new MetricItem(
                name, metric.Family.ToString().ToLowerInvariant(), metric.Better.ToString().ToLowerInvariant(), Math.Round(value, 6),
                measured.Chance is { } chance ? Math.Round(chance, 6) : null, measured.Draws > 0 ? measured.Beaten : null, measured.Draws > 0 ? measured.Draws : null));
        }
    }

    /// <summary>What the view shows, where the model has no output to explain: the query's row, or the attention received.</summary>
    private (int[] Items, double[] Scores) Shown(EvaluationParams request, SegmentAttention attention, Weighing weighing, CancellationToken cancellation)
    {
        if (weighing.Method.Explain is not null)
            throw new AttentionException(AttentionStatus.Failed, "There is no output that this method could explain; choose a word, a model with a head, or another method.");
        AttentionStack stack = weighing.Stack;
        float[] weights = new float[stack.Keys];
        if (request.Query is { } query)
            service.Row(attention, weighing, [query], weights, cancellation);
        else
            Weights.Received(service.Selected(attention, weighing, cancellation), new HeadSelection(0, 0), weights, cancellation);
        Token[] keys = attention.Keys(stack);
        int[] items = [.. Enumerable.Range(0, keys.Length).Where(i => !keys[i].Special && !(stack.Kind != AttentionKind.Cross && i == request.Query))];
        return (items, [.. items.Select(i => (double)weights[i])]);
    }

    /// <summary>Neighbours are one span.</summary>
    private static List<TokenSpan> Spans(int[] marked)
    {
        var spans = new List<TokenSpan>();
        foreach (int i in marked)
        {
            if (spans.Count > 0 && spans[^1].End == i)
                spans[^1] = spans[^1] with { End = i + 1 };
            else
                spans.Add(new TokenSpan(i, i + 1));
        }
        return spans;
    }

    private static (ModelInput Input, Token[] Tokens) Encode(SegmentAttention attention, string text, CancellationToken cancellation)
    {
        ModelInput original = attention.Text.Input;
        // The target of an encoder-decoder stays as it is.
        string? pair = original.DecoderInputIds is null ? attention.Segment.Pair?.Text : null;
        Token[] tokens = attention.Held.Runner.Encode(text, pair is { Length: > 0 } ? pair : null, cancellation).Tokens;
        return (original with
        {
            InputIds = Array.ConvertAll(tokens, static t => t.Id),
            TokenTypeIds = tokens.Any(static t => t.TypeId != 0) ? Array.ConvertAll(tokens, static t => t.TypeId) : null,
        }, tokens);
    }

    private static double[] Rounded(double[] values) => Array.ConvertAll(values, static v => Math.Round(v, 6));
}
