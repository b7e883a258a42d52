namespace AttentionLens.Models.Tests;

/// <summary>Forced heads: exactly the model with another attention matrix, and no other number where nothing is forced.</summary>
public sealed class InterventionTests
{
    private static readonly int[] Ids = [5, 17, 3, 44, 9, 21];

    private static Model Load(string name) => Model.Load(Path.Combine(Repository.Root, "tests", "fixtures", "oracle", name));

    private static ModelInput Input(Model model, params HeadIntervention[] heads) => new()
    {
        InputIds = Ids,
        DecoderInputIds = model.Info.Kind == ModelKind.EncoderDecoder ? [2, 8, 30, 6] : null,
        Interventions = heads,
    };

    [Theory]
    [InlineData("bert", AttentionKind.Encoder)]
    [InlineData("gpt2", AttentionKind.Decoder)]
    [InlineData("llama", AttentionKind.Decoder)]
    [InlineData("bart", AttentionKind.Cross)]
    [InlineData("bart", AttentionKind.Decoder)]
    public void A_forced_head_has_the_matrix_that_was_asked_for_and_what_it_writes_follows_from_it(string name, AttentionKind kind)
    {
        using Model model = Load(name);
        AttentionTrace plain = model.Forward(Input(model), Keep.All);
        AttentionStack before = plain.Stack(kind)!;
        int n = before.Queries, keys = before.Keys;
        float[] own = new float[n * keys];
        before.Head(0, 1, own);
        foreach (HeadEffect effect in Enum.GetValues<HeadEffect>())
        {
            AttentionTrace trace = model.Forward(Input(model, new HeadIntervention(kind, 0, 1, effect)), Keep.All);
            AttentionStack stack = trace.Stack(kind)!;
            float[] row = new float[keys], matrix = new float[n * keys], untouched = new float[keys], expectedUntouched = new float[keys];
            stack.Head(0, 1, matrix);
            for (int i = 0; i < n; i++)
            {
                stack.Row(0, 1, i, row);
                Assert.Equal(matrix[(i * keys)..((i + 1) * keys)], row);
                int seen = stack.Causal ? i + 1 : keys;
                int rows = stack.Causal ? i + 1 : n;
                for (int j = 0; j < keys; j++)
                {
                    double expected = effect switch
                    {
                        HeadEffect.Zero => 0,
                        HeadEffect.Uniform => j < seen ? 1.0 / seen : 0,
                        _ => Enumerable.Range(0, rows).Average(k => (double)own[(k * keys) + j]),
                    };
                    Assert.Equal(expected, row[j], 1e-6);
                }

                // The head beside it still has its own queries and keys in the first layer.
                stack.Row(0, 0, i, untouched);
                before.Row(0, 0, i, expectedUntouched);
                Assert.Equal(expectedUntouched, untouched);
            }

            if (kind != AttentionKind.Cross)
            {
                // The state after the block, from the forced matrices and the kept values.
                float[] context = Context(stack, 0);
                if (name != "bart")
                {
                    float[] output = model.FinishBlock(kind, 0, stack.HiddenState(0), context);
                    Assert.All(output.Zip(stack.HiddenState(1).ToArray()), static p => Assert.Equal(p.First, p.Second, 5e-5f));
                }
            }

            Assert.NotEqual(plain.Logits!.Data, trace.Logits!.Data);
        }
    }

    [Theory]
    [InlineData("bert", AttentionKind.Encoder)]
    [InlineData("gpt2", AttentionKind.Decoder)]
    public void A_pass_in_a_batch_is_forced_alone(string name, AttentionKind kind)
    {
        using Model model = Load(name);
        ModelInput forced = Input(model, new HeadIntervention(kind, 1, 0, HeadEffect.Mean));
        IReadOnlyList<AttentionTrace> batch = model.ForwardBatch([Input(model), forced, Input(model)], Keep.Logits);
        float[] plain = model.Forward(Input(model), Keep.Logits).Logits!.Data;
        float[] alone = model.Forward(forced, Keep.Logits).Logits!.Data;
        for (int i = 0; i < plain.Length; i++)
        {
            Assert.Equal(plain[i], batch[0].Logits!.Data[i], 2e-5f);
            Assert.Equal(alone[i], batch[1].Logits!.Data[i], 2e-5f);
            Assert.Equal(plain[i], batch[2].Logits!.Data[i], 2e-5f);
        }
    }

    [Fact]
    public void Padding_is_no_row_of_the_mean_and_no_key_of_uniform_attention()
    {
        using Model model = Load("bert");
        int[] mask = [1, 1, 1, 1, 0, 0];
        foreach (HeadEffect effect in new[] { HeadEffect.Uniform, HeadEffect.Mean })
        {
            ModelInput padded = Input(model, new HeadIntervention(AttentionKind.Encoder, 0, 0, effect)) with { AttentionMask = mask };
            AttentionStack stack = model.Forward(padded, Keep.All).Stacks[0];
            AttentionStack shorter = model.Forward(padded with { InputIds = Ids[..4], AttentionMask = null }, Keep.All).Stacks[0];
            float[] row = new float[6], expected = new float[4];
            for (int i = 0; i < 4; i++)
            {
                stack.Row(0, 0, i, row);
                shorter.Row(0, 0, i, expected);
                Assert.All(expected.Zip(row), static p => Assert.Equal(p.First, p.Second, 1e-6f));
                Assert.Equal([0f, 0f], row[4..]);
            }

            ReadOnlySpan<float> state = stack.HiddenState(2), whole = shorter.HiddenState(2);
            for (int i = 0; i < whole.Length; i++)
            {
                Assert.Equal(whole[i], state[i], 2e-5f);
            }
        }
    }

    [Fact]
    public void What_cannot_be_forced_is_said()
    {
        using Model model = Load("bert");
        Assert.Contains("layer 9", Assert.Throws<ModelException>(() => model.Forward(Input(model, new HeadIntervention(AttentionKind.Encoder, 9, 0, HeadEffect.Zero)))).Message, StringComparison.Ordinal);
        Assert.Contains("without gradients", Assert.Throws<ModelException>(() => model.Gradient(Input(model, new HeadIntervention(AttentionKind.Encoder, 0, 0, HeadEffect.Zero)), [new LogitTerm(0, 1)])).Message, StringComparison.Ordinal);
        AttentionStack stack = model.Forward(Input(model, new HeadIntervention(AttentionKind.Encoder, 0, 0, HeadEffect.Zero))).Stacks[0];
        Assert.Contains("forced", Assert.Throws<ModelException>(() => stack.Score(0, 0, 1, 1)).Message, StringComparison.Ordinal);
        using Model decoder = Load("gpt2");
        Assert.Contains("mean", Assert.Throws<ModelException>(() => decoder.Generate(Input(decoder, new HeadIntervention(AttentionKind.Decoder, 0, 0, HeadEffect.Mean)), 2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_continued_text_is_the_forced_models()
    {
        using Model model = Load("gpt2");
        ModelInput forced = Input(model, new HeadIntervention(AttentionKind.Decoder, 0, 0, HeadEffect.Uniform), new HeadIntervention(AttentionKind.Decoder, 1, 1, HeadEffect.Zero));
        Generation generation = model.Generate(forced, 4);
        int[] ids = Ids;
        foreach (int token in generation.Tokens)
        {
            float[] logits = model.Forward(forced with { InputIds = ids, LogitPositions = [ids.Length - 1] }, Keep.Logits).Logits!.Data;
            Assert.Equal(Array.IndexOf(logits, logits.Max()), token);
            ids = [.. ids, token];
        }
    }

    /// <summary>What the head would say after the last block is what it says, and after an earlier one what it says of that state.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("t5")]
    [InlineData("bart")]
    [InlineData("vit")]
    public void The_lens_ends_with_the_models_own_scores(string name)
    {
        using Model model = Load(name);
        int side = (model.Info.Patches?.Rows ?? 0) * (model.Info.Patches?.PatchSize ?? 0);
        ModelInput input = name == "vit" ? new ModelInput { Pixels = new PixelValues([.. Enumerable.Range(0, 3 * side * side).Select(i => (i % 7) / 7f)], 3, side, side) } : Input(model);
        AttentionTrace trace = model.Forward(input, Keep.All);
        int[] rows = name == "vit" ? [0] : [0, 2];
        AttentionStack stack = trace.Stack(AttentionKind.Decoder) ?? trace.Stacks[0];
        float[] last = model.Lens(trace, stack.HiddenStates - 1, rows);
        int width = trace.Logits!.Shape[^1];
        for (int r = 0; r < rows.Length; r++)
        {
            for (int i = 0; i < width; i++)
            {
                Assert.Equal(trace.Logits.Data[(rows[r] * width) + i], last[(r * width) + i], 2e-5f);
            }
        }

        Assert.NotEqual(last, model.Lens(trace, 0, rows));
    }

    private static float[] Context(AttentionStack stack, int layer)
    {
        int size = stack.Value(layer, 0, 0).Length, width = stack.Heads * size;
        float[] context = new float[stack.Queries * width], row = new float[stack.Keys];
        for (int h = 0; h < stack.Heads; h++)
        {
            for (int i = 0; i < stack.Queries; i++)
            {
                stack.Row(layer, h, i, row);
                for (int j = 0; j < stack.Keys; j++)
                {
                    for (int c = 0; c < size; c++)
                    {
                        context[(i * width) + (h * size) + c] += row[j] * stack.Value(layer, h, j)[c];
                    }
                }
            }
        }

        return context;
    }
}
