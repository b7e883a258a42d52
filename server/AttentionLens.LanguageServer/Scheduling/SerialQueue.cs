namespace AttentionLens.LanguageServer.Scheduling;

/// <summary>Runs pieces of work one after the other, in the order in which they were given, away from who gives them.</summary>
internal sealed class SerialQueue
{
    private readonly Lock gate = new();
    private Task tail = Task.CompletedTask;

    /// <summary>Completes when all that has been given is done.</summary>
    public Task Idle
    {
        get
        {
            lock (gate)
                return tail;
        }
    }

    /// <summary>The result of work that runs after everything given before it, whether that failed or not.</summary>
    public Task<T> Run<T>(Func<T> work)
    {
        lock (gate)
        {
            Task<T> next = tail.ContinueWith(_ => work(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            tail = next;
            return next;
        }
    }
}
