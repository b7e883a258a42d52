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
            while (row < rows && rows >= 4)
            {
                // The last block overlaps the one before where the rows are not a multiple of 4.
                row = Math.Min(row, rows - 4);
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

                row += 4;
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
        if (Sse.IsSupported)
        {
            Vector128<float> ab01 = Sse.UnpackLow(a, b), cd01 = Sse.UnpackLow(c, d), ab23 = Sse.UnpackHigh(a, b), cd23 = Sse.UnpackHigh(c, d);
            Sse.MoveLowToHigh(ab01, cd01).Store(to);
            Sse.MoveHighToLow(cd01, ab01).Store(to + width);
            Sse.MoveLowToHigh(ab23, cd23).Store(to + 2 * width);
            Sse.MoveHighToLow(cd23, ab23).Store(to + 3 * width);
        }
        else
        {
            Vector128<double> ab01 = AdvSimd.Arm64.ZipLow(a, b).AsDouble(), cd01 = AdvSimd.Arm64.ZipLow(c, d).AsDouble();
            Vector128<double> ab23 = AdvSimd.Arm64.ZipHigh(a, b).AsDouble(), cd23 = AdvSimd.Arm64.ZipHigh(c, d).AsDouble();
            AdvSimd.Arm64.ZipLow(ab01, cd01).AsSingle().Store(to);
            AdvSimd.Arm64.ZipHigh(ab01, cd01).AsSingle().Store(to + width);
            AdvSimd.Arm64.ZipLow(ab23, cd23).AsSingle().Store(to + 2 * width);
            AdvSimd.Arm64.ZipHigh(ab23, cd23).AsSingle().Store(to + 3 * width);
        }
    }
}
