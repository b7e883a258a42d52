namespace AttentionLens.Kernels;

/// <summary>Products of activations with packed weights.</summary>
public static unsafe class MatMul
{
    // A block of RowBlock x DepthBlock activations (384 kB) stays in L2 (1 MB here, 512 kB on older machines) while each DepthBlock x 32 floats
    // of weights (32 kB; half of that with 256 bits) stay in L1 and are used by every tile of the block.
    private const int RowBlock = 384;
    private const int DepthBlock = 256;

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
                for (int first = 0; first < rows; first += RowBlock)
                {
                    int count = Math.Min(RowBlock, rows - first);
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

    /// <summary>Rows interleaved tile by tile: [tile][inputs][rows of the tile]. One stream to read instead of twelve that share cache sets.</summary>
    private readonly struct PackRows(float* x, int rows, int stride, int inputs, float* packed) : IPoolBody
    {
        private readonly int _tiles = MicroKernel.TileCount(rows);

        public int Parts => _tiles;

        public void Run(int part, int worker)
        {
            int first = MicroKernel.TileStart(rows, _tiles, part);
            int count = MicroKernel.TileStart(rows, _tiles, part + 1) - first;
            Interleave.Rows(x + (long)first * stride, count, stride, inputs, packed + (long)first * inputs, count);
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
        private readonly long _residualStride;
        private readonly float* _result;
        private readonly long _resultStride;
        private readonly int _panelsPerPart;
        private readonly int _tiles;
        private readonly int _depthBlock;
        private readonly int _depths;
        private readonly bool _panelByPanel;

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

            // Some parts a thread, so that the last to finish is not waited for long; not one panel each, so that hand-outs stay cheap.
            _panelsPerPart = threads == 1 ? w.Panels : Math.Max(1, w.Panels / (threads * 6));
            Parts = (w.Panels + _panelsPerPart - 1) / _panelsPerPart;
        }

        public int Parts { get; }

        public void Run(int part, int worker)
        {
            int from = part * _panelsPerPart;
            int to = Math.Min(_w.Panels, from + _panelsPerPart);
            int steps = (to - from) * _depths;
            float* edge = stackalloc float[MicroKernel.LargestTile];
            float* start = stackalloc float[MicroKernel.LargestColumns];
            for (int step = 0; step < steps; step++)
            {
                float* weights = Locate(step, from, to, out int panel, out int k);
                float* next = step + 1 < steps ? Locate(step + 1, from, to, out _, out _) : weights;
                Step(panel, k, weights, next, start, edge);
            }
        }

        private float* Locate(int step, int from, int to, out int panel, out int k)
        {
            panel = from + (_panelByPanel ? step / _depths : step % (to - from));
            k = (_panelByPanel ? step % _depths : step / (to - from)) * _depthBlock;
            return _w.Panel(panel) + (long)k * _w.PanelWidth;
        }

        /// <summary>All rows times one depth block of one panel.</summary>
        private void Step(int panel, int k, float* weights, float* next, float* start, float* edge)
        {
            int width = _w.PanelWidth;
            int inputs = _w.Inputs;
            int depth = Math.Min(_depthBlock, inputs - k);
            int column = panel * width;
            int columns = Math.Min(width, _w.Outputs - column);
            if (k == 0)
            {
                new Span<float>(start, width).Clear();
                if (_bias != null)
                {
                    new ReadOnlySpan<float>(_bias + column, columns).CopyTo(new Span<float>(start, width));
                }
            }

            for (int tile = 0; tile < _tiles; tile++)
            {
                int row = MicroKernel.TileStart(_rows, _tiles, tile);
                int count = MicroKernel.TileStart(_rows, _tiles, tile + 1) - row;
                float* a = _packed + (long)row * inputs + (long)k * count;
                float* target = _result + row * _resultStride + column;
                float* init = target;
                nint initStride = (nint)_resultStride;
                if (k == 0 && _residual == null)
                {
                    init = start;
                    initStride = 0;
                }
                else if (k == 0 || columns < width)
                {
                    // The residual is read here, before the first partial sum is written over it: it may be the result itself.
                    float* residual = k == 0 ? _residual + row * _residualStride + column : null;
                    for (int r = 0; r < count; r++)
                    {
                        for (int c = 0; c < columns; c++)
                        {
                            edge[r * width + c] = k == 0 ? start[c] + residual[r * _residualStride + c] : target[r * _resultStride + c];
                        }
                    }

                    init = edge;
                    initStride = width;
                }

                // The tiles share the fetching of the next weights; those that have nothing left to fetch touch what is there already.
                float* ahead = (tile + 1) * MicroKernel.LineFloats <= width ? next + (long)tile * depth * MicroKernel.LineFloats : a;
                if (columns == width)
                {
                    MicroKernel.Tile(count, a, 1, count, weights, depth, init, initStride, target, (nint)_resultStride, ahead);
                }
                else
                {
                    MicroKernel.Tile(count, a, 1, count, weights, depth, init, initStride, edge, width, ahead);
                    for (int r = 0; r < count; r++)
                    {
                        new ReadOnlySpan<float>(edge + r * width, columns).CopyTo(new Span<float>(target + r * _resultStride, columns));
                    }
                }

                if (_activation != Activation.None && k + depth == inputs)
                {
                    // The tile is still in L1.
                    for (int r = 0; r < count; r++)
                    {
                        Activations.Apply(_activation, target + r * _resultStride, columns);
                    }
                }
            }
        }
    }
}
