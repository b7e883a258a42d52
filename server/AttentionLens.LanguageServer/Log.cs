using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer;

/// <summary>
/// Every event the server logs, in one place, so that a reader can check that none of them carries a document's text.
/// URIs, versions, methods, counts and times only.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "{Method} {Id} answered in {Milliseconds:F1} ms")]
    public static partial void Answered(this ILogger log, string method, string id, double milliseconds);

    [LoggerMessage(2, LogLevel.Debug, "{Method} {Id} cancelled by the client")]
    public static partial void Cancelled(this ILogger log, string method, string id);

    [LoggerMessage(3, LogLevel.Error, "{Method} failed")]
    public static partial void Failed(this ILogger log, Exception exception, string method);

    [LoggerMessage(4, LogLevel.Warning, "a message is not valid: {Problem}")]
    public static partial void BadMessage(this ILogger log, string problem);

    [LoggerMessage(5, LogLevel.Error, "the connection is lost: {Problem}")]
    public static partial void ConnectionLost(this ILogger log, string problem);

    [LoggerMessage(6, LogLevel.Debug, "notification {Method} ignored")]
    public static partial void Ignored(this ILogger log, string method);

    [LoggerMessage(7, LogLevel.Debug, "a response to the unknown request {Id} was ignored")]
    public static partial void UnknownResponse(this ILogger log, string id);

    [LoggerMessage(8, LogLevel.Warning, "the parent process {ProcessId} has gone; exiting")]
    public static partial void ParentGone(this ILogger log, int processId);

    [LoggerMessage(9, LogLevel.Warning, "{Running} requests were still running at the exit")]
    public static partial void StillRunning(this ILogger log, int running);

    [LoggerMessage(10, LogLevel.Information, "model {Name} ({ModelType}, {Layers} layers, {Heads} heads) loaded")]
    public static partial void ModelLoaded(this ILogger log, string name, string modelType, int layers, int heads);

    [LoggerMessage(11, LogLevel.Warning, "the model could not be loaded: {Problem}")]
    public static partial void ModelFailed(this ILogger log, Exception? exception, string problem);

    [LoggerMessage(12, LogLevel.Warning, "{Method} for a document that is not open, or out of step with the client: {Uri}")]
    public static partial void UnknownDocument(this ILogger log, string method, string uri);

    [LoggerMessage(13, LogLevel.Warning, "setting {Name} is not usable and keeps its default: {Problem}")]
    public static partial void BadSetting(this ILogger log, string name, string problem);
}
