using AttentionLens.Analysis.Gradients;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

public sealed class GradientMethodTests
{
    private static Model Load(string name)
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
        {
            at = at.Parent;
        }

        Assert.NotNull(at);
        return Model.Load(Path.Combine(at.FullName, "tests", "fixtures", "oracle", name));
    }

    private static ModelInput Input(Model model) => new()
    {
        InputIds = [5, 17, 3, 44, 9, 21],
        DecoderInputIds = model.Info.Kind == ModelKind.EncoderDecoder ? [2, 8, 30, 6] : null,
    };

    /// <summary>Completeness (Sundararajan et al. 2017, proposition 1): the scores share out the whole difference to the baseline.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("llama")]
    [InlineData("bart")]
    public void Integrated_gradients_are_complete(string name)
    {
        using Model model = Load(name);
        Attribution coarse = Attribution.IntegratedGradients(model, Input(model), [new LogitTerm(2, 7)], Masked(model), steps: 8);
        Attribution fine = Attribution.IntegratedGradients(model, Input(model), [new LogitTerm(2, 7)], Masked(model), steps: 64);
        double total = fine.Scores.Concat(fine.TargetScores).Sum(static s => (double)s);
        Assert.NotNull(fine.Gap);
        // The midpoint rule's error falls with the square of the steps; sixty-four leave well under a hundredth of what is shared out.
        Assert.True(Math.Abs(fine.Gap.Value) <= 0.01 * (Math.Abs(total) + 0.1), $"gap {fine.Gap} of {total}");
        Assert.True(Math.Abs(fine.Gap.Value) <= Math.Abs(coarse.Gap ?? 0) + 1e-3);
    }

    private static ModelInput Masked(Model model) => Input(model) with
    {
        InputIds = [4, 4, 4, 4, 4, 4],
        DecoderInputIds = model.Info.Kind == ModelKind.EncoderDecoder ? [2, 4, 4, 4] : null,
    };

    [Fact]
    public void Saliency_is_the_length_of_the_gradient_and_input_x_gradient_its_product()
    {
        using Model model = Load("bert");
        GradientResult g = model.Gradient(Input(model), [new LogitTerm(1, 3)]);
        int hidden = model.Info.HiddenSize;
        Attribution saliency = Attribution.Saliency(model, Input(model), [new LogitTerm(1, 3)]);
        Attribution product = Attribution.InputTimesGradient(model, Input(model), [new LogitTerm(1, 3)]);
        for (int token = 0; token < 6; token++)
        {
            double square = 0, dot = 0;
            for (int i = 0; i < hidden; i++)
            {
                square += Math.Pow(g.Gradient[(token * hidden) + i], 2);
                dot += (double)g.Gradient[(token * hidden) + i] * g.Embeddings[(token * hidden) + i];
            }

            Assert.Equal(Math.Sqrt(square), saliency.Scores[token], 1e-5);
            Assert.Equal(dot, product.Scores[token], 1e-5);
        }
    }

    /// <summary>The encoder's rule once more in double precision and plain loops over the gradients of each head.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("vit")]
    public void Relevancy_follows_the_papers_rule(string name)
    {
        using Model model = Load(name);
        ModelInput input = name == "vit"
            ? new ModelInput { Pixels = Pixels(model) }
            : Input(model);
        LogitTerm[] target = [new(3, 2)];
        Dictionary<int, List<double[]>> heads = [];
        int n = 0;
        model.Gradient(input, target, (_, layer, _, keys, weights, gradient) =>
        {
            n = keys;
            double[] product = new double[weights.Length];
            for (int i = 0; i < product.Length; i++)
            {
                product[i] = Math.Max(0, (double)weights[i] * gradient[i]);
            }

            (heads.TryGetValue(layer, out List<double[]>? list) ? list : heads[layer] = []).Add(product);
        });
        double[] r = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            r[(i * n) + i] = 1;
        }

        foreach (int layer in heads.Keys.Order())
        {
            double[] next = [.. r];
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < n; j++)
                {
                    for (int k = 0; k < n; k++)
                    {
                        next[(i * n) + j] += heads[layer].Average(h => h[(i * n) + k]) * r[(k * n) + j];
                    }
                }
            }

            r = next;
        }

        Relevancy relevancy = Relevancy.Of(model, input, target);
        double largest = r.Max();
        for (int i = 0; i < r.Length; i++)
        {
            // float32 sums of n products a layer.
            Assert.Equal(r[i], relevancy.Self[i], 1e-5 * largest);
        }
    }

    private static PixelValues Pixels(Model model)
    {
        int side = (model.Info.Patches?.Rows ?? 0) * (model.Info.Patches?.PatchSize ?? 0);
        Random random = new(3);
        return new PixelValues([.. Enumerable.Range(0, 3 * side * side).Select(_ => random.NextSingle())], 3, side, side);
    }

    [Fact]
    public void Relevancy_of_an_encoder_decoder_reaches_the_source_and_respects_causality()
    {
        using Model model = Load("bart");
        Relevancy relevancy = Relevancy.Of(model, Input(model), [new LogitTerm(2, 7)]);
        Assert.Equal((4, 6), (relevancy.Queries, relevancy.Sources));
        Assert.Contains(relevancy.CrossRow(2).ToArray(), static v => v > 0);
        Assert.All(relevancy.Self, static v => Assert.True(v >= 0 && float.IsFinite(v)));
        for (int i = 0; i < 4; i++)
        {
            for (int j = i + 1; j < 4; j++)
            {
                Assert.Equal(0, relevancy.SelfRow(i)[j]);
            }
        }
    }
}
