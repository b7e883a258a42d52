using System.Collections.Concurrent;
using AttentionLens.LanguageServer.Scheduling;

namespace AttentionLens.LanguageServer.Tests.Scheduling;

public sealed class ComputeLaneTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly ComputeLane lane = new();
    private readonly ConcurrentQueue<string> order = new();

    public void Dispose() => lane.Dispose();

    [Fact]
    public async Task Interactive_jobs_overtake_waiting_background_ones()
    {
        using var release = new ManualResetEventSlim();
        var done = new TaskCompletionSource();
        lane.Enqueue(Priority.Interactive, _ => release.Wait(CancellationToken.None));
        lane.Enqueue(Priority.Background, _ =>
        {
            order.Enqueue("background");
            done.SetResult();
        });
        lane.Enqueue(Priority.Interactive, _ => order.Enqueue("first"));
        lane.Enqueue(Priority.Interactive, _ => order.Enqueue("second"));
        release.Set();
        await done.Task.WaitAsync(Patience);
        Assert.Equal(["first", "second", "background"], order);
    }

    [Fact]
    public async Task An_interactive_job_interrupts_a_background_one_which_then_starts_again()
    {
        var started = new SemaphoreSlim(0);
        var done = new TaskCompletionSource();
        int starts = 0;
        lane.Enqueue(Priority.Background, token =>
        {
            started.Release();
            if (++starts == 1)
            {
                token.WaitHandle.WaitOne();
                token.ThrowIfCancellationRequested();
            }
            order.Enqueue("background");
            done.SetResult();
        });
        await started.WaitAsync(Patience);
        lane.Enqueue(Priority.Interactive, _ => order.Enqueue("interactive"));
        await done.Task.WaitAsync(Patience);
        Assert.Equal(["interactive", "background"], order);
        Assert.Equal(2, starts);
    }

    [Fact]
    public async Task A_background_job_is_not_interrupted_for_ever()
    {
        var started = new SemaphoreSlim(0);
        var done = new TaskCompletionSource();
        int starts = 0;
        lane.Enqueue(Priority.Background, token =>
        {
            starts++;
            started.Release();
            if (starts <= 3)
            {
                token.WaitHandle.WaitOne();
                token.ThrowIfCancellationRequested();
            }
            Assert.False(token.IsCancellationRequested);
            done.SetResult();
        });
        for (int i = 0; i < 10; i++)
        {
            if (i < 4)
                await started.WaitAsync(Patience);
            lane.Enqueue(Priority.Interactive, _ => { });
        }
        await done.Task.WaitAsync(Patience);
        Assert.Equal(4, starts);
    }

    [Fact]
    public async Task A_cancelled_job_does_not_start_or_is_told_to_stop()
    {
        var started = new SemaphoreSlim(0);
        var stopped = new TaskCompletionSource();
        ComputeLane.Job running = lane.Enqueue(Priority.Interactive, token =>
        {
            started.Release();
            token.WaitHandle.WaitOne();
            stopped.SetResult();
            token.ThrowIfCancellationRequested();
        });
        await started.WaitAsync(Patience);
        ComputeLane.Job waiting = lane.Enqueue(Priority.Interactive, _ => order.Enqueue("never"));
        Assert.True(lane.IsWaiting(waiting));
        lane.Cancel(waiting);
        lane.Cancel(running);
        await stopped.Task.WaitAsync(Patience);
        var last = new TaskCompletionSource();
        lane.Enqueue(Priority.Background, _ => last.SetResult());
        await last.Task.WaitAsync(Patience);
        Assert.Empty(order);
    }

    [Fact]
    public async Task Raising_a_waiting_job_lets_it_overtake()
    {
        using var release = new ManualResetEventSlim();
        var done = new TaskCompletionSource();
        lane.Enqueue(Priority.Interactive, _ => release.Wait(CancellationToken.None));
        lane.Enqueue(Priority.Background, _ =>
        {
            order.Enqueue("first in");
            done.SetResult();
        });
        ComputeLane.Job raised = lane.Enqueue(Priority.Background, _ => order.Enqueue("raised"));
        lane.Raise(raised, Priority.Interactive);
        release.Set();
        await done.Task.WaitAsync(Patience);
        Assert.Equal(["raised", "first in"], order);
    }
}
