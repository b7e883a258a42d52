using System.Buffers;
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
    /// <param name="weights">The row after softmax; sums to 1, or all zeros if everything is masked. Valid during the call.</param>
    /// <param name="statistics">Entropy, maximum and log-sum-exp of the row.</param>
    void Row(int head, int query, WeightRow weights, RowStatistics statistics);

    /// <summary>No more rows come to this copy; all it has seen were of <paramref name="head"/>.</summary>
    void Complete(int head);
}

/// <summary>A row of weights: those of consecutive keys, and those of global keys wherever they stand. All other weights are exactly 0.</summary>
/// <param name="firstKey">Key of window[0].</param>
/// <param name="window">Weights of the keys [firstKey, firstKey + Length).</param>
/// <param name="globalKeys">Ascending (<see cref="AttentionPattern.GlobalKeys"/>).</param>
/// <param name="globals">Their weights; 0 for those that the window holds.</param>
public readonly ref struct WeightRow(int firstKey, ReadOnlySpan<float> window, ReadOnlySpan<int> globalKeys, ReadOnlySpan<float> globals)
{
    /// <summary>Key of the window's first weight.</summary>
    public int FirstKey { get; } = firstKey;

    /// <summary>Weights of consecutive keys.</summary>
    public ReadOnlySpan<float> Window { get; } = window;

    /// <summary>Global keys, ascending; also those that the window holds.</summary>
    public ReadOnlySpan<int> GlobalKeys { get; } = globalKeys;

    /// <summary>Weights of the global keys; 0 for those that the window holds.</summary>
    public ReadOnlySpan<float> Globals { get; } = globals;

    /// <summary>The weight of any key, 0 for one that does not exist.</summary>
    public float this[int key] =>
        (uint)(key - FirstKey) < (uint)Window.Length ? Window[key - FirstKey]
        : GlobalKeys.BinarySearch(key) is >= 0 and int index ? Globals[index]
        : 0;

    /// <summary>All weights into <paramref name="row"/>, [keys].</summary>
    public void CopyTo(Span<float> row)
    {
        row[..FirstKey].Clear();
        Window.CopyTo(row[FirstKey..]);
        row[(FirstKey + Window.Length)..].Clear();
        for (int i = 0; i < GlobalKeys.Length; i++)
        {
            row[GlobalKeys[i]] += Globals[i];
        }
    }
}

/// <summary>An observer that looks away.</summary>
public readonly struct NoObserver : IAttentionObserver
{
    public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
    {
    }

    public void Complete(int head)
    {
    }
}

/// <summary>
/// Scaled dot-product attention, all heads, never more than a block of rows of weights at a time; and the rows, heads and thumbnails
/// computed again from queries and keys. Memory: rows of a block x keys per worker, and the keys and values once over. Time: the pairs of
/// query and key that see each other, within a block's rows and a panel's width of keys.
/// </summary>
public static unsafe partial class AttentionKernel
{
    // Scores of a block of rows: half of a 1 MB L2.
    private const int BlockFloats = 128 * 1024;

    // Depth of one run over the values, so that a panel of them (512 x 32 floats, 64 kB) and the weights stay near.
    private const int DepthBlock = 512;

    /// <summary>
    /// result = softmax(scores) · values for every head, head h of a result row at h * HeadSize.
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
        fixed (float* keyBias = pattern.KeyBias)
        fixed (float* relativeBias = pattern.RelativeBias)
        {
            var shape = new PackedShape(pattern);
            var scorer = new Scorer(pattern, shape, q, queries.Stride, null, keyBias, relativeBias, null);
            (int first, int end) = scorer.Window(query, query + 1);
            float* from = q + (long)query * queries.Stride + head * pattern.HeadSize;
            float* to = k + head / pattern.GroupSize * pattern.HeadSize;
            int columns = shape.GlobalColumns + end - first;
            float[] rented = ArrayPool<float>.Shared.Rent(2 * columns);
            fixed (float* scores = rented)
            {
                for (int i = 0; i < shape.Globals.Length; i++)
                {
                    Vectors.Dots(from, pattern.HeadSize, to + (long)shape.Globals[i] * keys.Stride, 0, 1, scores + i);
                }

                Vectors.Dots(from, pattern.HeadSize, to + (long)first * keys.Stride, keys.Stride, end - first, scores + shape.GlobalColumns);
                float* biases = scorer.Biases(first, end, scores + columns);
                RowStatistics statistics = scorer.Normalize(head, query, scores, biases, first, end, out WeightRow weights);
                weights.CopyTo(row[..pattern.Keys]);
                ArrayPool<float>.Shared.Return(rented);
                return statistics;
            }
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
                pool.For(shape.Panels, ref pack);
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

    /// <summary>
    /// Sizes of one head's packed keys (panels of [HeadSize][width]) and values (panels of [Globals + Keys][width]). Global keys come first, gathered,
    /// so that a row costs its window and the global keys, wherever those stand; then all keys in their order.
    /// </summary>
    private readonly struct PackedShape(AttentionPattern pattern)
    {
        public readonly int Keys = pattern.Keys;
        public readonly int HeadSize = pattern.HeadSize;
        public readonly int Width = MicroKernel.Columns;
        public readonly int[] Globals = pattern.GlobalKeys ?? [];

        public int GlobalPanels => (Globals.Length + Width - 1) / Width;

        /// <summary>Columns of scores before those of the window.</summary>
        public int GlobalColumns => GlobalPanels * Width;

        public int Panels => GlobalPanels + (Keys + Width - 1) / Width;

        public int ValuePanels => (HeadSize + Width - 1) / Width;

        public int ValueRows => Globals.Length + Keys;

        public long KeyFloats => (long)Panels * Width * HeadSize;

        public long ValueFloats => (long)ValuePanels * Width * ValueRows;

        // One line more than whole panels: rows a power of two apart would share their cache sets.
        public int ScoreStride => Panels * Width + 16;

        public int RowsPerBlock
        {
            get
            {
                int tiles = Math.Max(1, BlockFloats / ScoreStride / MicroKernel.MaxRows);
                return Math.Min(tiles, 2) * MicroKernel.MaxRows;
            }
        }

        /// <summary>The key in a packed row: gathered global keys, then all.</summary>
        public int Key(int row) => row < Globals.Length ? Globals[row] : row - Globals.Length;
    }

    private readonly struct PackKeys(PackedShape shape, float* keys, nint stride, float* packed) : IPoolBody
    {
        public void Run(int part, int worker)
        {
            float* target = packed + (long)part * shape.Width * shape.HeadSize;
            int first = (part - shape.GlobalPanels) * shape.Width;
            if (first >= 0)
            {
                Interleave.Rows(keys + first * stride, Math.Min(shape.Width, shape.Keys - first), stride, shape.HeadSize, target, shape.Width);
                return;
            }

            for (int row = 0; row < shape.Width; row++)
            {
                int index = part * shape.Width + row;
                float* key = index < shape.Globals.Length ? keys + shape.Globals[index] * stride : null;
                for (int k = 0; k < shape.HeadSize; k++)
                {
                    target[k * shape.Width + row] = key == null ? 0 : key[k];
                }
            }
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
            for (int panel = 0; panel < shape.Panels; panel++)
            {
                pack.Run(panel, worker);
            }

            float* to = packedValues + head * shape.ValueFloats;
            for (int column = 0; column < shape.HeadSize; column += shape.Width)
            {
                float* from = values + (long)head * shape.HeadSize + column;
                int columns = Math.Min(shape.Width, shape.HeadSize - column);
                for (int row = 0; row < shape.ValueRows; row++)
                {
                    var target = new Span<float>(to, shape.Width);
                    new ReadOnlySpan<float>(from + shape.Key(row) * valueStride, columns).CopyTo(target);
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

        public AttentionPattern Pattern => pattern;

        /// <summary>The keys that the window of any of the rows holds.</summary>
        public (int First, int End) Window(int row, int endRow) =>
            (pattern.FirstKey(row), Math.Max(pattern.FirstKey(row), pattern.EndKey(endRow - 1)));

        /// <summary>
        /// Weights of rows [row, endRow) into scores (ScoreStride apart): the global keys, then from column GlobalColumns on the keys from
        /// <paramref name="firstKey"/>, a multiple of the panel width, up to <paramref name="endKey"/>; cells that a row does not see are 0.
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
            Products(head, packedHead, row, endRow, 0, shape.GlobalPanels, scores, shape.ScoreStride);
            Products(head, packedHead, row, endRow, shape.GlobalPanels + fromPanel, shape.GlobalPanels + toPanel, scores + shape.GlobalColumns, shape.ScoreStride);
            float* biases = Biases(firstKey, endKey, scores + (long)shape.RowsPerBlock * shape.ScoreStride);
            for (int query = row; query < endRow; query++)
            {
                RowStatistics statistics = Normalize(
                    head, query, scores + (long)(query - row) * shape.ScoreStride, biases, firstKey, endKey, out WeightRow weights);
                observer.Row(head, query, weights, statistics);
            }
        }

        /// <summary>Raw products of rows [row, endRow) with packed panels [from, to) into scores, rows <paramref name="stride"/> apart.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Products(int head, float* packedHead, int row, int endRow, int from, int to, float* scores, nint stride)
        {
            int rows = endRow - row;
            int tiles = MicroKernel.TileCount(rows);
            float* zeros = stackalloc float[MicroKernel.LargestColumns];
            new Span<float>(zeros, MicroKernel.LargestColumns).Clear();
            for (int tile = 0; tile < tiles; tile++)
            {
                int start = MicroKernel.TileStart(rows, tiles, tile);
                var run = new TileRun
                {
                    Count = to - from,
                    A = queries + (row + start) * queryStride + head * shape.HeadSize,
                    ARow = queryStride,
                    B = packedHead + (long)from * shape.Width * shape.HeadSize,
                    BNext = shape.Width * shape.HeadSize,
                    Depth = shape.HeadSize,
                    Init = zeros,
                    C = scores + start * stride,
                    CStride = stride,
                    CNext = shape.Width,
                };
                MicroKernel.Strided(MicroKernel.TileStart(rows, tiles, tile + 1) - start, run);
            }
        }

        /// <summary>What is added to the columns of scores whose window holds keys [first, end); null for nothing. May be gathered into <paramref name="room"/>.</summary>
        public float* Biases(int first, int end, float* room)
        {
            if (keyBias == null || shape.Globals.Length == 0)
            {
                return keyBias == null ? null : keyBias + first;
            }

            for (int i = 0; i < shape.GlobalColumns; i++)
            {
                room[i] = i < shape.Globals.Length ? keyBias[shape.Globals[i]] : 0;
            }

            new ReadOnlySpan<float>(keyBias + first, end - first).CopyTo(new Span<float>(room + shape.GlobalColumns, end - first));
            return room;
        }

        /// <summary>Raw products (global keys, then keys [first, end)) to weights; those that the query does not see become 0.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public RowStatistics Normalize(int head, int query, float* scores, float* biases, int first, int end, out WeightRow weights)
        {
            int windowFirst = Math.Clamp(pattern.FirstKey(query), first, end);
            int windowEnd = Math.Clamp(pattern.EndKey(query), windowFirst, end);
            float* window = scores + shape.GlobalColumns;
            if (pattern.BlindQueries is { } blind && blind[query])
            {
                new Span<float>(scores, shape.GlobalColumns + end - first).Clear();
                weights = new WeightRow(windowFirst, [], [], []);
                return new RowStatistics(0, 0, float.NegativeInfinity, float.NegativeInfinity);
            }

            if (shape.Globals.Length == 0)
            {
                weights = new WeightRow(windowFirst, new ReadOnlySpan<float>(window + windowFirst - first, windowEnd - windowFirst), [], []);
                new Span<float>(window, windowFirst - first).Clear();
                new Span<float>(window + windowEnd - first, end - windowEnd).Clear();
                float* relative = relativeBias == null ? null : relativeBias + (long)head * (pattern.Queries + pattern.Keys - 1) + pattern.Queries - 1 - query + windowFirst;
                return Softmax.Apply(window + windowFirst - first, windowEnd - windowFirst, pattern.Scale, biases == null ? null : biases + windowFirst - first, relative);
            }

            // One softmax over the global keys and the block's window: a key that is in both counts once, in the window.
            for (int i = 0; i < shape.GlobalColumns; i++)
            {
                if (i >= shape.Globals.Length || (shape.Globals[i] >= windowFirst && shape.Globals[i] < windowEnd))
                {
                    scores[i] = float.NegativeInfinity;
                }
            }

            new Span<float>(window, windowFirst - first).Fill(float.NegativeInfinity);
            new Span<float>(window + windowEnd - first, end - windowEnd).Fill(float.NegativeInfinity);
            weights = new WeightRow(
                windowFirst,
                new ReadOnlySpan<float>(window + windowFirst - first, windowEnd - windowFirst),
                shape.Globals,
                new ReadOnlySpan<float>(scores, shape.Globals.Length));
            return Softmax.Apply(scores, shape.GlobalColumns + end - first, pattern.Scale, biases, null);
        }

        /// <summary>Whether scores are more than scaled products.</summary>
        public bool IsBiased => keyBias != null || relativeBias != null;

        /// <summary>Raw products of keys [first, first + count) to scores.</summary>
        public void Bias(int head, int query, float* scores, int first, int count)
        {
            float* relative = relativeBias == null ? null : relativeBias + (long)head * (pattern.Queries + pattern.Keys - 1) + pattern.Queries - 1 - query;
            for (int key = first; key < first + count; key++)
            {
                float score = scores[key - first] * pattern.Scale;
                score += keyBias == null ? 0 : keyBias[key];
                scores[key - first] = score + (relative == null ? 0 : relative[key]);
            }
        }

        public float* Scratch(int worker, long floats) => pool!.Scratch(worker, floats);

        /// <summary>Room for the scores of a block of rows and one row of biases, of this worker alone. Only where there are workers, hence a pool.</summary>
        public float* Scores(int worker) => Scratch(worker, (long)(shape.RowsPerBlock + 1) * shape.ScoreStride);

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

        /// <summary>Rows of weights times the values of the global keys and of keys [firstKey, endKey).</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Mix(int head, int row, int endRow, float* weights, int firstKey, int endKey)
        {
            int rows = endRow - row;
            int tiles = MicroKernel.TileCount(rows);
            int whole = shape.HeadSize / shape.Width;
            int rest = shape.HeadSize % shape.Width;
            float* values = packedValues + head / pattern.GroupSize * shape.ValueFloats;
            float* edge = stackalloc float[MicroKernel.LargestTile];
            for (int tile = 0; tile < tiles; tile++)
            {
                int start = MicroKernel.TileStart(rows, tiles, tile);
                int count = MicroKernel.TileStart(rows, tiles, tile + 1) - start;
                float* target = output + (row + start) * outputStride + head * shape.HeadSize;
                float* from = weights + (long)start * shape.ScoreStride;
                Mix(count, from, firstKey, endKey, values, whole, target, outputStride);
                if (rest > 0)
                {
                    // A whole panel would write past the row.
                    Mix(count, from, firstKey, endKey, values + (long)whole * shape.Width * shape.ValueRows, 1, edge, shape.Width);
                    for (int r = 0; r < count; r++)
                    {
                        new ReadOnlySpan<float>(edge + r * shape.Width, rest).CopyTo(new Span<float>(target + r * outputStride + whole * shape.Width, rest));
                    }
                }
            }
        }

        /// <summary>One tile of rows times <paramref name="panels"/> panels of values.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Mix(int rows, float* weights, int firstKey, int endKey, float* values, int panels, float* target, nint targetStride)
        {
            float* zeros = stackalloc float[MicroKernel.LargestColumns];
            new Span<float>(zeros, MicroKernel.LargestColumns).Clear();
            var run = new TileRun
            {
                Count = panels,
                A = weights,
                ARow = shape.ScoreStride,
                B = values,
                BNext = (nint)shape.Width * shape.ValueRows,
                Depth = shape.Globals.Length,
                Init = zeros,
                C = target,
                CStride = targetStride,
                CNext = shape.Width,
            };
            if (shape.Globals.Length > 0)
            {
                MicroKernel.Strided(rows, run);
                run.Init = run.C;
                run.InitStride = run.CStride;
                run.InitNext = run.CNext;
            }

            // A row that sees nothing still has a result: zeros.
            int key = firstKey;
            do
            {
                run.A = weights + shape.GlobalColumns + key - firstKey;
                run.B = values + (long)(shape.Globals.Length + key) * shape.Width;
                run.Depth = Math.Min(DepthBlock, endKey - key);
                MicroKernel.Strided(rows, run);
                run.Init = run.C;
                run.InitStride = run.CStride;
                run.InitNext = run.CNext;
                key += DepthBlock;
            }
            while (key < endKey);
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
        public void Row(int head, int query, WeightRow weights, RowStatistics statistics) =>
            weights.CopyTo(new Span<float>(target + (long)(query - firstQuery) * keys, keys));

        public void Complete(int head)
        {
        }
    }
}
