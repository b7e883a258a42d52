namespace AttentionLens.LanguageServer.Scheduling;

internal enum Priority
{
    /// <summary>Tints and overviews: nobody waits for them with a finger on the mouse.</summary>
    Background,

    /// <summary>Hover, cursor row, one head of a panel: overtakes the background.</summary>
    Interactive,
}

/// <summary>
/// Runs one heavy job at a time on a thread of its own (a forward pass already uses every core it may). Interactive jobs go first, and interrupt
/// a background job that runs: it is cancelled and starts again afterwards.
/// </summary>
internal sealed class ComputeLane : IDisposable
{
    /// <summary>A background job that was interrupted this often runs to its end, or steady hovering would starve it.</summary>
    private const int MaxInterruptions = 3;

    private readonly Lock gate = new();
    private readonly SemaphoreSlim available = new(0);
    private readonly List<Job> waiting = [];
    private Job? running;
    private bool disposed;

    public ComputeLane()
    {
        // A background thread: a pass that does not stop in time must not keep the process alive.
        new Thread(Run) { IsBackground = true, Name = "compute" }.Start();
    }

    /// <summary>Queues a job. Its work is handed a token that signals cancellation or interruption.</summary>
    public Job Enqueue(Priority priority, Action<CancellationToken> work)
    {
        var job = new Job(work) { Priority = priority };
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            waiting.Add(job);
            InterruptFor(priority);
        }
        available.Release();
        return job;
    }

    /// <summary>Lets a waiting job overtake; a running one only becomes safe from interruption.</summary>
    public void Raise(Job job, Priority priority)
    {
        lock (gate)
        {
            if (priority <= job.Priority)
                return;
            job.Priority = priority;
            if (running != job)
                InterruptFor(priority);
        }
    }

    /// <summary>Drops a waiting job or cancels the running one.</summary>
    public void Cancel(Job job)
    {
        CancellationTokenSource? source;
        lock (gate)
        {
            job.Cancelled = true;
            waiting.Remove(job);
            source = job.Source;
        }
        Signal(source);
    }

    /// <summary>True until the job first starts.</summary>
    public bool IsWaiting(Job job)
    {
        lock (gate)
            return waiting.Contains(job);
    }

    public void Dispose()
    {
        CancellationTokenSource? source;
        lock (gate)
        {
            disposed = true;
            waiting.Clear();
            source = running?.Source;
        }
        Signal(source);
        available.Release();
    }

    private void InterruptFor(Priority priority)
    {
        if (running is { } busy && busy.Priority < priority && busy.Interruptions < MaxInterruptions && !busy.Interrupted)
        {
            busy.Interrupted = true;
            Signal(busy.Source);
        }
    }

    private static void Signal(CancellationTokenSource? source)
    {
        if (source is null)
            return;
        try
        {
            // On the pool: a callback must not run under a caller's lock.
            _ = source.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The job finished in between.
        }
    }

    private void Run()
    {
        while (true)
        {
            available.Wait();
            Job? job;
            CancellationToken token;
            lock (gate)
            {
                if (disposed)
                    return;
                job = Next();
                if (job is null)
                    continue;
                waiting.Remove(job);
                running = job;
                job.Source = new CancellationTokenSource();
                token = job.Source.Token;
            }
            bool again = false;
            try
            {
                job.Work(token);
            }
            catch (OperationCanceledException)
            {
                lock (gate)
                    again = job.Interrupted && !job.Cancelled && !disposed;
            }
            lock (gate)
            {
                running = null;
                job.Source.Dispose();
                job.Source = null;
                job.Interrupted = false;
                if (again)
                {
                    job.Interruptions++;
                    waiting.Insert(0, job);
                }
            }
            if (again)
                available.Release();
        }
    }

    private Job? Next()
    {
        Job? best = null;
        foreach (Job job in waiting)
        {
            if (best is null || job.Priority > best.Priority)
                best = job;
        }
        return best;
    }

    /// <summary>A queued piece of work. It must not throw anything but <see cref="OperationCanceledException"/>.</summary>
    internal sealed class Job(Action<CancellationToken> work)
    {
        internal Action<CancellationToken> Work { get; } = work;
        internal Priority Priority { get; set; }
        internal CancellationTokenSource? Source { get; set; }
        internal int Interruptions { get; set; }
        internal bool Interrupted { get; set; }
        internal bool Cancelled { get; set; }
    }
}
