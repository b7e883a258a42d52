using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AttentionLens.Models;

/// <summary>Stored half-width numbers as floats, exactly.</summary>
internal static class Widening
{
    public static float Half(ReadOnlySpan<byte> bytes) => (float)BitConverter.ToHalf(bytes);

    /// <summary>
    /// A vector at a time, exactly, subnormals included: exponent and fraction moved into place make a float 2^112 too small, and multiplying by
    /// 2^112 is exact. Infinity and NaN get the exponent they would miss.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a model's only call may be its first
    public static void Half(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(source);
        Vector<float> scale = new(BitConverter.UInt32BitsToSingle(0x77800000)); // 2^112
        int i = 0;
        for (; i <= destination.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out Vector<uint> low, out Vector<uint> high);
            Half(low, scale).CopyTo(destination[i..]);
            Half(high, scale).CopyTo(destination[(i + Vector<uint>.Count)..]);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(halves[i]);
        }
    }

    /// <summary>bfloat16: the upper half of a float.</summary>
    public static void Brain(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<ushort> upper = MemoryMarshal.Cast<byte, ushort>(source);
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
        }
    }

    public static void Double(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(source);
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = (float)doubles[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Half(Vector<uint> half, Vector<float> scale)
    {
        Vector<uint> magnitude = half & new Vector<uint>(0x7fff);
        Vector<uint> sign = (half ^ magnitude) << 16;
        Vector<uint> special = Vector.GreaterThan(magnitude, new Vector<uint>(0x7bff)) & new Vector<uint>(0x7f800000);
        Vector<float> value = Vector.AsVectorSingle(magnitude << 13) * scale;
        return Vector.AsVectorSingle(Vector.AsVectorUInt32(value) | special | sign);
    }
}
