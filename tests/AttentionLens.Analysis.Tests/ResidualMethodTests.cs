using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>Methods that take a block's state apart, against plain loops in double precision that read the checkpoint themselves.</summary>
public sealed class ResidualMethodTests
{
    private static readonly int[] Ids = [5, 17, 3, 44, 9, 21, 8];

    /// <summary>What a BERT or GPT-2 block does from its input to its state after attention, by parts.</summary>
    private sealed class Reference
    {
        public Reference(string name, Model model, AttentionTrace trace, int layer)
        {
            using SafetensorsFile checkpoint = SafetensorsFile.Open(Path.Combine(model.Info.Folder, "model.safetensors"));
            double[] Read(string tensor) => Array.ConvertAll(checkpoint.ReadFloats(tensor), x => (double)x);
            bool post = name == "bert";
            string at = post ? $"bert.encoder.layer.{layer}." : $"transformer.h.{layer}.";
            double[] output = Read(post ? at + "attention.output.dense.weight" : at + "attn.c_proj.weight");
            double[] bias = Read(post ? at + "attention.output.dense.bias" : at + "attn.c_proj.bias");
            AttentionStack stack = trace.Stacks[0];
            int n = stack.Keys, d = model.Info.HiddenSize, size = d / stack.Heads;
            var x = Array.ConvertAll(stack.HiddenState(layer).ToArray(), v => (double)v);
            Parts = new double[n, n][];
            State = new double[n][];
            float[] row = new float[n];
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < n; j++)
                {
                    Parts[i, j] = new double[d];
                }

                for (int h = 0; h < stack.Heads; h++)
                {
                    stack.Row(layer, h, i, row);
                    for (int j = 0; j < n; j++)
                    {
                        ReadOnlySpan<float> value = stack.Value(layer, h, j);
                        for (int c = 0; c < d; c++)
                        {
                            for (int k = 0; k < size; k++)
                            {
                                int inner = (h * size) + k;
                                Parts[i, j][c] += row[j] * value[k] * (post ? output[(c * d) + inner] : output[(inner * d) + c]);
                            }
                        }
                    }
                }

                State[i] = [.. bias];
                for (int c = 0; c < d; c++)
                {
                    Parts[i, i][c] += x[(i * d) + c];
                    for (int j = 0; j < n; j++)
                    {
                        State[i][c] += Parts[i, j][c];
                    }
                }

                if (post)
                {
                    double[] gamma = Read(at + "attention.output.LayerNorm.weight"), beta = Read(at + "attention.output.LayerNorm.bias");
                    double mean = State[i].Average(), deviation = Math.Sqrt(State[i].Average(v => (v - mean) * (v - mean)) + 1e-12);
                    for (int j = 0; j < n; j++)
                    {
                        double partMean = Parts[i, j].Average();
                        Parts[i, j] = [.. Parts[i, j].Select((v, c) => (v - partMean) / deviation * gamma[c])];
                    }

                    State[i] = [.. State[i].Select((v, c) => ((v - mean) / deviation * gamma[c]) + beta[c])];
                }
            }
        }

        public double[,][] Parts { get; }

        public double[][] State { get; }
    }

    private static (Model Model, AttentionTrace Trace, MethodInput Input) Run(string name)
    {
        Model model = OutputTests.Oracle(name);
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = Ids }, Keep.All);
        return (model, trace, new MethodInput(model, trace, trace.Stacks[0]));
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    public void BlockNormsAreTheLengthsOfTheParts(string name)
    {
        (Model model, AttentionTrace trace, MethodInput input) = Run(name);
        using var _ = model;
        var view = new BlockNormView(input);
        float[] row = new float[Ids.Length];
        for (int layer = 0; layer < view.Layers; layer++)
        {
            var reference = new Reference(name, model, trace, layer);
            for (int i = 0; i < Ids.Length; i++)
            {
                view.Row(layer, 0, i, row);
                double[] lengths = [.. Enumerable.Range(0, Ids.Length).Select(j => Math.Sqrt(reference.Parts[i, j].Sum(v => v * v)))];
                Assert.Equal(1, row.Sum(), 1e-5);
                for (int j = 0; j < Ids.Length; j++)
                {
                    // float32 vectors of some hundred components: relative 1e-5 of a share below 1.
                    Assert.Equal(lengths[j] / lengths.Sum(), row[j], 1e-5);
                }
            }
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    public void AltiIsTheProductOfContributionsByDistance(string name)
    {
        (Model model, AttentionTrace trace, MethodInput input) = Run(name);
        using var _ = model;
        DenseView view = Alti.Of(input);
        int n = Ids.Length;
        double[,]? expected = null;
        for (int layer = 0; layer < view.Layers; layer++)
        {
            var reference = new Reference(name, model, trace, layer);
            var own = new double[n, n];
            for (int i = 0; i < n; i++)
            {
                double whole = reference.State[i].Sum(Math.Abs), sum = 0;
                for (int j = 0; j < n; j++)
                {
                    own[i, j] = Math.Max(0, whole - reference.State[i].Zip(reference.Parts[i, j]).Sum(p => Math.Abs(p.First - p.Second)));
                    sum += own[i, j];
                }

                for (int j = 0; j < n; j++)
                {
                    own[i, j] /= sum;
                }
            }

            var product = new double[n, n];
            for (int i = 0; i < n; i++)
            {
                float rows = 0;
                for (int j = 0; j < n; j++)
                {
                    product[i, j] = expected is null ? own[i, j] : Enumerable.Range(0, n).Sum(k => own[i, k] * expected[k, j]);
                    // Differences of sums of magnitudes in float32.
                    Assert.Equal(product[i, j], view.At(layer, 0, i, j), 2e-5);
                    rows += view.At(layer, 0, i, j);
                }

                Assert.Equal(1, rows, 1e-5);
            }

            expected = product;
        }
    }

    /// <summary>The block's output without a value, from the gradient's block and the kept contexts: an own way to the same number.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("gpt_neox")]
    public void FinishingABlockGivesItsOutputAndZeroedRowsSumToOne(string name)
    {
        (Model model, AttentionTrace trace, MethodInput input) = Run(name);
        using var _ = model;
        AttentionStack stack = trace.Stacks[0];
        int n = stack.Keys, size = stack.Value(0, 0, 0).Length, width = stack.Heads * size;
        float[] row = new float[n];
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            float[] context = new float[n * width];
            for (int h = 0; h < stack.Heads; h++)
            {
                for (int i = 0; i < n; i++)
                {
                    stack.Row(layer, h, i, row);
                    for (int j = 0; j < n; j++)
                    {
                        for (int c = 0; c < size; c++)
                        {
                            context[(i * width) + (h * size) + c] += row[j] * stack.Value(layer, h, j)[c];
                        }
                    }
                }
            }

            float[] output = model.FinishBlock(stack.Kind, layer, stack.HiddenState(layer), context);
            if (layer + 1 < stack.Layers) // the last state of a decoder is the one after the final norm
            {
                ReadOnlySpan<float> expected = stack.HiddenState(layer + 1);
                for (int i = 0; i < output.Length; i++)
                {
                    Assert.Equal(expected[i], output[i], 5e-5f);
                }
            }
        }

        var view = new ValueZeroingView(input);
        for (int layer = 0; layer < view.Layers; layer++)
        {
            for (int i = 0; i < n; i++)
            {
                view.Row(layer, 0, i, row);
                Assert.True(row.Sum() is 0 or > 0.9999f and < 1.0001f);
                Assert.All(row, w => Assert.InRange(w, 0, 1));
                Assert.All(row[(stack.Causal ? i + 1 : n)..], w => Assert.Equal(0, w));
            }
        }
    }

    /// <summary>Zeroing the values of a token is what a block whose value row is gone computes: in double, from the parts.</summary>
    [Fact]
    public void ValueZeroingIsTheCosineDistanceOfTheBlocksOutputs()
    {
        (Model model, AttentionTrace trace, MethodInput input) = Run("bert");
        using var _ = model;
        AttentionStack stack = trace.Stacks[0];
        int n = Ids.Length, d = model.Info.HiddenSize, size = d / stack.Heads;
        var view = new ValueZeroingView(input);
        double[] Output(int i, int without)
        {
            float[] context = new float[d], row = new float[n];
            for (int h = 0; h < stack.Heads; h++)
            {
                stack.Row(1, h, i, row);
                for (int j = 0; j < n; j++)
                {
                    for (int c = 0; c < size && j != without; c++)
                    {
                        context[(h * size) + c] += row[j] * stack.Value(1, h, j)[c];
                    }
                }
            }

            return Array.ConvertAll(model.FinishBlock(stack.Kind, 1, stack.HiddenState(1).Slice(i * d, d), context), v => (double)v);
        }

        for (int i = 0; i < n; i++)
        {
            double[] whole = Output(i, -1);
            double[] distances = [.. Enumerable.Range(0, n).Select(j =>
            {
                double[] moved = Output(i, j);
                return 1 - (whole.Zip(moved).Sum(p => p.First * p.Second) / Math.Sqrt(whole.Sum(v => v * v) * moved.Sum(v => v * v)));
            })];
            for (int j = 0; j < n; j++)
            {
                // Distances of 1e-4 and more out of float32 outputs.
                Assert.Equal(distances[j] / distances.Sum(), view.At(1, 0, i, j), 2e-3);
            }
        }
    }
}
