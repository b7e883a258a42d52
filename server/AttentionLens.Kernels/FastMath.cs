using System.Runtime.CompilerServices;

namespace AttentionLens.Kernels;

/// <summary>
/// Elementary functions on lanes. Coefficients: benchmarks/fit-coefficients.py. Bounds (tests/AttentionLens.Kernels.Tests measures them
/// against double precision over the whole range): Exp 2 ulp, Exp2 2 ulp, Erf 4 ulp, Tanh 4 ulp; NaN stays NaN.
/// </summary>
internal static class FastMath
{
    // Below, 2^n would be subnormal: the result is 0, an error under 1.2e-38. Above, n would be 128.
    private const float ExpLow = -87.33654f;
    private const float ExpHigh = 88.37626f;

    /// <summary>e^x for x in [-87.3, 88.3]; exactly 0 below (also at -∞), e^88.376 above: what softmax and the sigmoid need.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        var shift = V.Broadcast(12582912f); // 1.5 * 2^23: adding it rounds to a whole number, left in the low bits.
        V bounded = V.Max(V.Broadcast(ExpLow), V.Min(V.Broadcast(ExpHigh), x));
        V shifted = V.MultiplyAdd(bounded, V.Broadcast(1.44269504f), shift);
        V n = shifted - shift;
        // ln 2 in two parts, the first short enough that n * high is exact without FMA too (Cody & Waite).
        V r = V.MultiplyAdd(n, V.Broadcast(-0.693359375f), bounded);
        r = V.MultiplyAdd(n, V.Broadcast(2.12194440e-4f), r);
        V p = V.Broadcast(0.00138367503f);
        p = V.MultiplyAdd(p, r, V.Broadcast(0.00837481488f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.0416682288f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.166664198f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.499999911f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f));
        return V.IfLess(x, V.Broadcast(ExpLow), V.Broadcast(0f), p * V.PowerOfTwo(shifted));
    }

    /// <summary>
    /// 2^x for x in [-126, 127]; below, an error under 1.2e-38, and exactly 0 from -127 on (also at -∞). Half of the cost of <see cref="Exp"/>: what
    /// surrounds a softmax in base e is one factor, and short chains of operations matter where the next of them waits for the last (Estrin's scheme).
    /// </summary>
    /// <param name="x">At most 127.</param>
    /// <param name="bounded">x, or -127 where it is below.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp2<V>(V x, out V bounded)
        where V : unmanaged, ILanes<V>
    {
        var shift = V.Broadcast(12582912f); // As in Exp.
        bounded = V.Max(V.Broadcast(-127f), x);
        V shifted = bounded + shift;
        V r = bounded - (shifted - shift);
        V square = r * r;
        V high = V.MultiplyAdd(r, V.Broadcast(0.00133907353f), V.Broadcast(0.00961823761f));
        V middle = V.MultiplyAdd(r, V.Broadcast(0.0555035733f), V.Broadcast(0.240226492f));
        V low = V.MultiplyAdd(r, V.Broadcast(0.693147182f), V.Broadcast(1f));
        high = V.MultiplyAdd(square, V.Broadcast(0.00015403406f), high);
        high = V.MultiplyAdd(square, high, middle);
        return V.AddExponent(V.MultiplyAdd(square, high, low), shifted);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        // From 3.92 on erf rounds to 1.
        V z = V.Max(V.Broadcast(-3.92f), V.Min(V.Broadcast(3.92f), x));
        V t = z * z;
        V p = V.Broadcast(2.0502946e-06f);
        p = V.MultiplyAdd(p, t, V.Broadcast(0.000284740119f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.00376110896f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.0527346022f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.190307066f));
        p = V.MultiplyAdd(p, t, V.Broadcast(1.12837911f));
        V q = V.Broadcast(3.8086444e-05f);
        q = V.MultiplyAdd(q, t, V.Broadcast(0.00116136728f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.0149601949f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.114067145f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.501987994f));
        q = V.MultiplyAdd(q, t, V.Broadcast(1f));
        return Saturate(x, V.Broadcast(3.92f), z * p / q);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        // From 9.01 on tanh rounds to 1.
        V z = V.Max(V.Broadcast(-9.01f), V.Min(V.Broadcast(9.01f), x));
        V t = z * z;
        V p = V.Broadcast(3.68000005e-11f);
        p = V.MultiplyAdd(p, t, V.Broadcast(1.11266253e-07f));
        p = V.MultiplyAdd(p, t, V.Broadcast(4.22895719e-05f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.00442656595f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.140996724f));
        p = V.MultiplyAdd(p, t, V.Broadcast(1f));
        V q = V.Broadcast(2.95450153e-09f);
        q = V.MultiplyAdd(q, t, V.Broadcast(2.60532056e-06f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.00050095265f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.0292032547f));
        q = V.MultiplyAdd(q, t, V.Broadcast(0.474330068f));
        q = V.MultiplyAdd(q, t, V.Broadcast(1f));
        return Saturate(x, V.Broadcast(9.01f), z * p / q);
    }

    /// <summary>Exactly ±1 beyond the bound: 1 - 2^-23 instead would leave gelu(-1e30) at -6e22.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Saturate<V>(V x, V bound, V value)
        where V : unmanaged, ILanes<V> =>
        V.IfLess(bound, x, V.Broadcast(1f), V.IfLess(x, V.Broadcast(0f) - bound, V.Broadcast(-1f), value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<V>(V x)
        where V : unmanaged, ILanes<V> =>
        V.Broadcast(1f) / (V.Broadcast(1f) + Exp(V.Broadcast(0f) - x));
}
