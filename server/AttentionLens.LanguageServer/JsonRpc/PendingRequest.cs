namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>One incoming request until it is answered. Whoever wins <see cref="TryAnswer"/> sends the one response; everybody else stays silent.</summary>
internal sealed class PendingRequest(RequestId id, string method) : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private int answered;

    public RequestId Id { get; } = id;
    public string Method { get; } = method;
    public CancellationToken Cancellation => source.Token;

    public bool TryAnswer() => Interlocked.Exchange(ref answered, 1) == 0;

    /// <summary>Signals the token on the thread pool: callbacks must not hold up the read loop.</summary>
    public async Task CancelAsync()
    {
        try
        {
            await source.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // The request finished in between.
        }
    }

    public void Dispose() => source.Dispose();
}
