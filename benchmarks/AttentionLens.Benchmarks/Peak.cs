using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using AttentionLens.Kernels;

namespace AttentionLens.Benchmarks;

/// <summary>What the machine can do at most, measured in the same process.</summary>
internal static class Peak
{
    private static readonly float[] s_memory = [.. Enumerable.Repeat(1f, 64 * 1024 * 1024)];

    /// <summary>The largest seen so far.</summary>
    public static double Best { get; private set; }

    public static double GigaFlops(WorkerPool pool)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            var body = default(Fma);
            long from = Stopwatch.GetTimestamp();
            pool.For(pool.Threads, ref body);
            best = Math.Min(best, Stopwatch.GetElapsedTime(from).TotalSeconds);
        }

        double result = pool.Threads * Fma.Flops / best / 1e9;
        Best = Math.Max(Best, result);
        return result;
    }

    public static double GigaBytes(WorkerPool pool)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 4; i++)
        {
            var body = new Read(s_memory);
            long from = Stopwatch.GetTimestamp();
            pool.For(Read.Parts, ref body);
            best = Math.Min(best, Stopwatch.GetElapsedTime(from).TotalSeconds);
        }

        return s_memory.Length * 4.0 / best / 1e9;
    }

    public static double HandOff(WorkerPool pool)
    {
        var body = default(Nothing);
        long from = Stopwatch.GetTimestamp();
        for (int i = 0; i < 20_000; i++)
        {
            pool.For(pool.Threads * 2, ref body);
        }

        return Stopwatch.GetElapsedTime(from).TotalMicroseconds / 20_000;
    }

    private readonly struct Nothing : IPoolBody
    {
        public void Run(int part, int worker)
        {
        }
    }

    private readonly struct Read(float[] memory) : IPoolBody
    {
        public const int Parts = 64;

        public void Run(int part, int worker)
        {
            ReadOnlySpan<float> span = memory.AsSpan(part * (memory.Length / Parts), memory.Length / Parts);
            if (Vectors.Sum(span) == 1)
            {
                throw new InvalidOperationException("The sum is that of the part.");
            }
        }
    }

    private readonly struct Fma : IPoolBody
    {
        private const int Steps = 400_000;

        public static double Flops => 2.0 * Steps * 10 * (Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int part, int worker)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Vector512<float> a = Vector512.Create(1f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
                Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
                for (int n = 0; n < Steps; n++)
                {
                    a = Vector512.MultiplyAddEstimate(a, x, y);
                    b = Vector512.MultiplyAddEstimate(b, x, y);
                    c = Vector512.MultiplyAddEstimate(c, x, y);
                    d = Vector512.MultiplyAddEstimate(d, x, y);
                    e = Vector512.MultiplyAddEstimate(e, x, y);
                    f = Vector512.MultiplyAddEstimate(f, x, y);
                    g = Vector512.MultiplyAddEstimate(g, x, y);
                    h = Vector512.MultiplyAddEstimate(h, x, y);
                    i = Vector512.MultiplyAddEstimate(i, x, y);
                    j = Vector512.MultiplyAddEstimate(j, x, y);
                }

                Keep(Vector512.Sum(a + b + c + d + e + f + g + h + i + j));
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Vector256<float> a = Vector256.Create(1f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
                Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
                for (int n = 0; n < Steps; n++)
                {
                    a = Vector256.MultiplyAddEstimate(a, x, y);
                    b = Vector256.MultiplyAddEstimate(b, x, y);
                    c = Vector256.MultiplyAddEstimate(c, x, y);
                    d = Vector256.MultiplyAddEstimate(d, x, y);
                    e = Vector256.MultiplyAddEstimate(e, x, y);
                    f = Vector256.MultiplyAddEstimate(f, x, y);
                    g = Vector256.MultiplyAddEstimate(g, x, y);
                    h = Vector256.MultiplyAddEstimate(h, x, y);
                    i = Vector256.MultiplyAddEstimate(i, x, y);
                    j = Vector256.MultiplyAddEstimate(j, x, y);
                }

                Keep(Vector256.Sum(a + b + c + d + e + f + g + h + i + j));
            }
            else
            {
                Vector128<float> a = Vector128.Create(1f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
                Vector128<float> x = Vector128.Create(0.999f), y = Vector128.Create(0.001f);
                for (int n = 0; n < Steps; n++)
                {
                    a = Vector128.MultiplyAddEstimate(a, x, y);
                    b = Vector128.MultiplyAddEstimate(b, x, y);
                    c = Vector128.MultiplyAddEstimate(c, x, y);
                    d = Vector128.MultiplyAddEstimate(d, x, y);
                    e = Vector128.MultiplyAddEstimate(e, x, y);
                    f = Vector128.MultiplyAddEstimate(f, x, y);
                    g = Vector128.MultiplyAddEstimate(g, x, y);
                    h = Vector128.MultiplyAddEstimate(h, x, y);
                    i = Vector128.MultiplyAddEstimate(i, x, y);
                    j = Vector128.MultiplyAddEstimate(j, x, y);
                }

                Keep(Vector128.Sum(a + b + c + d + e + f + g + h + i + j));
            }
        }

        private static void Keep(float value)
        {
            if (value == 42)
            {
                throw new InvalidOperationException("The sums converge to 10 a lane.");
            }
        }
    }
}
