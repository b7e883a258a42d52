using System.Diagnostics;
using AttentionLens.LanguageServer.JsonRpc;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer.Lifecycle;

/// <summary>Ends the session when the client's process ends: an editor that crashes must not leave a server behind at full load.</summary>
internal sealed class ParentWatch(JsonRpcConnection connection, ILogger log) : IDisposable
{
    private readonly CancellationTokenSource stop = new();

    public void Watch(int processId) => _ = WatchAsync(processId);

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
    }

    private async Task WatchAsync(int processId)
    {
        try
        {
            using Process parent = Process.GetProcessById(processId);
            await parent.WaitForExitAsync(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // No such process: it ended before we looked.
        }
        log.ParentGone(processId);
        connection.Stop(1);
    }
}
