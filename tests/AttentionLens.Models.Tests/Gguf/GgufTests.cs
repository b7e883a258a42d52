using System.Text.Json;
using AttentionLens.Tokenization;
using CsCheck;

namespace AttentionLens.Models.Tests.Gguf;

public sealed class GgufTests
{
    /// <summary>The fixture holds blocks that ggml itself quantised, and what its own functions read back from them; the arithmetic is the same, so every bit is.</summary>
    [Theory]
    [InlineData(2u, "Q4_0")]
    [InlineData(3u, "Q4_1")]
    [InlineData(6u, "Q5_0")]
    [InlineData(7u, "Q5_1")]
    [InlineData(8u, "Q8_0")]
    [InlineData(10u, "Q2_K")]
    [InlineData(11u, "Q3_K")]
    [InlineData(12u, "Q4_K")]
    [InlineData(13u, "Q5_K")]
    [InlineData(14u, "Q6_K")]
    public void Blocks_are_read_as_ggml_reads_them(uint type, string name)
    {
        using SafetensorsFile fixture = SafetensorsFile.Open(Path.Combine(Repository.Root, "tests", "fixtures", "gguf", "blocks.safetensors"));
        byte[] bytes = [.. fixture.ReadIntegers(name + ".bytes").Select(static value => (byte)value)];
        float[] expected = fixture.ReadFloats(name + ".values");
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("x.gguf"), new GgufWriter().Tensor("x", [4, expected.Length / 4], type, bytes).ToArray());
        using GgufFile file = GgufFile.Open(folder.File("x.gguf"));
        Assert.Equal([4, expected.Length / 4], file.Tensors["x"].Shape);
        float[] whole = new float[expected.Length];
        file.Read("x", 0, whole);
        Assert.Equal(expected, whole);
        // Any run of values, wherever it begins and ends in its blocks.
        Gen.Select(Gen.Int[0, expected.Length - 1], Gen.Int[1, 300]).Sample((first, count) =>
        {
            float[] part = new float[Math.Min(count, expected.Length - first)];
            file.Read("x", first, part);
            return part.AsSpan().SequenceEqual(expected.AsSpan(first, part.Length));
        });
    }

    /// <summary>Tolerances as for the same weights in safetensors: F32 is stored as it is.</summary>
    [Theory]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("gemma")]
    public void A_converted_model_agrees_with_the_oracle(string name)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("x.gguf"), GgufWriter.FromFolder(Repository.Oracle(name)).ToArray());
        using Model model = Model.Load(folder.File("x.gguf"));
        Assert.Equal(name, model.Info.Name);
        // What GGUF does not say of Mistral, the window, is shorter than the long fixture only.
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Repository.Oracle(name), name == "mistral" ? "expected_one.safetensors" : "expected.safetensors"));
        OracleErrors errors = OracleCase.Compare(model.Forward(OracleCase.Input(expected), Keep.All), expected, 5e-5f, 1e-5f);
        Assert.True(errors.Attention <= 5e-6f, $"attention is {errors.Attention:g3} off at {errors.AttentionAt}");
        Assert.True(errors.StateExcess <= 0, $"{errors.StateAt} is {errors.StateExcess:g3} beyond its tolerance");
    }

    /// <summary>Llama 3's scaling comes as a table of divisors, one per frequency.</summary>
    [Fact]
    public void A_table_of_rotary_factors_stands_for_the_scaling_of_Llama_3()
    {
        string source = Repository.Oracle("llama3");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(source, "config.json")));
        JsonElement config = document.RootElement;
        JsonElement scaling = config.GetProperty("rope_scaling");
        double factor = scaling.GetProperty("factor").GetDouble();
        double low = scaling.GetProperty("low_freq_factor").GetDouble();
        double high = scaling.GetProperty("high_freq_factor").GetDouble();
        double window = scaling.GetProperty("original_max_position_embeddings").GetDouble();
        double[] plain = Rotary.Frequencies(config.GetProperty("rope_theta").GetDouble(), config.GetProperty("head_dim").GetInt32());
        float[] factors = [.. plain.Select(frequency =>
        {
            double turns = window * frequency / (2 * Math.PI);
            return turns > high ? 1f : turns < low ? (float)factor : (float)(1 / (((1 - ((turns - low) / (high - low))) / factor) + ((turns - low) / (high - low))));
        })];
        Assert.Contains(factors, static factor => factor > 1);
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("x.gguf"), GgufWriter.FromFolder(source).Tensor("rope_freqs.weight", [factors.Length], factors).ToArray());
        using Model model = Model.Load(folder.File("x.gguf"));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(source, "expected.safetensors"));
        OracleErrors errors = OracleCase.Compare(model.Forward(OracleCase.Input(expected), Keep.All), expected, 5e-5f, 1e-5f);
        Assert.True(errors.Attention <= 5e-6f, $"attention is {errors.Attention:g3} off at {errors.AttentionAt}");
    }

    [Fact]
    public void A_folder_with_one_file_is_that_model_and_one_with_two_asks_which()
    {
        using TemporaryFolder folder = new();
        byte[] bytes = GgufWriter.FromFolder(Repository.Oracle("llama")).ToArray();
        File.WriteAllBytes(folder.File("a.gguf"), bytes);
        using (Model model = Model.Load(folder.Path))
        {
            Assert.Equal("llama", model.Info.ModelType);
            Assert.Contains("carries no tokenizer", model.TokenizerProblem, StringComparison.Ordinal);
        }

        File.WriteAllBytes(folder.File("b.gguf"), bytes);
        Assert.Contains("2 GGUF files", Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_vocabulary_with_scores_merges_the_best_pair_first()
    {
        string[] tokens = ["<unk>", "<s>", "</s>", "<0x21>", "▁", "a", "b", "ab", "▁ab", "ba"];
        float[] scores = [0, 0, 0, 0, -9, -8, -7, -1, -2, -3];
        int[] types = [2, 3, 3, 6, 1, 1, 1, 1, 1, 1];
        Tokenizer tokenizer = Tokenizer.Create(Vocabulary("llama", tokens) with { Scores = scores, Types = types, Bos = 1, Eos = 2 });
        TokenizedText text = tokenizer.Encode("abba!");
        Assert.Equal(["<s>", "▁ab", "ba", "<0x21>"], text.Tokens.Select(static token => token.Text));
        Assert.Equal([(0, 0), (0, 2), (2, 4), (4, 5)], text.Tokens.Select(static token => (token.Start, token.End)));
    }

    [Fact]
    public void Splitting_rules_that_are_not_known_are_refused_by_name()
    {
        TokenizerException refused = Assert.Throws<TokenizerException>(() => Tokenizer.Create(Vocabulary("gpt2", ["a"]) with { PreTokenizer = "tekken" }));
        Assert.Contains("'tekken'", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bert", "holds the architecture 'bert'")]
    [InlineData("llama", "lacks llama.")]
    public void What_is_not_reproduced_is_refused(string architecture, string message)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder.File("x.gguf"), new GgufWriter().Text("general.architecture", architecture).Tensor("token_embd.weight", [1, 1], [0f]).ToArray());
        Assert.Contains(message, Assert.Throws<ModelException>(() => Model.Load(folder.File("x.gguf"))).Message, StringComparison.Ordinal);
    }

    /// <summary>Every damage is told in a sentence: bytes changed, the end cut off.</summary>
    [Fact]
    public void Damaged_files_are_refused_or_read_and_never_crash()
    {
        using TemporaryFolder folder = new();
        byte[] whole = GgufWriter.FromFolder(Repository.Oracle("llama")).Texts("tokenizer.ggml.tokens", ["a", "b"]).ToArray();
        string path = folder.File("x.gguf");
        int header = 2000;
        Gen.Select(Gen.Select(Gen.Int[0, header], Gen.Byte).Array[1, 4], Gen.Int[0, whole.Length]).Sample(
            (changes, length) =>
            {
                byte[] bytes = [.. whole.AsSpan(0, Math.Max(length, 1))];
                foreach ((int at, byte value) in changes)
                {
                    if (at < bytes.Length)
                    {
                        bytes[at] = value;
                    }
                }

                File.WriteAllBytes(path, bytes);
                try
                {
                    using Model model = Model.Load(path);
                }
                catch (ModelException refused)
                {
                    Assert.NotEmpty(refused.Message);
                }
            },
            iter: 300,
            threads: 1);
    }

    private static GgufVocabulary Vocabulary(string model, string[] tokens) =>
        new() { Model = model, PreTokenizer = "gpt-2", Tokens = tokens, Scores = [], Types = [], Merges = [] };
}
