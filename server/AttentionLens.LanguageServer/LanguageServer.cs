using System.IO.Pipelines;
using System.Reflection;
using System.Text.Json.Serialization.Metadata;
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

        connection.OnRequest("initialize", LspJson.Default.InitializeParams, LspJson.Default.InitializeResult, Initialize);
        connection.OnNotification("initialized", LspJson.Default.NoParams, Initialized);
        connection.OnRequest("shutdown", LspJson.Default.NoParams, LspJson.Default.NoParams!, Shutdown);
        connection.OnNotification("exit", LspJson.Default.NoParams, _ => connection.Stop(lifecycle.ExitCode));
        connection.OnNotification("$/setTrace", LspJson.Default.SetTraceParams, p => SetTrace(p.Value));
        connection.OnNotification("window/workDoneProgress/cancel", LspJson.Default.WorkDoneProgressCancelParams, p => progress.Cancel(p.Token));
        connection.OnNotification("workspace/didChangeConfiguration", LspJson.Default.DidChangeConfigurationParams, p => Configure(p.Settings));
        connection.OnNotification("textDocument/didOpen", LspJson.Default.DidOpenParams, p => Open([p.TextDocument]));
        connection.OnNotification("textDocument/didChange", LspJson.Default.DidChangeParams, DidChange);
        connection.OnNotification("textDocument/didClose", LspJson.Default.DidCloseParams, p => Close([p.TextDocument]));
        connection.OnNotification("textDocument/didSave", LspJson.Default.DidSaveParams, p => annotations.Saved(p.TextDocument.Uri));
        connection.OnNotification("workspace/didChangeWatchedFiles", LspJson.Default.DidChangeWatchedFilesParams, p => annotations.FilesChanged(p.Changes.Select(static c => c.Uri)));
        connection.OnNotification("notebookDocument/didOpen", LspJson.Default.NotebookDidOpenParams, p => Open(p.CellTextDocuments));
        connection.OnNotification("notebookDocument/didChange", LspJson.Default.NotebookDidChangeParams, NotebookDidChange);
        connection.OnNotification("notebookDocument/didClose", LspJson.Default.NotebookDidCloseParams, p => Close(p.CellTextDocuments));
        connection.OnNotification("notebookDocument/didSave", LspJson.Default.NoParams, static _ => { });

        On("textDocument/hover", AttentionJson.Default.AttentionPositionParams, LspJson.Default.HoverResult!, hover.HandleAsync);
        On("textDocument/documentHighlight", AttentionJson.Default.AttentionPositionParams, LspJson.Default.DocumentHighlightItemArray!,
            new DocumentHighlightHandler(attention).HandleAsync);
        On("textDocument/codeLens", LspJson.Default.DocumentParams, LspJson.Default.CodeLensItemArray!, CodeLensHandler.HandleAsync);
        On("textDocument/inlayHint", LspJson.Default.DocumentRangeParams, LspJson.Default.InlayHintItemArray!, new InlayHintHandler(custom).HandleAsync);
        On("textDocument/codeAction", LspJson.Default.CodeActionParams, LspJson.Default.CodeActionItemArray!, CodeActionHandler.HandleAsync);
        On("textDocument/diagnostic", LspJson.Default.DiagnosticParams, LspJson.Default.DiagnosticReport, new DiagnosticHandler(models).HandleAsync);
        connection.OnRequest("workspace/executeCommand", LspJson.Default.ExecuteCommandParams, LspJson.Default.NullableTextRange, Execute);

        On("attentionLens/tints", AttentionJson.Default.TintsParams, AttentionJson.Default.TintsResult, custom.TintsAsync);
        On("attentionLens/tokens", AttentionJson.Default.TokensParams, AttentionJson.Default.TokensResult, custom.TokensAsync);
        On("attentionLens/row", AttentionJson.Default.RowParams, AttentionJson.Default.RowResult, custom.RowAsync);
        On("attentionLens/rows", AttentionJson.Default.RowsParams, AttentionJson.Default.RowsResult, custom.RowsAsync);
        On("attentionLens/score", AttentionJson.Default.ScoreParams, AttentionJson.Default.ScoreResult, custom.ScoreAsync);
        On("attentionLens/tile", AttentionJson.Default.TileParams, AttentionJson.Default.TileResult, custom.TileAsync);
        On("attentionLens/overview", AttentionJson.Default.OverviewParams, AttentionJson.Default.OverviewResult, custom.OverviewAsync);
        On("attentionLens/evaluation", AttentionJson.Default.EvaluationParams, AttentionJson.Default.EvaluationResult,
            new EvaluationHandler(attention, lane, cache, progress.Begin).EvaluateAsync);
        On("attentionLens/heads", AttentionJson.Default.HeadsParams, AttentionJson.Default.HeadsResult, new HeadsHandler(attention, lane, cache).HeadsAsync);
        On("attentionLens/profiles", AttentionJson.Default.ProfilesParams, AttentionJson.Default.ProfilesResult, custom.ProfilesAsync);
        var manager = new ModelManagerHandlers(models, progress.Begin);
        On("attentionLens/models", LspJson.Default.NoParams, ModelManagerJson.Default.ModelsResult, manager.ListAsync);
        On("attentionLens/pullModel", ModelManagerJson.Default.PullModelParams, ModelManagerJson.Default.PullModelResult, manager.PullAsync);
        On("attentionLens/checkModel", ModelManagerJson.Default.ModelNameParams, ModelManagerJson.Default.CheckModelResult, manager.CheckAsync);
        On("attentionLens/removeModel", ModelManagerJson.Default.ModelNameParams, ModelManagerJson.Default.RemoveModelResult, manager.RemoveAsync);
        var search = new SearchHandlers(progress.Begin);
        On("attentionLens/searchIndex", SearchJson.Default.SearchIndexParams, SearchJson.Default.SearchIndexResult, search.IndexAsync);
        On("attentionLens/search", SearchJson.Default.SearchParams, SearchJson.Default.SearchResult, search.SearchAsync);
        On("attentionLens/export", AttentionJson.Default.ExportParams, AttentionJson.Default.ExportResult, new ExportHandler(attention).HandleAsync);
        On("attentionLens/attentionFile", ForeignAttentionJson.Default.AttentionFileParams, ForeignAttentionJson.Default.AttentionFileResult, new ForeignAttentionHandler(attention).OpenAsync);
        On("attentionLens/prediction", AttentionJson.Default.PredictionParams, AttentionJson.Default.PredictionResult, new PredictionHandler(attention).HandleAsync);
        On("attentionLens/modelInfo", LspJson.Default.NoParams, AttentionJson.Default.ModelInfoResult, custom.ModelInfoAsync);
        Annotate(attention);
    }

    private void Annotate(AttentionService attention)
    {
        var labels = new AnnotationHandlers(annotations, attention);
        var evidence = new EvidenceHandlers(annotations, attention);
        InOrder("attentionLens/annotations", AnnotationJson.Default.AnnotationsParams, AnnotationJson.Default.AnnotationsResult, labels.List);
        InOrder("attentionLens/annotate", AnnotationJson.Default.AnnotateParams, AnnotationJson.Default.AnnotateResult, labels.Annotate);
        InOrder("attentionLens/annotationHistory", AnnotationJson.Default.AnnotationHistoryParams, AnnotationJson.Default.AnnotateResult, labels.History);
        InOrder("attentionLens/nextAnnotation", AnnotationJson.Default.NextAnnotationParams, AnnotationJson.Default.NextAnnotationResult, labels.Next);
        InOrder("attentionLens/labelConsistency", AnnotationJson.Default.ConsistencyParams, AnnotationJson.Default.ConsistencyResult, labels.Consistency);
        InOrder("attentionLens/exportAnnotations", AnnotationJson.Default.ExportAnnotationsParams, AnnotationJson.Default.ExchangeResult, labels.Export);
        InOrder("attentionLens/importAnnotations", AnnotationJson.Default.ImportAnnotationsParams, AnnotationJson.Default.ExchangeResult, labels.Import);
        InOrder("attentionLens/annotatedCorpus", AnnotationJson.Default.AnnotatedCorpusParams, AnnotationJson.Default.AnnotatedCorpusResult, labels.Corpus);
        var adjudication = new AdjudicationHandlers(annotations, attention);
        InOrder("attentionLens/adjudication", AnnotationJson.Default.AdjudicationParams, AnnotationJson.Default.AdjudicationResult, adjudication.Compare);
        InOrder("attentionLens/adjudicate", AnnotationJson.Default.AdjudicateParams, AnnotationJson.Default.AdjudicationResult, adjudication.Decide);
        InOrder("attentionLens/similarSpans", AnnotationJson.Default.SimilarSpansParams, AnnotationJson.Default.SimilarSpansResult, evidence.Similar);
        InOrder("attentionLens/relationCandidates", AnnotationJson.Default.RelationCandidatesParams, AnnotationJson.Default.RelationCandidatesResult, evidence.Relations);
        InOrder("attentionLens/rationale", AnnotationJson.Default.RationaleParams, AnnotationJson.Default.RationaleResult, new RationaleHandler(annotations, attention).Measure);
    }

    public IEnumerable<string> Methods => connection.Methods;

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
    private void On<TParams, TResult>(
        string method, JsonTypeInfo<TParams> parameters, JsonTypeInfo<TResult> result, Func<TParams, ServerState, CancellationToken, Task<TResult>> handler) =>
        connection.OnRequest(method, parameters, result, request =>
        {
            ServerState seen = state;
            return cancellation => handler(request, seen, cancellation);
        });

    /// <summary>A request that begins on the dispatcher, so that what it asks for is queued between the edits before and after it.</summary>
    private void InOrder<TParams, TResult>(
        string method, JsonTypeInfo<TParams> parameters, JsonTypeInfo<TResult> result, Func<TParams, ServerState, Func<CancellationToken, Task<TResult>>> begin) =>
        connection.OnRequest(method, parameters, result, request => begin(request, state));

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
