using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <summary>
/// Products of activations with packed weights. The loops around the micro-kernel are compiled with all optimisation at their first call
/// (AggressiveOptimization), here and in <see cref="AttentionKernel"/>: the first pass after loading is the one a user waits for.
/// </summary>
public static unsafe class MatMul
{
    // RowBlock x DepthBlock activations stay in L2 while a panel of weights is used by every tile of the block. With 512 bits 512 kB, and 32 kB of weights
    // that stay in L1; below, 384 kB, because machines without AVX-512 often have an L2 of 512 kB. There the weights are 48 kB and come from L2 (64 bytes
    // for 6 cycles of FMAs): sums that are written once instead of twice are worth more (measured on a Zen 3: 6 % over 256 x 384).
    private static int RowBlock => Vector512.IsHardwareAccelerated ? 512 : 128;

    private static int DepthBlock => Vector512.IsHardwareAccelerated ? 256 : 768;

    /// <summary>
    /// result[rows, outputs] = activation(x[rows, inputs] · Wᵀ + bias + residual). Strides are in floats from one row to the next, so
    /// callers read and write slices of wider buffers. Allocates nothing once the pool is warm.
    /// </summary>
    /// <param name="x">Rows of w.Inputs floats; must not overlap <paramref name="result"/>.</param>
    /// <param name="rows">Number of rows, 0 or more.</param>
    /// <param name="xStride">At least w.Inputs.</param>
    /// <param name="w">The weights.</param>
    /// <param name="bias">[w.Outputs], or empty for none.</param>
    /// <param name="activation">Applied last. Where there is a residual, models use <see cref="Activation.None"/>.</param>
    /// <param name="residual">Empty for none. May be <paramref name="result"/> itself (an update in place).</param>
    /// <param name="residualStride">At least w.Outputs where there is a residual.</param>
    /// <param name="result">Rows of w.Outputs floats.</param>
    /// <param name="resultStride">At least w.Outputs.</param>
    /// <param name="pool">Whose threads share the work.</param>
    /// <exception cref="ArgumentException">A span is too short for its rows and stride.</exception>
    public static void Multiply(
        ReadOnlySpan<float> x,
        int rows,
        int xStride,
        PackedMatrix w,
        ReadOnlySpan<float> bias,
        Activation activation,
        ReadOnlySpan<float> residual,
        int residualStride,
        Span<float> result,
        int resultStride,
        WorkerPool pool)
    {
        ArgumentNullException.ThrowIfNull(w);
        ArgumentNullException.ThrowIfNull(pool);
        if (rows == 0)
        {
            return;
        }

        if (w.Filled != w.Outputs)
        {
            throw new ArgumentException($"Only {w.Filled} of {w.Outputs} outputs of the matrix are filled.", nameof(w));
        }

        Check.Rows(x.Length, rows, xStride, w.Inputs, nameof(x));
        Check.Rows(result.Length, rows, resultStride, w.Outputs, nameof(result));
        if (!bias.IsEmpty)
        {
            Check.Length(bias.Length, w.Outputs, nameof(bias));
        }

        if (!residual.IsEmpty)
        {
            Check.Rows(residual.Length, rows, residualStride, w.Outputs, nameof(residual));
        }

        fixed (float* xs = x)
        fixed (float* biases = bias)
        fixed (float* residuals = residual)
        fixed (float* results = result)
        {
            using (pool.Enter())
            {
                int rowBlocks = (rows + RowBlock - 1) / RowBlock;
                for (int rowBlock = 0; rowBlock < rowBlocks; rowBlock++)
                {
                    int first = MicroKernel.TileStart(rows, rowBlocks, rowBlock);
                    int count = MicroKernel.TileStart(rows, rowBlocks, rowBlock + 1) - first;

                    float* packed = pool.SharedScratch((long)count * w.Inputs);
                    var pack = new PackRows(xs + (long)first * xStride, count, xStride, w.Inputs, packed);
                    pool.For(pack.Parts, ref pack);
                    var block = new Block(
                        packed,
                        count,
                        w,
                        biases,
                        activation,
                        residuals == null ? null : residuals + (long)first * residualStride,
                        residualStride,
                        results + (long)first * resultStride,
                        resultStride,
                        pool.Threads);
                    pool.For(block.Parts, ref block);
                }
            }
        }
    }

    /// <summary>Rows interleaved tile by tile: [tile][depth][rows of the tile]. One stream to read instead of twelve that share cache sets.</summary>
    private readonly struct PackRows(float* x, int rows, int stride, int depth, float* packed) : IPoolBody
    {
        // Below this many floats the hand-off costs more than the copy.
        private const int LeastFloats = 8 * 1024;

        private readonly int _tiles = MicroKernel.TileCount(rows);

        public int Parts => (int)Math.Clamp((long)rows * depth / LeastFloats, 1, _tiles);

        public void Run(int part, int worker)
        {
            for (int tile = MicroKernel.TileStart(_tiles, Parts, part); tile < MicroKernel.TileStart(_tiles, Parts, part + 1); tile++)
            {
                int first = MicroKernel.TileStart(rows, _tiles, tile);
                int count = MicroKernel.TileStart(rows, _tiles, tile + 1) - first;
                Interleave.Rows(x + (long)first * stride, count, stride, depth, packed + (long)first * depth, count);
            }
        }
    }

    /// <summary>A block of rows times a group of panels a part.</summary>
    private readonly struct Block : IPoolBody
    {
        private readonly float* _packed;
        private readonly int _rows;
        private readonly PackedMatrix _w;
        private readonly float* _bias;
        private readonly Activation _activation;
        private readonly float* _residual;
        private readonly nint _residualStride;
        private readonly float* _result;
        private readonly nint _resultStride;
        private readonly int _threads;
        private readonly int _tiles;
        private readonly int _depthBlock;
        private readonly int _depths;
        private readonly bool _panelByPanel;
        private readonly int _aheadLines;
        private readonly int _fetchingTiles;

        public Block(
            float* packed,
            int rows,
            PackedMatrix w,
            float* bias,
            Activation activation,
            float* residual,
            int residualStride,
            float* result,
            int resultStride,
            int threads)
        {
            _packed = packed;
            _rows = rows;
            _w = w;
            _bias = bias;
            _activation = activation;
            _residual = residual;
            _residualStride = residualStride;
            _result = result;
            _resultStride = resultStride;
            _tiles = MicroKernel.TileCount(rows);

            // Weights that only one tile uses stream by and need no blocking. Where all rows fit in half of L2, each panel is finished before
            // the next (one sequential stream from memory); else the rows are taken a depth block at a time.
            _depthBlock = _tiles == 1 ? w.Inputs : DepthBlock;
            _depths = (w.Inputs + _depthBlock - 1) / _depthBlock;
            _panelByPanel = (long)rows * w.Inputs <= RowBlock * DepthBlock;

            // The tiles share the fetching of the next weights, as many as it takes at a line each unrolled step, or all of them at two or four.
            int lines = Math.Max(1, w.PanelWidth * MicroKernel.Unrolled / MicroKernel.LineFloats);
            _aheadLines = _tiles >= lines ? 1 : 2 * _tiles >= lines ? 2 : 4;
            _fetchingTiles = Math.Max(1, lines / _aheadLines);

            // Three rounds of parts, a half, a third and a sixth of a thread's share: long runs over the weights first, small pieces last, so that
            // nobody waits long for a worker that another process slowed down.
            _threads = Math.Min(threads, w.Panels);
            Parts = _threads == 1 ? 1 : 3 * _threads;
        }

        public int Parts { get; }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int part, int worker)
        {
            int from = Start(part);
            int to = Start(part + 1);
            int steps = (to - from) * _depths;
            float* edge = stackalloc float[MicroKernel.LargestTile];
            float* rows = stackalloc float[2 * MicroKernel.LargestColumns];
            new Span<float>(rows, 2 * MicroKernel.LargestColumns).Clear();
            for (int step = 0; step < steps; step++)
            {
                float* weights = Locate(step, from, to, out int panel, out int k);
                float* next = step + 1 < steps ? Locate(step + 1, from, to, out _, out _) : weights;
                Step(panel, k, weights, next, rows, rows + MicroKernel.LargestColumns, edge);
            }
        }

        private int Start(int part)
        {
            if (Parts == 1)
            {
                return part * _w.Panels;
            }

            int round = part / _threads, within = part % _threads;
            int sixths = round switch
            {
                0 => 3 * within,
                1 => 3 * _threads + 2 * within,
                2 => 5 * _threads + within,
                _ => 6 * _threads,
            };
            return (int)((long)_w.Panels * sixths / (6 * _threads));
        }

        private float* Locate(int step, int from, int to, out int panel, out int k)
        {
            panel = from + (_panelByPanel ? step / _depths : step % (to - from));
            k = (_panelByPanel ? step % _depths : step / (to - from)) * _depthBlock;
            return _w.Panel(panel) + (long)k * _w.PanelWidth;
        }

        /// <summary>All rows times one depth block of one panel.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Step(int panel, int k, float* weights, float* next, float* zeros, float* bias, float* edge)
        {
            int width = _w.PanelWidth;
            int depth = Math.Min(_depthBlock, _w.Inputs - k);
            bool begins = k == 0;
            bool ends = k + depth == _w.Inputs;
            int column = panel * width;
            int columns = Math.Min(width, _w.Outputs - column);
            if (begins && _bias != null)
            {
                new ReadOnlySpan<float>(_bias + column, columns).CopyTo(new Span<float>(bias, width));
                new Span<float>(bias + columns, width - columns).Clear();
            }

            // Two runs of tiles, the larger ones first; one tile at a time at the right edge, where a whole panel would read and write past the row.
            bool whole = columns == width;
            int larger = _rows % _tiles;
            int tiles;
            for (int tile = 0, row = 0; tile < _tiles; tile += tiles)
            {
                int count = _rows / _tiles + (tile < larger ? 1 : 0);
                tiles = whole ? (tile < larger ? larger : _tiles) - tile : 1;
                float* target = _result + row * _resultStride + column;
                float* init = target;
                nint initStride = _resultStride;
                if (begins)
                {
                    // The residual is read before the first partial sum is written over it: it may be the result itself.
                    init = _residual == null ? zeros : _residual + row * _residualStride + column;
                    initStride = _residual == null ? 0 : _residualStride;
                }

                if (!whole && init != zeros)
                {
                    CopyRows(init, initStride, edge, width, count, columns);
                    init = edge;
                    initStride = width;
                }

                nint stride = whole ? _resultStride : width;
                MicroKernel.Packed(count, _aheadLines, new TileRun
                {
                    Count = tiles,
                    A = _packed + (long)row * _w.Inputs + (long)k * count,
                    ANext = (nint)count * _w.Inputs,
                    B = weights,
                    Depth = depth,
                    Init = init,
                    InitStride = initStride,
                    InitNext = count * initStride,
                    Bias = begins ? bias : zeros,
                    C = whole ? target : edge,
                    CStride = stride,
                    CNext = count * stride,
                    Ahead = next + (nint)tile * (depth / MicroKernel.Unrolled) * _aheadLines * MicroKernel.LineFloats,
                    Fetching = _fetchingTiles - tile,
                });
                if (!whole)
                {
                    CopyRows(edge, width, target, _resultStride, count, columns);
                }

                row += tiles * count;
            }

            if (ends && _activation != Activation.None)
            {
                // The panel is still in L1.
                Activations.Apply(_activation, _result + column, _rows, columns, _resultStride);
            }
        }

        private static void CopyRows(float* from, nint fromStride, float* to, nint toStride, int rows, int columns)
        {
            for (int r = 0; r < rows; r++)
            {
                new ReadOnlySpan<float>(from + r * fromStride, columns).CopyTo(new Span<float>(to + r * toStride, columns));
            }
        }
    }
}
