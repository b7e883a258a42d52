namespace AttentionLens.Kernels;

/// <summary>Products of activations with packed weights.</summary>
public static unsafe class MatMul
{
    // A block of RowBlock x DepthBlock activations (512 x 256 floats, 512 kB) stays in a 1 MB L2 while each DepthBlock x 32 panel of
    // weights (32 kB) stays in a 48 kB L1 and is used by every tile of the block.
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
            Interleave.Rows(x + (long)first * stride, count, stride, inputs, packed + (long)first * inputs);
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

            // Some parts a thread, so that the last to finish is not waited for long; not one panel each, so that hand-outs stay cheap.
            _panelsPerPart = threads == 1 ? w.Panels : Math.Max(1, w.Panels / (threads * 6));
            Parts = (w.Panels + _panelsPerPart - 1) / _panelsPerPart;
        }

        public int Parts { get; }

        public void Run(int part, int worker)
        {
            int from = part * _panelsPerPart;
            int to = Math.Min(_w.Panels, from + _panelsPerPart);
            int width = _w.PanelWidth;
            int inputs = _w.Inputs;
            float* edge = stackalloc float[MicroKernel.LargestTile];
            float* start = stackalloc float[MicroKernel.LargestColumns];
            for (int k = 0; k < inputs; k += DepthBlock)
            {
                int depth = Math.Min(DepthBlock, inputs - k);
                bool last = k + depth == inputs;
                for (int panel = from; panel < to; panel++)
                {
                    int column = panel * width;
                    int columns = Math.Min(width, _w.Outputs - column);
                    float* weights = _w.Panel(panel) + (long)k * width;
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

                        if (columns == width)
                        {
                            MicroKernel.Tile(count, a, 1, count, weights, depth, init, initStride, target, (nint)_resultStride);
                        }
                        else
                        {
                            MicroKernel.Tile(count, a, 1, count, weights, depth, init, initStride, edge, width);
                            for (int r = 0; r < count; r++)
                            {
                                new ReadOnlySpan<float>(edge + r * width, columns).CopyTo(new Span<float>(target + r * _resultStride, columns));
                            }
                        }

                        if (last && _activation != Activation.None)
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
    }
}
