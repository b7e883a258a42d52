using System.IO.Pipelines;
using System.Reflection;
using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Annotations;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.CodeAction;
using AttentionLens.LanguageServer.Features.CodeLens;
using AttentionLens.LanguageServer.Features.CorpusSearch;
using AttentionLens.LanguageServer.Features.Diagnostic;
using AttentionLens.LanguageServer.Features.DocumentHighlight;
using AttentionLens.LanguageServer.Features.Evaluation;
using AttentionLens.LanguageServer.Features.ExecuteCommand;
using AttentionLens.LanguageServer.Features.Export;
using AttentionLens.LanguageServer.Features.ForeignAttention;
using AttentionLens.LanguageServer.Features.Heads;
using AttentionLens.LanguageServer.Features.Hover;
using AttentionLens.LanguageServer.Features.InlayHint;
using AttentionLens.LanguageServer.Features.ModelManager;
using AttentionLens.LanguageServer.Features.ShowMessage;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Lifecycle;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.LanguageServer.Settings;
using Microsoft.Extensions.Logging;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer;

/// <summary>One session: wires methods to features and owns the state that the dispatcher changes.</summary>
internal sealed class LanguageServer : IDisposable
{
    private readonly ClientLogger log;
    private readonly JsonRpcConnection connection;
    private readonly LifecycleGate lifecycle = new();
    private readonly ParentWatch parents;
    private readonly ComputeLane lane = new();
    private readonly ByteCache<object, object> cache = new(Megabytes(ServerSettings.Default.CacheMegabytes));
    private readonly ProgressService progress;
    private readonly ModelHost models;
    private readonly UserMessages messages;
    private readonly AnnotationService annotations;
    private readonly HoverHandler hover;
    private ServerState state = ServerState.Empty;

    /// <summary>
    /// What <c>initialize</c> said. A change of the configuration says the rest: clients that have only initialization options send an empty one
    /// after them (Eglot does), and must not lose them by that.
    /// </summary>
    private ServerSettings initialSettings = ServerSettings.Default;

    private bool refreshCodeLenses;
    private bool refreshInlayHints;
    private bool refreshDiagnostics;

    public LanguageServer(PipeReader input, PipeWriter output, ServerOptions options)
    {
        log = new ClientLogger(options.Errors) { Level = options.LogLevel };
        connection = new JsonRpcConnection(input, output, log) { Admit = lifecycle.Admit };
        parents = new ParentWatch(connection, log);
        progress = new ProgressService(connection, options.Time);
        messages = new UserMessages(connection);
        models = new ModelHost(options.Loader, progress.Begin, options.Time, log);
        models.Changed += SendStatus;
        var attention = new AttentionService(models, new TraceService(lane, cache, progress.Begin), cache, progress.Begin, messages, log);
        hover = new HoverHandler(attention);
        var custom = new AttentionHandlers(attention);
        annotations = new AnnotationService(connection, new Corpora.Annotations.BaseTexts(options.BaseTexts), options.Time, log);
        if (options.ClientProcessId is { } parent)
            parents.Watch(parent);

        connection.OnRequest<InitializeParams, InitializeResult>("initialize", LspJson.Default, Initialize);
        connection.OnNotification<NoParams>("initialized", LspJson.Default, Initialized);
        connection.OnRequest<NoParams, NoParams>("shutdown", LspJson.Default, Shutdown);
        connection.OnNotification<NoParams>("exit", LspJson.Default, _ => connection.Stop(lifecycle.ExitCode));
        connection.OnNotification<SetTraceParams>("$/setTrace", LspJson.Default, p => SetTrace(p.Value));
        connection.OnNotification<WorkDoneProgressCancelParams>("window/workDoneProgress/cancel", LspJson.Default, p => progress.Cancel(p.Token));
        connection.OnNotification<DidChangeConfigurationParams>("workspace/didChangeConfiguration", LspJson.Default, p => Configure(p.Settings));
        connection.OnNotification<DidOpenParams>("textDocument/didOpen", LspJson.Default, p => Open([p.TextDocument]));
        connection.OnNotification<DidChangeParams>("textDocument/didChange", LspJson.Default, DidChange);
        connection.OnNotification<DidCloseParams>("textDocument/didClose", LspJson.Default, p => Close([p.TextDocument]));
        connection.OnNotification<DidSaveParams>("textDocument/didSave", LspJson.Default, p => annotations.Saved(p.TextDocument.Uri));
        connection.OnNotification<DidChangeWatchedFilesParams>("workspace/didChangeWatchedFiles", LspJson.Default, p => annotations.FilesChanged(p.Changes.Select(static c => c.Uri)));
        connection.OnNotification<NotebookDidOpenParams>("notebookDocument/didOpen", LspJson.Default, p => Open(p.CellTextDocuments));
        connection.OnNotification<NotebookDidChangeParams>("notebookDocument/didChange", LspJson.Default, NotebookDidChange);
        connection.OnNotification<NotebookDidCloseParams>("notebookDocument/didClose", LspJson.Default, p => Close(p.CellTextDocuments));
        connection.OnNotification<NoParams>("notebookDocument/didSave", LspJson.Default, static _ => { });

        On<AttentionPositionParams, HoverResult?>("textDocument/hover", AttentionJson.Default, hover.HandleAsync);
        On<AttentionPositionParams, DocumentHighlightItem[]?>("textDocument/documentHighlight", AttentionJson.Default,
            new DocumentHighlightHandler(attention).HandleAsync);
        On<DocumentParams, CodeLensItem[]?>("textDocument/codeLens", LspJson.Default, CodeLensHandler.HandleAsync);
        On<DocumentRangeParams, InlayHintItem[]?>("textDocument/inlayHint", LspJson.Default, new InlayHintHandler(custom).HandleAsync);
        On<CodeActionParams, CodeActionItem[]?>("textDocument/codeAction", LspJson.Default, CodeActionHandler.HandleAsync);
        On<DiagnosticParams, DiagnosticReport>("textDocument/diagnostic", LspJson.Default, new DiagnosticHandler(models).HandleAsync);
        connection.OnRequest<ExecuteCommandParams, TextRange?>("workspace/executeCommand", LspJson.Default, Execute);

        On<TintsParams, TintsResult>("attentionLens/tints", AttentionJson.Default, custom.TintsAsync);
        On<TokensParams, TokensResult>("attentionLens/tokens", AttentionJson.Default, custom.TokensAsync);
        On<RowParams, RowResult>("attentionLens/row", AttentionJson.Default, custom.RowAsync);
        On<RowsParams, RowsResult>("attentionLens/rows", AttentionJson.Default, custom.RowsAsync);
        On<ScoreParams, ScoreResult>("attentionLens/score", AttentionJson.Default, custom.ScoreAsync);
        On<TileParams, TileResult>("attentionLens/tile", AttentionJson.Default, custom.TileAsync);
        On<OverviewParams, OverviewResult>("attentionLens/overview", AttentionJson.Default, custom.OverviewAsync);
        On<EvaluationParams, EvaluationResult>("attentionLens/evaluation", AttentionJson.Default,
            new EvaluationHandler(attention, lane, cache, progress.Begin).EvaluateAsync);
        On<HeadsParams, HeadsResult>("attentionLens/heads", AttentionJson.Default, new HeadsHandler(attention, lane, cache).HeadsAsync);
        On<ProfilesParams, ProfilesResult>("attentionLens/profiles", AttentionJson.Default, custom.ProfilesAsync);
        var manager = new ModelManagerHandlers(models, progress.Begin);
        On<NoParams, ModelsResult>("attentionLens/models", ModelManagerJson.Default, manager.ListAsync);
        On<PullModelParams, PullModelResult>("attentionLens/pullModel", ModelManagerJson.Default, manager.PullAsync);
        On<ModelNameParams, CheckModelResult>("attentionLens/checkModel", ModelManagerJson.Default, manager.CheckAsync);
        On<ModelNameParams, RemoveModelResult>("attentionLens/removeModel", ModelManagerJson.Default, manager.RemoveAsync);
        var search = new SearchHandlers(progress.Begin);
        On<SearchIndexParams, SearchIndexResult>("attentionLens/searchIndex", SearchJson.Default, search.IndexAsync);
        On<SearchParams, SearchResult>("attentionLens/search", SearchJson.Default, search.SearchAsync);
        On<ExportParams, ExportResult>("attentionLens/export", AttentionJson.Default, new ExportHandler(attention).HandleAsync);
        On<AttentionFileParams, AttentionFileResult>("attentionLens/attentionFile", ForeignAttentionJson.Default, new ForeignAttentionHandler(attention).OpenAsync);
        On<PredictionParams, PredictionResult>("attentionLens/prediction", AttentionJson.Default, new PredictionHandler(attention).HandleAsync);
        On<NoParams, ModelInfoResult>("attentionLens/modelInfo", AttentionJson.Default, custom.ModelInfoAsync);
        Annotate(attention);
    }

    private void Annotate(AttentionService attention)
    {
        var labels = new AnnotationHandlers(annotations, attention);
        var evidence = new EvidenceHandlers(annotations, attention);
        InOrder<AnnotationsParams, AnnotationsResult>("attentionLens/annotations", AnnotationJson.Default, labels.List);
        InOrder<AnnotateParams, AnnotateResult>("attentionLens/annotate", AnnotationJson.Default, labels.Annotate);
        InOrder<AnnotationHistoryParams, AnnotateResult>("attentionLens/annotationHistory", AnnotationJson.Default, labels.History);
        InOrder<NextAnnotationParams, NextAnnotationResult>("attentionLens/nextAnnotation", AnnotationJson.Default, labels.Next);
        InOrder<ConsistencyParams, ConsistencyResult>("attentionLens/labelConsistency", AnnotationJson.Default, labels.Consistency);
        InOrder<ExportAnnotationsParams, ExchangeResult>("attentionLens/exportAnnotations", AnnotationJson.Default, labels.Export);
        InOrder<ImportAnnotationsParams, ExchangeResult>("attentionLens/importAnnotations", AnnotationJson.Default, labels.Import);
        InOrder<AnnotatedCorpusParams, AnnotatedCorpusResult>("attentionLens/annotatedCorpus", AnnotationJson.Default, labels.Corpus);
        var adjudication = new AdjudicationHandlers(annotations, attention);
        InOrder<AdjudicationParams, AdjudicationResult>("attentionLens/adjudication", AnnotationJson.Default, adjudication.Compare);
        InOrder<AdjudicateParams, AdjudicationResult>("attentionLens/adjudicate", AnnotationJson.Default, adjudication.Decide);
        InOrder<SimilarSpansParams, SimilarSpansResult>("attentionLens/similarSpans", AnnotationJson.Default, evidence.Similar);
        InOrder<RelationCandidatesParams, RelationCandidatesResult>("attentionLens/relationCandidates", AnnotationJson.Default, evidence.Relations);
        InOrder<RationaleParams, RationaleResult>("attentionLens/rationale", AnnotationJson.Default, new RationaleHandler(annotations, attention).Measure);
    }

    public IEnumerable<string> Methods => connection.Methods;

    /// <summary>Every type that goes over the wire, and what has to know it.</summary>
    public IReadOnlyCollection<(JsonSerializerContext Types, Type Type)> WireTypes => connection.WireTypes;

    /// <summary>Serves until the client ends the session or goes away.</summary>
    /// <returns>The process's exit code.</returns>
    public Task<int> RunAsync(CancellationToken cancellation) => connection.RunAsync(cancellation);

    public void Dispose()
    {
        parents.Dispose();
        annotations.Dispose();
        models.Dispose();
        lane.Dispose();
    }

    private static long Megabytes(int count) => (long)count << 20;

    /// <summary>A request that reads the state as it is when the request arrives.</summary>
    private void On<TParams, TResult>(string method, JsonSerializerContext types, Func<TParams, ServerState, CancellationToken, Task<TResult>> handler) =>
        connection.OnRequest<TParams, TResult>(method, types, request =>
        {
            ServerState seen = state;
            return cancellation => handler(request, seen, cancellation);
        });

    /// <summary>A request that begins on the dispatcher, so that what it asks for is queued between the edits before and after it.</summary>
    private void InOrder<TParams, TResult>(string method, JsonSerializerContext types, Func<TParams, ServerState, Func<CancellationToken, Task<TResult>>> begin) =>
        connection.OnRequest<TParams, TResult>(method, types, request => begin(request, state));

    private Func<CancellationToken, Task<InitializeResult>> Initialize(InitializeParams request)
    {
        lifecycle.Initialize();
        if (request.ProcessId is { } parent)
            parents.Watch(parent);
        SetTrace(request.Trace);
        progress.Supported = request.Capabilities?.Window?.WorkDoneProgress == true;
        WorkspaceCapabilities? workspace = request.Capabilities?.Workspace;
        refreshCodeLenses = workspace?.CodeLens?.RefreshSupport == true;
        refreshInlayHints = workspace?.InlayHint?.RefreshSupport == true;
        refreshDiagnostics = workspace?.Diagnostics?.RefreshSupport == true;
        // An absent list is an old client, and those show Markdown.
        hover.PlainText = request.Capabilities?.TextDocument?.Hover?.ContentFormat is { Length: > 0 } formats && !formats.Contains("markdown");
        initialSettings = ReadSettings(request.InitializationOptions);
        state = state with { Settings = initialSettings };
        messages.Wanted = state.Settings.ShowMessages;
        annotations.Configure(state.Settings);
        cache.Resize(Megabytes(state.Settings.CacheMegabytes));
        models.Choose(state.Settings.Model);
        string version = typeof(LanguageServer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return _ => Task.FromResult(new InitializeResult(
            new ServerCapabilities { ExecuteCommandProvider = new ExecuteCommandOptions(DocumentCommands.All) }, new ServerInfo("attention-lens", version.Split('+')[0])));
    }

    /// <summary>From here on the server may speak first: the answer to <c>initialize</c> is on its way.</summary>
    private void Initialized(NoParams none)
    {
        log.Connection = connection;
        progress.MaySpeak = true;
        SendStatus();
    }

    private Func<CancellationToken, Task<NoParams>> Shutdown(NoParams none)
    {
        lifecycle.Shutdown();
        connection.CancelOthers("shutdown", "The server is shutting down.");
        Task written = annotations.FlushAsync();
        return async _ =>
        {
            await written.ConfigureAwait(false);
            return null!; // the protocol's result is null
        };
    }

    private void SetTrace(string? value) => log.Level = value is "messages" or "verbose" ? LogLevel.Debug : LogLevel.Information;

    private void Configure(System.Text.Json.JsonElement settings)
    {
        ServerSettings before = state.Settings;
        state = state with { Settings = ReadSettings(settings) };
        messages.Wanted = state.Settings.ShowMessages;
        annotations.Configure(state.Settings);
        bool shown = (before.CodeLens, before.Layer, before.Head, before.Heads) != (state.Settings.CodeLens, state.Settings.Layer, state.Settings.Head, state.Settings.Heads);
        _ = RefreshAsync("workspace/codeLens/refresh", refreshCodeLenses && shown);
        _ = RefreshAsync("workspace/inlayHint/refresh", refreshInlayHints && before != state.Settings);
        _ = RefreshAsync("workspace/diagnostic/refresh", refreshDiagnostics && before.Reader != state.Settings.Reader);
        cache.Resize(Megabytes(state.Settings.CacheMegabytes));
        models.Choose(state.Settings.Model);
    }

    private ServerSettings ReadSettings(System.Text.Json.JsonElement json) => ServerSettings.Read(json, initialSettings, (name, problem) => log.BadSetting(name, problem));

    private Func<CancellationToken, Task<TextRange?>> Execute(ExecuteCommandParams request)
    {
        // On the dispatcher: pins and pairs are state, and edits that follow must find them.
        DocumentPairs before = state.Pairs;
        (state, TextRange? pinned) = DocumentCommands.Execute(request, state);
        _ = RefreshAsync("workspace/diagnostic/refresh", refreshDiagnostics && before != state.Pairs);
        _ = RefreshAsync("workspace/inlayHint/refresh", refreshInlayHints && state.Settings.InlayHints);
        return _ => Task.FromResult(pinned);
    }

    private void Open(IEnumerable<TextDocumentItem> items)
    {
        foreach (TextDocumentItem item in items)
        {
            var document = new DocumentSnapshot(item.Uri, item.LanguageId, item.Version, new DocumentText(item.Text));
            state = state with { Documents = state.Documents.SetItem(item.Uri, document) };
            annotations.Open(document);
        }
    }

    private void Close(IEnumerable<TextDocumentIdentifier> items)
    {
        foreach (TextDocumentIdentifier item in items)
        {
            state = state with { Documents = state.Documents.Remove(item.Uri), Pairs = state.Pairs.Without(item.Uri) };
            annotations.Close(item.Uri);
        }
    }

    /// <summary>Cells are documents; what else changes in a notebook (outputs, order, metadata) is no text.</summary>
    private void NotebookDidChange(NotebookDidChangeParams request)
    {
        if (request.Change.Cells is not { } cells)
            return;
        Close(cells.Structure?.DidClose ?? []);
        Open(cells.Structure?.DidOpen ?? []);
        foreach (NotebookTextChange change in cells.TextContent ?? [])
            DidChange(new DidChangeParams(change.Document, change.Changes));
    }

    private void DidChange(DidChangeParams request)
    {
        string uri = request.TextDocument.Uri;
        if (!state.Documents.TryGetValue(uri, out DocumentSnapshot? document))
        {
            log.UnknownDocument("textDocument/didChange", uri);
            return;
        }
        try
        {
            var changes = new List<(Span Range, string Text)>();
            DocumentSnapshot next = document.Apply(
                request.TextDocument.Version, request.ContentChanges, (range, text) => changes.Add((new Span(range.Start, range.End), text)));
            state = state with { Documents = state.Documents.SetItem(uri, next) };
            annotations.Change(next, changes);
        }
        catch
        {
            // What the client shows is now unknown; better no answer than one about another text.
            Close([new TextDocumentIdentifier(uri)]);
            throw;
        }
    }

    /// <summary>Asks the client to ask again; a client that cannot is left alone.</summary>
    private async Task RefreshAsync(string method, bool wanted)
    {
        if (!wanted || log.Connection is null)
            return;
        try
        {
            await connection.RequestAsync(method, new NoParams(), LspJson.Default.NoParams, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception refused) when (refused is RpcException or OperationCanceledException)
        {
            log.Ignored(method);
        }
    }

    private void SendStatus()
    {
        if (log.Connection is null)
            return;
        // What a model shows or cannot read depends on it.
        bool loaded = models.Info is not null;
        _ = RefreshAsync("workspace/diagnostic/refresh", refreshDiagnostics && loaded);
        _ = RefreshAsync("workspace/inlayHint/refresh", refreshInlayHints && loaded && state.Settings.InlayHints);
        ModelSummary? model = models.Info is { } info ? AttentionHandlers.Summary(info) : null;
        string? problem = null;
        if (models.Failure is { } failure)
        {
            problem = ModelHost.Explain(failure);
            messages.LoadFailed(failure);
        }
        else if (loaded)
        {
            messages.Mended();
        }
        connection.NotifyLatest(
            "status", "attentionLens/status", new StatusParams(problem is null ? "ok" : "error", models.Loading, problem, model),
            AttentionJson.Default.StatusParams);
    }
}
