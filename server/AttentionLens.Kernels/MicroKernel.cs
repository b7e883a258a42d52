using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace AttentionLens.Kernels;

/// <summary>
/// The inner loop of every matrix product: a tile of up to <see cref="MaxRows"/> rows by two registers of columns, held in registers
/// over the whole inner dimension (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication).
/// </summary>
internal static unsafe class MicroKernel
{
    /// <summary>
    /// 12 rows x 2 registers fill 24 of 32 registers (AVX-512, NEON); 6 x 2 fill 12 of 16 (AVX2, SSE). Each column register loaded then
    /// feeds that many FMAs, enough to hide the latency (4 cycles, 2 units: 8 independent sums).
    /// </summary>
    public static int MaxRows => Vector512.IsHardwareAccelerated || AdvSimd.Arm64.IsSupported ? 12 : 6;

    /// <summary>Columns of a tile and of a packed panel: two registers.</summary>
    public static int Columns => 2 * Lanes;

    /// <summary>Floats in a register of the widest kind this machine handles well.</summary>
    public static int Lanes =>
        Vector512.IsHardwareAccelerated ? Lanes512.Count
        : Vector256.IsHardwareAccelerated ? Lanes256.Count
        : Vector128.IsHardwareAccelerated ? Lanes128.Count
        : 1;

    /// <summary>Columns at the widest, for stack buffers.</summary>
    public const int LargestColumns = 32;

    /// <summary>Floats in a cache line.</summary>
    public const int LineFloats = 16;

    /// <summary>Steps of the depth that share pointers, counter and prefetches.</summary>
    public const int Unrolled = 4;

    /// <summary>Floats of a tile at its largest.</summary>
    public const int LargestTile = 12 * LargestColumns;

    /// <summary>How many tiles <paramref name="rows"/> rows are cut into.</summary>
    public static int TileCount(int rows) => (rows + MaxRows - 1) / MaxRows;

    /// <summary>First row of a tile: rows are spread evenly, as 16 = 8 + 8 wastes less than 12 + 4, the larger tiles first.</summary>
    public static int TileStart(int rows, int tiles, int tile) => tile * (rows / tiles) + Math.Min(tile, rows % tiles);

    /// <summary>
    /// Runs <see cref="TileRun.Count"/> tiles of <paramref name="rows"/> rows: c[rows, Columns] = init + bias + a[rows, depth] * b[depth, Columns].
    /// Element (r, k) of a is at a[k * rows + r]. While it computes, <paramref name="aheadLines"/> (1, 2 or 4) cache lines from
    /// <see cref="TileRun.Ahead"/> on are fetched into L2 for every <see cref="Unrolled"/> steps of the depth: weights that come from memory arrive
    /// while others are used.
    /// </summary>
    public static void Packed(int rows, int aheadLines, in TileRun run)
    {
        if (aheadLines == 1)
        {
            Tiles<PackedRows<N1>>(rows, run);
        }
        else if (aheadLines == 2)
        {
            Tiles<PackedRows<N2>>(rows, run);
        }
        else
        {
            Tiles<PackedRows<N4>>(rows, run);
        }
    }

    /// <summary>The same without bias and fetching ahead; element (r, k) of a is at a[r * ARow + k].</summary>
    public static void Strided(int rows, in TileRun run) => Tiles<StridedRows>(rows, run);

    [MethodImpl(MethodImplOptions.NoInlining)] // else its callers are compiled with all tile sizes in them
    private static void Tiles<A>(int rows, in TileRun run)
        where A : struct, IRowOrder
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Tiles<Lanes512, A>(rows, run);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Tiles<Lanes256, A>(rows, run);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Tiles<Lanes128, A>(rows, run);
        }
        else
        {
            Tiles<Lanes1, A>(rows, run);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tiles<V, A>(int rows, in TileRun run)
        where V : unmanaged, ILanes<V>
        where A : struct, IRowOrder
    {
        switch (rows)
        {
            case 1:
                Tiles<V, A, N1>(run);
                break;
            case 2:
                Tiles<V, A, N2>(run);
                break;
            case 3:
                Tiles<V, A, N3>(run);
                break;
            case 4:
                Tiles<V, A, N4>(run);
                break;
            case 5:
                Tiles<V, A, N5>(run);
                break;
            case 6:
                Tiles<V, A, N6>(run);
                break;
            case 7:
                Tiles<V, A, N7>(run);
                break;
            case 8:
                Tiles<V, A, N8>(run);
                break;
            case 9:
                Tiles<V, A, N9>(run);
                break;
            case 10:
                Tiles<V, A, N10>(run);
                break;
            case 11:
                Tiles<V, A, N11>(run);
                break;
            case 12:
                Tiles<V, A, N12>(run);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    // The conditions on sizeof(T), typeof(A) and A.AheadLines are decided when an instantiation is compiled. What costs is not only the FMA units: a core
    // takes in six operations a cycle, and the neighbour on its other hyperthread leaves three of them. A tile of 6 rows needs 20 a step (2 loads,
    // 6 broadcasts, 12 FMAs); pointers, counter and prefetch were 8 more before Unrolled steps shared them, which made the median on such a machine 18 %
    // and the best 8 % faster. A call for a whole run of tiles keeps its own dozens of operations out of the way too.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<V, A, T>(in TileRun run)
        where V : unmanaged, ILanes<V>
        where A : struct, IRowOrder
        where T : unmanaged, ICount
    {
        nint one = typeof(A) == typeof(StridedRows) ? run.ARow : 1;
        nint two = 2 * one;
        float* a = run.A;
        float* panel = run.B;
        float* init = run.Init;
        float* c = run.C;
        float* ahead = run.Ahead;
        for (nint tile = 0; tile < run.Count; tile++)
        {
            V x0 = default, y0 = default;
            V x1 = default, y1 = default;
            V x2 = default, y2 = default;
            V x3 = default, y3 = default;
            V x4 = default, y4 = default;
            V x5 = default, y5 = default;
            V x6 = default, y6 = default;
            V x7 = default, y7 = default;
            V x8 = default, y8 = default;
            V x9 = default, y9 = default;
            V x10 = default, y10 = default;
            V x11 = default, y11 = default;

            {
                float* row = init + 0 * run.InitStride;
                x0 = V.Load(row);
                y0 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 1)
            {
                float* row = init + 1 * run.InitStride;
                x1 = V.Load(row);
                y1 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 2)
            {
                float* row = init + 2 * run.InitStride;
                x2 = V.Load(row);
                y2 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 3)
            {
                float* row = init + 3 * run.InitStride;
                x3 = V.Load(row);
                y3 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 4)
            {
                float* row = init + 4 * run.InitStride;
                x4 = V.Load(row);
                y4 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 5)
            {
                float* row = init + 5 * run.InitStride;
                x5 = V.Load(row);
                y5 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 6)
            {
                float* row = init + 6 * run.InitStride;
                x6 = V.Load(row);
                y6 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 7)
            {
                float* row = init + 7 * run.InitStride;
                x7 = V.Load(row);
                y7 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 8)
            {
                float* row = init + 8 * run.InitStride;
                x8 = V.Load(row);
                y8 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 9)
            {
                float* row = init + 9 * run.InitStride;
                x9 = V.Load(row);
                y9 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 10)
            {
                float* row = init + 10 * run.InitStride;
                x10 = V.Load(row);
                y10 = V.Load(row + V.Count);
            }

            if (sizeof(T) > 11)
            {
                float* row = init + 11 * run.InitStride;
                x11 = V.Load(row);
                y11 = V.Load(row + V.Count);
            }

            if (typeof(A) != typeof(StridedRows))
            {
                V left = V.Load(run.Bias);
                V right = V.Load(run.Bias + V.Count);
                x0 += left;
                y0 += right;
                if (sizeof(T) > 1)
                {
                    x1 += left;
                    y1 += right;
                }

                if (sizeof(T) > 2)
                {
                    x2 += left;
                    y2 += right;
                }

                if (sizeof(T) > 3)
                {
                    x3 += left;
                    y3 += right;
                }

                if (sizeof(T) > 4)
                {
                    x4 += left;
                    y4 += right;
                }

                if (sizeof(T) > 5)
                {
                    x5 += left;
                    y5 += right;
                }

                if (sizeof(T) > 6)
                {
                    x6 += left;
                    y6 += right;
                }

                if (sizeof(T) > 7)
                {
                    x7 += left;
                    y7 += right;
                }

                if (sizeof(T) > 8)
                {
                    x8 += left;
                    y8 += right;
                }

                if (sizeof(T) > 9)
                {
                    x9 += left;
                    y9 += right;
                }

                if (sizeof(T) > 10)
                {
                    x10 += left;
                    y10 += right;
                }

                if (sizeof(T) > 11)
                {
                    x11 += left;
                    y11 += right;
                }
            }

            // Four moving pointers and two offsets reach all rows, so that nothing spills.
            float* a0 = a;
            float* a3 = a + 3 * one;
            float* a6 = a + 6 * one;
            float* a9 = a + 9 * one;
            float* b = panel;
            float* end = b + run.Depth * 2 * V.Count;
            float* endUnrolled = b + run.Depth / Unrolled * Unrolled * 2 * V.Count;
            if (typeof(A) != typeof(StridedRows) && tile >= run.Fetching)
            {
                ahead = a; // there already
            }

            while (b < endUnrolled)
            {
                if (Sse.IsSupported && typeof(A) != typeof(StridedRows))
                {
                    Sse.Prefetch1(ahead);
                    if (A.AheadLines > 1)
                    {
                        Sse.Prefetch1(ahead + LineFloats);
                    }

                    if (A.AheadLines > 2)
                    {
                        Sse.Prefetch1(ahead + 2 * LineFloats);
                        Sse.Prefetch1(ahead + 3 * LineFloats);
                    }

                    ahead += A.AheadLines * LineFloats;
                }

                Step<V, A, T>(0, a0, a3, a6, a9, one, two, b, ref x0, ref y0, ref x1, ref y1, ref x2, ref y2, ref x3, ref y3, ref x4, ref y4, ref x5, ref y5, ref x6, ref y6, ref x7, ref y7, ref x8, ref y8, ref x9, ref y9, ref x10, ref y10, ref x11, ref y11);
                Step<V, A, T>(1, a0, a3, a6, a9, one, two, b, ref x0, ref y0, ref x1, ref y1, ref x2, ref y2, ref x3, ref y3, ref x4, ref y4, ref x5, ref y5, ref x6, ref y6, ref x7, ref y7, ref x8, ref y8, ref x9, ref y9, ref x10, ref y10, ref x11, ref y11);
                Step<V, A, T>(2, a0, a3, a6, a9, one, two, b, ref x0, ref y0, ref x1, ref y1, ref x2, ref y2, ref x3, ref y3, ref x4, ref y4, ref x5, ref y5, ref x6, ref y6, ref x7, ref y7, ref x8, ref y8, ref x9, ref y9, ref x10, ref y10, ref x11, ref y11);
                Step<V, A, T>(3, a0, a3, a6, a9, one, two, b, ref x0, ref y0, ref x1, ref y1, ref x2, ref y2, ref x3, ref y3, ref x4, ref y4, ref x5, ref y5, ref x6, ref y6, ref x7, ref y7, ref x8, ref y8, ref x9, ref y9, ref x10, ref y10, ref x11, ref y11);
                b += Unrolled * 2 * V.Count;
                Move<A, T>(Unrolled, ref a0, ref a3, ref a6, ref a9);
            }

            while (b < end)
            {
                Step<V, A, T>(0, a0, a3, a6, a9, one, two, b, ref x0, ref y0, ref x1, ref y1, ref x2, ref y2, ref x3, ref y3, ref x4, ref y4, ref x5, ref y5, ref x6, ref y6, ref x7, ref y7, ref x8, ref y8, ref x9, ref y9, ref x10, ref y10, ref x11, ref y11);
                b += 2 * V.Count;
                Move<A, T>(1, ref a0, ref a3, ref a6, ref a9);
            }

            {
                float* row = c + 0 * run.CStride;
                V.Store(x0, row);
                V.Store(y0, row + V.Count);
            }

            if (sizeof(T) > 1)
            {
                float* row = c + 1 * run.CStride;
                V.Store(x1, row);
                V.Store(y1, row + V.Count);
            }

            if (sizeof(T) > 2)
            {
                float* row = c + 2 * run.CStride;
                V.Store(x2, row);
                V.Store(y2, row + V.Count);
            }

            if (sizeof(T) > 3)
            {
                float* row = c + 3 * run.CStride;
                V.Store(x3, row);
                V.Store(y3, row + V.Count);
            }

            if (sizeof(T) > 4)
            {
                float* row = c + 4 * run.CStride;
                V.Store(x4, row);
                V.Store(y4, row + V.Count);
            }

            if (sizeof(T) > 5)
            {
                float* row = c + 5 * run.CStride;
                V.Store(x5, row);
                V.Store(y5, row + V.Count);
            }

            if (sizeof(T) > 6)
            {
                float* row = c + 6 * run.CStride;
                V.Store(x6, row);
                V.Store(y6, row + V.Count);
            }

            if (sizeof(T) > 7)
            {
                float* row = c + 7 * run.CStride;
                V.Store(x7, row);
                V.Store(y7, row + V.Count);
            }

            if (sizeof(T) > 8)
            {
                float* row = c + 8 * run.CStride;
                V.Store(x8, row);
                V.Store(y8, row + V.Count);
            }

            if (sizeof(T) > 9)
            {
                float* row = c + 9 * run.CStride;
                V.Store(x9, row);
                V.Store(y9, row + V.Count);
            }

            if (sizeof(T) > 10)
            {
                float* row = c + 10 * run.CStride;
                V.Store(x10, row);
                V.Store(y10, row + V.Count);
            }

            if (sizeof(T) > 11)
            {
                float* row = c + 11 * run.CStride;
                V.Store(x11, row);
                V.Store(y11, row + V.Count);
            }

            a += run.ANext;
            panel += run.BNext;
            init += run.InitNext;
            c += run.CNext;
        }
    }

    /// <summary>One step of the depth, the <paramref name="u"/>th from where the pointers stand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<V, A, T>(
        nint u, float* a0, float* a3, float* a6, float* a9, nint one, nint two, float* b,
        ref V x0, ref V y0, ref V x1, ref V y1, ref V x2, ref V y2, ref V x3, ref V y3, ref V x4, ref V y4, ref V x5, ref V y5, ref V x6, ref V y6, ref V x7, ref V y7, ref V x8, ref V y8, ref V x9, ref V y9, ref V x10, ref V y10, ref V x11, ref V y11)
        where V : unmanaged, ILanes<V>
        where A : struct, IRowOrder
        where T : unmanaged, ICount
    {
        V left = V.Load(b + u * 2 * V.Count);
        V right = V.Load(b + (u * 2 + 1) * V.Count);

        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a0[u] : a0[0 + u * sizeof(T)]);
            V.AddProduct(ref x0, value, left);
            V.AddProduct(ref y0, value, right);
        }

        if (sizeof(T) > 1)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a0[one + u] : a0[1 + u * sizeof(T)]);
            V.AddProduct(ref x1, value, left);
            V.AddProduct(ref y1, value, right);
        }

        if (sizeof(T) > 2)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a0[two + u] : a0[2 + u * sizeof(T)]);
            V.AddProduct(ref x2, value, left);
            V.AddProduct(ref y2, value, right);
        }

        if (sizeof(T) > 3)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a3[u] : a0[3 + u * sizeof(T)]);
            V.AddProduct(ref x3, value, left);
            V.AddProduct(ref y3, value, right);
        }

        if (sizeof(T) > 4)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a3[one + u] : a0[4 + u * sizeof(T)]);
            V.AddProduct(ref x4, value, left);
            V.AddProduct(ref y4, value, right);
        }

        if (sizeof(T) > 5)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a3[two + u] : a0[5 + u * sizeof(T)]);
            V.AddProduct(ref x5, value, left);
            V.AddProduct(ref y5, value, right);
        }

        if (sizeof(T) > 6)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a6[u] : a0[6 + u * sizeof(T)]);
            V.AddProduct(ref x6, value, left);
            V.AddProduct(ref y6, value, right);
        }

        if (sizeof(T) > 7)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a6[one + u] : a0[7 + u * sizeof(T)]);
            V.AddProduct(ref x7, value, left);
            V.AddProduct(ref y7, value, right);
        }

        if (sizeof(T) > 8)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a6[two + u] : a0[8 + u * sizeof(T)]);
            V.AddProduct(ref x8, value, left);
            V.AddProduct(ref y8, value, right);
        }

        if (sizeof(T) > 9)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a9[u] : a0[9 + u * sizeof(T)]);
            V.AddProduct(ref x9, value, left);
            V.AddProduct(ref y9, value, right);
        }

        if (sizeof(T) > 10)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a9[one + u] : a0[10 + u * sizeof(T)]);
            V.AddProduct(ref x10, value, left);
            V.AddProduct(ref y10, value, right);
        }

        if (sizeof(T) > 11)
        {
            V value = V.Broadcast(typeof(A) == typeof(StridedRows) ? a9[two + u] : a0[11 + u * sizeof(T)]);
            V.AddProduct(ref x11, value, left);
            V.AddProduct(ref y11, value, right);
        }
    }

    /// <summary>Only those that are read: a pointer that nobody needs would still take a register and an addition.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<A, T>(nint steps, ref float* a0, ref float* a3, ref float* a6, ref float* a9)
        where A : struct, IRowOrder
        where T : unmanaged, ICount
    {
        a0 += typeof(A) == typeof(StridedRows) ? steps : steps * sizeof(T);
        if (typeof(A) == typeof(StridedRows) && sizeof(T) > 3)
        {
            a3 += steps;
        }

        if (typeof(A) == typeof(StridedRows) && sizeof(T) > 6)
        {
            a6 += steps;
        }

        if (typeof(A) == typeof(StridedRows) && sizeof(T) > 9)
        {
            a9 += steps;
        }
    }

    /// <summary>Where the elements of a tile's rows stand.</summary>
    private interface IRowOrder
    {
        /// <summary>Cache lines fetched ahead an unrolled step.</summary>
        static abstract int AheadLines { get; }
    }

    /// <summary>Row after row.</summary>
    private readonly struct StridedRows : IRowOrder
    {
        public static int AheadLines => 0;
    }

    /// <summary>Interleaved: step after step, a step's rows side by side.</summary>
    private readonly struct PackedRows<TLines> : IRowOrder
        where TLines : unmanaged, ICount
    {
        public static int AheadLines => sizeof(TLines);
    }

    /// <summary>
    /// A number of rows or lines, as the size of a type. The compiler knows sizes, as it knows types, while it still reads the code: what a tile has no rows
    /// for is then skipped, where properties would have it compiled and dropped, and the first pass of a process wait for that (25 ms).
    /// </summary>
    private interface ICount;

    [StructLayout(LayoutKind.Sequential, Size = 1)]
    private readonly struct N1 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 2)]
    private readonly struct N2 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 3)]
    private readonly struct N3 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 4)]
    private readonly struct N4 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 5)]
    private readonly struct N5 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 6)]
    private readonly struct N6 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 7)]
    private readonly struct N7 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 8)]
    private readonly struct N8 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 9)]
    private readonly struct N9 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 10)]
    private readonly struct N10 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 11)]
    private readonly struct N11 : ICount;

    [StructLayout(LayoutKind.Sequential, Size = 12)]
    private readonly struct N12 : ICount;
}

/// <summary>Tiles of equally many rows, each so far from the one before. All distances are in floats.</summary>
internal unsafe struct TileRun
{
    /// <summary>How many tiles.</summary>
    public nint Count;

    /// <summary>Rows of the first tile; packed or strided.</summary>
    public float* A;

    /// <summary>From one row to the next, where they are strided.</summary>
    public nint ARow;

    /// <summary>From one tile's rows to the next's.</summary>
    public nint ANext;

    /// <summary>[Depth, Columns], contiguous.</summary>
    public float* B;

    /// <summary>From one tile's columns to the next's.</summary>
    public nint BNext;

    /// <summary>Length of the products.</summary>
    public nint Depth;

    /// <summary>What the sums begin with; may be <see cref="C"/>, or one row for all (stride 0).</summary>
    public float* Init;

    public nint InitStride;

    public nint InitNext;

    /// <summary>[Columns], of packed rows only.</summary>
    public float* Bias;

    public float* C;

    public nint CStride;

    public nint CNext;

    /// <summary>Cache lines to fetch while the first <see cref="Fetching"/> tiles are computed, one after the other; of packed rows only.</summary>
    public float* Ahead;

    public nint Fetching;
}
