using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace AttentionLens.Kernels;

/// <summary>Work cut into parts. One copy is shared by all workers, so a part may write only what no other part touches.</summary>
public interface IPoolBody
{
    /// <param name="part">0 up to the number of parts asked for.</param>
    /// <param name="worker">0 up to <see cref="WorkerPool.Threads"/>: which worker runs it, for scratch memory of its own.</param>
    void Run(int part, int worker);
}

/// <summary>
/// Threads that wait for small pieces of work. A hand-off costs about a microsecond while work keeps coming (workers spin for some
/// hundreds of microseconds before they park) and allocates nothing. Parts are handed out one by one, so a worker slowed down by another process
/// takes fewer. Several callers may share a pool: they take turns, one <see cref="For"/> at a time (except in <see cref="PerCaller"/>). A body must not
/// call <see cref="For"/> itself: that is refused, because it would wait for itself.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // Long enough to bridge the serial code between two kernels, and between two passes of a burst: a parked worker costs tens of microseconds to
    // wake. After the first part of the wait it yields between looks: on a busy machine it may share its core with the caller, who could not go
    // on while it spins (seen: a pass of 5 ms took 30).
    private const int ParkMicroseconds = 300;
    private const int YieldMicroseconds = 15;

    [ThreadStatic]
    private static bool s_inBody;

    private static readonly Lazy<WorkerPool> s_shared = new(() => new WorkerPool(DefaultThreads));

    private readonly Desk _desk;
    private readonly ThreadLocal<Desk>? _desks;
    private readonly Thread[] _threads;
    private readonly ManualResetEventSlim[] _wake;
    private readonly long _parkTicks = Stopwatch.Frequency * ParkMicroseconds / 1_000_000;
    private readonly long _yieldTicks = Stopwatch.Frequency * YieldMicroseconds / 1_000_000;

    // One job at a time. Written under the desk's turn before _generation, which publishes it.
    private delegate*<void*, int, int, void> _invoke;
    private void* _body;
    private int _parts;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stopping;

    // On cache lines of their own: all three are written while workers poll them.
    private PaddedInt _generation;
    private PaddedInt _next;
    private PaddedInt _busy;

    /// <param name="threads">How many threads work on one call, the caller included; at least 1.</param>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _desk = new Desk(threads);
        _threads = new Thread[threads - 1];
        _wake = new ManualResetEventSlim[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _wake[i] = new ManualResetEventSlim(false, 0);
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"AttentionLens worker {worker}" };
            _threads[i].Start();
        }
    }

    private WorkerPool()
        : this(1) => _desks = new ThreadLocal<Desk>(static () => new Desk(1));

    /// <summary>
    /// No threads but the caller's, and no turns: any number of callers work at once, each with scratch memory of its own. What many passes side by
    /// side should use: nobody waits for the slowest part of a kernel. Never disposed; a thread's scratch goes with the thread.
    /// </summary>
    public static WorkerPool PerCaller { get; } = new();

    /// <summary>A pool of <see cref="DefaultThreads"/>, made when first asked for and never disposed.</summary>
    public static WorkerPool Shared => s_shared.Value;

    /// <summary>All cores up to 4; above, half of them and at most 16 (the other half is usually their hyperthreads, which share the FMA units).</summary>
    public static int DefaultThreads => Environment.ProcessorCount <= 4 ? Environment.ProcessorCount : Math.Clamp(Environment.ProcessorCount / 2, 4, 16);

    /// <summary>Threads that work on one call, the caller included.</summary>
    public int Threads { get; }

    private Desk Own => _desks is null ? _desk : _desks.Value!; // its factory makes one

    /// <summary>
    /// Runs <paramref name="body"/> for every part and returns when all are done. Blocks while another caller has the pool. The first
    /// exception of a part is rethrown here, after parts already begun have ended; parts not yet begun are then left out.
    /// </summary>
    /// <exception cref="InvalidOperationException">Called from inside a body.</exception>
    public void For<TBody>(int parts, ref TBody body)
        where TBody : struct, IPoolBody
    {
        if (s_inBody)
        {
            throw new InvalidOperationException("WorkerPool.For was called from inside a pool body; nested parallel work is not supported.");
        }

        if (parts <= 0)
        {
            return;
        }

        lock (Own.Turn)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            TBody local = body;
            if (_threads.Length == 0 || parts == 1)
            {
                s_inBody = true;
                try
                {
                    for (int part = 0; part < parts; part++)
                    {
                        local.Run(part, 0);
                    }
                }
                finally
                {
                    s_inBody = false;
                }
            }
            else
            {
                // The address of a local: it does not move, and this frame keeps what it refers to alive until every worker is done.
                Dispatch(parts, &Invoke<TBody>, Unsafe.AsPointer(ref local));
            }

            body = local;
        }
    }

    /// <summary>Ends the threads, after a call under way.</summary>
    public void Dispose()
    {
        lock (_desk.Turn)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
            Interlocked.Increment(ref _generation.Value);
            foreach (ManualResetEventSlim wake in _wake)
            {
                wake.Set();
            }

            foreach (Thread thread in _threads)
            {
                thread.Join();
            }

            foreach (ManualResetEventSlim wake in _wake)
            {
                wake.Dispose();
            }

            _desk.Dispose();
        }
    }

    /// <summary>Takes the pool for several calls of <see cref="For"/> in a row that share <see cref="SharedScratch"/>.</summary>
    internal Lock.Scope Enter() => Own.Turn.EnterScope();

    /// <summary>Scratch memory of the call that holds the pool (<see cref="Enter"/>); kept for the next one, so warm calls allocate nothing.</summary>
    internal float* SharedScratch(long floats)
    {
        NativeBuffer shared = Own.Shared;
        shared.Ensure(floats);
        return shared.Pointer;
    }

    /// <summary>Scratch memory of one worker, from inside a body.</summary>
    internal float* Scratch(int worker, long floats)
    {
        NativeBuffer scratch = Own.Scratch[worker];
        scratch.Ensure(floats);
        return scratch.Pointer;
    }

    private static void Invoke<TBody>(void* body, int part, int worker)
        where TBody : struct, IPoolBody =>
        Unsafe.AsRef<TBody>(body).Run(part, worker);

    private void Dispatch(int parts, delegate*<void*, int, int, void> invoke, void* body)
    {
        _invoke = invoke;
        _body = body;
        _parts = parts;
        _failure = null;
        Volatile.Write(ref _next.Value, 0);
        Volatile.Write(ref _busy.Value, _threads.Length);
        Interlocked.Increment(ref _generation.Value);
        foreach (ManualResetEventSlim wake in _wake)
        {
            wake.Set();
        }

        Drain(0);
        var spin = default(SpinWait);
        while (Volatile.Read(ref _busy.Value) != 0)
        {
            // Sleep(1) would cost a millisecond; Yield lets a descheduled worker run when there are fewer cores than threads.
            spin.SpinOnce(sleep1Threshold: -1);
        }

        _failure?.Throw();
    }

    private void Drain(int worker)
    {
        s_inBody = true;
        try
        {
            int part;
            while ((part = Interlocked.Increment(ref _next.Value) - 1) < _parts)
            {
                _invoke(_body, part, worker);
            }
        }
#pragma warning disable CA1031 // Rethrown on the caller's thread.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(error), null);
            Volatile.Write(ref _next.Value, _parts);
        }
        finally
        {
            s_inBody = false;
        }
    }

    private void Work(int worker)
    {
        ManualResetEventSlim wake = _wake[worker - 1];
        int seen = 0;
        while (true)
        {
            int generation = AwaitGeneration(seen, wake);
            seen = generation;
            if (_stopping)
            {
                return;
            }

            Drain(worker);
            Interlocked.Decrement(ref _busy.Value);
        }
    }

    private int AwaitGeneration(int seen, ManualResetEventSlim wake)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            for (int i = 0; i < 32; i++)
            {
                int generation = Volatile.Read(ref _generation.Value);
                if (generation != seen)
                {
                    return generation;
                }

                Thread.SpinWait(4);
            }

            long waited = Stopwatch.GetTimestamp() - start;
            if (waited > _parkTicks)
            {
                // Reset, look once more, then park: a job published in between has either been seen here or has set the event again.
                wake.Reset();
                int generation = Volatile.Read(ref _generation.Value);
                if (generation != seen)
                {
                    return generation;
                }

                wake.Wait();
            }
            else if (waited > _yieldTicks)
            {
                Thread.Yield();
            }
        }
    }

    /// <summary>What callers take turns at, and the memory that belongs to who has it.</summary>
    private sealed class Desk(int threads) : IDisposable
    {
        public Lock Turn { get; } = new();

        public NativeBuffer Shared { get; } = new();

        public NativeBuffer[] Scratch { get; } = [.. Enumerable.Range(0, threads).Select(static _ => new NativeBuffer())];

        public void Dispose()
        {
            Shared.Dispose();
            foreach (NativeBuffer buffer in Scratch)
            {
                buffer.Dispose();
            }
        }
    }

    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 128)]
    private struct PaddedInt
    {
        [System.Runtime.InteropServices.FieldOffset(64)]
        public int Value;
    }
}
