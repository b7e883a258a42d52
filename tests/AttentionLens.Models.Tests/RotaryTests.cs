using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace AttentionLens.Models.Tests;

/// <summary>
/// The first layer's attention of a Llama under each scaling of its rotary positions, against double precision from the raw tensors. The formulae are
/// those of the papers in the form that transformers' modeling_rope_utils gives them.
/// </summary>
public sealed class RotaryTests
{
    /// <summary>As for the architectures' fixtures; a factor, ramp or growth left out is 100 times as much.</summary>
    private const double Tolerance = 5e-6;

    [Theory]
    [InlineData("null")]
    [InlineData("""{"rope_type": "default"}""")]
    [InlineData("""{"type": "linear", "factor": 2.5}""")]
    [InlineData("""{"type": "dynamic", "factor": 4}""")]
    [InlineData("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 32}""")]
    [InlineData("""{"type": "yarn", "factor": 4}""")]
    [InlineData("""{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 512}""")]
    [InlineData("""{"rope_type": "yarn", "factor": null, "original_max_position_embeddings": 16, "beta_fast": 1, "beta_slow": 0.1}""")]
    [InlineData("""{"rope_type": "yarn", "factor": 40, "mscale": 0.7, "mscale_all_dim": 1.5, "original_max_position_embeddings": 4096}""")]
    [InlineData("""{"rope_type": "yarn", "factor": 8, "attention_factor": 0.9, "truncate": false, "beta_fast": 4, "original_max_position_embeddings": 4096}""")]
    [InlineData("""{"rope_type": "yarn", "factor": 0.5, "beta_fast": 0, "original_max_position_embeddings": 64}""")]
    public void Attention_is_that_of_a_double_precision_reference(string scaling)
    {
        const int size = 16, heads = 4, keyHeads = 2, hidden = 64;
        using EditableModel edited = new("llama");
        edited.Config["rope_scaling"] = JsonNode.Parse(scaling);
        int[] ids = [.. Enumerable.Range(0, 60).Select(static i => ((i * 37) + 5) % 120)];
        using Model model = edited.Load();
        AttentionStack stack = model.Forward(new ModelInput { InputIds = ids }).Stacks[0];

        (double[] frequencies, double growth) = Frequencies(JsonNode.Parse(scaling));
        double[] norm = Read(edited, "model.layers.0.input_layernorm.weight");
        double[] table = Read(edited, "model.embed_tokens.weight");
        double[][] x = [.. ids.Select(id =>
        {
            double[] row = table[(id * hidden)..((id + 1) * hidden)];
            double root = Math.Sqrt(row.Sum(static v => v * v / hidden) + 1e-5);
            return row.Select((v, i) => v / root * norm[i]).ToArray();
        })];
        double[][] queries = Turned("q_proj", heads), keys = Turned("k_proj", keyHeads);
        float[] actual = new float[ids.Length];
        for (int head = 0; head < heads; head++)
        {
            for (int i = 0; i < ids.Length; i++)
            {
                stack.Row(0, head, i, actual);
                double[] scores = [.. Enumerable.Range(0, i + 1).Select(j => Enumerable.Range(0, size).Sum(d =>
                    queries[i][(head * size) + d] * keys[j][(head / (heads / keyHeads) * size) + d]) / Math.Sqrt(size))];
                double total = scores.Sum(s => Math.Exp(s - scores.Max()));
                for (int j = 0; j < ids.Length; j++)
                {
                    Assert.Equal(j > i ? 0 : Math.Exp(scores[j] - scores.Max()) / total, actual[j], Tolerance);
                }
            }
        }

        double[][] Turned(string projection, int count)
        {
            double[] weight = Read(edited, $"model.layers.0.self_attn.{projection}.weight");
            return [.. x.Select((row, position) =>
            {
                double[] flat = [.. Enumerable.Range(0, count * size).Select(o => Enumerable.Range(0, hidden).Sum(i => weight[(o * hidden) + i] * row[i]))];
                double[] turned = new double[flat.Length];
                for (int o = 0; o < flat.Length; o++)
                {
                    int within = o % size;
                    double partner = within < size / 2 ? -flat[o + (size / 2)] : flat[o - (size / 2)];
                    double angle = position * frequencies[within % (size / 2)];
                    turned[o] = growth * ((flat[o] * Math.Cos(angle)) + (partner * Math.Sin(angle)));
                }

                return turned;
            })];
        }
    }

    [Theory]
    [InlineData("""{"rope_type": "longrope", "factor": 4, "short_factor": [1], "long_factor": [1]}""", "rope type 'longrope' is not supported")]
    [InlineData("""{"rope_type": "yarn", "factor": -1}""", "must be above 0")]
    [InlineData("""{"rope_type": "yarn", "beta_fast": -1}""", "must be above 0")]
    [InlineData("""{"rope_type": "linear"}""", "rope_scaling lacks factor")]
    public void What_is_not_known_or_makes_no_sense_is_refused_by_name(string scaling, string message)
    {
        using EditableModel edited = new("llama");
        edited.Config["rope_scaling"] = JsonNode.Parse(scaling);
        Assert.Contains(message, edited.Refusal(), StringComparison.Ordinal);
    }

    /// <summary>Values of transformers' formula in NumPy's float64, for Qwen2.5's documented setting: base 1,000,000, 128 dimensions, 4 times 32,768 positions.</summary>
    [Fact]
    public void Yarn_frequencies_are_those_of_the_reference()
    {
        (double[] frequencies, double growth) = Frequencies(JsonNode.Parse("""{"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}"""), 1e6, 128);
        Assert.Equal(1.138629436111989, growth, 1e-15);
        Assert.Equal([1.0, 0.006978305848598663, 0.005375321490790102, 0.0008029597275452302, 6.490394320837028e-05, 4.445698525097307e-05, 3.102344401879299e-07], [frequencies[0], frequencies[23], frequencies[24], frequencies[31], frequencies[39], frequencies[40], frequencies[63]], static (a, b) => Math.Abs(a - b) <= 1e-14 * a);
    }

    private static double[] Read(EditableModel model, string name) =>
        [.. MemoryMarshal.Cast<byte, float>(model.Tensors[name].Data).ToArray().Select(static value => (double)value)];

    private static (double[] Frequencies, double Growth) Frequencies(JsonNode? scaling, double theta = 10000, int dimensions = 16)
    {
        const int window = 64;
        double[] plain = [.. Enumerable.Range(0, dimensions / 2).Select(i => 1 / Math.Pow(theta, 2.0 * i / dimensions))];
        if (scaling is null)
        {
            return (plain, 1);
        }

        double original = (double?)scaling["original_max_position_embeddings"] ?? window;
        double factor = (double?)scaling["factor"] ?? (window / original);
        switch ((string?)(scaling["rope_type"] ?? scaling["type"]))
        {
            case "linear":
                return ([.. plain.Select(f => f / factor)], 1);
            case "llama3":
                return ([.. plain.Select(f =>
                {
                    double turns = original * f / (2 * Math.PI);
                    double kept = Math.Clamp((turns - 1) / (4 - 1), 0, 1);
                    return (kept * f) + ((1 - kept) * f / factor);
                })], 1);
            case "yarn":
                double fast = (double?)scaling["beta_fast"] is { } b and not 0 ? b : 32;
                double slow = (double?)scaling["beta_slow"] is { } s and not 0 ? s : 1;
                double Index(double turns) => dimensions / 2.0 * Math.Log(original / (2 * Math.PI * turns), theta);
                bool whole = (bool?)scaling["truncate"] ?? true;
                double low = Math.Max(0, whole ? Math.Floor(Index(fast)) : Index(fast));
                double high = Math.Min(dimensions - 1, whole ? Math.Ceiling(Index(slow)) : Index(slow));
                double Paper(double m) => factor > 1 ? 1 + (0.1 * m * Math.Log(factor)) : 1;
                double growth = (double?)scaling["attention_factor"]
                    ?? (scaling["mscale"] is null ? Paper(1) : Paper((double)scaling["mscale"]!) / Paper((double)scaling["mscale_all_dim"]!));
                return ([.. plain.Select((f, i) =>
                {
                    double extrapolated = 1 - Math.Clamp((i - low) / Math.Max(high - low, 0.001), 0, 1);
                    return (f / factor * (1 - extrapolated)) + (f * extrapolated);
                })], growth);
            default:
                return (plain, 1);
        }
    }
}
