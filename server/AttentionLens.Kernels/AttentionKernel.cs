using System.Runtime.CompilerServices;

namespace AttentionLens.Kernels;

/// <summary>
/// Sees every row of attention weights while it is in cache. A copy is made for each (head, block of rows) and used by one thread;
/// <see cref="Complete"/> runs at the end of the block, on the same thread, and is where a copy adds its sums to what the copies share
/// (under a lock: it happens once for dozens of rows).
/// </summary>
public interface IAttentionObserver
{
    /// <param name="head">Query head.</param>
    /// <param name="query">Row.</param>
    /// <param name="firstKey">Key of weights[0]. Weights outside of [firstKey, firstKey + Length) are exactly 0.</param>
    /// <param name="weights">The row after softmax; sums to 1, or all zeros if everything is masked. Valid during the call.</param>
    /// <param name="statistics">Entropy, maximum and log-sum-exp of the row.</param>
    void Row(int head, int query, int firstKey, ReadOnlySpan<float> weights, RowStatistics statistics);

    /// <summary>No more rows come to this copy; all it has seen were of <paramref name="head"/>.</summary>
    void Complete(int head);
}

/// <summary>An observer that looks away.</summary>
public readonly struct NoObserver : IAttentionObserver
{
    public void Row(int head, int query, int firstKey, ReadOnlySpan<float> weights, RowStatistics statistics)
    {
    }

    public void Complete(int head)
    {
    }
}

/// <summary>
/// Scaled dot-product attention, all heads, never more than a block of rows of weights at a time; and the rows, heads and thumbnails
/// computed again from queries and keys. Memory: rows of a block x keys per worker, and the keys and values once over.
/// </summary>
public static unsafe class AttentionKernel
{
    // Scores of a block of rows: half of a 1 MB L2.
    private const int BlockFloats = 128 * 1024;

    // Depth of one run over the values, so that a panel of them (512 x 32 floats, 64 kB) and the weights stay near.
    private const int DepthBlock = 512;

    /// <summary>
    /// result = softmax(scores) · values for every head, head h of a result row at h * HeadSize. Keys outside the window are not touched.
    /// Queries and keys are those the trace keeps: <see cref="Row"/> recomputes the same weights from them.
    /// </summary>
    /// <param name="pattern">Shape and mask.</param>
    /// <param name="queries">[Queries] rows of Heads * HeadSize.</param>
    /// <param name="keys">[Keys] rows of KeyValueHeads * HeadSize.</param>
    /// <param name="values">[Keys] rows of KeyValueHeads * HeadSize.</param>
    /// <param name="result">[Queries] rows of Heads * HeadSize; may be the queries' buffer only if that is not needed any more and not overlapping.</param>
    /// <param name="resultStride">Floats from one result row to the next.</param>
    /// <param name="observer">Copied for each block of rows; <see cref="NoObserver"/> for none.</param>
    /// <param name="pool">Whose threads share the work.</param>
    /// <exception cref="ArgumentException">A span is too short, or the pattern contradicts itself.</exception>
    public static void Attend<TObserver>(
        AttentionPattern pattern,
        StridedRows queries,
        StridedRows keys,
        StridedRows values,
        Span<float> result,
        int resultStride,
        TObserver observer,
        WorkerPool pool)
        where TObserver : struct, IAttentionObserver
    {
        ArgumentNullException.ThrowIfNull(pool);
        CheckQueriesAndKeys(pattern, queries, keys);
        Check.Rows(values.Values.Length, pattern.Keys, values.Stride, pattern.KeyHeads * pattern.HeadSize, nameof(values));
        Check.Rows(result.Length, pattern.Queries, resultStride, pattern.Heads * pattern.HeadSize, nameof(result));
        if (pattern.Queries == 0)
        {
            return;
        }

        fixed (float* q = queries.Values)
        fixed (float* k = keys.Values)
        fixed (float* v = values.Values)
        fixed (float* output = result)
        fixed (float* keyBias = pattern.KeyBias)
        fixed (float* relativeBias = pattern.RelativeBias)
        {
            using (pool.Enter())
            {
                var shape = new PackedShape(pattern);
                float* scratch = pool.SharedScratch(pattern.KeyHeads * (shape.KeyFloats + shape.ValueFloats));
                float* packedValues = scratch + pattern.KeyHeads * shape.KeyFloats;
                var pack = new PackHeads(pattern.KeyHeads, shape, k, keys.Stride, scratch, v, values.Stride, packedValues);
                pool.For(pack.Parts, ref pack);
                var blocks = new Blocks<TObserver>(
                    pattern, shape, new Scorer(pattern, shape, q, queries.Stride, scratch, keyBias, relativeBias, pool), packedValues, output, resultStride, observer);
                pool.For(blocks.Parts, ref blocks);
            }
        }
    }

    /// <summary>One row of weights of one head: [Keys], sums to 1, masked keys exactly 0. On the caller's thread.</summary>
    /// <param name="pattern">Shape and mask of the layer.</param>
    /// <param name="queries">As in <see cref="Attend"/>.</param>
    /// <param name="keys">As in <see cref="Attend"/>.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Row.</param>
    /// <param name="row">Receives [Keys] weights.</param>
    public static RowStatistics Row(AttentionPattern pattern, StridedRows queries, StridedRows keys, int head, int query, Span<float> row)
    {
        CheckQueriesAndKeys(pattern, queries, keys);
        CheckIndex(head, pattern.Heads, nameof(head));
        CheckIndex(query, pattern.Queries, nameof(query));
        Check.Length(row.Length, pattern.Keys, nameof(row));
        fixed (float* q = queries.Values)
        fixed (float* k = keys.Values)
        fixed (float* weights = row)
        fixed (float* keyBias = pattern.KeyBias)
        fixed (float* relativeBias = pattern.RelativeBias)
        {
            var scorer = new Scorer(pattern, new PackedShape(pattern), q, queries.Stride, null, keyBias, relativeBias, null);
            (int first, int end) = scorer.Window(query, query + 1);
            float* from = q + (long)query * queries.Stride + head * pattern.HeadSize;
            float* to = k + (long)first * keys.Stride + head / pattern.GroupSize * pattern.HeadSize;
            Vectors.Dots(from, pattern.HeadSize, to, keys.Stride, end - first, weights + first);
            row[..first].Clear();
            row[end..pattern.Keys].Clear();
            return scorer.Normalize(head, query, weights + first, first, end, out _, out _);
        }
    }

    /// <summary>Rows of weights of one head: [count, Keys], as <see cref="Row"/> gives them.</summary>
    /// <param name="pattern">Shape and mask of the layer.</param>
    /// <param name="queries">As in <see cref="Attend"/>.</param>
    /// <param name="keys">As in <see cref="Attend"/>.</param>
    /// <param name="head">Query head.</param>
    /// <param name="firstQuery">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="weights">Receives [count, Keys].</param>
    /// <param name="pool">Whose threads share the work.</param>
    public static void Rows(
        AttentionPattern pattern, StridedRows queries, StridedRows keys, int head, int firstQuery, int count, Span<float> weights, WorkerPool pool)
    {
        Check.Length(weights.Length, (long)count * pattern.Keys, nameof(weights));
        ArgumentOutOfRangeException.ThrowIfNegative(firstQuery);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, pattern.Queries - firstQuery);
        fixed (float* target = weights)
        {
            Recompute(pattern, queries, keys, head, pool, new WholeRows(target, firstQuery, count));
        }
    }

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
        Span<float> tile,
        WorkerPool pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tileRows);
        ArgumentOutOfRangeException.ThrowIfNegative(tileColumns);
        Check.Length(tile.Length, (long)tileRows * tileColumns, nameof(tile));
        (int firstRow, int rowCount) = rows.GetOffsetAndLength(pattern.Queries);
        (int firstColumn, int columnCount) = columns.GetOffsetAndLength(pattern.Keys);
        tile[..(tileRows * tileColumns)].Clear();
        if (rowCount == 0 || columnCount == 0 || tile.IsEmpty)
        {
            return;
        }

        fixed (float* target = tile)
        {
            var cells = new Cells(firstColumn, columnCount, tileColumns, pooling);
            Recompute(pattern, queries, keys, head, pool, new TileRows(target, firstRow, rowCount, tileRows, cells));
        }
    }

    /// <summary>Packs the keys of one head and runs <paramref name="body"/> with what computes weights from them.</summary>
    private static void Recompute<TBody>(AttentionPattern pattern, StridedRows queries, StridedRows keys, int head, WorkerPool pool, TBody body)
        where TBody : struct, IRecompute
    {
        ArgumentNullException.ThrowIfNull(pool);
        CheckQueriesAndKeys(pattern, queries, keys);
        CheckIndex(head, pattern.Heads, nameof(head));
        fixed (float* q = queries.Values)
        fixed (float* k = keys.Values)
        fixed (float* keyBias = pattern.KeyBias)
        fixed (float* relativeBias = pattern.RelativeBias)
        {
            using (pool.Enter())
            {
                var shape = new PackedShape(pattern);
                float* scratch = pool.SharedScratch(shape.KeyFloats);
                var pack = new PackKeys(shape, k + head / pattern.GroupSize * pattern.HeadSize, keys.Stride, scratch);
                pool.For(shape.KeyPanels, ref pack);
                body.Prepare(new Scorer(pattern, shape, q, queries.Stride, scratch, keyBias, relativeBias, pool), head);
                pool.For(body.Parts, ref body);
            }
        }
    }

    private static void CheckQueriesAndKeys(AttentionPattern pattern, StridedRows queries, StridedRows keys)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        pattern.Validate();
        Check.Rows(queries.Values.Length, pattern.Queries, queries.Stride, pattern.Heads * pattern.HeadSize, nameof(queries));
        Check.Rows(keys.Values.Length, pattern.Keys, keys.Stride, pattern.KeyHeads * pattern.HeadSize, nameof(keys));
    }

    private static void CheckIndex(int index, int count, string name)
    {
        if ((uint)index >= (uint)count)
        {
            throw new ArgumentOutOfRangeException(name, index, $"There are {count}.");
        }
    }

    /// <summary>Sizes of one head's packed keys (panels of [HeadSize][width]) and values (panels of [Keys][width]).</summary>
    private readonly struct PackedShape(AttentionPattern pattern)
    {
        public readonly int Keys = pattern.Keys;
        public readonly int HeadSize = pattern.HeadSize;
        public readonly int Width = MicroKernel.Columns;

        public int KeyPanels => (Keys + Width - 1) / Width;

        public int ValuePanels => (HeadSize + Width - 1) / Width;

        public long KeyFloats => (long)KeyPanels * Width * HeadSize;

        public long ValueFloats => (long)ValuePanels * Width * Keys;

        // One line more than whole panels: rows a power of two apart would share their cache sets.
        public int ScoreStride => KeyPanels * Width + 16;

        public int RowsPerBlock
        {
            get
            {
                int tiles = Math.Max(1, BlockFloats / ScoreStride / MicroKernel.MaxRows);
                return Math.Min(tiles, 4) * MicroKernel.MaxRows;
            }
        }
    }

    private readonly struct PackKeys(PackedShape shape, float* keys, nint stride, float* packed) : IPoolBody
    {
        public void Run(int part, int worker)
        {
            int first = part * shape.Width;
            Interleave.Rows(
                keys + first * stride, Math.Min(shape.Width, shape.Keys - first), stride, shape.HeadSize, packed + (long)first * shape.HeadSize, shape.Width);
        }
    }

    private readonly struct PackHeads(
        int heads, PackedShape shape, float* keys, nint keyStride, float* packedKeys, float* values, nint valueStride, float* packedValues) : IPoolBody
    {
        // Below this many floats the hand-off costs more than the copy.
        private const int LeastFloats = 8 * 1024;

        public int Parts => (int)Math.Clamp(heads * (shape.KeyFloats + shape.ValueFloats) / LeastFloats, 1, heads);

        public void Run(int part, int worker)
        {
            for (int head = MicroKernel.TileStart(heads, Parts, part); head < MicroKernel.TileStart(heads, Parts, part + 1); head++)
            {
                Head(head, worker);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Head(int head, int worker)
        {
            var pack = new PackKeys(shape, keys + (long)head * shape.HeadSize, keyStride, packedKeys + head * shape.KeyFloats);
            for (int panel = 0; panel < shape.KeyPanels; panel++)
            {
                pack.Run(panel, worker);
            }

            float* to = packedValues + head * shape.ValueFloats;
            for (int column = 0; column < shape.HeadSize; column += shape.Width)
            {
                float* from = values + (long)head * shape.HeadSize + column;
                int columns = Math.Min(shape.Width, shape.HeadSize - column);
                for (int key = 0; key < shape.Keys; key++)
                {
                    var target = new Span<float>(to, shape.Width);
                    new ReadOnlySpan<float>(from + key * valueStride, columns).CopyTo(target);
                    target[columns..].Clear();
                    to += shape.Width;
                }
            }
        }
    }

    /// <summary>From queries and packed keys to weights, a block of rows at a time.</summary>
    private readonly struct Scorer(
        AttentionPattern pattern, PackedShape shape, float* queries, nint queryStride, float* packedKeys, float* keyBias, float* relativeBias, WorkerPool? pool)
    {
        public PackedShape Shape => shape;

        /// <summary>The keys that any of the rows sees.</summary>
        public (int First, int End) Window(int row, int endRow) =>
            pattern.GlobalKeys is not null ? (0, pattern.Keys) : (pattern.FirstKey(row), Math.Max(pattern.FirstKey(row), pattern.EndKey(endRow - 1)));

        /// <summary>
        /// Weights of rows [row, endRow) into scores (ScoreStride apart), column 0 being key <paramref name="firstKey"/>, a multiple of the
        /// panel width; cells up to <paramref name="endKey"/> that a row does not see are 0.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Weights<TObserver>(int head, float* packedHead, int row, int endRow, float* scores, out int firstKey, out int endKey, ref TObserver observer)
            where TObserver : struct, IAttentionObserver
        {
            (int first, int end) = Window(row, endRow);
            int width = shape.Width;
            int fromPanel = first / width;
            int toPanel = (end + width - 1) / width;
            firstKey = fromPanel * width;
            endKey = Math.Min(shape.Keys, toPanel * width);
            int rows = endRow - row;
            int tiles = MicroKernel.TileCount(rows);
            float* zeros = stackalloc float[MicroKernel.LargestColumns];
            new Span<float>(zeros, MicroKernel.LargestColumns).Clear();
            for (int panel = fromPanel; panel < toPanel; panel++)
            {
                float* keys = packedHead + (long)panel * width * shape.HeadSize;
                for (int tile = 0; tile < tiles; tile++)
                {
                    int start = MicroKernel.TileStart(rows, tiles, tile);
                    int count = MicroKernel.TileStart(rows, tiles, tile + 1) - start;
                    MicroKernel.Tile(
                        count,
                        queries + (row + start) * queryStride + head * shape.HeadSize,
                        queryStride,
                        1,
                        keys,
                        shape.HeadSize,
                        zeros,
                        0,
                        zeros,
                        scores + (long)start * shape.ScoreStride + (panel - fromPanel) * width,
                        shape.ScoreStride,
                        keys);
                }
            }

            for (int query = row; query < endRow; query++)
            {
                float* weights = scores + (long)(query - row) * shape.ScoreStride;
                RowStatistics statistics = Normalize(head, query, weights, firstKey, endKey, out int seen, out int seenEnd);
                observer.Row(head, query, seen, new ReadOnlySpan<float>(weights + seen - firstKey, seenEnd - seen), statistics);
            }
        }

        /// <summary>Raw products of keys [first, end) to weights; those the query does not see become 0, those in [seen, seenEnd) it may see.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public RowStatistics Normalize(int head, int query, float* weights, int first, int end, out int seen, out int seenEnd)
        {
            int windowFirst = Math.Clamp(pattern.FirstKey(query), first, end);
            int windowEnd = Math.Clamp(pattern.EndKey(query), windowFirst, end);
            seen = windowFirst;
            seenEnd = windowEnd;
            if (pattern.GlobalKeys is { } globals)
            {
                // Everything outside the window that is not global is masked here; the softmax then runs over all of it.
                (seen, seenEnd) = (first, end);
                int next = 0;
                for (int key = first; key < end; key++)
                {
                    if (key == windowFirst && windowEnd > windowFirst)
                    {
                        key = windowEnd - 1;
                        continue;
                    }

                    while (next < globals.Length && globals[next] < key)
                    {
                        next++;
                    }

                    if (next == globals.Length || globals[next] != key)
                    {
                        weights[key - first] = float.NegativeInfinity;
                    }
                }
            }

            new Span<float>(weights, seen - first).Clear();
            new Span<float>(weights + seenEnd - first, end - seenEnd).Clear();
            float* relative = relativeBias == null ? null : relativeBias + (long)head * (pattern.Queries + pattern.Keys - 1) + pattern.Queries - 1 - query + seen;
            return Softmax.Apply(weights + seen - first, seenEnd - seen, pattern.Scale, keyBias == null ? null : keyBias + seen, relative);
        }

        /// <summary>Room for the scores of a block of rows, of this worker alone. Only where there are workers, hence a pool.</summary>
        public float* Scores(int worker) => pool!.Scratch(worker, (long)shape.RowsPerBlock * shape.ScoreStride);

        public float* PackedHead(int head) => packedKeys + head / pattern.GroupSize * shape.KeyFloats;
    }

    private readonly struct Blocks<TObserver>(
        AttentionPattern pattern, PackedShape shape, Scorer scorer, float* packedValues, float* output, nint outputStride, TObserver observer) : IPoolBody
        where TObserver : struct, IAttentionObserver
    {
        private readonly int _blocksPerHead = (pattern.Queries + shape.RowsPerBlock - 1) / shape.RowsPerBlock;

        public int Parts => _blocksPerHead * pattern.Heads;

        public void Run(int part, int worker)
        {
            int head = part / _blocksPerHead;
            int block = part % _blocksPerHead;
            int row = MicroKernel.TileStart(pattern.Queries, _blocksPerHead, block);
            int endRow = MicroKernel.TileStart(pattern.Queries, _blocksPerHead, block + 1);
            float* scores = scorer.Scores(worker);
            TObserver copy = observer;
            scorer.Weights(head, scorer.PackedHead(head), row, endRow, scores, out int firstKey, out int endKey, ref copy);
            copy.Complete(head);
            Mix(head, row, endRow, scores, firstKey, endKey);
        }

        /// <summary>Rows of weights times the values of keys [firstKey, endKey).</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Mix(int head, int row, int endRow, float* weights, int firstKey, int endKey)
        {
            int width = shape.Width;
            int rows = endRow - row;
            int tiles = MicroKernel.TileCount(rows);
            float* zeros = stackalloc float[MicroKernel.LargestColumns];
            new Span<float>(zeros, MicroKernel.LargestColumns).Clear();
            float* edge = stackalloc float[MicroKernel.LargestTile];
            for (int panel = 0; panel < shape.ValuePanels; panel++)
            {
                float* values = packedValues + head / pattern.GroupSize * shape.ValueFloats + (long)panel * width * shape.Keys;
                int columns = Math.Min(width, shape.HeadSize - panel * width);
                for (int tile = 0; tile < tiles; tile++)
                {
                    int start = MicroKernel.TileStart(rows, tiles, tile);
                    int count = MicroKernel.TileStart(rows, tiles, tile + 1) - start;
                    float* target = output + (row + start) * outputStride + head * shape.HeadSize + panel * width;
                    bool whole = columns == width;
                    float* sum = whole ? target : edge;
                    nint stride = whole ? outputStride : width;
                    if (firstKey == endKey)
                    {
                        MicroKernel.Tile(count, weights, 0, 0, values, 0, zeros, 0, zeros, sum, stride, values);
                    }

                    for (int key = firstKey; key < endKey; key += DepthBlock)
                    {
                        MicroKernel.Tile(
                            count,
                            weights + (long)start * shape.ScoreStride + key - firstKey,
                            shape.ScoreStride,
                            1,
                            values + (long)key * width,
                            Math.Min(DepthBlock, endKey - key),
                            key == firstKey ? zeros : sum,
                            key == firstKey ? 0 : stride,
                            zeros,
                            sum,
                            stride,
                            values + (long)key * width);
                    }

                    for (int r = 0; !whole && r < count; r++)
                    {
                        new ReadOnlySpan<float>(edge + r * width, columns).CopyTo(new Span<float>(target + r * outputStride, columns));
                    }
                }
            }
        }
    }

    private interface IRecompute : IPoolBody
    {
        int Parts { get; }

        void Prepare(Scorer scorer, int head);
    }

    private struct WholeRows(float* target, int firstQuery, int count) : IRecompute
    {
        private Scorer _scorer;
        private int _head;

        public readonly int Parts => (count + _scorer.Shape.RowsPerBlock - 1) / _scorer.Shape.RowsPerBlock;

        public void Prepare(Scorer scorer, int head) => (_scorer, _head) = (scorer, head);

        public readonly void Run(int part, int worker)
        {
            int row = firstQuery + MicroKernel.TileStart(count, Parts, part);
            int endRow = firstQuery + MicroKernel.TileStart(count, Parts, part + 1);
            var copy = new CopyRows(target, _scorer.Shape.Keys, firstQuery);
            _scorer.Weights(_head, _scorer.PackedHead(0), row, endRow, _scorer.Scores(worker), out _, out _, ref copy);
        }
    }

    private readonly struct CopyRows(float* target, int keys, int firstQuery) : IAttentionObserver
    {
        public void Row(int head, int query, int firstKey, ReadOnlySpan<float> weights, RowStatistics statistics)
        {
            var row = new Span<float>(target + (long)(query - firstQuery) * keys, keys);
            row[..firstKey].Clear();
            weights.CopyTo(row[firstKey..]);
            row[(firstKey + weights.Length)..].Clear();
        }

        public void Complete(int head)
        {
        }
    }

    /// <summary>A row of cells of a thumbnail a part, so that no two threads write one cell.</summary>
    private struct TileRows(float* tile, int firstRow, int rowCount, int tileRows, Cells cells) : IRecompute
    {
        private Scorer _scorer;
        private int _head;

        public readonly int Parts => tileRows;

        public void Prepare(Scorer scorer, int head) => (_scorer, _head) = (scorer, head);

        public readonly void Run(int part, int worker)
        {
            (int first, int end) = Cells.Bounds(part, rowCount, tileRows);
            var observer = new PoolRows(tile + (long)part * cells.Count, cells);
            for (int row = first; row < end; row += _scorer.Shape.RowsPerBlock)
            {
                int endRow = Math.Min(end, row + _scorer.Shape.RowsPerBlock);
                _scorer.Weights(
                    _head, _scorer.PackedHead(0), firstRow + row, firstRow + endRow, _scorer.Scores(worker), out _, out _, ref observer);
            }

            cells.Finish(tile + (long)part * cells.Count, end - first);
        }
    }

    /// <summary>The columns of a thumbnail.</summary>
    private readonly struct Cells(int firstColumn, int columnCount, int count, Pooling pooling)
    {
        public int Count => count;

        /// <summary>What cell <paramref name="cell"/> of <paramref name="cells"/> covers of <paramref name="length"/> items: at least one.</summary>
        public static (int First, int End) Bounds(int cell, int length, int cells)
        {
            int first = (int)((long)cell * length / cells);
            return (first, Math.Max(first + 1, (int)((long)(cell + 1) * length / cells)));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Add(float* row, int firstKey, ReadOnlySpan<float> weights)
        {
            for (int cell = 0; cell < count; cell++)
            {
                (int first, int end) = Bounds(cell, columnCount, count);
                first = Math.Max(0, firstColumn + first - firstKey);
                end = Math.Min(weights.Length, firstColumn + end - firstKey);
                if (first < end)
                {
                    ReadOnlySpan<float> part = weights[first..end];
                    row[cell] = pooling == Pooling.Max ? Math.Max(row[cell], Vectors.Max(part)) : row[cell] + Vectors.Sum(part);
                }
            }
        }

        public void Finish(float* row, int rows)
        {
            for (int cell = 0; pooling == Pooling.Mean && cell < count; cell++)
            {
                (int first, int end) = Bounds(cell, columnCount, count);
                row[cell] /= (float)rows * (end - first);
            }
        }
    }

    private readonly struct PoolRows(float* row, Cells cells) : IAttentionObserver
    {
        public void Row(int head, int query, int firstKey, ReadOnlySpan<float> weights, RowStatistics statistics) => cells.Add(row, firstKey, weights);

        public void Complete(int head)
        {
        }
    }
}
