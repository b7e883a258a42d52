namespace AttentionLens.Models.Tests.Gradients;

public sealed class GradientTests
{
    /// <summary>Every kind of block: norms after, before and parallel; LayerNorm and RMSNorm; rotary, relative, learned, sinusoidal; gated; grouped keys; windows; cross-attention.</summary>
    [Theory]
    [InlineData("bert", "expected")]
    [InlineData("bert", "expected_masked")]
    [InlineData("distilbert", "expected")]
    [InlineData("roberta", "expected")]
    [InlineData("electra", "expected")]
    [InlineData("albert", "expected")]
    [InlineData("gpt2", "expected")]
    [InlineData("gpt_neox", "expected")]
    [InlineData("gpt_neox_seq", "expected")]
    [InlineData("llama", "expected")]
    [InlineData("mistral", "expected")]
    [InlineData("qwen2", "expected")]
    [InlineData("gemma", "expected")]
    [InlineData("t5", "expected")]
    [InlineData("t5_v1_1", "expected")]
    [InlineData("bart", "expected")]
    [InlineData("marian", "expected")]
    [InlineData("vit", "expected")]
    public void Gradients_agree_with_finite_differences_in_double_precision(string name, string file)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        using SafetensorsFile fixture = SafetensorsFile.Open(Path.Combine(Repository.Oracle(name), file + ".safetensors"));
        ModelInput input = OracleCase.Input(fixture);
        int position = (input.DecoderInputIds ?? input.InputIds).Length / 2;
        LogitTerm[] target = model.Info.Head == HeadKind.Discriminator ? [new(position, 0)] : [new(position, 3), new(position, 1, -0.5f)];

        Dictionary<(AttentionKind, int, int), (int Keys, float[] Gradient)> attention = [];
        GradientResult result = model.Gradient(input, target, (kind, layer, head, keys, _, gradient) => attention[(kind, layer, head)] = (keys, gradient.ToArray()));
        Assert.Equal(model.Forward(input).Stacks.Sum(static s => s.Layers * s.Heads), attention.Count);

        DoubleReference reference = new(model.Network);
        double[] x = [.. result.Embeddings.Select(static v => (double)v)];
        double[] y = [.. result.DecoderEmbeddings.Select(static v => (double)v)];
        // Logits of the oracle agree with float32 to 5e-5 + 1e-5 |x|; the value is a sum of two.
        double value = reference.Value(input, target, x, y);
        Assert.Equal(value, result.Value, 2e-4 + (2e-5 * Math.Abs(value)));

        // Central differences in double have an error of about step² = 1e-10; what is left is the float32 noise of the gradient itself,
        // relative to its largest entry.
        const double Step = 1e-5;
        Random random = new(name.Length);
        Check(result.Gradient, x);
        Check(result.DecoderGradient, y);
        foreach (((AttentionKind kind, int layer, int head), (int keys, float[] gradient)) in attention)
        {
            int cell = random.Next(gradient.Length);
            reference.Nudge = (kind, layer, head, cell / keys, cell % keys, Step);
            double up = reference.Value(input, target, x, y);
            reference.Nudge = reference.Nudge with { Amount = -Step };
            double down = reference.Value(input, target, x, y);
            reference.Nudge = reference.Nudge with { Layer = -1 };
            Assert.Equal((up - down) / (2 * Step), gradient[cell], Noise(gradient));
        }

        double Noise(float[] gradient) => 2e-4 * (gradient.Max(static g => Math.Abs((double)g)) + 1e-3);

        void Check(float[] gradient, double[] at)
        {
            for (int n = 0; n < 6 && gradient.Length > 0; n++)
            {
                int i = random.Next(gradient.Length);
                double own = at[i];
                at[i] = own + Step;
                double up = reference.Value(input, target, x, y);
                at[i] = own - Step;
                double down = reference.Value(input, target, x, y);
                at[i] = own;
                Assert.Equal((up - down) / (2 * Step), gradient[i], Noise(gradient));
            }
        }
    }

    [Fact]
    public void A_target_that_is_not_there_is_refused_by_name()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        ModelException error = Assert.Throws<ModelException>(() => model.Gradient(new ModelInput { InputIds = [1, 2, 3] }, [new LogitTerm(0, 99_999)]));
        Assert.Contains("99999", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Longformer_is_refused_not_approximated()
    {
        using Model model = Model.Load(Repository.Oracle("longformer"));
        Assert.Contains("Longformer", Assert.Throws<ModelException>(() => model.Gradient(new ModelInput { InputIds = [5, 6, 7] }, [new LogitTerm(0, 1)])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelling_ends_it()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => model.Gradient(new ModelInput { InputIds = [1, 2, 3] }, [new LogitTerm(0, 1)], cancellation: source.Token));
    }
}
