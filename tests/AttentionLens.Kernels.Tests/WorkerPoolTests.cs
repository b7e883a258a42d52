namespace AttentionLens.Kernels.Tests;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Every_part_runs_once(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (int parts = 0; parts < 40; parts++)
        {
            var body = new Count(new int[parts], threads);
            pool.For(parts, ref body);
            Assert.All(body.Counts, c => Assert.Equal(1, c));
        }
    }

    [Fact]
    public void A_parked_pool_wakes_up()
    {
        using var pool = new WorkerPool(3);
        for (int i = 0; i < 5; i++)
        {
            // Longer than the workers spin.
            Thread.Sleep(5);
            var body = new Count(new int[100], 3);
            pool.For(100, ref body);
            Assert.All(body.Counts, c => Assert.Equal(1, c));
        }
    }

    [Fact]
    public void Several_callers_take_turns()
    {
        using var pool = new WorkerPool(3);
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 500; i++)
            {
                var body = new Count(new int[9], 3);
                pool.For(9, ref body);
                Assert.All(body.Counts, c => Assert.Equal(1, c));
            }
        }))];
        Array.ForEach(callers, c => c.Start());
        Array.ForEach(callers, c => Assert.True(c.Join(TimeSpan.FromSeconds(60))));
    }

    [Fact]
    public void Callers_that_bring_their_own_thread_work_at_once_and_share_no_scratch()
    {
        const int callers = 3;
        using var meeting = new Barrier(callers);
        var scratch = new nint[callers];
        Thread[] threads = [.. Enumerable.Range(0, callers).Select(caller => new Thread(() =>
        {
            var body = new Meet(meeting, scratch, caller);
            WorkerPool.PerCaller.For(1, ref body);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(60))));
        Assert.Equal(callers, scratch.Where(address => address != 0).Distinct().Count());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void An_exception_reaches_the_caller_and_the_pool_goes_on(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (int i = 0; i < 50; i++)
        {
            var failing = new Fail();
            Assert.Equal("part 3", Assert.Throws<FormatException>(() => pool.For(8, ref failing)).Message);
            var body = new Count(new int[8], threads);
            pool.For(8, ref body);
            Assert.All(body.Counts, c => Assert.Equal(1, c));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Nested_use_is_refused(int threads)
    {
        using var pool = new WorkerPool(threads);
        var body = new Nest(pool);
        Assert.Contains("nested", Assert.Throws<InvalidOperationException>(() => pool.For(4, ref body)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disposed_pool_says_so()
    {
        var pool = new WorkerPool(2);
        pool.Dispose();
        pool.Dispose();
        var body = new Count(new int[2], 2);
        Assert.Throws<ObjectDisposedException>(() => pool.For(2, ref body));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerPool(0));
    }

    [Fact]
    public void Warm_kernels_allocate_nothing()
    {
        using var pool = new WorkerPool(2);
        const int n = 40, width = 64;
        float[] x = Reference.Random(n * width, 1), y = new float[n * width], w = Reference.Random(width * width, 2), tile = new float[64], row = new float[n];
        using PackedMatrix matrix = PackedMatrix.Pack(w, width, width);
        var pattern = new AttentionPattern { Queries = n, Keys = n, Heads = 2, HeadSize = 32, Scale = 1, After = 0 };
        for (int i = 0; i < 3; i++)
        {
            Pass();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            Pass();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Pass()
        {
            MatMul.Multiply(x, n, width, matrix, w.AsSpan(0, width), Activation.Gelu, [], 0, y, width, pool);
            AttentionKernel.Attend(pattern, new(x, width), new(x, width), new(x, width), y, width, new NoObserver(), pool);
            AttentionKernel.Row(pattern, new(x, width), new(x, width), 1, 7, row);
            AttentionKernel.Tile(pattern, new(x, width), new(x, width), 1, Range.All, Range.All, 8, 8, Pooling.Max, [], tile, pool);
            Norms.LayerNorm(x, n, width, w.AsSpan(0, width), w.AsSpan(0, width), 1e-5f, y, pool);
            Softmax.InPlace(row);
        }
    }

    [Fact]
    public void Buffers_are_aligned_and_grow()
    {
        using var buffer = new NativeBuffer(3);
        for (int length = 3; length < 5000; length *= 3)
        {
            buffer.Ensure(length);
            Assert.True(buffer.Length >= length);
            unsafe
            {
                Assert.Equal(0, (nint)buffer.Pointer % 64);
            }

            buffer.Span.Fill(1);
        }

        Assert.Equal(buffer.Length * 4, buffer.Bytes);
    }

    private readonly struct Count(int[] counts, int threads) : IPoolBody
    {
        public int[] Counts => counts;

        public void Run(int part, int worker)
        {
            Assert.InRange(worker, 0, threads - 1);
            Interlocked.Increment(ref counts[part]);
        }
    }

    /// <summary>Ends only when all callers are in it.</summary>
    private readonly struct Meet(Barrier meeting, nint[] scratch, int caller) : IPoolBody
    {
        public unsafe void Run(int part, int worker)
        {
            if (meeting.SignalAndWait(TimeSpan.FromSeconds(30)))
            {
                scratch[caller] = (nint)WorkerPool.PerCaller.Scratch(worker, 64);
                meeting.SignalAndWait(TimeSpan.FromSeconds(30));
            }
        }
    }

    private readonly struct Fail : IPoolBody
    {
        public void Run(int part, int worker)
        {
            if (part == 3)
            {
                throw new FormatException("part 3");
            }
        }
    }

    private readonly struct Nest(WorkerPool pool) : IPoolBody
    {
        public void Run(int part, int worker)
        {
            var inner = new Count(new int[2], pool.Threads);
            pool.For(2, ref inner);
        }
    }
}
