using System.Runtime.CompilerServices;
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

    /// <summary>Floats of a tile at its largest.</summary>
    public const int LargestTile = 12 * LargestColumns;

    /// <summary>How many tiles <paramref name="rows"/> rows are cut into.</summary>
    public static int TileCount(int rows) => (rows + MaxRows - 1) / MaxRows;

    /// <summary>First row of a tile: rows are spread evenly, as 16 = 8 + 8 wastes less than 12 + 4.</summary>
    public static int TileStart(int rows, int tiles, int tile) => (int)((long)rows * tile / tiles);

    /// <summary>
    /// c[rows, Columns] = init + bias + a[rows, depth] * b[depth, Columns]. Element (r, k) of a is at a[r * aRow + k * aStep]; b is packed (depth x
    /// Columns, contiguous); row r of init is at init[r * initStride], which may be c itself, or one row for all (stride 0); bias is one row. A cache line from
    /// <paramref name="ahead"/> on is fetched into L2 for each step of the depth: weights that come from memory arrive while others are used.
    /// </summary>
    public static void Tile(int rows, float* a, nint aRow, nint aStep, float* b, nint depth, float* init, nint initStride, float* bias, float* c, nint cStride, float* ahead)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Tile<Lanes512>(rows, a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Tile<Lanes256>(rows, a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            Tile<Lanes128>(rows, a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
        }
        else
        {
            Tile<Lanes1>(rows, a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<V>(int rows, float* a, nint aRow, nint aStep, float* b, nint depth, float* init, nint initStride, float* bias, float* c, nint cStride, float* ahead)
        where V : unmanaged, ILanes<V>
    {
        switch (rows)
        {
            case 1:
                Tile<V, Rows1>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 2:
                Tile<V, Rows2>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 3:
                Tile<V, Rows3>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 4:
                Tile<V, Rows4>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 5:
                Tile<V, Rows5>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 6:
                Tile<V, Rows6>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 7:
                Tile<V, Rows7>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 8:
                Tile<V, Rows8>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 9:
                Tile<V, Rows9>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 10:
                Tile<V, Rows10>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 11:
                Tile<V, Rows11>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            case 12:
                Tile<V, Rows12>(a, aRow, aStep, b, depth, init, initStride, bias, c, cStride, ahead);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    // The conditions on T.Count are constants of each instantiation. The row addresses hang on four moving pointers and two offsets, so
    // that packed rows (aRow 1) and strided ones (aStep 1) share the code and nothing spills.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<V, T>(float* a, nint aRow, nint aStep, float* b, nint depth, float* init, nint initStride, float* bias, float* c, nint cStride, float* ahead)
        where V : unmanaged, ILanes<V>
        where T : struct, IRowCount
    {
        nint one = aRow;
        nint two = 2 * aRow;
        float* a0 = a;
        float* a3 = a + 3 * aRow;
        float* a6 = a + 6 * aRow;
        float* a9 = a + 9 * aRow;
        V biasLeft = V.Load(bias);
        V biasRight = V.Load(bias + V.Count);
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
            float* row = init + 0 * initStride;
            x0 = V.Load(row) + biasLeft;
            y0 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 1)
        {
            float* row = init + 1 * initStride;
            x1 = V.Load(row) + biasLeft;
            y1 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 2)
        {
            float* row = init + 2 * initStride;
            x2 = V.Load(row) + biasLeft;
            y2 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 3)
        {
            float* row = init + 3 * initStride;
            x3 = V.Load(row) + biasLeft;
            y3 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 4)
        {
            float* row = init + 4 * initStride;
            x4 = V.Load(row) + biasLeft;
            y4 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 5)
        {
            float* row = init + 5 * initStride;
            x5 = V.Load(row) + biasLeft;
            y5 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 6)
        {
            float* row = init + 6 * initStride;
            x6 = V.Load(row) + biasLeft;
            y6 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 7)
        {
            float* row = init + 7 * initStride;
            x7 = V.Load(row) + biasLeft;
            y7 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 8)
        {
            float* row = init + 8 * initStride;
            x8 = V.Load(row) + biasLeft;
            y8 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 9)
        {
            float* row = init + 9 * initStride;
            x9 = V.Load(row) + biasLeft;
            y9 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 10)
        {
            float* row = init + 10 * initStride;
            x10 = V.Load(row) + biasLeft;
            y10 = V.Load(row + V.Count) + biasRight;
        }

        if (T.Count > 11)
        {
            float* row = init + 11 * initStride;
            x11 = V.Load(row) + biasLeft;
            y11 = V.Load(row + V.Count) + biasRight;
        }

        for (nint k = 0; k < depth; k++)
        {
            V left = V.Load(b);
            V right = V.Load(b + V.Count);
            b += 2 * V.Count;
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(ahead);
                ahead += LineFloats;
            }

            {
                V value = V.Broadcast(*a0);
                V.AddProduct(ref x0, value, left);
                V.AddProduct(ref y0, value, right);
            }

            if (T.Count > 1)
            {
                V value = V.Broadcast(a0[one]);
                V.AddProduct(ref x1, value, left);
                V.AddProduct(ref y1, value, right);
            }

            if (T.Count > 2)
            {
                V value = V.Broadcast(a0[two]);
                V.AddProduct(ref x2, value, left);
                V.AddProduct(ref y2, value, right);
            }

            if (T.Count > 3)
            {
                V value = V.Broadcast(*a3);
                V.AddProduct(ref x3, value, left);
                V.AddProduct(ref y3, value, right);
            }

            if (T.Count > 4)
            {
                V value = V.Broadcast(a3[one]);
                V.AddProduct(ref x4, value, left);
                V.AddProduct(ref y4, value, right);
            }

            if (T.Count > 5)
            {
                V value = V.Broadcast(a3[two]);
                V.AddProduct(ref x5, value, left);
                V.AddProduct(ref y5, value, right);
            }

            if (T.Count > 6)
            {
                V value = V.Broadcast(*a6);
                V.AddProduct(ref x6, value, left);
                V.AddProduct(ref y6, value, right);
            }

            if (T.Count > 7)
            {
                V value = V.Broadcast(a6[one]);
                V.AddProduct(ref x7, value, left);
                V.AddProduct(ref y7, value, right);
            }

            if (T.Count > 8)
            {
                V value = V.Broadcast(a6[two]);
                V.AddProduct(ref x8, value, left);
                V.AddProduct(ref y8, value, right);
            }

            if (T.Count > 9)
            {
                V value = V.Broadcast(*a9);
                V.AddProduct(ref x9, value, left);
                V.AddProduct(ref y9, value, right);
            }

            if (T.Count > 10)
            {
                V value = V.Broadcast(a9[one]);
                V.AddProduct(ref x10, value, left);
                V.AddProduct(ref y10, value, right);
            }

            if (T.Count > 11)
            {
                V value = V.Broadcast(a9[two]);
                V.AddProduct(ref x11, value, left);
                V.AddProduct(ref y11, value, right);
            }

            a0 += aStep;
            if (T.Count > 3)
            {
                a3 += aStep;
            }

            if (T.Count > 6)
            {
                a6 += aStep;
            }

            if (T.Count > 9)
            {
                a9 += aStep;
            }
        }

        {
            float* row = c + 0 * cStride;
            V.Store(x0, row);
            V.Store(y0, row + V.Count);
        }

        if (T.Count > 1)
        {
            float* row = c + 1 * cStride;
            V.Store(x1, row);
            V.Store(y1, row + V.Count);
        }

        if (T.Count > 2)
        {
            float* row = c + 2 * cStride;
            V.Store(x2, row);
            V.Store(y2, row + V.Count);
        }

        if (T.Count > 3)
        {
            float* row = c + 3 * cStride;
            V.Store(x3, row);
            V.Store(y3, row + V.Count);
        }

        if (T.Count > 4)
        {
            float* row = c + 4 * cStride;
            V.Store(x4, row);
            V.Store(y4, row + V.Count);
        }

        if (T.Count > 5)
        {
            float* row = c + 5 * cStride;
            V.Store(x5, row);
            V.Store(y5, row + V.Count);
        }

        if (T.Count > 6)
        {
            float* row = c + 6 * cStride;
            V.Store(x6, row);
            V.Store(y6, row + V.Count);
        }

        if (T.Count > 7)
        {
            float* row = c + 7 * cStride;
            V.Store(x7, row);
            V.Store(y7, row + V.Count);
        }

        if (T.Count > 8)
        {
            float* row = c + 8 * cStride;
            V.Store(x8, row);
            V.Store(y8, row + V.Count);
        }

        if (T.Count > 9)
        {
            float* row = c + 9 * cStride;
            V.Store(x9, row);
            V.Store(y9, row + V.Count);
        }

        if (T.Count > 10)
        {
            float* row = c + 10 * cStride;
            V.Store(x10, row);
            V.Store(y10, row + V.Count);
        }

        if (T.Count > 11)
        {
            float* row = c + 11 * cStride;
            V.Store(x11, row);
            V.Store(y11, row + V.Count);
        }
    }

    private interface IRowCount
    {
        static abstract int Count { get; }
    }

    private readonly struct Rows1 : IRowCount
    {
        public static int Count => 1;
    }

    private readonly struct Rows2 : IRowCount
    {
        public static int Count => 2;
    }

    private readonly struct Rows3 : IRowCount
    {
        public static int Count => 3;
    }

    private readonly struct Rows4 : IRowCount
    {
        public static int Count => 4;
    }

    private readonly struct Rows5 : IRowCount
    {
        public static int Count => 5;
    }

    private readonly struct Rows6 : IRowCount
    {
        public static int Count => 6;
    }

    private readonly struct Rows7 : IRowCount
    {
        public static int Count => 7;
    }

    private readonly struct Rows8 : IRowCount
    {
        public static int Count => 8;
    }

    private readonly struct Rows9 : IRowCount
    {
        public static int Count => 9;
    }

    private readonly struct Rows10 : IRowCount
    {
        public static int Count => 10;
    }

    private readonly struct Rows11 : IRowCount
    {
        public static int Count => 11;
    }

    private readonly struct Rows12 : IRowCount
    {
        public static int Count => 12;
    }
}
