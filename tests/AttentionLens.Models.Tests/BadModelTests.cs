using System.Text.Json.Nodes;
using CsCheck;

namespace AttentionLens.Models.Tests;

/// <summary>What cannot be used is refused with one sentence that names it; nothing is approximated, nothing crashes.</summary>
public sealed class BadModelTests
{
    [Theory]
    [InlineData("bert", "model_type", "\"mamba\"", "architecture 'mamba' is not supported; supported are albert")]
    [InlineData("bert", "model_type", "null", "config.json lacks model_type")]
    [InlineData("bert", "hidden_act", "\"gelu_10\"", "activation 'gelu_10' is not supported")]
    [InlineData("bert", "position_embedding_type", "\"relative_key\"", "position_embedding_type 'relative_key' is not supported")]
    [InlineData("bert", "is_decoder", "true", "is_decoder is not supported")]
    [InlineData("bert", "num_attention_heads", "5", "a hidden size of 48 cannot be shared by 5 attention heads")]
    [InlineData("bert", "num_attention_heads", "0", "num_attention_heads is 0; it must be between 1")]
    [InlineData("bert", "num_hidden_layers", "4", "lacks tensor 'bert.encoder.layer.3.attention.self.query.weight'")]
    [InlineData("bert", "num_hidden_layers", "134217728", "lacks tensor 'bert.encoder.layer.3")]
    [InlineData("bert", "num_hidden_layers", "99999999999", "num_hidden_layers must be a whole number")]
    [InlineData("bert", "hidden_size", "64", "has shape [120, 48], but config.json calls for [120, 64]")]
    [InlineData("bert", "vocab_size", "121", "has shape [120, 48], but config.json calls for [121, 48]")]
    [InlineData("bert", "vocab_size", "\"many\"", "vocab_size must be a whole number")]
    [InlineData("bert", "layer_norm_eps", "\"small\"", "layer_norm_eps must be a number")]
    [InlineData("bert", "intermediate_size", "95", "has shape [96, 48], but config.json calls for [95, 48]")]
    [InlineData("albert", "inner_group_num", "2", "inner_group_num 2 is not supported")]
    [InlineData("albert", "num_hidden_layers", "2000", "num_hidden_groups 1 for 2000 layers is not supported")]
    [InlineData("longformer", "attention_window", "[8, 8]", "attention_window has 2 entries for 3 layers")]
    [InlineData("longformer", "attention_window", "7", "attention_window of 7 is not a positive even number")]
    [InlineData("llama", "rope_scaling", """{"type":"su","factor":4}""", "rope type 'su' is not supported")]
    [InlineData("llama", "num_key_value_heads", "3", "4 attention heads cannot share 3 key/value heads evenly")]
    [InlineData("llama3", "rope_scaling", """{"rope_type":"llama3"}""", "rope_scaling lacks factor")]
    [InlineData("gpt2", "add_cross_attention", "true", "add_cross_attention is not supported")]
    [InlineData("gpt_neox", "rotary_pct", "0", "on 0 of a head's 16 dimensions are not possible")]
    [InlineData("t5", "feed_forward_proj", "\"gated-swish2\"", "activation 'swish2' is not supported")]
    [InlineData("marian", "share_encoder_decoder_embeddings", "false", "share_encoder_decoder_embeddings false is not supported")]
    [InlineData("marian", "max_position_embeddings", "134217728", "positions of width 48 make no sense")]
    [InlineData("vit", "patch_size", "31", "patches of 31")]
    [InlineData("vit", "image_size", "36", "config.json calls for [1, 37, 48]")]
    [InlineData("clip", "text_config", "null", "config.json lacks text_config")]
    [InlineData("clip", "projection_dim", "25", "config.json calls for [25, 40]")]
    public void Contradictions_and_unknown_options_are_named(string name, string key, string value, string message)
    {
        using EditableModel model = new(name);
        model.Config[key] = JsonNode.Parse(value);
        Assert.Contains(message, model.Refusal(), StringComparison.Ordinal);
    }

    /// <summary>Each tensor that a bare model cannot do without is missed by name; the rest belong to a head that is then not there, or are not used.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("t5")]
    public void Missing_tensors_are_named(string name)
    {
        using EditableModel model = new(name);
        int named = 0;
        foreach (string tensor in model.Tensors.Keys.ToArray())
        {
            (string Type, int[] Shape, byte[] Data) removed = model.Tensors[tensor];
            model.Tensors.Remove(tensor);
            try
            {
                model.Load().Dispose();
            }
            catch (ModelException error)
            {
                Assert.Contains("tensor '", error.Message, StringComparison.Ordinal);
                named++;
            }

            model.Tensors[tensor] = removed;
        }

        Assert.True(named > model.Tensors.Count / 2, $"only {named} of {model.Tensors.Count} were missed");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Weights_that_are_no_numbers_are_refused(float value)
    {
        using EditableModel model = new("bert");
        foreach (string tensor in new[] { "bert.embeddings.LayerNorm.bias", "bert.encoder.layer.1.output.dense.weight", "bert.embeddings.word_embeddings.weight" })
        {
            byte[] data = model.Tensors[tensor].Data;
            byte[] kept = [.. data];
            BitConverter.TryWriteBytes(data.AsSpan(data.Length / 8 * 4), value);
            Assert.Contains($"Tensor '{tensor}' holds values that are not finite numbers", model.Refusal(), StringComparison.Ordinal);
            kept.CopyTo(data, 0);
        }
    }

    [Fact]
    public void Quantised_weights_are_refused()
    {
        using EditableModel model = new("bert");
        (_, int[] shape, byte[] data) = model.Tensors["bert.encoder.layer.0.output.dense.weight"];
        model.Tensors["bert.encoder.layer.0.output.dense.weight"] = ("I8", shape, data[..(data.Length / 4)]);
        Assert.Contains("holds I8 values; weights must be F32, F16 or BF16", model.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_matrix_of_the_wrong_rank_is_refused()
    {
        using EditableModel model = new("bert");
        (string type, int[] shape, byte[] data) = model.Tensors["bert.encoder.layer.0.output.dense.weight"];
        model.Tensors["bert.encoder.layer.0.output.dense.weight"] = (type, [shape[0] * shape[1]], data);
        Assert.Contains("has shape [4608], but config.json calls for [48, 96]", model.Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is not valid JSON")]
    [InlineData("[1]", "is not a JSON object")]
    [InlineData("{\"model_type\": \"bert\"", "is not valid JSON")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "text that is not UTF-8")]
    [InlineData("{\"\\ud800\": 1}", "text that is not UTF-8")]
    public void A_configuration_that_is_none_is_refused(string text, string message)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("config.json"), text);
        Assert.Contains(message, Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_and_huge_files_are_refused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("config.json"), new string('[', 1_000_000));
        Assert.Contains("is not valid JSON", Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
        using (FileStream stream = File.Create(folder.File("config.json")))
        {
            stream.SetLength(17 * 1024 * 1024);
        }

        Assert.Contains("is larger than 16 MB", Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pytorch_model.bin", "convert it to model.safetensors with")]
    [InlineData("tf_model.h5", "holds its weights as 'tf_model.h5', which is not read; convert them with")]
    [InlineData("README.md", "has no weights: neither model.safetensors nor model.safetensors.index.json")]
    public void Weights_in_other_formats_are_explained(string file, string message)
    {
        using TemporaryFolder folder = new();
        File.Copy(Path.Combine(Repository.Oracle("bert"), "config.json"), folder.File("config.json"));
        File.WriteAllText(folder.File(file), "x");
        Assert.Contains(message, Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_none_is_refused()
    {
        using TemporaryFolder folder = new();
        Assert.Contains("does not exist", Assert.Throws<ModelException>(() => Model.Load(folder.File("nowhere"))).Message, StringComparison.Ordinal);
        Assert.Contains("is no model folder: it has no config.json", Assert.Throws<ModelException>(() => Model.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shards_are_read_as_one_checkpoint()
    {
        using EditableModel model = new("bert");
        model.Save(("one.safetensors", static name => name.Contains("layer", StringComparison.Ordinal)), ("two.safetensors", static name => !name.Contains("layer", StringComparison.Ordinal)));
        JsonObject map = [];
        foreach (string name in model.Tensors.Keys)
        {
            map[name] = name.Contains("layer", StringComparison.Ordinal) ? "one.safetensors" : "two.safetensors";
        }

        string index = Path.Combine(model.Path, "model.safetensors.index.json");
        File.WriteAllText(index, new JsonObject { ["weight_map"] = map }.ToJsonString());
        using (Model sharded = Model.Load(model.Path))
        using (Model whole = Model.Load(Repository.Oracle("bert")))
        {
            ModelInput input = new() { InputIds = [1, 2, 3] };
            GenerationTests.Same(whole.Forward(input), sharded.Forward(input));
        }

        map["bert.embeddings.LayerNorm.bias"] = "../../etc/passwd";
        File.WriteAllText(index, new JsonObject { ["weight_map"] = map.DeepClone() }.ToJsonString());
        Assert.Contains("which is no file name", Assert.Throws<ModelException>(() => Model.Load(model.Path)).Message, StringComparison.Ordinal);
        map["bert.embeddings.LayerNorm.bias"] = "three.safetensors";
        File.WriteAllText(index, new JsonObject { ["weight_map"] = map.DeepClone() }.ToJsonString());
        Assert.Contains("The model is incomplete: 'three.safetensors' is listed", Assert.Throws<ModelException>(() => Model.Load(model.Path)).Message, StringComparison.Ordinal);
        File.WriteAllText(index, "{}");
        Assert.Contains("has no weight_map", Assert.Throws<ModelException>(() => Model.Load(model.Path)).Message, StringComparison.Ordinal);
    }

    /// <summary>Hostile values in any key: the model loads and runs, or one error says why not; nothing else, whatever the value.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("albert")]
    [InlineData("llama3")]
    [InlineData("longformer")]
    [InlineData("t5")]
    [InlineData("marian")]
    [InlineData("gpt_neox")]
    public void Hostile_configurations_are_run_or_refused(string name)
    {
        string[] values = ["0", "-1", "1", "3", "1e300", "2147483647", "9999999999999", "0.5", "\"x\"", "null", "[]", "{}", "true", "[[[[1]]]]"];
        using EditableModel model = new(name);
        model.Save();
        string[] keys = [.. model.Config.Select(static pair => pair.Key)];
        JsonNode original = model.Config.DeepClone();
        Gen.Select(Gen.Int[0, keys.Length - 1], Gen.Int[0, values.Length - 1]).Array[1, 3].Sample(
            changes =>
            {
                JsonNode config = original.DeepClone();
                foreach ((int key, int value) in changes)
                {
                    config[keys[key]] = JsonNode.Parse(values[value]);
                }

                File.WriteAllText(Path.Combine(model.Path, "config.json"), config.ToJsonString());
                RunOrRefused(model.Path);
            },
            iter: 60,
            threads: 1);
    }

    public static TheoryData<string> CrashedConfigurations => Crashes.Of("config");

    public static TheoryData<string> CrashedIndexes => Crashes.Of("weight-index");

    /// <summary>MODEL.WHAT.json holds members for the model's configuration, WHAT.json is one as a whole.</summary>
    [Theory]
    [MemberData(nameof(CrashedConfigurations))]
    public void What_broke_a_configuration_once_is_run_or_refused(string name)
    {
        string text = Crashes.Text("config", name);
        using EditableModel model = new(name.Split('.') is [string architecture, _, _] ? architecture : "bert");
        model.Save();
        if (name.Count(static c => c == '.') == 2)
        {
            foreach ((string key, JsonNode? value) in JsonNode.Parse(text)!.AsObject()) // written as one
            {
                model.Config[key] = value?.DeepClone();
            }

            text = model.Config.ToJsonString();
        }

        File.WriteAllText(Path.Combine(model.Path, "config.json"), text);
        RunOrRefused(model.Path);
    }

    [Theory]
    [MemberData(nameof(CrashedIndexes))]
    public void What_broke_an_index_of_weights_once_is_run_or_refused(string name)
    {
        using EditableModel model = new("bert");
        model.Save(("one.safetensors", static _ => true));
        File.Copy(Crashes.File("weight-index", name), Path.Combine(model.Path, "model.safetensors.index.json"));
        RunOrRefused(model.Path);
    }

    [Fact]
    public void Damaged_indexes_of_weights_are_run_or_refused()
    {
        using EditableModel model = new("bert");
        model.Save(("one.safetensors", static name => name.Contains("layer", StringComparison.Ordinal)), ("two.safetensors", static name => !name.Contains("layer", StringComparison.Ordinal)));
        string index = Path.Combine(model.Path, "model.safetensors.index.json");
        byte[] whole = System.Text.Encoding.UTF8.GetBytes(new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = 1 },
            ["weight_map"] = new JsonObject(model.Tensors.Keys.Select(static name => KeyValuePair.Create(name, (JsonNode?)(name.Contains("layer", StringComparison.Ordinal) ? "one.safetensors" : "two.safetensors")))),
        }.ToJsonString());
        Gen.Select(Gen.Select(Gen.Int[0, whole.Length - 1], Gen.OneOf(Gen.Byte, Gen.Char["{}[]\",:\\u/.0"].Select(static c => (byte)c))).Array[1, 4], Gen.Int[0, 4], Gen.Int[1, whole.Length]).Sample(
            (changes, cut, length) =>
            {
                byte[] damaged = cut == 0 ? whole[..length] : [.. whole];
                foreach ((int at, byte value) in changes.Where(change => change.Item1 < damaged.Length))
                {
                    damaged[at] = value;
                }

                File.WriteAllBytes(index, damaged);
                RunOrRefused(model.Path);
            },
            iter: 200,
            threads: 1);
    }

    private static void RunOrRefused(string folder)
    {
        try
        {
            using Model loaded = Model.Load(folder);
            loaded.Forward(new ModelInput { InputIds = [1, 2, 3], DecoderInputIds = [4, 5] }, Keep.All);
        }
        catch (ModelException error)
        {
            Assert.DoesNotContain("Exception", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Progress_ends_at_one_and_loading_can_be_cancelled()
    {
        List<double> seen = [];
        using (Model.Load(Repository.Oracle("bert"), new Listener(seen.Add)))
        {
            Assert.Equal(1, seen[^1]);
            Assert.Equal(seen.Order(), seen);
            Assert.True(seen.Count > 10);
        }

        using CancellationTokenSource source = new();
        Assert.Throws<OperationCanceledException>(() => Model.Load(Repository.Oracle("bert"), new Listener(_ => source.Cancel()), source.Token));
    }

    [Fact]
    public void Fingerprints_follow_the_content_and_not_the_folder()
    {
        using EditableModel model = new("bert");
        model.Save();
        File.Copy(Path.Combine(Repository.Oracle("bert"), "config.json"), Path.Combine(model.Path, "config.json"), overwrite: true);
        File.Copy(Path.Combine(Repository.Oracle("bert"), "model.safetensors"), Path.Combine(model.Path, "model.safetensors"), overwrite: true);
        string original = Fingerprint(Repository.Oracle("bert"));
        Assert.Equal(original, Fingerprint(model.Path));
        string weights = Path.Combine(model.Path, "model.safetensors");
        foreach (int fromEnd in new[] { 1, 3_001, 77_777, 200_001 })
        {
            byte[] bytes = File.ReadAllBytes(weights);
            bytes[^fromEnd] ^= 1;
            File.WriteAllBytes(weights, bytes);
            Assert.NotEqual(original, Fingerprint(model.Path));
            bytes[^fromEnd] ^= 1;
            File.WriteAllBytes(weights, bytes);
        }

        Assert.Equal(original, Fingerprint(model.Path));
    }

    [Fact]
    public void Facts_are_those_of_the_folder()
    {
        using Model bart = Model.Load(Repository.Oracle("bart"));
        Assert.Equal((ModelKind.EncoderDecoder, 2, 2, 4, 4, 48, 120, 64), (bart.Info.Kind, bart.Info.Layers, bart.Info.DecoderLayers, bart.Info.Heads, bart.Info.DecoderHeads, bart.Info.HiddenSize, bart.Info.VocabularySize, bart.Info.MaxPositions));
        Assert.Equal((2, HeadKind.Sequence2SequenceLanguage, "bart", "bart"), (bart.Info.DecoderStartToken, bart.Info.Head, bart.Info.Name, bart.Info.ModelType));
        using Model vit = Model.Load(Repository.Oracle("vit"));
        Assert.Equal(new PatchGrid(5, 5, 6), vit.Info.Patches);
        Assert.Equal(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"], vit.Info.Labels);
        using Model bare = Model.Load(Repository.Oracle("bert_noprefix"));
        Assert.False(bare.Info.HasLogits);
        Assert.Null(bare.Forward(new ModelInput { InputIds = [1] }, Keep.All).Logits);
        Assert.Contains("has no tokenizer", bare.TokenizerProblem, StringComparison.Ordinal);
    }

    private static string Fingerprint(string folder)
    {
        using Model model = Model.Load(folder);
        return model.Info.Fingerprint;
    }

    private sealed class Listener(Action<double> heard) : IProgress<double>
    {
        public void Report(double value) => heard(value);
    }
}
