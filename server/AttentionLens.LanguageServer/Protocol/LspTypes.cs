using System.Text.Json;
using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Protocol;

/// <summary>Zero-based line and UTF-16 code unit in it.</summary>
internal readonly record struct Position(int Line, int Character);

/// <summary>Half-open.</summary>
internal readonly record struct TextRange(Position Start, Position End);

internal sealed record NoParams;

internal sealed record TextDocumentIdentifier(string Uri);

internal sealed record VersionedTextDocumentIdentifier(string Uri, int Version);

internal sealed record TextDocumentItem(string Uri, string Text, string LanguageId = "", int Version = 0);

internal sealed record DidOpenParams(TextDocumentItem TextDocument);

internal sealed record DidCloseParams(TextDocumentIdentifier TextDocument);

internal sealed record DidSaveParams(TextDocumentIdentifier TextDocument);

internal sealed record DidChangeWatchedFilesParams(FileEvent[] Changes);

internal sealed record FileEvent(string Uri);

/// <summary>Without a range, <paramref name="Text"/> is the whole new document.</summary>
internal sealed record ContentChange(string Text, TextRange? Range = null);

internal sealed record DidChangeParams(VersionedTextDocumentIdentifier TextDocument, ContentChange[] ContentChanges);

internal sealed record DidChangeConfigurationParams(JsonElement Settings = default);

internal sealed record SetTraceParams(string Value);

internal sealed record ExecuteCommandParams(string Command, JsonElement[]? Arguments = null);

internal sealed record Command(string Title, [property: JsonPropertyName("command")] string Name, JsonElement[]? Arguments = null);

internal sealed record DocumentParams(TextDocumentIdentifier TextDocument);

internal sealed record DocumentRangeParams(TextDocumentIdentifier TextDocument, TextRange Range);

internal sealed record CodeLensItem(TextRange Range, Command Command);

/// <param name="Label">What is drawn after the token.</param>
internal sealed record InlayHintItem(Position Position, string Label, string? Tooltip = null, bool PaddingLeft = false);

internal sealed record CodeActionParams(TextDocumentIdentifier TextDocument, TextRange Range, CodeActionContext Context);

/// <param name="Only">Kinds that are wanted; absent = all.</param>
/// <param name="TriggerKind">1 = the user asked, 2 = the editor did by itself.</param>
internal sealed record CodeActionContext(string[]? Only = null, int? TriggerKind = null);

internal sealed record CodeActionItem(string Title, string Kind, Command Command);

internal sealed record DiagnosticParams(TextDocumentIdentifier TextDocument, string? PreviousResultId = null);

/// <param name="Kind">"full", or "unchanged" without items.</param>
internal sealed record DiagnosticReport(string Kind, string ResultId, DiagnosticItem[]? Items = null);

/// <param name="Severity">1 error, 2 warning, 3 information, 4 hint.</param>
internal sealed record DiagnosticItem(TextRange Range, int Severity, string Source, string Code, string Message);

internal sealed record NotebookDidOpenParams(TextDocumentItem[] CellTextDocuments);

internal sealed record NotebookDidCloseParams(TextDocumentIdentifier[] CellTextDocuments);

internal sealed record NotebookDidChangeParams(NotebookChange Change);

internal sealed record NotebookChange(NotebookCellsChange? Cells = null);

internal sealed record NotebookCellsChange(NotebookStructureChange? Structure = null, NotebookTextChange[]? TextContent = null);

internal sealed record NotebookStructureChange(TextDocumentItem[]? DidOpen = null, TextDocumentIdentifier[]? DidClose = null);

internal sealed record NotebookTextChange(VersionedTextDocumentIdentifier Document, ContentChange[] Changes);

internal sealed record InitializeParams(
    int? ProcessId = null, ClientCapabilities? Capabilities = null, JsonElement InitializationOptions = default, string? Trace = null);

internal sealed record ClientCapabilities(
    WindowCapabilities? Window = null, TextDocumentCapabilities? TextDocument = null, WorkspaceCapabilities? Workspace = null);

internal sealed record WindowCapabilities(bool WorkDoneProgress = false);

internal sealed record TextDocumentCapabilities(HoverCapabilities? Hover = null);

internal sealed record HoverCapabilities(string[]? ContentFormat = null);

internal sealed record WorkspaceCapabilities(
    RefreshCapabilities? CodeLens = null, RefreshCapabilities? InlayHint = null, RefreshCapabilities? Diagnostics = null);

internal sealed record RefreshCapabilities(bool RefreshSupport = false);

internal sealed record InitializeResult(ServerCapabilities Capabilities, ServerInfo ServerInfo);

internal sealed record ServerInfo(string Name, string Version);

internal sealed record ServerCapabilities
{
    public string PositionEncoding { get; init; } = "utf-16";
    public TextDocumentSyncOptions TextDocumentSync { get; init; } = new(OpenClose: true, Change: 2, Save: true);
    public bool HoverProvider { get; init; } = true;
    public bool DocumentHighlightProvider { get; init; } = true;
    public bool InlayHintProvider { get; init; } = true;
    public CodeLensOptions CodeLensProvider { get; init; } = new(ResolveProvider: false);
    public bool CodeActionProvider { get; init; } = true;
    public ExecuteCommandOptions ExecuteCommandProvider { get; init; } = new([]);
    public DiagnosticOptions DiagnosticProvider { get; init; } = new("attention-lens", InterFileDependencies: false, WorkspaceDiagnostics: false);
    public NotebookSyncOptions NotebookDocumentSync { get; init; } = new([new NotebookSelector("*")]);
}

internal sealed record CodeLensOptions(bool ResolveProvider);

internal sealed record ExecuteCommandOptions(string[] Commands);

internal sealed record DiagnosticOptions(string Identifier, bool InterFileDependencies, bool WorkspaceDiagnostics);

internal sealed record NotebookSyncOptions(NotebookSelector[] NotebookSelector);

/// <param name="Notebook">A notebook type, "*" for all.</param>
internal sealed record NotebookSelector(string Notebook);

/// <param name="Change">2 = incremental.</param>
internal sealed record TextDocumentSyncOptions(bool OpenClose, int Change, bool Save);

internal sealed record HoverResult(MarkupContent Contents, TextRange Range);

/// <param name="Kind">"markdown" or "plaintext".</param>
internal sealed record MarkupContent(string Kind, string Value);

/// <param name="Kind">1 text, 2 read, 3 write.</param>
internal sealed record DocumentHighlightItem(TextRange Range, int Kind);

/// <param name="Type">1 error, 2 warning, 3 info, 4 log (trace level in the client).</param>
internal sealed record MessageParams(int Type, string Message);

internal sealed record WorkDoneProgressCreateParams(string Token);

internal sealed record ProgressParams(string Token, WorkDoneProgress Value);

/// <param name="Kind">"begin", "report" or "end".</param>
internal sealed record WorkDoneProgress(string Kind, string? Title = null, string? Message = null, int? Percentage = null, bool? Cancellable = null);

internal sealed record WorkDoneProgressCancelParams(string Token);

/// <summary>The standard messages of LSP that this server reads and writes.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(LenientString)])]
[JsonSerializable(typeof(NoParams))]
[JsonSerializable(typeof(InitializeParams))]
[JsonSerializable(typeof(InitializeResult))]
[JsonSerializable(typeof(DidOpenParams))]
[JsonSerializable(typeof(DidCloseParams))]
[JsonSerializable(typeof(DidSaveParams))]
[JsonSerializable(typeof(DidChangeWatchedFilesParams))]
[JsonSerializable(typeof(DidChangeParams))]
[JsonSerializable(typeof(DidChangeConfigurationParams))]
[JsonSerializable(typeof(SetTraceParams))]
[JsonSerializable(typeof(ExecuteCommandParams))]
[JsonSerializable(typeof(DocumentParams))]
[JsonSerializable(typeof(DocumentRangeParams))]
[JsonSerializable(typeof(CodeLensItem[]))]
[JsonSerializable(typeof(InlayHintItem[]))]
[JsonSerializable(typeof(CodeActionParams))]
[JsonSerializable(typeof(CodeActionItem[]))]
[JsonSerializable(typeof(DiagnosticParams))]
[JsonSerializable(typeof(DiagnosticReport))]
[JsonSerializable(typeof(NotebookDidOpenParams))]
[JsonSerializable(typeof(NotebookDidCloseParams))]
[JsonSerializable(typeof(NotebookDidChangeParams))]
[JsonSerializable(typeof(TextRange?))]
[JsonSerializable(typeof(HoverResult))]
[JsonSerializable(typeof(DocumentHighlightItem[]))]
[JsonSerializable(typeof(MessageParams))]
[JsonSerializable(typeof(WorkDoneProgressCreateParams))]
[JsonSerializable(typeof(ProgressParams))]
[JsonSerializable(typeof(WorkDoneProgressCancelParams))]
internal sealed partial class LspJson : JsonSerializerContext;
