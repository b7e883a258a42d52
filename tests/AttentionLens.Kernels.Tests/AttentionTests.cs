namespace AttentionLens.Kernels.Tests;

public sealed class AttentionTests
{
    // Float32 noise on weights up to 1 with scores up to about 10; the project's bound is 5e-6.
    private const double Tolerance = 3e-6;

    public static TheoryData<string> Patterns => [.. All().Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Weights_and_results_match_double_precision(string name)
    {
        AttentionPattern p = All().Single(c => c.Name == name).Pattern;
        int keyHeads = p.KeyValueHeads == 0 ? p.Heads : p.KeyValueHeads;
        int width = p.Heads * p.HeadSize, keyWidth = keyHeads * p.HeadSize;
        int qStride = width + 3, kStride = keyWidth + 1, outStride = width + 2;
        float[] q = Reference.Random(Math.Max(1, p.Queries) * qStride, 1, 1.5), k = Reference.Random(p.Keys * kStride, 2, 1.5), v = Reference.Random(p.Keys * kStride, 3);
        var output = new float[Math.Max(1, p.Queries) * outStride];
        var seen = new float[p.Heads, p.Queries, p.Keys];
        var entropies = new double[p.Heads, p.Queries];
        var completed = new int[p.Heads];
        using var pool = new WorkerPool(2);
        AttentionKernel.Attend(
            p, new(q, qStride), new(k, kStride), new(v, kStride), output, outStride, new Recorder(seen, entropies, completed), pool);
        var row = new float[p.Keys];
        var whole = new float[p.Queries * p.Keys];
        for (int head = 0; head < p.Heads; head++)
        {
            Assert.True(p.Queries == 0 || completed[head] > 0);
            double[,] expected = Reference.Weights(p, q, qStride, k, kStride, head);
            AttentionKernel.Rows(p, new(q, qStride), new(k, kStride), head, 0, p.Queries, whole, pool);
            for (int i = 0; i < p.Queries; i++)
            {
                RowStatistics statistics = AttentionKernel.Row(p, new(q, qStride), new(k, kStride), head, i, row);
                double entropy = 0, max = 0;
                for (int j = 0; j < p.Keys; j++)
                {
                    double exact = expected[i, j];
                    Close(exact, row[j], $"Row {head} {i} {j}");
                    Close(exact, whole[i * p.Keys + j], $"Rows {head} {i} {j}");
                    Close(exact, seen[head, i, j], $"observer {head} {i} {j}");
                    entropy -= exact > 0 ? exact * Math.Log(exact) : 0;
                    max = Math.Max(max, exact);
                }

                Assert.Equal(entropy, entropies[head, i], 2e-5);
                Assert.Equal(entropy, statistics.Entropy, 2e-5);
                Assert.Equal(max, statistics.Max, 1e-5);
                for (int d = 0; d < p.HeadSize; d++)
                {
                    double mixed = 0;
                    for (int j = 0; j < p.Keys; j++)
                    {
                        mixed += expected[i, j] * v[j * kStride + head / (p.Heads / keyHeads) * p.HeadSize + d];
                    }

                    Assert.Equal(mixed, output[i * outStride + head * p.HeadSize + d], 1e-5);
                }
            }
        }
    }

    [Theory]
    [InlineData(Pooling.Max, false)]
    [InlineData(Pooling.Max, true)]
    [InlineData(Pooling.Mean, false)]
    [InlineData(Pooling.Mean, true)]
    public void Thumbnails_pool_exactly_the_weights_they_cover(Pooling pooling, bool known)
    {
        using var pool = new WorkerPool(2);
        foreach ((string name, AttentionPattern p) in All().Where(c => c.Pattern is { Queries: > 4, HeadSize: 64 or 16 }))
        {
            int keyHeads = p.KeyValueHeads == 0 ? p.Heads : p.KeyValueHeads;
            int width = p.Heads * p.HeadSize, keyWidth = keyHeads * p.HeadSize;
            float[] q = Reference.Random(p.Queries * width, 4, 1.5), k = Reference.Random(p.Keys * keyWidth, 5, 1.5);
            double[,] weights = Reference.Weights(p, q, width, k, keyWidth, p.Heads - 1);
            RowScale[] scales = new RowScale[known ? p.Queries : 0];
            if (known)
            {
                // From the pass: its scores are the tile's to the bit, those of a single row are added up in another order.
                AttentionKernel.Attend(p, new(q, width), new(k, keyWidth), new(k, keyWidth), new float[p.Queries * width], width, new ScaleRecorder(scales, p.Heads - 1), pool);
            }

            foreach ((Range rows, Range columns, int tileRows, int tileColumns) in new[]
            {
                (Range.All, Range.All, 4, 3), (Range.All, Range.All, p.Queries, p.Keys), (2..^1, 1..^2, 2, 2), (1..3, 0..2, 5, 7),
            })
            {
                var tile = new float[tileRows * tileColumns];
                AttentionKernel.Tile(p, new(q, width), new(k, keyWidth), p.Heads - 1, rows, columns, tileRows, tileColumns, pooling, scales, tile, pool);
                (int firstRow, int rowCount) = rows.GetOffsetAndLength(p.Queries);
                (int firstColumn, int columnCount) = columns.GetOffsetAndLength(p.Keys);
                for (int y = 0; y < tileRows; y++)
                {
                    for (int x = 0; x < tileColumns; x++)
                    {
                        double max = 0, sum = 0;
                        int count = 0, top = y * rowCount / tileRows, left = x * columnCount / tileColumns;
                        for (int i = top; i < Math.Max(top + 1, (y + 1) * rowCount / tileRows); i++)
                        {
                            for (int j = left; j < Math.Max(left + 1, (x + 1) * columnCount / tileColumns); j++, count++)
                            {
                                max = Math.Max(max, weights[firstRow + i, firstColumn + j]);
                                sum += weights[firstRow + i, firstColumn + j];
                            }
                        }

                        Close(pooling == Pooling.Max ? max : sum / count, tile[y * tileColumns + x], $"{name} {pooling} cell {y} {x}");
                    }
                }
            }
        }
    }

    [Fact]
    public void A_decoder_step_sees_what_the_full_pass_saw()
    {
        const int n = 33, size = 16;
        float[] q = Reference.Random(n * size, 6), k = Reference.Random(n * size, 7);
        var full = new AttentionPattern { Queries = n, Keys = n, Heads = 1, HeadSize = size, Scale = 0.25f, After = 0 };
        var step = full with { Queries = 1, QueryOffset = n - 1 };
        var expected = new float[n];
        var actual = new float[n];
        AttentionKernel.Row(full, new(q, size), new(k, size), 0, n - 1, expected);
        AttentionKernel.Row(step, new(q.AsSpan((n - 1) * size), size), new(k, size), 0, 0, actual);
        Assert.Equal(expected, actual);
    }

    /// <summary>
    /// What lies beyond the window, its panel and the block's rows enters no sum, be there global keys or not: a NaN there would make the result one,
    /// as 0 * NaN is NaN. So a row costs its window and the global keys, not the text.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Keys_out_of_sight_are_not_touched(bool global)
    {
        const int n = 1000, size = 32, window = 10, near = window + 128, one = 500;
        float[] q = Reference.Random(n * size, 11), k = Reference.Random(n * size, 12), v = Reference.Random(n * size, 13);
        for (int key = 1; key < n; key++)
        {
            if (Math.Abs(key - one) > near)
            {
                Array.Fill(k, float.NaN, key * size, size);
                Array.Fill(v, float.NaN, key * size, size);
            }
        }

        AttentionPattern pattern = new()
        {
            Queries = n,
            Keys = n,
            Heads = 1,
            HeadSize = size,
            Scale = 0.2f,
            Before = window,
            After = window,
            GlobalKeys = global ? [0] : null,
        };
        float[] output = new float[n * size];
        using var pool = new WorkerPool(2);
        AttentionKernel.Attend(pattern, new(q, size), new(k, size), new(v, size), output, size, new NoObserver(), pool);
        Assert.All(output.AsSpan(one * size, size).ToArray(), static value => Assert.True(float.IsFinite(value)));
        Assert.True(float.IsNaN(output[200 * size]));
    }

    [Fact]
    public void Patterns_that_contradict_themselves_are_refused()
    {
        var good = new AttentionPattern { Queries = 2, Keys = 3, Heads = 4, HeadSize = 1, Scale = 1 };
        foreach (AttentionPattern bad in new[]
        {
            good with { KeyValueHeads = 3 }, good with { KeyBias = new float[2] }, good with { RelativeBias = new float[4] }, good with { GlobalKeys = [1, 1] },
            good with { GlobalKeys = [3] }, good with { GlobalKeys = [0], RelativeBias = new float[4 * 4] }, good with { BlindQueries = new bool[3] },
        })
        {
            Assert.Throws<ArgumentException>(() => AttentionKernel.Row(bad, new(new float[8], 4), new(new float[12], 4), 0, 0, new float[3]));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => AttentionKernel.Row(good, new(new float[8], 4), new(new float[12], 4), 4, 0, new float[3]));
        Assert.Throws<ArgumentException>(() => AttentionKernel.Row(good, new(new float[8], 4), new(new float[12], 4), 0, 0, new float[2]));
    }

    private static void Close(double expected, float actual, string what)
    {
        if (expected == 0)
        {
            Assert.True(actual == 0, $"{what} is masked but {actual}");
        }

        Assert.True(Math.Abs(expected - actual) <= Tolerance, $"{what}: {actual}, not {expected}");
    }

    private static IEnumerable<(string Name, AttentionPattern Pattern)> All()
    {
        static AttentionPattern Make(int queries, int keys, int heads, int size) =>
            new() { Queries = queries, Keys = keys, Heads = heads, HeadSize = size, Scale = 1 / MathF.Sqrt(size) };

        AttentionPattern plain = Make(37, 37, 2, 16);
        float[] padding = new float[37];
        Array.Fill(padding, float.NegativeInfinity, 30, 7);
        yield return ("plain", plain);
        yield return ("one token", Make(1, 1, 2, 16));
        yield return ("no query", Make(0, 5, 1, 16));
        yield return ("cross", Make(9, 70, 3, 64));
        yield return ("causal", plain with { After = 0 });
        yield return ("causal long", Make(150, 150, 1, 64) with { After = 0 });
        yield return ("window", plain with { Before = 5, After = 0 });
        yield return ("window both ways", Make(100, 100, 1, 16) with { Before = 4, After = 4 });
        yield return ("global", Make(100, 100, 1, 16) with { Before = 4, After = 4, GlobalKeys = [0, 17, 99] });
        yield return ("global padding blind", Make(200, 200, 2, 64) with
        {
            Before = 6,
            After = 6,
            GlobalKeys = [.. Enumerable.Range(0, 40).Select(static i => i * 5)],
            KeyBias = [.. Reference.Random(180, 10), .. Enumerable.Repeat(float.NegativeInfinity, 20)],
            BlindQueries = [.. Enumerable.Range(0, 200).Select(static i => i % 5 == 0 || i >= 180)],
        });
        yield return ("global causal cross", Make(30, 90, 2, 16) with { QueryOffset = 60, Before = 3, After = 0, GlobalKeys = [0, 1, 58, 59, 89] });
        yield return ("global everywhere", plain with { GlobalKeys = [.. Enumerable.Range(0, 37)] });
        yield return ("nothing but global", Make(20, 70, 1, 20) with { QueryOffset = 100, Before = 5, After = 5, GlobalKeys = [3, 33] });
        yield return ("blind", plain with { BlindQueries = [.. Enumerable.Range(0, 37).Select(static i => i > 30)] });
        yield return ("padding", plain with { KeyBias = padding });
        yield return ("padding causal", plain with { KeyBias = padding, After = 0 });
        yield return ("all masked", plain with { KeyBias = [.. Enumerable.Repeat(float.NegativeInfinity, 37)] });
        yield return ("relative", plain with { RelativeBias = Reference.Random(2 * 73, 8), Scale = 1 });
        yield return ("relative cross", Make(7, 20, 2, 16) with { RelativeBias = Reference.Random(2 * 26, 9) });
        yield return ("grouped", Make(20, 20, 6, 16) with { KeyValueHeads = 2, After = 0 });
        yield return ("cached prefix", Make(5, 40, 2, 16) with { QueryOffset = 35, After = 0 });
        yield return ("odd sizes", Make(19, 23, 3, 5));
        yield return ("head size 20", Make(13, 13, 4, 20));
        yield return ("head size 96", Make(40, 40, 1, 96));
        yield return ("longer than a depth block", Make(30, 1100, 1, 64));
        yield return ("blocks", Make(130, 130, 2, 32));
    }

    private readonly struct ScaleRecorder(RowScale[] scales, int of) : IAttentionObserver
    {
        public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
        {
            if (head == of)
            {
                scales[query] = statistics.Scale;
            }
        }

        public void Complete(int head)
        {
        }
    }

    private readonly struct Recorder(float[,,] seen, double[,] entropies, int[] completed) : IAttentionObserver
    {
        public void Row(int head, int query, WeightRow weights, RowStatistics statistics)
        {
            for (int j = 0; j < seen.GetLength(2); j++)
            {
                seen[head, query, j] = weights[j];
            }

            entropies[head, query] = statistics.Entropy;
        }

        public void Complete(int head) => Interlocked.Increment(ref completed[head]);
    }
}
