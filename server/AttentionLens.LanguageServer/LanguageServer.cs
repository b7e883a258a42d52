using System.IO.Pipelines;
using System.Reflection;
using System.Text.Json.Serialization.Metadata;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.DocumentHighlight;
using AttentionLens.LanguageServer.Features.Hover;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Lifecycle;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.LanguageServer.Settings;
using Microsoft.Extensions.Logging;

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
    private readonly HoverHandler hover;
    private ServerState state = ServerState.Empty;

    public LanguageServer(PipeReader input, PipeWriter output, ServerOptions options)
    {
        log = new ClientLogger(options.Errors) { Level = options.LogLevel };
        connection = new JsonRpcConnection(input, output, log) { Admit = lifecycle.Admit };
        parents = new ParentWatch(connection, log);
        progress = new ProgressService(connection, options.Time);
        models = new ModelHost(options.Loader, progress.Begin, options.Time, log);
        models.Changed += SendStatus;
        var attention = new AttentionService(models, new TraceService(lane, cache, progress.Begin), cache, log);
        hover = new HoverHandler(attention);
        if (options.ClientProcessId is { } parent)
            parents.Watch(parent);

        connection.OnRequest("initialize", LspJson.Default.InitializeParams, LspJson.Default.InitializeResult, Initialize);
        connection.OnNotification("initialized", LspJson.Default.NoParams, Initialized);
        connection.OnRequest("shutdown", LspJson.Default.NoParams, LspJson.Default.NoParams!, Shutdown);
        connection.OnNotification("exit", LspJson.Default.NoParams, _ => connection.Stop(lifecycle.ExitCode));
        connection.OnNotification("$/setTrace", LspJson.Default.SetTraceParams, p => SetTrace(p.Value));
        connection.OnNotification("window/workDoneProgress/cancel", LspJson.Default.WorkDoneProgressCancelParams, p => progress.Cancel(p.Token));
        connection.OnNotification("workspace/didChangeConfiguration", LspJson.Default.DidChangeConfigurationParams, p => Configure(p.Settings));
        connection.OnNotification("textDocument/didOpen", LspJson.Default.DidOpenParams, DidOpen);
        connection.OnNotification("textDocument/didChange", LspJson.Default.DidChangeParams, DidChange);
        connection.OnNotification("textDocument/didClose", LspJson.Default.DidCloseParams, DidClose);
        connection.OnNotification("textDocument/didSave", LspJson.Default.NoParams, static _ => { });

        On("textDocument/hover", LspJson.Default.TextDocumentPositionParams, LspJson.Default.HoverResult!, hover.HandleAsync);
        On("textDocument/documentHighlight", LspJson.Default.TextDocumentPositionParams, LspJson.Default.DocumentHighlightItemArray!,
            new DocumentHighlightHandler(attention).HandleAsync);

        var custom = new AttentionHandlers(attention);
        On("attentionLens/tints", AttentionJson.Default.TintsParams, AttentionJson.Default.TintsResult, custom.TintsAsync);
        On("attentionLens/tokens", AttentionJson.Default.TokensParams, AttentionJson.Default.TokensResult, custom.TokensAsync);
        On("attentionLens/row", AttentionJson.Default.RowParams, AttentionJson.Default.RowResult, custom.RowAsync);
        On("attentionLens/tile", AttentionJson.Default.TileParams, AttentionJson.Default.TileResult, custom.TileAsync);
        On("attentionLens/overview", AttentionJson.Default.OverviewParams, AttentionJson.Default.OverviewResult, custom.OverviewAsync);
        On("attentionLens/profiles", AttentionJson.Default.ProfilesParams, AttentionJson.Default.ProfilesResult, custom.ProfilesAsync);
        On("attentionLens/modelInfo", LspJson.Default.NoParams, AttentionJson.Default.ModelInfoResult, custom.ModelInfoAsync);
    }

    /// <summary>Serves until the client ends the session or goes away.</summary>
    /// <returns>The process's exit code.</returns>
    public Task<int> RunAsync(CancellationToken cancellation) => connection.RunAsync(cancellation);

    public void Dispose()
    {
        parents.Dispose();
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

    private Func<CancellationToken, Task<InitializeResult>> Initialize(InitializeParams request)
    {
        lifecycle.Initialize();
        if (request.ProcessId is { } parent)
            parents.Watch(parent);
        SetTrace(request.Trace);
        progress.Supported = request.Capabilities?.Window?.WorkDoneProgress == true;
        // An absent list is an old client, and those show Markdown.
        hover.PlainText = request.Capabilities?.TextDocument?.Hover?.ContentFormat is { Length: > 0 } formats && !formats.Contains("markdown");
        state = state with { Settings = ReadSettings(request.InitializationOptions) };
        cache.Resize(Megabytes(state.Settings.CacheMegabytes));
        models.Choose(state.Settings.Model);
        string version = typeof(LanguageServer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return _ => Task.FromResult(new InitializeResult(new ServerCapabilities(), new ServerInfo("attention-lens", version.Split('+')[0])));
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
        return static _ => Task.FromResult<NoParams>(null!); // the protocol's result is null
    }

    private void SetTrace(string? value) => log.Level = value is "messages" or "verbose" ? LogLevel.Debug : LogLevel.Information;

    private void Configure(System.Text.Json.JsonElement settings)
    {
        state = state with { Settings = ReadSettings(settings) };
        cache.Resize(Megabytes(state.Settings.CacheMegabytes));
        models.Choose(state.Settings.Model);
    }

    private ServerSettings ReadSettings(System.Text.Json.JsonElement json) => ServerSettings.Read(json, (name, problem) => log.BadSetting(name, problem));

    private void DidOpen(DidOpenParams request)
    {
        TextDocumentItem item = request.TextDocument;
        state = state with { Documents = state.Documents.SetItem(item.Uri, new DocumentSnapshot(item.Uri, item.LanguageId, item.Version, item.Text)) };
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
            state = state with { Documents = state.Documents.SetItem(uri, document.Apply(request.TextDocument.Version, request.ContentChanges)) };
        }
        catch
        {
            // What the client shows is now unknown; better no answer than one about another text.
            state = state with { Documents = state.Documents.Remove(uri) };
            throw;
        }
    }

    private void DidClose(DidCloseParams request) => state = state with { Documents = state.Documents.Remove(request.TextDocument.Uri) };

    private void SendStatus()
    {
        if (log.Connection is null)
            return;
        ModelSummary? model = models.Info is { } info ? AttentionHandlers.Summary(info) : null;
        string? problem = models.Problem;
        connection.NotifyLatest(
            "status", "attentionLens/status", new StatusParams(problem is null ? "ok" : "error", models.Loading, problem, model),
            AttentionJson.Default.StatusParams);
    }
}
