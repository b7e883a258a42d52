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
    [InlineData("""{"rope_type": "longrope", "factor": 4, "original_max_position_embeddings": 60, "short_factor": [1, 1.1, 1.2, 1.5, 2, 2.5, 3, 3], "long_factor": [1, 2, 4, 8, 16, 32, 64, 65]}""")]
    [InlineData("""{"rope_type": "longrope", "factor": 4, "original_max_position_embeddings": 59, "short_factor": [1, 1.1, 1.2, 1.5, 2, 2.5, 3, 3], "long_factor": [1, 2, 4, 8, 16, 32, 64, 65]}""")]
    [InlineData("""{"type": "longrope", "original_max_position_embeddings": 16, "short_factor": [1, 1, 1, 1, 1, 1, 1, 1], "long_factor": [1.5, 2, 4, 8, 16, 32, 64, 65]}""")]
    [InlineData("""{"type": "longrope", "attention_factor": 1.25, "short_factor": [1.5, 2, 4, 8, 16, 32, 64, 65], "long_factor": [1, 1, 1, 1, 1, 1, 1, 1]}""")]
    public void Attention_is_that_of_a_double_precision_reference(string scaling)
    {
        using EditableModel edited = new("llama");
        edited.Config["rope_scaling"] = JsonNode.Parse(scaling);
        Compare(edited, JsonNode.Parse(scaling), 60, turning: 16);
    }

    /// <summary>Phi-3's own spelling: the original window beside the scaling or left out, earlier names of the type, three quarters of a head that turn.</summary>
    [Theory]
    [InlineData("longrope", 1f, 20, 20)]
    [InlineData("longrope", 1f, 20, 21)]
    [InlineData("longrope", 0.75f, 20, 21)]
    [InlineData("su", 0.5f, 20, 30)]
    [InlineData("yarn", 1f, null, 30)]
    public void Phi3_is_a_llama_with_fused_maps_and_longrope(string type, float partial, int? original, int tokens)
    {
        int turning = (int)(16 * partial);
        JsonObject scaling = new()
        {
            ["type"] = type,
            ["short_factor"] = new JsonArray([.. Enumerable.Range(0, turning / 2).Select(static i => (JsonNode)(1 + (0.25 * i)))]),
            ["long_factor"] = new JsonArray([.. Enumerable.Range(0, turning / 2).Select(static i => (JsonNode)(2 + (3.5 * i)))]),
        };
        using EditableModel edited = Phi3(scaling, partial, original);
        scaling["type"] = "longrope";
        scaling["original_max_position_embeddings"] = original ?? 4096;
        Compare(edited, JsonNode.Parse(scaling.ToJsonString()), tokens, turning); // parsed, a number may be read as any kind of number
    }

    /// <summary>The fused maps hold what the llama's own hold: every layer and the logits agree to the bit.</summary>
    [Fact]
    public void Phi3_computes_what_the_llama_of_the_same_weights_computes()
    {
        using EditableModel fused = Phi3(null, 1, null);
        using Model phi = fused.Load();
        using Model llama = Model.Load(Repository.Oracle("llama"));
        ModelInput input = new() { InputIds = [.. Enumerable.Range(2, 40)] };
        AttentionTrace expected = llama.Forward(input, Keep.All);
        AttentionTrace actual = phi.Forward(input, Keep.All);
        Assert.Equal(expected.Logits!.Data, actual.Logits!.Data); // both have a language head
        for (int layer = 0; layer <= expected.Stacks[0].Layers; layer++)
        {
            Assert.Equal(expected.Stacks[0].HiddenState(layer).ToArray(), actual.Stacks[0].HiddenState(layer).ToArray());
        }
    }

    /// <summary>Where a text outgrows the original window every token of it turns otherwise, so that nothing kept of the shorter text may be used.</summary>
    [Fact]
    public void A_text_that_outgrows_the_original_window_is_read_anew()
    {
        JsonObject scaling = new()
        {
            ["type"] = "longrope",
            ["short_factor"] = new JsonArray([.. Enumerable.Repeat(0, 8).Select(static i => (JsonNode)1)]),
            ["long_factor"] = new JsonArray([.. Enumerable.Range(0, 8).Select(static i => (JsonNode)(2 + (3.5 * i)))]),
        };
        using EditableModel edited = Phi3(scaling, 1, 20);
        using Model model = edited.Load();
        int[] prompt = [.. Enumerable.Range(0, 17).Select(static i => ((i * 37) + 5) % 120)];
        List<int> ids = [.. prompt];
        Generation generation = model.Generate(new ModelInput { InputIds = prompt }, 8);
        foreach (int token in generation.Tokens)
        {
            Tensor logits = model.Forward(new ModelInput { InputIds = [.. ids] }, Keep.Logits).Logits!; // a language head
            float[] last = logits.Data[^logits.Shape[^1]..];
            Assert.Equal(Array.IndexOf(last, last.Max()), token);
            ids.Add(token);
        }

        Assert.True(generation.Trace.Stacks[0].Queries > 20, "the text did not outgrow its window");
        Same(model.Forward(generation.Trace.Input), generation.Trace);
        foreach ((int before, int after) in new[] { (18, 24), (24, 18), (10, 15), (25, 30) })
        {
            AttentionTrace first = model.Forward(new ModelInput { InputIds = [.. ids.Take(before), .. Enumerable.Repeat(7, Math.Max(0, before - ids.Count))] }, Keep.All);
            ModelInput next = new() { InputIds = [.. ids.Take(after), .. Enumerable.Repeat(7, Math.Max(0, after - ids.Count))] };
            Same(model.Forward(next, Keep.All), model.Forward(next, first, Keep.All));
        }

        static void Same(AttentionTrace expected, AttentionTrace actual)
        {
            AttentionStack stack = expected.Stacks[0];
            float[] want = new float[stack.Keys], got = new float[stack.Keys];
            for (int i = 0; i < stack.Layers * stack.Heads * stack.Queries; i++)
            {
                (int layer, int head, int query) = (i / stack.Queries / stack.Heads, i / stack.Queries % stack.Heads, i % stack.Queries);
                stack.Row(layer, head, query, want);
                actual.Stacks[0].Row(layer, head, query, got);
                for (int key = 0; key < want.Length; key++)
                {
                    Assert.Equal(want[key], got[key], (float)Tolerance);
                }
            }
        }
    }

    /// <summary>The llama fixture in Phi-3's layout.</summary>
    private static EditableModel Phi3(JsonObject? scaling, float partial, int? original)
    {
        EditableModel edited = new("llama");
        edited.Config["model_type"] = "phi3";
        edited.Config["architectures"] = new JsonArray("Phi3ForCausalLM");
        edited.Config["rope_scaling"] = scaling?.DeepClone();
        edited.Config["partial_rotary_factor"] = partial;
        if (original is { } window)
        {
            edited.Config["original_max_position_embeddings"] = window;
        }

        for (int layer = 0; edited.Tensors.ContainsKey($"model.layers.{layer}.input_layernorm.weight"); layer++)
        {
            Fuse($"model.layers.{layer}.self_attn.", "qkv_proj", "q_proj", "k_proj", "v_proj");
            Fuse($"model.layers.{layer}.mlp.", "gate_up_proj", "gate_proj", "up_proj");
        }

        return edited;

        void Fuse(string prefix, string name, params string[] parts)
        {
            (string Type, int[] Shape, byte[] Data)[] tensors = [.. parts.Select(part => edited.Tensors[$"{prefix}{part}.weight"])];
            edited.Tensors[$"{prefix}{name}.weight"] = (tensors[0].Type, [tensors.Sum(static t => t.Shape[0]), tensors[0].Shape[1]], [.. tensors.SelectMany(static t => t.Data)]);
            foreach (string part in parts)
            {
                edited.Tensors.Remove($"{prefix}{part}.weight");
            }
        }
    }

    /// <summary>The first layer's attention against double precision from the raw tensors.</summary>
    private static void Compare(EditableModel edited, JsonNode? scaling, int tokens, int turning)
    {
        const int size = 16, heads = 4, keyHeads = 2, hidden = 64;
        int[] ids = [.. Enumerable.Range(0, tokens).Select(static i => ((i * 37) + 5) % 120)];
        using Model model = edited.Load();
        AttentionStack stack = model.Forward(new ModelInput { InputIds = ids }).Stacks[0];

        (double[] frequencies, double growth) = Frequencies(scaling, dimensions: turning, tokens: tokens);
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
            bool fused = edited.Tensors.ContainsKey("model.layers.0.self_attn.qkv_proj.weight");
            double[] weight = Read(edited, $"model.layers.0.self_attn.{(fused ? "qkv_proj" : projection)}.weight");
            weight = fused ? weight[(projection == "q_proj" ? 0 : heads * size * hidden)..] : weight;
            return [.. x.Select((row, position) =>
            {
                double[] flat = [.. Enumerable.Range(0, count * size).Select(o => Enumerable.Range(0, hidden).Sum(i => weight[(o * hidden) + i] * row[i]))];
                double[] turned = [.. flat];
                for (int o = 0; o < flat.Length; o++)
                {
                    int within = o % size;
                    if (within < turning)
                    {
                        double partner = within < turning / 2 ? -flat[o + (turning / 2)] : flat[o - (turning / 2)];
                        double angle = position * frequencies[within % (turning / 2)];
                        turned[o] = growth * ((flat[o] * Math.Cos(angle)) + (partner * Math.Sin(angle)));
                    }
                }

                return turned;
            })];
        }
    }

    [Theory]
    [InlineData("""{"rope_type": "su", "factor": 4}""", "rope type 'su' is not supported")]
    [InlineData("""{"rope_type": "longrope", "factor": 4, "short_factor": [1], "long_factor": [1]}""", "has 1 factors for 8 frequencies")]
    [InlineData("""{"rope_type": "longrope", "factor": 4, "short_factor": [1, 1, 1, 1, 1, 1, 1, 1]}""", "has 0 factors for 8 frequencies")]
    [InlineData("""{"rope_type": "longrope", "factor": 4, "short_factor": [1, 1, 1, 1, 1, 1, 1, 1], "long_factor": [1, 1, 1, 1, 1, 1, 1, 0]}""", "or one that is not positive")]
    [InlineData("""{"rope_type": "longrope", "original_max_position_embeddings": 1, "short_factor": [1], "long_factor": [1]}""", "original_max_position_embeddings above 1")]
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

    private static (double[] Frequencies, double Growth) Frequencies(JsonNode? scaling, double theta = 10000, int dimensions = 16, int tokens = 60)
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
            case "longrope":
                double[] factors = [.. scaling[tokens > original ? "long_factor" : "short_factor"]!.AsArray().Select(static f => (double)f!)];
                return ([.. plain.Select((f, i) => f / factors[i])], (double?)scaling["attention_factor"] ?? (factor > 1 ? Math.Sqrt(1 + Math.Log(factor, original)) : 1));
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
