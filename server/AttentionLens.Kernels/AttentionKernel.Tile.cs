using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Kernels;

/// <content>
/// Thumbnails, without any row of weights: scores are made a few panels of keys at a time and pooled while they are in L1. A row's maximum and sum
/// are carried along (Milakov and Gimelshein 2018, Online normalizer calculation for softmax), so that a weight costs its product and one
/// exponential, and the cells of a row are brought to the row's sum at its end.
/// </content>
public static unsafe partial class AttentionKernel
{
    // Scores at a time: 2 tiles of rows x 16 panels of keys are 12 kB with AVX2, 48 kB with AVX-512.
    private const int TileBlockTiles = 2;
    private const int TileBlockPanels = 16;

    private const float Log2E = 1.44269504f;

    /// <summary>
    /// A thumbnail of part of one head: rows and columns are cut into tileRows x tileColumns cells as even as can be, each the maximum or the
    /// mean of its weights. A tile finer than the part repeats cells.
    /// </summary>
    /// <param name="pattern">Shape and mask of the layer.</param>
    /// <param name="queries">As in <see cref="Attend"/>.</param>
    /// <param name="keys">As in <see cref="Attend"/>.</param>
    /// <param name="head">Query head.</param>
    /// <param name="rows">Queries shown.</param>
    /// <param name="columns">Keys shown; the softmax is over all keys nevertheless.</param>
    /// <param name="tileRows">Rows of the tile.</param>
    /// <param name="tileColumns">Columns of the tile.</param>
    /// <param name="pooling">Maximum or mean.</param>
    /// <param name="scales">
    /// [Queries], each row's <see cref="RowStatistics.Scale"/> as the pass over this head gave it; a maximum then costs a weight only its product. Empty
    /// where it is not known.
    /// </param>
    /// <param name="tile">Receives [tileRows, tileColumns].</param>
    /// <param name="pool">Whose threads share the work.</param>
    public static void Tile(
        AttentionPattern pattern,
        StridedRows queries,
        StridedRows keys,
        int head,
        Range rows,
        Range columns,
        int tileRows,
        int tileColumns,
        Pooling pooling,
        ReadOnlySpan<RowScale> scales,
        Span<float> tile,
        WorkerPool pool)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentOutOfRangeException.ThrowIfNegative(tileRows);
        ArgumentOutOfRangeException.ThrowIfNegative(tileColumns);
        Check.Length(tile.Length, (long)tileRows * tileColumns, nameof(tile));
        if (!scales.IsEmpty)
        {
            Check.Length(scales.Length, pattern.Queries, nameof(scales));
        }

        (int firstRow, int rowCount) = rows.GetOffsetAndLength(pattern.Queries);
        (int firstColumn, int columnCount) = columns.GetOffsetAndLength(pattern.Keys);
        tile[..(tileRows * tileColumns)].Clear();
        if (rowCount == 0 || columnCount == 0 || tile.IsEmpty)
        {
            return;
        }

        fixed (float* target = tile)
        fixed (RowScale* known = scales)
        {
            Recompute(pattern, queries, keys, head, pool, new TileRows(target, firstRow, rowCount, tileRows, firstColumn, columnCount, tileColumns, pooling, known));
        }
    }

    /// <summary>A row of cells of a thumbnail a part, so that no two threads write one cell.</summary>
    private struct TileRows(
        float* tile, int firstRow, int rowCount, int tileRows, int firstColumn, int columnCount, int tileColumns, Pooling pooling, RowScale* scales) : IRecompute
    {
        // Keys are pooled in runs: those before the part, those of each cell, those after the part. Cells finer than keys repeat, and are filled in last.
        private readonly int _cells = Math.Min(tileColumns, columnCount);

        private Scorer _scorer;
        private int _head;

        public readonly int Parts => tileRows;

        public void Prepare(Scorer scorer, int head) => (_scorer, _head) = (scorer, head);

        public readonly void Run(int part, int worker)
        {
            int first = (int)((long)part * rowCount / tileRows);
            int end = Math.Max(first + 1, (int)((long)(part + 1) * rowCount / tileRows));
            float* row = tile + (long)part * tileColumns;
            if (Vector512.IsHardwareAccelerated)
            {
                Pool<Lanes512>(firstRow + first, firstRow + end, row, worker);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Pool<Lanes256>(firstRow + first, firstRow + end, row, worker);
            }
            else if (Vector128.IsHardwareAccelerated)
            {
                Pool<Lanes128>(firstRow + first, firstRow + end, row, worker);
            }
            else
            {
                Pool<Lanes1>(firstRow + first, firstRow + end, row, worker);
            }

            for (int cell = 0; pooling == Pooling.Mean && cell < _cells; cell++)
            {
                row[cell] /= (float)(end - first) * (RunStart(cell + 2) - RunStart(cell + 1));
            }

            // From the right, as what is read stands left of what is written.
            for (int cell = tileColumns - 1; _cells < tileColumns && cell >= 0; cell--)
            {
                row[cell] = row[(int)((long)cell * _cells / tileColumns)];
            }
        }

        /// <summary>A maximum of weights needs no more of a row than its sum; a mean needs every exponential, and then has the sum for free.</summary>
        private readonly bool IsSumKnown => scales != null && pooling == Pooling.Max;

        /// <summary>What pooled scores are still to be multiplied with: biased ones have been.</summary>
        private readonly float ScoreScale => _scorer.IsBiased ? 1 : _scorer.Pattern.Scale;

        private readonly int RunStart(int run) =>
            run == 0 ? 0 : run <= _cells + 1 ? firstColumn + (int)((long)(run - 1) * columnCount / _cells) : _scorer.Shape.Keys;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Pool<V>(int first, int end, float* cells, int worker)
            where V : unmanaged, ILanes<V>
        {
            PackedShape shape = _scorer.Shape;
            AttentionPattern pattern = _scorer.Pattern;
            float* packedHead = _scorer.PackedHead(0);
            int block = TileBlockTiles * MicroKernel.MaxRows;
            int runStride = (_cells + 2 + V.Count - 1) / V.Count * V.Count;
            int stride = TileBlockPanels * shape.Width;
            float* scores = _scorer.Scratch(worker, (long)block * (stride + runStride) + _cells + 3);
            float* pooled = scores + (long)block * stride;
            int* runs = (int*)(pooled + (long)block * runStride);
            for (int i = 0; i < _cells + 3; i++)
            {
                runs[i] = RunStart(i);
            }

            float* maxima = stackalloc float[TileBlockTiles * MicroKernel.MaxRows];
            double* sums = stackalloc double[TileBlockTiles * MicroKernel.MaxRows];
            for (int row = first; row < end; row += block)
            {
                int endRow = Math.Min(end, row + block);
                new Span<float>(pooled, (endRow - row) * runStride).Fill(pooling == Pooling.Max ? float.NegativeInfinity : 0);
                new Span<float>(maxima, endRow - row).Fill(float.NegativeInfinity);
                new Span<double>(sums, endRow - row).Clear();
                for (int panel = 0; panel < shape.GlobalPanels; panel += TileBlockPanels)
                {
                    int toPanel = Math.Min(panel + TileBlockPanels, shape.GlobalPanels);
                    _scorer.Products(_head, packedHead, row, endRow, panel, toPanel, scores, stride);
                    for (int query = row, run = 0; query < endRow; query++, run = 0)
                    {
                        for (int i = panel * shape.Width; i < Math.Min(toPanel * shape.Width, shape.Globals.Length); i++)
                        {
                            int key = shape.Globals[i];
                            run = RunOf(runs, key, run);
                            if (key < pattern.FirstKey(query) || key >= pattern.EndKey(query))
                            {
                                float* score = scores + (long)(query - row) * stride + i - panel * shape.Width;
                                Add<V>(query, runs, score, key, key + 1, run, pooled + (long)(query - row) * runStride, maxima + query - row, sums + query - row);
                            }
                        }
                    }
                }

                (int firstKey, int endKey) = _scorer.Window(row, endRow);
                int endPanel = (endKey + shape.Width - 1) / shape.Width;
                for (int panel = firstKey / shape.Width, run = 0; panel < endPanel; panel += TileBlockPanels)
                {
                    int toPanel = Math.Min(panel + TileBlockPanels, endPanel);
                    int left = panel * shape.Width, right = Math.Min(toPanel * shape.Width, shape.Keys);
                    run = RunOf(runs, left, run);
                    _scorer.Products(_head, packedHead, row, endRow, shape.GlobalPanels + panel, shape.GlobalPanels + toPanel, scores, stride);
                    for (int query = row; query < endRow; query++)
                    {
                        int from = Math.Max(left, pattern.FirstKey(query)), to = Math.Min(right, pattern.EndKey(query));
                        if (from < to)
                        {
                            float* score = scores + (long)(query - row) * stride + from - left;
                            Add<V>(query, runs, score, from, to, RunOf(runs, from, run), pooled + (long)(query - row) * runStride, maxima + query - row, sums + query - row);
                        }
                    }
                }

                for (int r = 0; r < endRow - row; r++)
                {
                    (float maxScore, float max) = IsSumKnown ? scales[row + r] : new RowScale(maxima[r] * ScoreScale, (float)(1 / sums[r]));
                    if (maxScore > float.NegativeInfinity)
                    {
                        Finish<V>(pooled + (long)r * runStride, maxScore, max, cells);
                    }
                }
            }
        }

        /// <summary>The run that holds a key, from a run on that holds it or stands before it.</summary>
        private static int RunOf(int* runs, int key, int run)
        {
            while (runs[run + 1] <= key)
            {
                run++;
            }

            return run;
        }

        /// <summary>Scores of keys [from, to) of one row into its pooled runs, maximum and sum.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Add<V>(int query, int* runs, float* scores, int from, int to, int run, float* pooled, float* maximum, double* sum)
            where V : unmanaged, ILanes<V>
        {
            AttentionPattern pattern = _scorer.Pattern;
            if (pattern.BlindQueries is { } blind && blind[query])
            {
                return;
            }

            float scale = ScoreScale;
            if (_scorer.IsBiased)
            {
                _scorer.Bias(_head, query, scores, from, to - from);
            }

            float largest = float.NegativeInfinity;
            int within = run;
            for (int key = from; key < to; within++)
            {
                int next = Math.Min(to, runs[within + 1]);
                float top = Max<V>(scores + key - from, next - key);
                largest = top > largest ? top : largest;
                if (pooling == Pooling.Max)
                {
                    pooled[within] = top > pooled[within] ? top : pooled[within];
                }

                key = next;
            }

            if (IsSumKnown)
            {
                return;
            }

            if (largest > *maximum)
            {
                double shrink = Math.Exp((*maximum - largest) * scale);
                *maximum = largest;
                *sum *= shrink;
                for (int i = 0; pooling == Pooling.Mean && i < _cells + 2; i++)
                {
                    pooled[i] *= (float)shrink;
                }
            }
            else if (*maximum == float.NegativeInfinity)
            {
                return;
            }

            if (pooling == Pooling.Max)
            {
                *sum += Exponentials<V>(scores, to - from, *maximum, scale);
                return;
            }

            within = run;
            for (int key = from; key < to; within++)
            {
                int next = Math.Min(to, runs[within + 1]);
                float part = Exponentials<V>(scores + key - from, next - key, *maximum, scale);
                pooled[within] += part;
                *sum += part;
                key = next;
            }
        }

        /// <summary>The row's cells to weights, and into the tile.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Finish<V>(float* pooled, float maxScore, float max, float* cells)
            where V : unmanaged, ILanes<V>
        {
            float scale = ScoreScale;
            for (int i = 0; pooling == Pooling.Max && i < _cells + 2; i += V.Count)
            {
                V.Store(FastMath.Exp2((V.Load(pooled + i) * V.Broadcast(scale) - V.Broadcast(maxScore)) * V.Broadcast(Log2E), out _), pooled + i);
            }

            for (int cell = 0; cell < _cells; cell++)
            {
                float weight = pooled[cell + 1] * max;
                cells[cell] = pooling == Pooling.Mean ? cells[cell] + weight : Math.Max(cells[cell], weight);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static float Max<V>(float* values, int count)
            where V : unmanaged, ILanes<V>
        {
            float result = float.NegativeInfinity;
            int i = 0;
            if (count >= V.Count)
            {
                V most = V.Load(values);
                for (i = V.Count; i <= count - V.Count; i += V.Count)
                {
                    most = V.Max(V.Load(values + i), most);
                }

                // The last register overlaps the one before: a maximum does not mind.
                result = V.MaxAcross(V.Max(V.Load(values + count - V.Count), most));
                i = count;
            }

            for (; i < count; i++)
            {
                result = values[i] > result ? values[i] : result;
            }

            return result;
        }

        /// <summary>Σ exp((score - maximum) * scale).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static float Exponentials<V>(float* scores, int count, float maximum, float scale)
            where V : unmanaged, ILanes<V>
        {
            V middle = V.Broadcast(maximum), factor = V.Broadcast(scale * Log2E), sum = V.Broadcast(0), other = sum;
            int i = 0;
            for (; i <= count - 2 * V.Count; i += 2 * V.Count)
            {
                sum += FastMath.Exp2((V.Load(scores + i) - middle) * factor, out _);
                other += FastMath.Exp2((V.Load(scores + i + V.Count) - middle) * factor, out _);
            }

            for (; i <= count - V.Count; i += V.Count)
            {
                sum += FastMath.Exp2((V.Load(scores + i) - middle) * factor, out _);
            }

            sum += other;
            return i < count ? V.Sum(sum) + Rest<V>(scores + i, count - i, maximum, scale) : V.Sum(sum);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static float Rest<V>(float* scores, int count, float maximum, float scale)
            where V : unmanaged, ILanes<V>
        {
            Unsafe.SkipInit(out Tail tail);
            float* padded = (float*)&tail;
            Tail.Copy(scores, padded, count, V.Count, float.NegativeInfinity);
            return V.Sum(FastMath.Exp2((V.Load(padded) - V.Broadcast(maximum)) * V.Broadcast(scale * Log2E), out _));
        }
    }
}
