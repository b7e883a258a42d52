using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <summary>Activation functions of feed-forward layers, named as in Hugging Face's ACT2FN.</summary>
public enum Activation
{
    None,

    /// <summary>x Φ(x) = x (1 + erf(x/√2)) / 2: "gelu".</summary>
    Gelu,

    /// <summary>The tanh approximation: "gelu_new", "gelu_pytorch_tanh", "gelu_fast".</summary>
    GeluTanh,

    /// <summary>x sigmoid(1.702 x): "quick_gelu".</summary>
    QuickGelu,

    Relu,

    /// <summary>relu(x)²: "relu2".</summary>
    ReluSquared,

    /// <summary>x sigmoid(x): "silu", "swish".</summary>
    Silu,

    Tanh,

    Sigmoid,
}

/// <summary>
/// Elementwise functions. Error against the exact value: within 2e-7 · (1 + |x| + |f(x)|) for every activation (float32's own rounding is
/// 6e-8 relative). NaN stays NaN.
/// </summary>
public static unsafe class Activations
{
    private interface IFunction
    {
        static abstract V Apply<V>(V x)
            where V : unmanaged, ILanes<V>;
    }

    /// <summary>values = activation(values), in place.</summary>
    public static void Apply(Activation activation, Span<float> values)
    {
        fixed (float* pointer = values)
        {
            Apply(activation, pointer, 1, values.Length, 0);
        }
    }

    /// <summary>result = activation(gate) * up, elementwise: the gated feed-forward layers (SwiGLU, GeGLU). The result may be either input.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ApplyGated(Activation activation, ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> result)
    {
        if (gate.Length != up.Length || gate.Length != result.Length)
        {
            throw new ArgumentException($"Gate, up and result must have one length, not {gate.Length}, {up.Length} and {result.Length}.", nameof(result));
        }

        fixed (float* gates = gate)
        fixed (float* ups = up)
        fixed (float* results = result)
        {
            Map(activation, gates, ups, results, 1, result.Length, 0);
        }
    }

    /// <summary>values[rows, columns] = activation(values), rows <paramref name="stride"/> floats apart.</summary>
    internal static void Apply(Activation activation, float* values, int rows, int columns, nint stride)
    {
        if (activation != Activation.None)
        {
            Map(activation, values, null, values, rows, columns, stride);
        }
    }

    private static void Map(Activation activation, float* x, float* factor, float* result, int rows, int columns, nint stride)
    {
        switch (activation)
        {
            case Activation.None:
                Map<Identity>(x, factor, result, rows, columns, stride);
                break;
            case Activation.Gelu:
                Map<Gelu>(x, factor, result, rows, columns, stride);
                break;
            case Activation.GeluTanh:
                Map<GeluTanh>(x, factor, result, rows, columns, stride);
                break;
            case Activation.QuickGelu:
                Map<QuickGelu>(x, factor, result, rows, columns, stride);
                break;
            case Activation.Relu:
                Map<Relu>(x, factor, result, rows, columns, stride);
                break;
            case Activation.ReluSquared:
                Map<ReluSquared>(x, factor, result, rows, columns, stride);
                break;
            case Activation.Silu:
                Map<Silu>(x, factor, result, rows, columns, stride);
                break;
            case Activation.Tanh:
                Map<Tanh>(x, factor, result, rows, columns, stride);
                break;
            case Activation.Sigmoid:
                Map<Sigmoid>(x, factor, result, rows, columns, stride);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation));
        }
    }

    private static void Map<F>(float* x, float* factor, float* result, int rows, int columns, nint stride)
        where F : struct, IFunction
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Map<F, Lanes512>(x, factor, result, rows, columns, stride);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Map<F, Lanes256>(x, factor, result, rows, columns, stride);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Map<F, Lanes128>(x, factor, result, rows, columns, stride);
        }
        else
        {
            Map<F, Lanes1>(x, factor, result, rows, columns, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Map<F, V>(float* x, float* factor, float* result, int rows, int columns, nint stride)
        where F : struct, IFunction
        where V : unmanaged, ILanes<V>
    {
        for (int row = 0; row < rows; row++)
        {
            int i = 0;
            for (; i <= columns - V.Count; i += V.Count)
            {
                V y = F.Apply(V.Load(x + i));
                V.Store(factor == null ? y : y * V.Load(factor + i), result + i);
            }

            if (i < columns)
            {
                Last<F, V>(x + i, factor == null ? null : factor + i, result + i, columns - i);
            }

            x += stride;
            result += stride;
        }
    }

    /// <summary>The end of a row through one padded register.</summary>
    private static void Last<F, V>(float* x, float* factor, float* result, int count)
        where F : struct, IFunction
        where V : unmanaged, ILanes<V>
    {
        Unsafe.SkipInit(out Tail tail);
        float* padded = (float*)&tail;
        Tail.Copy(x, padded, count, V.Count);
        V y = F.Apply(V.Load(padded));
        if (factor != null)
        {
            Tail.Copy(factor, padded, count, V.Count);
            y *= V.Load(padded);
        }

        V.Store(y, padded);
        for (int i = 0; i < count; i++)
        {
            result[i] = padded[i];
        }
    }

    private readonly struct Identity : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => x;
    }

    private readonly struct Gelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V>
        {
            V half = x * V.Broadcast(0.5f);
            return V.MultiplyAdd(half, FastMath.Erf(x * V.Broadcast(0.707106781f)), half);
        }
    }

    private readonly struct GeluTanh : IFunction
    {
        // (1 + tanh(u)) / 2 = sigmoid(2u), which keeps its relative accuracy where tanh is near -1.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> =>
            x * FastMath.Sigmoid(x * V.MultiplyAdd(x * x, V.Broadcast(0.0713548163f), V.Broadcast(1.59576912f)));
    }

    private readonly struct QuickGelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => x * FastMath.Sigmoid(x * V.Broadcast(1.702f));
    }

    private readonly struct Relu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => V.Max(V.Broadcast(0f), x);
    }

    private readonly struct ReluSquared : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V>
        {
            V y = V.Max(V.Broadcast(0f), x);
            return y * y;
        }
    }

    private readonly struct Silu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => x * FastMath.Sigmoid(x);
    }

    private readonly struct Tanh : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => FastMath.Tanh(x);
    }

    private readonly struct Sigmoid : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Apply<V>(V x)
            where V : unmanaged, ILanes<V> => FastMath.Sigmoid(x);
    }
}

/// <summary>Room for one register on the stack, for the ends of rows that do not fill one.</summary>
[InlineArray(16)]
internal struct Tail
{
    private float _first;

    /// <summary>Copies <paramref name="count"/> floats and fills up to <paramref name="lanes"/> with <paramref name="fill"/>.</summary>
    public static unsafe void Copy(float* source, float* target, int count, int lanes, float fill = 0)
    {
        for (int i = 0; i < lanes; i++)
        {
            target[i] = i < count ? source[i] : fill;
        }
    }
}
