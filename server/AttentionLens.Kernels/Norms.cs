using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <summary>Normalisations over the last axis. The moments are taken in two passes, mean first, so a large mean costs no accuracy.</summary>
public static unsafe class Norms
{
    /// <summary>result = (x - mean) / sqrt(variance + eps) * weight + bias, row by row of <paramref name="width"/>. In place is allowed.</summary>
    /// <param name="x">[rows, width], contiguous.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width], or empty for none.</param>
    /// <param name="eps">Added to the (biased) variance.</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="pool">Whose threads share the work.</param>
    public static void LayerNorm(
        ReadOnlySpan<float> x, int rows, int width, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, float eps, Span<float> result, WorkerPool pool)
    {
        if (!bias.IsEmpty)
        {
            Check.Length(bias.Length, width, nameof(bias));
        }

        Run(x, rows, width, weight, bias, eps, 0, center: true, result, pool);
    }

    /// <summary>result = x / sqrt(mean(x²) + eps) * (weight + weightOffset), row by row. In place is allowed.</summary>
    /// <param name="x">[rows, width], contiguous.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="weight">[width].</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="weightOffset">1 for Gemma, else 0.</param>
    /// <param name="result">[rows, width].</param>
    /// <param name="pool">Whose threads share the work.</param>
    public static void RmsNorm(
        ReadOnlySpan<float> x, int rows, int width, ReadOnlySpan<float> weight, float eps, float weightOffset, Span<float> result, WorkerPool pool) =>
        Run(x, rows, width, weight, [], eps, weightOffset, center: false, result, pool);

    private static void Run(
        ReadOnlySpan<float> x,
        int rows,
        int width,
        ReadOnlySpan<float> weight,
        ReadOnlySpan<float> bias,
        float eps,
        float weightOffset,
        bool center,
        Span<float> result,
        WorkerPool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        Check.Rows(x.Length, rows, width, width, nameof(x));
        Check.Rows(result.Length, rows, width, width, nameof(result));
        Check.Length(weight.Length, width, nameof(weight));
        fixed (float* xs = x)
        fixed (float* weights = weight)
        fixed (float* biases = bias)
        fixed (float* results = result)
        {
            var body = new Body(xs, rows, width, weights, biases, eps, weightOffset, center, results);
            pool.For(body.Parts, ref body);
        }
    }

    private readonly struct Body(
        float* x, int rows, int width, float* weight, float* bias, float eps, float weightOffset, bool center, float* result) : IPoolBody
    {
        // About ten microseconds of work a part: a hand-off costs one.
        private const int LeastFloats = 32 * 1024;

        public int Parts => rows == 0 ? 0 : (int)Math.Clamp((long)rows * width / LeastFloats, 1, rows);

        public void Run(int part, int worker)
        {
            for (int row = MicroKernel.TileStart(rows, Parts, part); row < MicroKernel.TileStart(rows, Parts, part + 1); row++)
            {
                float* from = x + (long)row * width;
                float mean = center ? (float)(Reduce<Plain>(from, width, 0) / width) : 0;
                double variance = Reduce<SquaredDifference>(from, width, mean) / width;
                Scale(from, mean, (float)(1 / Math.Sqrt(variance + eps)), weight, weightOffset, bias, result + (long)row * width, width);
            }
        }
    }

    private interface ITerm
    {
        static abstract V Add<V>(V sum, V x, V center)
            where V : unmanaged, ILanes<V>;
    }

    private readonly struct Plain : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Add<V>(V sum, V x, V center)
            where V : unmanaged, ILanes<V> => sum + x;
    }

    private readonly struct SquaredDifference : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Add<V>(V sum, V x, V center)
            where V : unmanaged, ILanes<V>
        {
            V difference = x - center;
            return V.MultiplyAdd(difference, difference, sum);
        }
    }

    private static double Reduce<T>(float* x, int count, float center)
        where T : struct, ITerm =>
        Vector512.IsHardwareAccelerated ? Reduce<T, Lanes512>(x, count, center)
        : Vector256.IsHardwareAccelerated ? Reduce<T, Lanes256>(x, count, center)
        : Vector128.IsHardwareAccelerated ? Reduce<T, Lanes128>(x, count, center)
        : Reduce<T, Lanes1>(x, count, center);

    // Sums of at most 16 terms a lane in float32, then double: the error does not grow with the width.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Reduce<T, V>(float* x, int count, float center)
        where T : struct, ITerm
        where V : unmanaged, ILanes<V>
    {
        V middle = V.Broadcast(center);
        double total = 0;
        int i = 0;
        while (i <= count - V.Count)
        {
            V a = V.Broadcast(0), b = V.Broadcast(0), c = V.Broadcast(0), d = V.Broadcast(0);
            int until = Math.Min(count, i + 64 * V.Count);
            for (; i <= until - 4 * V.Count; i += 4 * V.Count)
            {
                a = T.Add(a, V.Load(x + i), middle);
                b = T.Add(b, V.Load(x + i + V.Count), middle);
                c = T.Add(c, V.Load(x + i + 2 * V.Count), middle);
                d = T.Add(d, V.Load(x + i + 3 * V.Count), middle);
            }

            for (; i <= until - V.Count; i += V.Count)
            {
                a = T.Add(a, V.Load(x + i), middle);
            }

            total += V.Sum((a + b) + (c + d));
        }

        for (; i < count; i++)
        {
            total += V.Count == 1 ? 0 : Scalar<T>(x[i], center);
        }

        return total;
    }

    private static float Scalar<T>(float x, float center)
        where T : struct, ITerm =>
        Lanes1.Sum(T.Add(Lanes1.Broadcast(0), Lanes1.Broadcast(x), Lanes1.Broadcast(center)));

    private static void Scale(float* x, float mean, float factor, float* weight, float weightOffset, float* bias, float* result, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Scale<Lanes512>(x, mean, factor, weight, weightOffset, bias, result, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Scale<Lanes256>(x, mean, factor, weight, weightOffset, bias, result, count);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Scale<Lanes128>(x, mean, factor, weight, weightOffset, bias, result, count);
        }
        else
        {
            Scale<Lanes1>(x, mean, factor, weight, weightOffset, bias, result, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<V>(float* x, float mean, float factor, float* weight, float weightOffset, float* bias, float* result, int count)
        where V : unmanaged, ILanes<V>
    {
        V center = V.Broadcast(mean), scale = V.Broadcast(factor), offset = V.Broadcast(weightOffset);
        int i = 0;
        for (; i <= count - V.Count; i += V.Count)
        {
            V normal = (V.Load(x + i) - center) * scale;
            V w = V.Load(weight + i) + offset;
            V.Store(bias == null ? normal * w : V.MultiplyAdd(normal, w, V.Load(bias + i)), result + i);
        }

        for (; i < count; i++)
        {
            float normal = (x[i] - mean) * factor * (weight[i] + weightOffset);
            result[i] = bias == null ? normal : normal + bias[i];
        }
    }
}
