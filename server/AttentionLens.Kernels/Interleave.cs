using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace AttentionLens.Kernels;

/// <summary>Transposition into the order in which the micro-kernel reads.</summary>
internal static unsafe class Interleave
{
    /// <summary>target[k * width + r] = source[r * stride + k] for k &lt; depth; 0 for r from <paramref name="rows"/> to <paramref name="width"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows(float* source, int rows, nint stride, int depth, float* target, int width)
    {
        int row = 0;
        if (Sse.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            for (; row <= rows - 4; row += 4)
            {
                float* from = source + row * stride;
                float* to = target + row;
                nint k = 0;
                for (; k <= depth - 4; k += 4)
                {
                    Transpose(from + k, stride, to, width);
                    to += 4 * width;
                }

                for (; k < depth; k++)
                {
                    to[0] = from[k];
                    to[1] = from[stride + k];
                    to[2] = from[2 * stride + k];
                    to[3] = from[3 * stride + k];
                    to += width;
                }
            }
        }

        for (; row < width; row++)
        {
            float* from = source + row * stride;
            float* to = target + row;
            for (nint k = 0; k < depth; k++)
            {
                to[k * width] = row < rows ? from[k] : 0;
            }
        }
    }

    /// <summary>A 4 x 4 block: rows <paramref name="stride"/> apart to rows <paramref name="width"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(float* from, nint stride, float* to, nint width)
    {
        Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + stride), c = Vector128.Load(from + 2 * stride), d = Vector128.Load(from + 3 * stride);
        Vector128<float> ab01, cd01, ab23, cd23;
        if (Sse.IsSupported)
        {
            ab01 = Sse.UnpackLow(a, b);
            cd01 = Sse.UnpackLow(c, d);
            ab23 = Sse.UnpackHigh(a, b);
            cd23 = Sse.UnpackHigh(c, d);
        }
        else
        {
            ab01 = AdvSimd.Arm64.ZipLow(a, b);
            cd01 = AdvSimd.Arm64.ZipLow(c, d);
            ab23 = AdvSimd.Arm64.ZipHigh(a, b);
            cd23 = AdvSimd.Arm64.ZipHigh(c, d);
        }

        Vector128.Create(ab01.GetLower(), cd01.GetLower()).Store(to);
        Vector128.Create(ab01.GetUpper(), cd01.GetUpper()).Store(to + width);
        Vector128.Create(ab23.GetLower(), cd23.GetLower()).Store(to + 2 * width);
        Vector128.Create(ab23.GetUpper(), cd23.GetUpper()).Store(to + 3 * width);
    }
}
