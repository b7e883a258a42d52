using System.Globalization;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer;

/// <summary>
/// Logs to the client (<c>window/logMessage</c>) once it is initialized, to stderr before that and where stderr is all there is. Exceptions go
/// to stderr in full and to the client by their type only: their messages could quote a document.
/// </summary>
internal sealed class ClientLogger(TextWriter errors) : ILogger
{
    private long sequence;

    /// <summary>Set when the client may be sent notifications.</summary>
    public JsonRpcConnection? Connection { get; set; }

    /// <summary>What is not logged at all; <c>$/setTrace</c> lowers it.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Level && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        string message = formatter(state, null);
        if (exception is not null || Connection is null)
        {
            try
            {
                errors.WriteLine($"[{logLevel}] {message}{(exception is null ? "" : Environment.NewLine + exception)}");
            }
            catch (Exception closed) when (closed is IOException or ObjectDisposedException)
            {
                // stderr has gone with the client; there is nobody left to tell.
            }
        }
        if (exception is not null)
            message += $" ({exception.GetType().Name})";
        int type = logLevel switch
        {
            >= LogLevel.Error => 1,
            LogLevel.Warning => 2,
            LogLevel.Information => 3,
            _ => 4,
        };
        Connection?.NotifyLatest(
            string.Create(CultureInfo.InvariantCulture, $"log {Interlocked.Increment(ref sequence)}"),
            "window/logMessage", new MessageParams(type, message), LspJson.Default.MessageParams);
    }
}
