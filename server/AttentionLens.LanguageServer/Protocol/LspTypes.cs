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

/// <summary>Without a range, <paramref name="Text"/> is the whole new document.</summary>
internal sealed record ContentChange(string Text, TextRange? Range = null);

internal sealed record DidChangeParams(VersionedTextDocumentIdentifier TextDocument, ContentChange[] ContentChanges);

internal sealed record DidChangeConfigurationParams(JsonElement Settings = default);

internal sealed record SetTraceParams(string Value);

internal sealed record TextDocumentPositionParams(TextDocumentIdentifier TextDocument, Position Position);

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
    public TextDocumentSyncOptions TextDocumentSync { get; init; } = new(OpenClose: true, Change: 2);
    public bool HoverProvider { get; init; } = true;
    public bool DocumentHighlightProvider { get; init; } = true;
}

/// <param name="Change">2 = incremental.</param>
internal sealed record TextDocumentSyncOptions(bool OpenClose, int Change);

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
[JsonSerializable(typeof(DidChangeParams))]
[JsonSerializable(typeof(DidChangeConfigurationParams))]
[JsonSerializable(typeof(SetTraceParams))]
[JsonSerializable(typeof(TextDocumentPositionParams))]
[JsonSerializable(typeof(HoverResult))]
[JsonSerializable(typeof(DocumentHighlightItem[]))]
[JsonSerializable(typeof(MessageParams))]
[JsonSerializable(typeof(WorkDoneProgressCreateParams))]
[JsonSerializable(typeof(ProgressParams))]
[JsonSerializable(typeof(WorkDoneProgressCancelParams))]
internal sealed partial class LspJson : JsonSerializerContext;
