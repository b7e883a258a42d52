using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <summary>Sums over rows. Each keeps four partial sums a lane and adds them pairwise at the end; the order, and so the last digit, depends on the machine.</summary>
public static unsafe class Vectors
{
    /// <summary>Σ a[i] b[i].</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException($"{a.Length} and {b.Length} values have no dot product.", nameof(b));
        }

        float result;
        fixed (float* left = a)
        fixed (float* right = b)
        {
            Dots(left, a.Length, right, 0, 1, &result);
        }

        return result;
    }

    /// <summary>Σ a[i].</summary>
    public static float Sum(ReadOnlySpan<float> a)
    {
        fixed (float* values = a)
        {
            return Vector512.IsHardwareAccelerated ? Sum<Lanes512>(values, a.Length)
                : Vector256.IsHardwareAccelerated ? Sum<Lanes256>(values, a.Length)
                : Vector128.IsHardwareAccelerated ? Sum<Lanes128>(values, a.Length)
                : Sum<Lanes1>(values, a.Length);
        }
    }

    /// <summary>The largest; -∞ of nothing. NaN is passed over.</summary>
    public static float Max(ReadOnlySpan<float> a)
    {
        fixed (float* values = a)
        {
            return Vector512.IsHardwareAccelerated ? Max<Lanes512>(values, a.Length)
                : Vector256.IsHardwareAccelerated ? Max<Lanes256>(values, a.Length)
                : Vector128.IsHardwareAccelerated ? Max<Lanes128>(values, a.Length)
                : Max<Lanes1>(values, a.Length);
        }
    }

    /// <summary>target += source * factor.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void AddScaled(ReadOnlySpan<float> source, float factor, Span<float> target)
    {
        if (source.Length != target.Length)
        {
            throw new ArgumentException($"{source.Length} values cannot be added to {target.Length}.", nameof(target));
        }

        fixed (float* from = source)
        fixed (float* to = target)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                AddScaled<Lanes512>(from, factor, to, source.Length);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                AddScaled<Lanes256>(from, factor, to, source.Length);
            }
            else if (Vector128.IsHardwareAccelerated)
            {
                AddScaled<Lanes128>(from, factor, to, source.Length);
            }
            else
            {
                AddScaled<Lanes1>(from, factor, to, source.Length);
            }
        }
    }

    /// <summary>result[j] = x · rows[j] for <paramref name="count"/> rows of <paramref name="size"/> floats.</summary>
    internal static void Dots(float* x, int size, float* rows, nint stride, int count, float* result)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Dots<Lanes512>(x, size, rows, stride, count, result);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Dots<Lanes256>(x, size, rows, stride, count, result);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Dots<Lanes128>(x, size, rows, stride, count, result);
        }
        else
        {
            Dots<Lanes1>(x, size, rows, stride, count, result);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dots<V>(float* x, int size, float* rows, nint stride, int count, float* result)
        where V : unmanaged, ILanes<V>
    {
        for (int j = 0; j < count; j++)
        {
            float* row = rows + j * stride;
            V a = V.Broadcast(0), b = V.Broadcast(0), c = V.Broadcast(0), d = V.Broadcast(0);
            int i = 0;
            for (; i <= size - 4 * V.Count; i += 4 * V.Count)
            {
                a = V.MultiplyAdd(V.Load(x + i), V.Load(row + i), a);
                b = V.MultiplyAdd(V.Load(x + i + V.Count), V.Load(row + i + V.Count), b);
                c = V.MultiplyAdd(V.Load(x + i + 2 * V.Count), V.Load(row + i + 2 * V.Count), c);
                d = V.MultiplyAdd(V.Load(x + i + 3 * V.Count), V.Load(row + i + 3 * V.Count), d);
            }

            for (; i <= size - V.Count; i += V.Count)
            {
                a = V.MultiplyAdd(V.Load(x + i), V.Load(row + i), a);
            }

            float sum = V.Sum((a + b) + (c + d));
            for (; i < size; i++)
            {
                sum += x[i] * row[i];
            }

            result[j] = sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<V>(float* x, int count)
        where V : unmanaged, ILanes<V>
    {
        V a = V.Broadcast(0), b = V.Broadcast(0), c = V.Broadcast(0), d = V.Broadcast(0);
        int i = 0;
        for (; i <= count - 4 * V.Count; i += 4 * V.Count)
        {
            a += V.Load(x + i);
            b += V.Load(x + i + V.Count);
            c += V.Load(x + i + 2 * V.Count);
            d += V.Load(x + i + 3 * V.Count);
        }

        for (; i <= count - V.Count; i += V.Count)
        {
            a += V.Load(x + i);
        }

        float sum = V.Sum((a + b) + (c + d));
        for (; i < count; i++)
        {
            sum += x[i];
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Max<V>(float* x, int count)
        where V : unmanaged, ILanes<V>
    {
        V a = V.Broadcast(float.NegativeInfinity), b = a;
        int i = 0;
        for (; i <= count - 2 * V.Count; i += 2 * V.Count)
        {
            a = V.Max(V.Load(x + i), a);
            b = V.Max(V.Load(x + i + V.Count), b);
        }

        for (; i <= count - V.Count; i += V.Count)
        {
            a = V.Max(V.Load(x + i), a);
        }

        float max = V.MaxAcross(V.Max(a, b));
        for (; i < count; i++)
        {
            max = x[i] > max ? x[i] : max;
        }

        return max;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddScaled<V>(float* source, float factor, float* target, int count)
        where V : unmanaged, ILanes<V>
    {
        V scale = V.Broadcast(factor);
        int i = 0;
        for (; i <= count - V.Count; i += V.Count)
        {
            V.Store(V.MultiplyAdd(V.Load(source + i), scale, V.Load(target + i)), target + i);
        }

        for (; i < count; i++)
        {
            target[i] += source[i] * factor;
        }
    }
}
