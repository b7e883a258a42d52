using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.ForeignAttention;
using AttentionLens.LanguageServer.Features.ShowMessage;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>Which weights are meant, resolved.</summary>
internal readonly record struct Weighing(AttentionStack Stack, Method Method, HeadSelection Selection, OutputChoice Output);

/// <summary>From a place in a document to its attention: segment, tokens, trace, and the matrix of a selection of heads.</summary>
internal sealed class AttentionService(
    ModelHost models, TraceService traces, ByteCache<object, object> cache, Func<string, Action, ProgressScope> beginProgress, UserMessages messages, ILogger log)
{
    private readonly CurrentProgress progress = new();

    public ModelHost Models => models;

    public ForeignDocuments Foreign { get; } = new(cache, beginProgress);

    /// <summary>The attention of what a scope names in the document as the request saw it.</summary>
    /// <param name="state">The state when the request arrived.</param>
    /// <param name="scope">Text or place.</param>
    /// <param name="view">Its method decides what a pass keeps.</param>
    /// <param name="focus">Where the user is; decides which window of a long text is shown.</param>
    /// <param name="method">Of the request; a newer version of the same question replaces a waiting older one.</param>
    /// <param name="priority">Interactive when somebody waits for it.</param>
    /// <param name="cancellation">The request's.</param>
    /// <param name="keep">What the pass has to keep besides what the view's method needs.</param>
    /// <exception cref="AttentionException">There is no answer; says why.</exception>
    public async Task<SegmentAttention> AskAsync(
        ServerState state, Scope scope, View? view, Position? focus, string method, Priority priority, CancellationToken cancellation, Keep keep = Keep.Attention)
    {
        if (scope.Image)
            return await AskImageAsync(state, scope, view, method, priority, cancellation).ConfigureAwait(false);
        if (!state.Documents.TryGetValue(scope.TextDocument.Uri, out DocumentSnapshot? document))
            throw new AttentionException(AttentionStatus.Failed, "The document is not open; open it again.");
        if (scope.Model is null && ForeignDocuments.Holds(document.Uri))
            return OfFile(state, document, view, cancellation);
        Segment own = Read(state, document, scope.Range);
        (Segment Text, DocumentSnapshot Document, bool IsSource)? other = scope.Pair is { } asked ? Other(state, document, asked) : Beside(state, document, scope, own);
        Segment segment = other is not { } second ? own : second.IsSource ? Paired(second.Text, own) : Paired(own, second.Text);
        if (segment.Text.Contains('\0', StringComparison.Ordinal) || segment.Pair?.Text.Contains('\0', StringComparison.Ordinal) == true)
            throw new AttentionException(AttentionStatus.Failed, "The text holds NUL characters: this looks like a binary file, not text.");
        HeldModel model = await models.GetAsync(scope.Model, cancellation).ConfigureAwait(false);
        int at = document.Text.Offset(focus ?? scope.Range.Start);
        int inText = segment != own && other?.IsSource == true ? 0 : at >= segment.Start && at <= segment.End ? segment.ToText(at) : 0;
        EncodedText text = EncodedText.Of(model.Runner, segment, inText, MethodOf(view).Needs | keep, scope.Generate, cancellation).Changed(model.Runner, view?.Changes);
        var question = new Question(method, document.Uri, document.Version);
        AttentionTrace trace = await traces.GetAsync(model, text, question, priority, cancellation).ConfigureAwait(false);
        var elsewhere = other is { } partner && partner.Document != document ? new Partner(partner.Document, partner.IsSource) : null;
        return new SegmentAttention(document, elsewhere, state.Settings, segment, text.WithTarget(model.Runner, trace), trace, model);
    }

    /// <summary>A document whose attention another program has computed: whatever place in it is asked for, its text is one.</summary>
    private SegmentAttention OfFile(ServerState state, DocumentSnapshot document, View? view, CancellationToken cancellation)
    {
        ForeignDocument file = Foreign.Read(document.Uri, cancellation);
        if (document.Text.ToString() != file.Text)
            throw new AttentionException(AttentionStatus.Failed, "The file of attention has changed since; open it again.");
        return view?.Changes is { Heads: { Length: > 0 } } or { Tokens: { Length: > 0 } }
            ? throw MethodInput.NoModel()
            : new SegmentAttention(document, null, state.Settings, file.Segment, file.Encoded, file.Trace, file.Held) { Whole = document.Text.Range(0, file.Text.Length) };
    }

    /// <summary>The second text that a scope names: a range of this document or of another one, or the segment there.</summary>
    private static (Segment Text, DocumentSnapshot Document, bool IsSource) Other(ServerState state, DocumentSnapshot document, PairScope pair)
    {
        DocumentSnapshot? other = pair.TextDocument is { } named ? state.Documents.GetValueOrDefault(named.Uri) : document;
        return other is null
            ? throw new AttentionException(AttentionStatus.Failed, "The document of the second text is not open; open it again.")
            : (Read(state, other, pair.Range), other, pair.Source);
    }

    /// <summary>The same line of the parallel document, when a place in running text is asked for and something stands there.</summary>
    private static (Segment Text, DocumentSnapshot Document, bool IsSource)? Beside(ServerState state, DocumentSnapshot document, Scope scope, Segment own)
    {
        if (scope.Range.Start != scope.Range.End || own.Pair is not null || state.PartnerOf(document) is not { } partner)
            return null;
        int line = document.Text.Position(own.Start).Line;
        if (line >= partner.Document.Text.LineCount)
            return null;
        OffsetRange there = partner.Document.Text.Line(line);
        return partner.Document.SegmentAt(state.ReaderOf(partner.Document), there.Start) is { } text ? (text, partner.Document, partner.IsSource) : null;
    }

    private static Segment Paired(Segment first, Segment second) =>
        new(first.Text, first.Start, first.End, first.Map) { Pair = second, PairKind = PairKind.Translation };

    private static Segment Read(ServerState state, DocumentSnapshot document, TextRange range)
    {
        int start = document.Text.Offset(range.Start), end = document.Text.Offset(range.End);
        return start < end ? Selected(document, start, end) : At(document, state.ReaderOf(document), start);
    }

    /// <summary>An image is a document without text whose version is that of its file.</summary>
    private async Task<SegmentAttention> AskImageAsync(
        ServerState state, Scope scope, View? view, string method, Priority priority, CancellationToken cancellation)
    {
        HeldModel model = await models.GetAsync(scope.Model, cancellation).ConfigureAwait(false);
        (EncodedText image, int version) = EncodedImage.Of(model.Runner, scope.TextDocument.Uri, MethodOf(view).Needs, cache, cancellation);
        var document = new DocumentSnapshot(scope.TextDocument.Uri, "image", version, new DocumentText(""));
        AttentionTrace trace = await traces.GetAsync(model, image, new Question(method, document.Uri, version), priority, cancellation).ConfigureAwait(false);
        return new SegmentAttention(document, null, state.Settings, new Segment("", 0, 0), image, trace, model);
    }

    /// <summary>
    /// Turns every way of not having an answer into a result with a status. Cancellation passes: it is answered elsewhere.
    /// </summary>
    public async Task<T> AnswerAsync<T>(ServerState state, string uri, string method, Func<Task<T>> answer)
        where T : AttentionResult, new()
    {
        int? version = state.Documents.TryGetValue(uri, out DocumentSnapshot? document) ? document.Version : null;
        try
        {
            return await answer().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A poisoned document or model must not cost more than its own answer.
        catch (Exception failure) when (failure is not JsonRpc.RpcException)
        {
            if (failure is OperationCanceledException && !IsLoadCancelled)
                throw;
            (string status, string message) = Describe(failure, method);
            return new T { Version = version, Status = status, Message = message };
        }
#pragma warning restore CA1031
    }

    /// <summary>Status and sentence for a failure; unexpected ones are logged.</summary>
    public (string Status, string Message) Describe(Exception failure, string method)
    {
        switch (failure)
        {
            case AttentionException known:
                return (known.Status, known.Message);
            case ModelMissingException:
                return (AttentionStatus.ModelMissing, failure.Message);
            case OutOfMemoryException:
                messages.NoMemory(failure);
                goto default;
            default:
                if (failure is not (ModelException or Tokenization.TokenizerException or MethodException or Analysis.Export.ExportException or OperationCanceledException))
                    log.Failed(failure, method);
                return (AttentionStatus.Failed, ModelHost.Explain(failure));
        }
    }

    /// <summary>
    /// The weights of one layer and head, or of a mean over them, as a view with one layer and one head. A mean over many heads costs many
    /// matrices, so it is kept.
    /// </summary>
    public AttentionView Selected(SegmentAttention attention, Weighing weighing, CancellationToken cancellation)
    {
        (AttentionStack stack, Method method, HeadSelection selection, OutputChoice output) = weighing;
        var key = new SelectionKey(attention.Text.Key, stack.Kind, method.Name, selection, output);
        if (cache.TryGet(key, out object known))
            return (AttentionView)known;
        AttentionView whole = View(attention, weighing, cancellation);
        float[] matrix = new float[checked(whole.Queries * whole.Keys)];
        Slowly(method, token => Weights.Matrix(whole, selection, matrix, token), cancellation);
        var view = new DenseView(stack.Kind, 1, 1, whole.Queries, whole.Keys, whole.Causal, [matrix]);
        cache.Add(key, view, view.Bytes);
        return view;
    }

    /// <summary>The weights of all layers and heads by a method. Methods other than the raw weights may have to compute them, so those are kept.</summary>
    public AttentionView View(SegmentAttention attention, Weighing weighing, CancellationToken cancellation)
    {
        if (weighing.Method == Methods.Raw)
            return AttentionView.Raw(weighing.Stack);
        var key = new ViewKey(attention.Held, attention.Text.Key, weighing.Stack.Kind, weighing.Method.Name, weighing.Output);
        if (cache.TryGet(key, out object known))
            return (AttentionView)known;
        AttentionView view = AttentionView.Raw(weighing.Stack);
        Slowly(
            weighing.Method,
            token => view = weighing.Method.Apply(new MethodInput(attention.Held.Runner.Loaded, attention.Trace, weighing.Stack, weighing.Output, progress, token)),
            cancellation);
        cache.Add(key, view, view.Bytes);
        return view;
    }

    /// <summary>The row of one query. A mean over heads that is already known as a matrix is read from it.</summary>
    public void Row(SegmentAttention attention, Weighing weighing, ReadOnlySpan<int> queries, Span<float> row, CancellationToken cancellation) =>
        Row(View(attention, weighing, cancellation), weighing, queries.ToArray(), row, cancellation);

    /// <summary>What a method that explains outputs says about the one at a position, or about the one that needs none (null); shares into row[keys].</summary>
    /// <exception cref="MethodException">There is no such output.</exception>
    public TokenScores Explained(SegmentAttention attention, Weighing weighing, int? position, float[] row, CancellationToken cancellation)
    {
        var view = (ExplainedView)View(attention, weighing, cancellation);
        TokenScores? scores = null;
        Slowly(weighing.Method, token => scores = view.Scores(position, token), cancellation);
        view.Shares(scores!, row); // Slowly has run it
        return scores!;
    }

    private void Row(AttentionView view, Weighing weighing, int[] queries, Span<float> row, CancellationToken cancellation)
    {
        float[] found = new float[view.Keys];
        Slowly(weighing.Method, token => Weights.Row(view, weighing.Selection, queries, found, token), cancellation);
        found.CopyTo(row);
    }

    /// <summary>With progress that the user sees and can cancel, where the method is worth it.</summary>
    private void Slowly(Method method, Action<CancellationToken> work, CancellationToken cancellation)
    {
        if (!method.IsSlow)
        {
            work(cancellation);
            return;
        }

        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using ProgressScope scope = beginProgress($"AttentionLens: {method.Title}", linked.Cancel);
        progress.Scope = scope;
        try
        {
            work(linked.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new AttentionException(AttentionStatus.Failed, "Cancelled; ask again to compute it.");
        }
    }

    /// <summary>Views are kept longer than the request that made them: each reports to the request that is asking now.</summary>
    private sealed class CurrentProgress : IProgress<double>
    {
        private readonly AsyncLocal<ProgressScope?> scope = new();

        public ProgressScope Scope
        {
            set => scope.Value = value;
        }

        public void Report(double value) => scope.Value?.Report(value);
    }

    /// <summary>Stack, method and heads that a view names.</summary>
    /// <exception cref="AttentionException">The model or the server has none of that name or number.</exception>
    public static Weighing Resolve(SegmentAttention attention, View? view, CancellationToken cancellation)
    {
        AttentionStack stack = attention.Stack(view?.Stack);
        Method method = MethodOf(view);
        return method.AppliesTo(attention.Model.Kind, stack.Kind)
            ? new Weighing(stack, method, attention.Selection(view, method, stack, cancellation), new OutputChoice(null, view?.Output, view?.Contrast))
            : throw new AttentionException(AttentionStatus.Failed, stack.Kind == AttentionKind.Cross
                ? $"{method.Title} is not defined for cross-attention; choose the encoder or the decoder."
                : $"{method.Title} explains what the decoder says; choose cross-attention (for the source) or the decoder (for the target).");
    }

    /// <summary>
    /// Held while an answer is made from a view whose method reads weights. The raw weights come from the trace alone, so an answer about a model
    /// that was in use when the question came is given even after another has been chosen.
    /// </summary>
    public static HeldModel.Lease Enter(SegmentAttention attention, View? view) =>
        MethodOf(view) is { Needs: Keep.Attention, Explain: null } ? default : attention.Held.Enter();

    private static Method MethodOf(View? view) => view?.Method is not { } name
        ? Methods.Raw
        : Methods.All.FirstOrDefault(method => method.Name == name)
            ?? throw new AttentionException(AttentionStatus.Failed, $"There is no such method; there are {string.Join(", ", Methods.All.Select(static m => m.Name))}.");

    private sealed record SelectionKey(TraceKey Trace, AttentionKind Kind, string Method, HeadSelection Selection, OutputChoice Output);

    /// <summary>With the model itself: such a view may read weights, and those of a model that has been disposed are gone.</summary>
    private sealed record ViewKey(HeldModel Model, TraceKey Trace, AttentionKind Kind, string Method, OutputChoice Output);

    private bool IsLoadCancelled => models.Failure is OperationCanceledException;

    private static Segment Selected(DocumentSnapshot document, int start, int end)
    {
        (start, end) = document.WholeCharacters(start, end);
        return new Segment(document.Text.Slice(start, end), start, end, OffsetMap.Verbatim(start, end - start));
    }

    private static Segment At(DocumentSnapshot document, ReaderOptions options, int offset) =>
        document.SegmentAt(options, offset)
        ?? throw new AttentionException(AttentionStatus.Empty, "There is no text here; put the cursor on some text or select it.");
}
