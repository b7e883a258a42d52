using AttentionLens.Models;
using CsCheck;

namespace AttentionLens.Analysis.Tests;

/// <summary>Every method against an independent reference in double precision, and against what its paper promises.</summary>
public sealed class MethodsTests
{
    private const int Layers = 3, Heads = 2;

    private static double[,] WithResidual(AttentionView view, int layer)
    {
        var n = view.Queries;
        var matrix = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                for (var h = 0; h < view.Heads; h++)
                {
                    matrix[i, j] += (double)view.At(layer, h, i, j) / view.Heads / 2;
                }

                matrix[i, j] += i == j ? 0.5 : 0;
            }
        }

        return matrix;
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(6, false)]
    [InlineData(23, true)]
    public void RolloutIsTheProductOfMixedLayers(int n, bool causal)
    {
        var view = Views.Random(Layers, Heads, n, n, causal, seed: n);
        var rollout = Rollout.Of(view);
        Assert.Equal((Layers, 1, n, n, causal), (rollout.Layers, rollout.Heads, rollout.Queries, rollout.Keys, rollout.Causal));
        var expected = WithResidual(view, 0);
        for (var layer = 0; layer < Layers; layer++)
        {
            if (layer > 0)
            {
                var mixed = WithResidual(view, layer);
                var product = new double[n, n];
                for (var i = 0; i < n * n * n; i++)
                {
                    product[i / n / n, i % n] += mixed[i / n / n, i / n % n] * expected[i / n % n, i % n];
                }

                expected = product;
            }

            for (var i = 0; i < n; i++)
            {
                var sum = 0.0;
                for (var j = 0; j < n; j++)
                {
                    // float32 products of three matrices whose entries are at most 1.
                    Assert.Equal(expected[i, j], rollout.At(layer, 0, i, j), 2e-6);
                    sum += rollout.At(layer, 0, i, j);
                    Assert.True(!causal || j <= i || rollout.At(layer, 0, i, j) == 0);
                }

                Assert.Equal(1, sum, 1e-5);
            }
        }
    }

    [Fact]
    public void APreviousTokenModelRollsOutToABinomial()
    {
        const int N = 6;
        var view = Previous(N);
        var rollout = Rollout.Of(view);
        // After 3 layers of "half stay, half from the previous token": 1/8, 3/8, 3/8, 1/8.
        Assert.Equal([0, 0, .125f, .375f, .375f, .125f], Enumerable.Range(0, N).Select(j => rollout.At(2, 0, 5, j)));
    }

    private static DenseView Previous(int n)
    {
        var matrix = new float[n * n];
        for (var i = 0; i < n; i++)
        {
            matrix[(i * n) + Math.Max(0, i - 1)] = 1;
        }

        return new DenseView(AttentionKind.Decoder, 3, 1, n, n, true, [matrix, matrix, matrix]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void FlowIsTheSmallestCut(int layers)
    {
        const int N = 3;
        for (var seed = 0; seed < 5; seed++)
        {
            var view = Views.Random(layers, Heads, N, N, seed % 2 == 1, seed);
            var flow = new FlowView(view);
            var capacities = Enumerable.Range(0, layers).Select(l => WithResidual(view, l)).ToArray();
            for (var i = 0; i < N * N; i++)
            {
                // float32 capacities; Dinic adds them up in double precision.
                Assert.Equal(SmallestCut(capacities, N, i / N, i % N), flow.At(layers - 1, 0, i / N, i % N), 1e-6);
            }
        }
    }

    /// <summary>Maximum flow = minimum cut: the smallest capacity over all ways to divide the nodes, by enumeration.</summary>
    private static double SmallestCut(double[][,] capacities, int n, int from, int to)
    {
        var nodes = (capacities.Length + 1) * n;
        int source = (capacities.Length * n) + from, sink = to;
        var best = double.PositiveInfinity;
        for (var side = 0; side < 1 << nodes; side++)
        {
            if ((side >> source & 1) == 0 || (side >> sink & 1) == 1)
            {
                continue;
            }

            var cut = 0.0;
            for (var l = 0; l < capacities.Length; l++)
            {
                for (var e = 0; e < n * n; e++)
                {
                    if ((side >> (((l + 1) * n) + (e / n)) & 1) == 1 && (side >> ((l * n) + (e % n)) & 1) == 0)
                    {
                        cut += capacities[l][e / n, e % n];
                    }
                }
            }

            best = Math.Min(best, cut);
        }

        return best;
    }

    [Fact]
    public void FlowIsBoundedByItsPipes()
    {
        Gen.Select(Gen.Int[2, 8], Gen.Int[1, 3], Gen.Int[0, 1000], Gen.Bool).Sample((n, layers, seed, causal) =>
        {
            var view = Views.Random(layers, Heads, n, n, causal, seed);
            var flow = new FlowView(view);
            var top = WithResidual(view, layers - 1);
            var bottom = WithResidual(view, 0);
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                {
                    var weight = flow.At(layers - 1, 0, i, j);
                    var into = Enumerable.Range(0, n).Sum(k => bottom[k, j]);
                    Assert.InRange(weight, -1e-6, Math.Min(1, into) + 1e-6);
                    Assert.True(!causal || j <= i || weight == 0);
                    // One pipe of the first layer straight down a column is a path by itself.
                    Assert.True(layers > 1 || Math.Abs(weight - top[i, j]) < 1e-6);
                }
            }
        }, iter: 100);
    }

    [Fact]
    public void TooLongForFlowIsSaid()
    {
        var n = FlowView.MaxTokens + 1;
        var view = new DenseView(AttentionKind.Encoder, 1, 1, n, n, false, [new float[n * n]]);
        Assert.Contains("257", Assert.Throws<MethodException>(() => new FlowView(view)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CrossAttentionHasNoRollout() => Assert.Throws<MethodException>(() => Rollout.Of(Views.Random(1, 1, 3, 4)));

    [Fact]
    public void MethodsAreKnownByName()
    {
        Assert.All(Methods.All, m => Assert.Same(m, Methods.Named(m.Name)));
        Assert.Contains("raw, max, rollout", Assert.Throws<MethodException>(() => Methods.Named("magic")).Message, StringComparison.Ordinal);
    }

    // Models of the oracle with what they exercise: plain heads, Conv1D weights, shared key heads, an encoder-decoder, patches.
    public static TheoryData<string, string> OracleCases => new()
    {
        { "bert", "expected_long" }, { "gpt2", "expected_long" }, { "llama", "expected_long" }, { "t5", "expected_long" }, { "vit", "expected" }, { "bert", "expected_one" },
    };

    [Theory]
    [MemberData(nameof(OracleCases))]
    public void EffectiveAttentionKeepsTheOutputAndNothingElse(string name, string file)
    {
        var (model, trace) = Run(name, file);
        using var _ = model;
        foreach (var stack in trace.Stacks)
        {
            var view = new EffectiveView(model, stack);
            int n = stack.Keys, layer = stack.Layers - 1, head = stack.Heads - 1;
            var written = Written(name, model, stack, layer, head);
            var width = written.Length / n;
            float[] raw = new float[n], effective = new float[n];
            for (var query = 0; query < stack.Queries; query++)
            {
                stack.Row(layer, head, query, raw);
                view.Row(layer, head, query, effective);
                // a_eff T = a T: the output is the same.
                for (var c = 0; c < width; c++)
                {
                    double a = 0, b = 0;
                    for (var j = 0; j < n; j++)
                    {
                        a += raw[j] * written[(j * width) + c];
                        b += effective[j] * written[(j * width) + c];
                    }

                    Assert.Equal(a, b, 1e-5 * Math.Max(1, Math.Abs(a)));
                }

                // What was taken away is orthogonal to what is left, so that nothing shorter gives the same output.
                var inner = raw.Zip(effective).Sum(p => ((double)p.First - p.Second) * p.Second);
                Assert.Equal(0, inner, 1e-5);
            }

            var size = stack.Value(layer, head, 0).Length;
            if (n <= size)
            {
                Assert.Equal(raw, effective);
            }
            else
            {
                Assert.Contains(raw.Zip(effective), p => Math.Abs(p.First - p.Second) > 1e-4);
            }
        }
    }

    [Theory]
    [MemberData(nameof(OracleCases))]
    public void ValueNormsAreTheLengthsOfWhatIsRead(string name, string file)
    {
        var (model, trace) = Run(name, file);
        using var _ = model;
        foreach (var stack in trace.Stacks)
        {
            var view = new ValueNormView(model, stack);
            for (var head = 0; head < stack.Heads; head++)
            {
                var written = Written(name, model, stack, 0, head);
                var width = written.Length / stack.Keys;
                float[] raw = new float[stack.Keys], weighed = new float[stack.Keys], matrix = new float[stack.Queries * stack.Keys];
                view.Head(0, head, matrix);
                for (var query = 0; query < stack.Queries; query++)
                {
                    stack.Row(0, head, query, raw);
                    view.Row(0, head, query, weighed);
                    var lengths = raw.Select((w, j) => w * Math.Sqrt(Enumerable.Range(0, width).Sum(c => written[(j * width) + c] * written[(j * width) + c]))).ToArray();
                    for (var j = 0; j < stack.Keys; j++)
                    {
                        // Double against float32 norms: relative 1e-6, weights below 1.
                        Assert.Equal(lengths[j] / lengths.Sum(), weighed[j], 2e-6);
                        Assert.Equal(weighed[j], matrix[(query * stack.Keys) + j], 2e-6);
                    }
                }
            }
        }
    }

    [Fact]
    public void EveryMethodAnswersForEveryStackItAppliesTo()
    {
        foreach (var name in new[] { "bert", "bart", "clip", "longformer" })
        {
            var (model, trace) = Run(name, "expected");
            using var _ = model;
            foreach (var method in Methods.All)
            {
                foreach (var stack in trace.Stacks.Where(s => method.AppliesTo(model.Info.Kind, s.Kind)))
                {
                    var takesApart = method == Methods.BlockNorm || method == Methods.ValueZeroing || method == Methods.Alti;
                    if ((takesApart && name == "longformer") || (method == Methods.ValueZeroing && name == "bart" && stack.Kind == AttentionKind.Decoder))
                    {
                        Assert.Contains("not defined", Assert.Throws<MethodException>(() => method.Apply(new MethodInput(model, trace, stack))).Message, StringComparison.Ordinal);
                        continue;
                    }

                    if (method.Explain is not null && name is "clip" or "longformer")
                    {
                        continue; // no head, or no gradient: refused by name, see OutputTests
                    }

                    var view = method.Apply(new MethodInput(model, trace, stack));
                    var row = new float[view.Keys];
                    Weights.Row(view, new HeadSelection(view.Layers - 1, 1), view.Queries - 1, row);
                    Assert.All(row, w => Assert.True(float.IsFinite(w)));
                    Assert.Contains(row, w => w > 0);
                }
            }
        }
    }

    /// <summary>T = V W_O of a head, [keys, hidden], in double precision, W_O read from the checkpoint itself.</summary>
    private static double[] Written(string name, Model model, AttentionStack stack, int layer, int head)
    {
        var (tensor, transposed) = (name, stack.Kind) switch
        {
            ("bert", _) => ($"bert.encoder.layer.{layer}.attention.output.dense.weight", false),
            ("vit", _) => ($"vit.encoder.layer.{layer}.attention.output.dense.weight", false),
            ("gpt2", _) => ($"transformer.h.{layer}.attn.c_proj.weight", true),
            ("llama", _) => ($"model.layers.{layer}.self_attn.o_proj.weight", false),
            ("t5", AttentionKind.Encoder) => ($"encoder.block.{layer}.layer.0.SelfAttention.o.weight", false),
            ("t5", AttentionKind.Decoder) => ($"decoder.block.{layer}.layer.0.SelfAttention.o.weight", false),
            _ => ($"decoder.block.{layer}.layer.1.EncDecAttention.o.weight", false),
        };
        using var weights = SafetensorsFile.Open(Path.Combine(model.Info.Folder, "model.safetensors"));
        var output = weights.ReadFloats(tensor);
        int size = stack.Value(layer, head, 0).Length, hidden = model.Info.HiddenSize, context = size * stack.Heads;
        var written = new double[stack.Keys * hidden];
        for (var j = 0; j < stack.Keys; j++)
        {
            var value = stack.Value(layer, head, j);
            for (var k = 0; k < size; k++)
            {
                for (var c = 0; c < hidden; c++)
                {
                    var at = (head * size) + k;
                    written[(j * hidden) + c] += (double)value[k] * (transposed ? output[(at * hidden) + c] : output[(c * context) + at]);
                }
            }
        }

        return written;
    }

    private static (Model Model, AttentionTrace Trace) Run(string name, string file)
    {
        var folder = Oracle.Folder(name);
        var model = Model.Load(folder);
        return (model, model.Forward(Oracle.Input(Path.Combine(folder, file + ".safetensors")), Keep.Values | Keep.HiddenStates));
    }
}

/// <summary>The fixtures with known attention.</summary>
internal static class Oracle
{
    public static string Folder(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "tests", "fixtures", "oracle", name);
            if (Directory.Exists(path))
            {
                return path;
            }
        }

        throw new DirectoryNotFoundException($"tests/fixtures/oracle/{name} is missing.");
    }

    public static ModelInput Input(string path)
    {
        using var file = SafetensorsFile.Open(path);
        int[]? Integers(string name) => file.Entries.ContainsKey(name) ? file.ReadIntegers(name) : null;
        return new ModelInput
        {
            InputIds = Integers("input_ids") ?? [],
            AttentionMask = Integers("attention_mask"),
            TokenTypeIds = Integers("token_type_ids"),
            GlobalAttentionMask = Integers("global_attention_mask"),
            DecoderInputIds = Integers("decoder_input_ids"),
            Pixels = file.Entries.TryGetValue("pixel_values", out var p) ? new PixelValues(file.ReadFloats("pixel_values"), p.Shape[0], p.Shape[1], p.Shape[2]) : null,
        };
    }
}
