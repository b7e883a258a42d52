namespace AttentionLens.Models.Tests;

/// <summary>What holds for every pass: batches, threads, windows, profiles, memory.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

public sealed class PassTests
{
    public static TheoryData<string> TextModels()
    {
        TheoryData<string> names = [];
        foreach (string folder in Directory.EnumerateDirectories(Repository.Oracle("")).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(folder);
            if (File.Exists(Path.Combine(folder, "config.json")) && name != "vit")
            {
                names.Add(name);
            }
        }

        return names;
    }

    [Theory]
    [MemberData(nameof(TextModels))]
    public void A_batch_gives_what_single_passes_give(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        ModelInput[] inputs =
        [
            new() { InputIds = [5, 9, 31, 2] },
            new() { InputIds = [7] },
            new() { InputIds = [.. Enumerable.Range(3, 30)], AttentionMask = [.. Enumerable.Repeat(1, 25), .. Enumerable.Repeat(0, 5)] },
            new() { InputIds = [8, 8, 8], DecoderInputIds = [3, 4] },
        ];
        IReadOnlyList<AttentionTrace> batch = model.ForwardBatch(inputs, Keep.All);
        for (int i = 0; i < inputs.Length; i++)
        {
            AttentionTrace single = model.Forward(inputs[i], Keep.All);
            GenerationTests.Same(single, batch[i]);
            Assert.Equal(single.Outputs.Keys.Order(), batch[i].Outputs.Keys.Order());
            foreach ((string key, Tensor want) in single.Outputs)
            {
                Assert.Equal(want.Shape, batch[i].Outputs[key].Shape);
                for (int j = 0; j < want.Data.Length; j++)
                {
                    Assert.Equal(want.Data[j], batch[i].Outputs[key].Data[j], 5e-5f);
                }
            }
        }
    }

    [Fact]
    public void Passes_run_side_by_side()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        AttentionTrace want = model.Forward(new ModelInput { InputIds = [.. Enumerable.Range(1, 50)] });
        AttentionTrace[] got = new AttentionTrace[16];
        Parallel.For(0, got.Length, i => got[i] = model.Forward(new ModelInput { InputIds = [.. Enumerable.Range(1, 50)] }));
        foreach (AttentionTrace trace in got)
        {
            GenerationTests.Same(want, trace);
        }
    }

    [Fact]
    public void Disposing_waits_for_passes_and_refuses_new_ones()
    {
        Model model = Model.Load(Repository.Oracle("bert"));
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = [1, 2, 3] });
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Forward(new ModelInput { InputIds = [1] }));
        float[] row = new float[3];
        trace.Stacks[0].Row(0, 0, 1, row); // a trace needs no weights
        Assert.Equal(1, row.Sum(), 1e-5f);
    }

    [Fact]
    public void A_cancelled_pass_ends()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        Assert.Throws<OperationCanceledException>(() => model.Forward(new ModelInput { InputIds = [1] }, cancellation: new CancellationToken(true)));
    }

    [Theory]
    [InlineData("bert", new[] { 120 }, "outside the vocabulary of bert (0 to 119)")]
    [InlineData("bert", new[] { -1 }, "outside the vocabulary")]
    [InlineData("bert", new int[0], "has no tokens")]
    [InlineData("roberta", null, "has 65 tokens, but roberta reads at most 64")]
    [InlineData("bert", null, "has 65 tokens, but bert reads at most 64")]
    public void Unfit_ids_are_refused(string name, int[]? ids, string message)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        ModelInput input = new() { InputIds = ids ?? [.. Enumerable.Repeat(5, 65)] };
        Assert.Contains(message, Assert.Throws<ModelException>(() => model.Forward(input)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unfit_masks_types_and_pictures_are_refused()
    {
        using Model bert = Model.Load(Repository.Oracle("bert"));
        Assert.Contains("attention_mask has 1 entries for 2 tokens", Assert.Throws<ModelException>(() => bert.Forward(new ModelInput { InputIds = [1, 2], AttentionMask = [1] })).Message, StringComparison.Ordinal);
        Assert.Contains("Token type 2 is not one of the 2", Assert.Throws<ModelException>(() => bert.Forward(new ModelInput { InputIds = [1, 2], TokenTypeIds = [0, 2] })).Message, StringComparison.Ordinal);
        using Model vit = Model.Load(Repository.Oracle("vit"));
        Assert.Contains("give pixel values", Assert.Throws<ModelException>(() => vit.Forward(new ModelInput())).Message, StringComparison.Ordinal);
        Assert.Contains("not 3 x 29 x 30", Assert.Throws<ModelException>(() => vit.Forward(new ModelInput { Pixels = new PixelValues(new float[3 * 29 * 30], 3, 29, 30) })).Message, StringComparison.Ordinal);
    }

    /// <summary>The profile that the pass accumulates, against the definition applied to whole heads.</summary>
    [Theory]
    [InlineData("bert", false)]
    [InlineData("bert", true)]
    [InlineData("mistral", false)]
    [InlineData("t5", false)]
    [InlineData("longformer", false)]
    public void Profiles_are_those_of_the_weights(string name, bool masked)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int n = 30;
        int seen = masked ? 22 : n;
        AttentionStack stack = model.Forward(new ModelInput
        {
            InputIds = [.. Enumerable.Range(2, n)],
            AttentionMask = masked ? [.. Enumerable.Repeat(1, seen), .. Enumerable.Repeat(0, n - seen)] : null,
            GlobalAttentionMask = name == "longformer" ? [1, .. new int[n - 2], 1] : null,
        }).Stacks[0];
        float[] weights = new float[n * n];
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            for (int head = 0; head < stack.Heads; head++)
            {
                stack.Head(layer, head, weights);
                double entropy = 0, normalized = 0, max = 0, distance = 0, first = 0, previous = 0, next = 0, same = 0;
                for (int i = 0; i < n; i++)
                {
                    ReadOnlySpan<float> row = weights.AsSpan(i * n, n);
                    double h = 0;
                    int visible = 0;
                    double largest = 0;
                    for (int j = 0; j < n; j++)
                    {
                        h -= row[j] > 0 ? row[j] * Math.Log(row[j]) : 0;
                        visible += row[j] > 0 ? 1 : 0;
                        largest = Math.Max(largest, row[j]);
                        distance += row[j] * Math.Abs(i - j);
                    }

                    entropy += h;
                    normalized += visible > 1 ? h / Math.Log(visible) : 0;
                    max += largest;
                    first += row[0];
                    previous += i > 0 ? row[i - 1] : 0;
                    next += i < n - 1 ? row[i + 1] : 0;
                    same += row[i];
                }

                HeadProfile profile = stack.Profile(layer, head);
                Assert.Equal(entropy / n, profile.Entropy, 1e-4);
                Assert.Equal(normalized / n, profile.NormalizedEntropy, 1e-4);
                Assert.Equal(max / n, profile.Max, 1e-5);
                Assert.Equal(distance / n, profile.MeanDistance, 1e-4);
                Assert.Equal(first / n, profile.First, 1e-5);
                Assert.Equal(previous / n, profile.Previous, 1e-5);
                Assert.Equal(next / n, profile.Next, 1e-5);
                Assert.Equal(same / n, profile.Same, 1e-5);
            }
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("mistral")]
    [InlineData("longformer")]
    [InlineData("t5")]
    public void What_keys_receive_is_the_mean_of_the_rows(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int n = 60; // several blocks of rows
        ModelInput input = new()
        {
            InputIds = [.. Enumerable.Range(0, n).Select(i => 2 + (i * 7 % 40))],
            AttentionMask = name == "bert" ? [.. Enumerable.Repeat(1, n - 8), .. new int[8]] : null,
            GlobalAttentionMask = name == "longformer" ? [1, .. new int[9], 1, .. new int[n - 12], 1] : null,
            DecoderInputIds = name == "t5" ? [0, 5, 6, 7] : null,
        };
        IReadOnlyList<AttentionStack> kept = model.Forward(input, Keep.Received).Stacks, over = model.Forward(input).Stacks;
        Assert.Equal(name == "t5" ? 3 : 1, kept.Count);
        for (int s = 0; s < kept.Count; s++)
        {
            AssertReceived(kept[s]);
            AssertReceived(over[s]);
        }
    }

    [Fact]
    public void What_keys_receive_in_windows_counts_rows_for_each_window_that_holds_them()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        ModelInput input = new() { InputIds = [.. Enumerable.Range(0, 50).Select(i => 2 + (i * 7 % 40))] };
        Windowing windowing = new() { Prefix = 1, Suffix = 1, Length = 20, Stride = 18 };
        AttentionStack stack = model.ForwardLong(input, windowing, Keep.Received).Stacks[0];
        float[] received = new float[50];
        stack.Received(1, 2, received);
        Assert.Equal(1, received.Sum(), 1e-5f);

        // Windows of 18 tokens that start at 1 and 19 touch; only the last one is moved back, over some tokens of the second.
        float[] own = new float[50];
        foreach (int start in new[] { 1, 19, 31 })
        {
            int[] positions = [0, .. Enumerable.Range(start, 18), 49];
            AttentionStack window = model.Forward(new ModelInput { InputIds = Array.ConvertAll(positions, p => input.InputIds[p]) }, Keep.Received).Stacks[0];
            float[] part = new float[20];
            window.Received(1, 2, part);
            for (int i = 0; i < 20; i++)
            {
                own[positions[i]] += part[i] / 3;
            }
        }

        for (int key = 0; key < 50; key++)
        {
            Assert.Equal(own[key], received[key], 1e-6f);
        }
    }

    [Fact]
    public void Sums_over_blocks_of_rows_are_the_same_bits_in_any_order()
    {
        var random = new Random(1);
        double Some(double most) => most * Math.Pow(random.NextDouble(), 4);
        RowSums[] blocks = [.. Enumerable.Range(0, 200).Select(_ => new RowSums { Rows = 24, Entropy = Some(200), Distance = Some(24 * 4096), Max = Some(24), First = Some(24), Same = Some(1e-6) })];
        RowSums forward = blocks.Aggregate(default(RowSums), static (sum, block) => sum.Plus(block.OnGrid()));
        Assert.NotEqual(blocks.Aggregate(0.0, static (sum, block) => sum + block.Entropy), blocks.Reverse().Aggregate(0.0, static (sum, block) => sum + block.Entropy)); // else nothing is tested
        for (int turn = 0; turn < 20; turn++)
        {
            random.Shuffle(blocks);
            Assert.Equal(forward, blocks.Aggregate(default(RowSums), static (sum, block) => sum.Plus(block.OnGrid())));
        }

        Assert.Equal(blocks.Sum(static block => block.Distance), forward.Distance, 1e-4);
        Assert.Equal(blocks.Sum(static block => block.Same), forward.Same, 2e-5); // half a grid step a block
    }

    private static void AssertReceived(AttentionStack stack)
    {
        float[] weights = new float[stack.Queries * stack.Keys], received = new float[stack.Keys];
        for (int i = 0; i < stack.Layers * stack.Heads; i++)
        {
            stack.Head(i / stack.Heads, i % stack.Heads, weights);
            stack.Received(i / stack.Heads, i % stack.Heads, received);
            for (int key = 0; key < stack.Keys; key++)
            {
                double mean = Enumerable.Range(0, stack.Queries).Average(query => (double)weights[(query * stack.Keys) + key]);
                Assert.Equal(mean, received[key], 1e-6); // floats of up to 60 terms
            }
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("longformer")]
    public void Tiles_pool_the_weights_of_whole_heads(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int n = 37;
        AttentionStack stack = model.Forward(new ModelInput
        {
            InputIds = [.. Enumerable.Range(2, n)],
            AttentionMask = name == "longformer" ? [.. Enumerable.Repeat(1, n - 8), .. new int[8]] : null,
            GlobalAttentionMask = name == "longformer" ? [1, .. new int[9], 1, .. new int[n - 12], 1] : null, // the last is padding, and so not global
        }).Stacks[0];
        float[] weights = new float[n * n];
        stack.Head(1, 2, weights);
        float[] tile = new float[5 * 4];
        foreach (Kernels.Pooling pooling in Enum.GetValues<Kernels.Pooling>())
        {
            stack.Tile(1, 2, 3..33, 2..30, 5, 4, pooling, tile);
            for (int r = 0; r < 5; r++)
            {
                for (int c = 0; c < 4; c++)
                {
                    IEnumerable<float> under = Enumerable.Range(3 + (r * 6), 6).SelectMany(i => Enumerable.Range(2 + (c * 7), 7).Select(j => weights[(i * n) + j]));
                    Assert.Equal(pooling == Kernels.Pooling.Max ? under.Max() : under.Average(), tile[(r * 4) + c], 1e-6f);
                }
            }
        }
    }

    [Theory]
    [InlineData("bert", false)]
    [InlineData("gpt2", true)]
    public void A_long_text_is_read_in_overlapping_windows(string name, bool causal)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int n = 150;
        int[] ids = [.. Enumerable.Range(0, n).Select(static i => (i * 53 % 115) + 2)];
        Windowing windowing = new() { Prefix = 1, Suffix = causal ? 0 : 1, Length = 48, Stride = 20 };
        AttentionTrace trace = model.ForwardLong(new ModelInput { InputIds = ids }, windowing, Keep.All);
        AttentionStack stack = trace.Stacks[0];
        Assert.Equal((n, n), (stack.Queries, stack.Keys));
        Assert.Equal(windowing.Prefix, trace.Windows[0].First);
        Assert.Equal(n - windowing.Suffix, trace.Windows[^1].End);
        Assert.Equal([n, 120], trace.Logits!.Shape);
        float[] row = new float[n];
        for (int i = 0; i < n; i++)
        {
            // Some window's own pass gives exactly this row, zero elsewhere.
            stack.Row(1, 2, i, row);
            Assert.Equal(1, row.Sum(), 1e-5f);
            Assert.Contains(trace.Windows, window =>
            {
                int[] positions = [0, .. Enumerable.Range(window.First, window.End - window.First), .. causal ? [] : new[] { n - 1 }];
                int local = Array.IndexOf(positions, i);
                if (local < 0)
                {
                    return false;
                }

                AttentionTrace piece = model.Forward(new ModelInput { InputIds = Array.ConvertAll(positions, p => ids[p]) }, Keep.All);
                float[] want = new float[positions.Length];
                piece.Stacks[0].Row(1, 2, local, want);
                float[] spread = new float[n];
                for (int j = 0; j < want.Length; j++)
                {
                    spread[positions[j]] = want[j];
                }

                return spread.Zip(row).All(static pair => MathF.Abs(pair.First - pair.Second) < 2e-6f)
                    && MathF.Abs(piece.Logits!.Data[(local * 120) + 7] - trace.Logits!.Data[(i * 120) + 7]) < 1e-4f
                    && MathF.Abs(piece.Stacks[0].HiddenState(2)[local * stack.HiddenState(2).Length / n] - stack.HiddenState(2)[i * stack.HiddenState(2).Length / n]) < 1e-4f;
            });
        }

        // Every token has at least a quarter of a window's stride around it, but at the ends of the text.
        Assert.Empty(model.ForwardLong(new ModelInput { InputIds = ids[..40] }, windowing).Windows);
    }

    [Fact]
    public void Windows_cover_every_token_and_end_full()
    {
        for (int total = 20; total < 200; total += 7)
        {
            (TextWindow[] windows, int[][] globals, int[] owners) = Windows.Plan(total, new Windowing { Prefix = 1, Suffix = 1, Length = 20 }, causal: false);
            for (int i = 0; i < total; i++)
            {
                Assert.Contains(i, globals[owners[i]]);
            }

            Assert.All(windows.Skip(total > 20 ? 0 : windows.Length), static window => Assert.Equal(18, window.End - window.First));
            for (int i = 1; i + 1 < total; i++)
            {
                TextWindow window = windows[owners[i]];
                Assert.True(Math.Min(i, total - 2) - window.First >= 4 || window.First == 1, $"token {i} of {total} has too little before it");
                Assert.True(window.End - 1 - i >= 4 || window.End == total - 1, $"token {i} of {total} has too little after it");
            }
        }
    }

    [Fact]
    public void Windows_that_cannot_advance_are_refused()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        ModelInput input = new() { InputIds = [.. Enumerable.Repeat(5, 100)] };
        Assert.Throws<ModelException>(() => model.ForwardLong(input, new Windowing { Prefix = 40, Suffix = 40 }));
        Assert.Throws<ModelException>(() => model.ForwardLong(input, new Windowing { Stride = 0 }));
        Assert.Throws<ModelException>(() => model.ForwardLong(input, new Windowing { Stride = 65 }));
    }
}

/// <summary>Counts allocations of the whole process, so nothing else may run.</summary>
[Collection(nameof(Alone))]
public sealed class MemoryTests
{
    [Theory]
    [InlineData("bert", 16, 60)]
    [InlineData("llama", 64, 1024)]
    [InlineData("mistral", 64, 1024)]
    public void Beyond_its_trace_a_warm_pass_allocates_little_and_no_more_for_more_tokens(string name, int few, int many)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        long small = Overhead(model, few);
        long large = Overhead(model, many);

        // Patterns, masks, arrays of arrays: a few kB a layer.
        Assert.InRange(small, 0, 64 * 1024);
        Assert.True(large - small < 16 * 1024, $"{few} tokens: {small} bytes, {many} tokens: {large} bytes beside the trace");
    }

    [Fact]
    public void A_trace_grows_with_the_text_and_not_with_its_square()
    {
        using Model model = Model.Load(Repository.Oracle("llama"));
        long half = model.Forward(new ModelInput { InputIds = [.. Enumerable.Repeat(7, 2048)] }).Bytes;
        long before = GC.GetTotalAllocatedBytes(precise: true);
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = [.. Enumerable.Repeat(7, 4096)] });
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.Equal(2.0, (double)trace.Bytes / half, 0.01);

        // 3 layers x (4 + 2) heads x 16 floats a token are kept; scratch is a few rows of the residual stream more. All weights would be 800 MB.
        Assert.InRange(allocated, trace.Bytes, 4 * trace.Bytes);
    }

    private static long Overhead(Model model, int tokens)
    {
        ModelInput input = new() { InputIds = [.. Enumerable.Range(0, tokens).Select(static i => i % 100)] };
        // The least of a few: whatever else the process allocates meanwhile (the test runner reports, code is compiled again) only adds.
        long bytes = long.MaxValue;
        for (int i = 0; i < 8; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            AttentionTrace trace = model.Forward(input);
            bytes = Math.Min(bytes, GC.GetTotalAllocatedBytes(precise: true) - before - trace.Bytes);
        }

        return bytes;
    }
}
