namespace AttentionLens.Models.Tests;

/// <summary>Generation with a cache against the plain way: a whole pass for every new token.</summary>
public sealed class GenerationTests
{
    /// <summary>Float sums of other shapes differ in the last digits; wrong positions or masks differ by more than 1e-2.</summary>
    private const float Tolerance = 2e-6f;

    public static TheoryData<string> Decoders() => ["gpt2", "gpt2_noprefix", "gpt_neox", "gpt_neox_seq", "llama", "llama3", "mistral", "qwen2", "gemma"];

    public static TheoryData<string> Translators() => ["t5", "t5_v1_1", "bart", "marian"];

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_decoder_continues_as_whole_passes_would(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        List<int> ids = [3, 17, 42, 99, 5];
        Generation generation = model.Generate(new ModelInput { InputIds = [.. ids] }, 12);
        foreach (int token in generation.Tokens)
        {
            Tensor logits = model.Forward(new ModelInput { InputIds = [.. ids] }, Keep.Logits).Logits!;
            Assert.Equal(Best(logits, logits.Shape[0] - 1, name), token);
            ids.Add(token);
        }

        Assert.Equal(generation.Ended ? generation.Tokens.Length : 12, generation.Tokens.Length);
        int[] seen = [.. ids.Take(ids.Count - 1)];
        Assert.Equal(seen, generation.Trace.Input.InputIds);
        Same(model.Forward(new ModelInput { InputIds = seen }), generation.Trace);
    }

    [Theory]
    [MemberData(nameof(Translators))]
    public void An_encoder_decoder_writes_as_whole_passes_would(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int[] source = [7, 19, 23, 64, 11, 1];
        Generation generation = model.Generate(new ModelInput { InputIds = source }, 8);
        List<int> target = [model.Info.DecoderStartToken!.Value];
        foreach (int token in generation.Tokens)
        {
            Tensor logits = model.Forward(new ModelInput { InputIds = source, DecoderInputIds = [.. target] }, Keep.Logits).Logits!;
            Assert.Equal(Best(logits, logits.Shape[0] - 1, name), token);
            target.Add(token);
        }

        AttentionTrace whole = model.Forward(new ModelInput { InputIds = source, DecoderInputIds = [.. target.Take(target.Count - 1)] });
        Assert.Equal(3, generation.Trace.Stacks.Count);
        Same(whole, generation.Trace);
    }

    [Fact]
    public void A_masked_prompt_stays_masked()
    {
        using Model model = Model.Load(Repository.Oracle("llama"));
        ModelInput prompt = new() { InputIds = [4, 8, 15, 16, 23], AttentionMask = [0, 0, 1, 1, 1] };
        AttentionTrace trace = model.Generate(prompt, 4).Trace;
        float[] row = new float[trace.Stacks[0].Keys];
        trace.Stacks[0].Row(1, 2, trace.Stacks[0].Queries - 1, row);
        Assert.Equal(0, row[0]);
        Assert.Equal(0, row[1]);
        Assert.Equal(1, row.Sum(), 1e-5f);
    }

    [Fact]
    public void Stops_at_the_end_of_the_window()
    {
        using Model model = Model.Load(Repository.Oracle("gpt2"));
        Generation generation = model.Generate(new ModelInput { InputIds = [.. Enumerable.Range(1, 60)] }, 1000);
        Assert.True(generation.Ended || generation.Trace.Stacks[0].Queries == model.Info.MaxPositions);
        Assert.InRange(generation.Trace.Stacks[0].Queries, 60, model.Info.MaxPositions);
    }

    [Fact]
    public void A_model_without_a_language_head_says_so()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        ModelException error = Assert.Throws<ModelException>(() => model.Generate(new ModelInput { InputIds = [1, 2] }, 3));
        Assert.Contains("no head that predicts the next token", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Can_be_cancelled_between_tokens()
    {
        using Model model = Model.Load(Repository.Oracle("llama"));
        using CancellationTokenSource source = new();
        CancelAfterOne progress = new(source);
        Assert.Throws<OperationCanceledException>(() => model.Generate(new ModelInput { InputIds = [1, 2] }, 1000, progress: progress, cancellation: source.Token));
        Assert.Equal(1, progress.Reports);
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void An_edit_recomputes_only_what_follows_it(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        int[] before = [.. Enumerable.Range(0, 40).Select(static i => (i * 37 % 110) + 3)];
        int[] after = [.. before[..25], 77, 78, .. before[26..]];
        AttentionTrace first = model.Forward(new ModelInput { InputIds = before }, Keep.All);
        AttentionTrace reused = model.Forward(new ModelInput { InputIds = after }, first, Keep.All);
        AttentionTrace whole = model.Forward(new ModelInput { InputIds = after }, Keep.All);
        Same(whole, reused);
        Assert.Equal(whole.Logits!.Shape, reused.Logits!.Shape);
        Near(whole.Logits.Data, reused.Logits.Data, 2e-5f);
        for (int i = 0; i < whole.Stacks[0].HiddenStates; i++)
        {
            Near(whole.Stacks[0].HiddenState(i), reused.Stacks[0].HiddenState(i), 2e-5f);
        }

        for (int layer = 0; layer < whole.Stacks[0].Layers; layer++)
        {
            HeadProfile want = whole.Stacks[0].Profile(layer, 1);
            HeadProfile got = reused.Stacks[0].Profile(layer, 1);
            Near(
                [want.Entropy, want.NormalizedEntropy, want.Max, want.MeanDistance, want.First, want.Separators, want.Previous, want.Next, want.Same],
                [got.Entropy, got.NormalizedEntropy, got.Max, got.MeanDistance, got.First, got.Separators, got.Previous, got.Next, got.Same],
                1e-4f);
        }
    }

    [Fact]
    public void Reuse_falls_back_to_a_whole_pass()
    {
        using Model model = Model.Load(Repository.Oracle("llama"));
        ModelInput input = new() { InputIds = [5, 6, 7, 8] };
        AttentionTrace withoutValues = model.Forward(new ModelInput { InputIds = [5, 6, 7] });
        Same(model.Forward(input), model.Forward(input, withoutValues));
        AttentionTrace masked = model.Forward(new ModelInput { InputIds = [5, 6, 7], AttentionMask = [0, 1, 1] }, Keep.Values);
        Same(model.Forward(input), model.Forward(input, masked));
        using Model encoder = Model.Load(Repository.Oracle("bert"));
        Same(encoder.Forward(input), encoder.Forward(input, encoder.Forward(new ModelInput { InputIds = [5, 6, 9] }, Keep.Values)));
    }

    internal static void Same(AttentionTrace want, AttentionTrace got)
    {
        Assert.Equal(want.Stacks.Count, got.Stacks.Count);
        for (int s = 0; s < want.Stacks.Count; s++)
        {
            AttentionStack a = want.Stacks[s];
            AttentionStack b = got.Stacks[s];
            Assert.Equal((a.Kind, a.Layers, a.Heads, a.Queries, a.Keys, a.Causal), (b.Kind, b.Layers, b.Heads, b.Queries, b.Keys, b.Causal));
            float[] left = new float[a.Queries * a.Keys];
            float[] right = new float[a.Queries * a.Keys];
            for (int layer = 0; layer < a.Layers; layer++)
            {
                for (int head = 0; head < a.Heads; head++)
                {
                    a.Head(layer, head, left);
                    b.Head(layer, head, right);
                    Near(left, right, Tolerance);

                    // A cell each, from the sums that the steps have left behind.
                    b.Tile(layer, head, Range.All, Range.All, a.Queries, a.Keys, Kernels.Pooling.Max, right);
                    Near(left, right, Tolerance);
                }
            }
        }
    }

    private static void Near(ReadOnlySpan<float> want, ReadOnlySpan<float> got, float tolerance)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
        {
            Assert.True(MathF.Abs(want[i] - got[i]) <= tolerance * (1 + MathF.Abs(want[i])), $"[{i}] is {got[i]}, not {want[i]}");
        }
    }

    /// <summary>The largest score; padding is never chosen.</summary>
    private static int Best(Tensor logits, int row, string name)
    {
        int width = logits.Shape[1];
        int padding = name switch { "bart" => 1, "marian" => 119, "t5" or "t5_v1_1" or "gemma" => 0, _ => -1 };
        return Enumerable.Range(0, width).Where(i => i != padding).MaxBy(i => logits.Data[(row * width) + i]);
    }

    private sealed class CancelAfterOne(CancellationTokenSource source) : IProgress<int>
    {
        public int Reports { get; private set; }

        public void Report(int value)
        {
            Reports++;
            source.Cancel();
        }
    }
}
