using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AttentionLens.Tokenization;

namespace AttentionLens.Models;

/// <summary>
/// A GGUF file of the LLaMA family under the names and in the layout of Hugging Face, which the architectures read: what llama.cpp's conversion
/// changed is changed back.
/// </summary>
internal sealed partial class GgufModel : IWeightFile
{
    private const string RotaryFactors = "rope_freqs.weight";

    private readonly GgufFile file;
    private readonly string architecture;
    private readonly Dictionary<string, string> stored = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StoredTensor> tensors = new(StringComparer.Ordinal);

    private GgufModel(GgufFile file)
    {
        this.file = file;
        architecture = file.Text("general.architecture");
        if (architecture is not ("llama" or "qwen2" or "gemma"))
        {
            throw new ModelException($"{file.Name} holds the architecture '{architecture}'; as GGUF llama (Mistral included), qwen2 and gemma are read. Take the model's safetensors files instead.");
        }

        if (Size("expert_count", 0) > 0)
        {
            throw new ModelException($"{file.Name} is a mixture of experts, which is not supported.");
        }

        foreach ((string name, StoredTensor tensor) in file.Tensors)
        {
            if (name == RotaryFactors)
            {
                continue;
            }

            string known = Rename(name) ?? throw new ModelException($"{file.Name} has a tensor '{name}', which {architecture} models of this kind do not have.");
            stored.Add(known, name);
            tensors.Add(known, tensor);
        }

        if (!tensors.ContainsKey("model.embed_tokens.weight"))
        {
            throw new ModelException($"{file.Name} lacks tensor 'token_embd.weight'; it is not a whole model.");
        }

        Config = Describe();
    }

    /// <summary>What config.json of the same model would say.</summary>
    public ModelConfig Config { get; }

    public string Name => file.Metadata.GetValueOrDefault("general.name") as string is { Length: > 0 } name ? name : Path.GetFileNameWithoutExtension(file.Name);

    public long Length => file.Length;

    public IReadOnlyDictionary<string, StoredTensor> Tensors => tensors;

    /// <exception cref="ModelException">Not a GGUF file, or none of a model that is reproduced here.</exception>
    public static GgufModel Open(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new GgufModel(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <exception cref="TokenizerException">The vocabulary in the file cannot be used.</exception>
    public Tokenizer ReadTokenizer() => Tokenizer.Create(new GgufVocabulary
    {
        Model = file.Metadata.GetValueOrDefault("tokenizer.ggml.model") as string ?? "",
        PreTokenizer = file.Metadata.GetValueOrDefault("tokenizer.ggml.pre") as string ?? "default",
        Tokens = file.Metadata.GetValueOrDefault("tokenizer.ggml.tokens") as string[] ?? [],
        Scores = [.. (file.Metadata.GetValueOrDefault("tokenizer.ggml.scores") as double[] ?? []).Select(static score => (float)score)],
        Types = [.. (file.Metadata.GetValueOrDefault("tokenizer.ggml.token_type") as long[] ?? []).Select(static type => (int)Math.Clamp(type, 0, int.MaxValue))],
        Merges = file.Metadata.GetValueOrDefault("tokenizer.ggml.merges") as string[] ?? [],
        Bos = TokenId("bos"),
        Eos = TokenId("eos"),
        Unknown = TokenId("unknown"),
        Padding = TokenId("padding"),
        AddsBos = file.Metadata.GetValueOrDefault("tokenizer.ggml.add_bos_token") as bool?,
        AddsEos = file.Metadata.GetValueOrDefault("tokenizer.ggml.add_eos_token") as bool?,
        AddsSpacePrefix = file.Metadata.GetValueOrDefault("tokenizer.ggml.add_space_prefix") as bool?,
    });

    public void Read(string name, long first, Span<float> destination)
    {
        string source = stored[name];
        if (architecture == "llama" && Heads(name) is { } heads)
        {
            ReadRotated(source, heads, first, destination);
            return;
        }

        file.Read(source, first, destination);
        if (architecture == "gemma" && name.EndsWith("norm.weight", StringComparison.Ordinal))
        {
            // Hugging Face stores Gemma's norm weights minus one and adds it in the pass; the conversion has added it already.
            foreach (ref float value in destination)
            {
                value -= 1;
            }
        }
    }

    public void AppendTo(IncrementalHash hash) => file.AppendTo(hash);

    public void Dispose() => file.Dispose();

    /// <summary>
    /// llama.cpp turns neighbouring pairs of a head's dimensions, Hugging Face turns dimension i with i + size / 2; the conversion to GGUF reorders
    /// the rows of queries and keys for that, and only for the architecture "llama".
    /// </summary>
    private void ReadRotated(string source, int heads, long first, Span<float> destination)
    {
        int[] shape = file.Tensors[source].Shape;
        int width = shape.Length == 2 ? shape[1] : 1;
        int size = shape[0] / heads;
        if (shape[0] % heads != 0 || size % 2 != 0)
        {
            throw new ModelException($"Tensor '{source}' has shape {Shapes.Text(shape)}, which {heads} heads cannot share.");
        }

        while (!destination.IsEmpty)
        {
            long row = first / width;
            int column = (int)(first % width);
            int inHead = (int)(row % size);
            long storedRow = row - inHead + (inHead % (size / 2) * 2) + (inHead / (size / 2));
            int count = Math.Min(width - column, destination.Length);
            file.Read(source, (storedRow * width) + column, destination[..count]);
            destination = destination[count..];
            first += count;
        }
    }

    /// <summary>The heads of a query or key projection; null for any other tensor.</summary>
    private int? Heads(string name) =>
        name.Contains(".q_proj.", StringComparison.Ordinal) ? Size("attention.head_count")
        : name.Contains(".k_proj.", StringComparison.Ordinal) ? Size("attention.head_count_kv", Size("attention.head_count"))
        : null;

    private ModelConfig Describe()
    {
        int heads = Size("attention.head_count");
        int hidden = Size("embedding_length");
        JsonObject config = new()
        {
            ["model_type"] = architecture,
            ["vocab_size"] = tensors["model.embed_tokens.weight"].Shape[0],
            ["hidden_size"] = hidden,
            ["intermediate_size"] = Size("feed_forward_length"),
            ["num_hidden_layers"] = Size("block_count"),
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = Size("attention.head_count_kv", heads),
            ["head_dim"] = Size("attention.key_length", heads > 0 ? hidden / heads : 0),
            ["max_position_embeddings"] = Size("context_length"),
            ["rms_norm_eps"] = file.Number($"{architecture}.attention.layer_norm_rms_epsilon")
                ?? throw new ModelException($"{file.Name} lacks {architecture}.attention.layer_norm_rms_epsilon."),
            ["rope_theta"] = file.Number($"{architecture}.rope.freq_base") ?? 10000,
            ["tie_word_embeddings"] = !tensors.ContainsKey("lm_head.weight"),
            ["sliding_window"] = null,
        };
        if (TokenId("eos") is { } end)
        {
            config["eos_token_id"] = end;
        }

        if (Scaling() is { } scaling)
        {
            config["rope_scaling"] = scaling;
        }

        using JsonDocument document = JsonDocument.Parse(config.ToJsonString());
        return new ModelConfig(document.RootElement.Clone(), file.Name);
    }

    private JsonObject? Scaling()
    {
        if (file.Tensors.TryGetValue(RotaryFactors, out StoredTensor? factors))
        {
            float[] values = new float[factors.Count];
            file.Read(RotaryFactors, 0, values);
            return new JsonObject { ["rope_type"] = RotaryPositions.Factors, ["factors"] = new JsonArray([.. values.Select(static value => (JsonNode)value)]) };
        }

        string type = file.Metadata.GetValueOrDefault($"{architecture}.rope.scaling.type") as string ?? "none";
        return type switch
        {
            "none" => null,
            "linear" => new JsonObject { ["rope_type"] = "linear", ["factor"] = file.Number($"{architecture}.rope.scaling.factor") ?? 1 },
            _ => throw new ModelException($"{file.Name} scales its rotary positions as '{type}', which is not reproduced for GGUF."),
        };
    }

    private int Size(string key, int? fallback = null) => file.Metadata.GetValueOrDefault($"{architecture}.{key}") switch
    {
        long value and >= 0 and <= int.MaxValue => (int)value,
        null when fallback is { } given => given,
        null => throw new ModelException($"{file.Name} lacks {architecture}.{key}."),
        // Some architectures write one number per layer; those read here have the same in each.
        long[] { Length: > 0 } values when values.All(value => value == values[0]) && values[0] is >= 0 and <= int.MaxValue => (int)values[0],
        _ => throw new ModelException($"{file.Name}: {architecture}.{key} must be one whole number."),
    };

    private int? TokenId(string role) => file.Integer($"tokenizer.ggml.{role}_token_id") is long id and >= 0 and <= int.MaxValue ? (int)id : null;

    private static string? Rename(string name)
    {
        switch (name)
        {
            case "token_embd.weight":
                return "model.embed_tokens.weight";
            case "output.weight":
                return "lm_head.weight";
            case "output_norm.weight":
                return "model.norm.weight";
        }

        if (BlockName().Match(name) is not { Success: true } block)
        {
            return null;
        }

        string? part = block.Groups[2].Value switch
        {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            _ => null,
        };
        return part is null ? null : $"model.layers.{block.Groups[1].Value}.{part}.{block.Groups[3].Value}";
    }

    [GeneratedRegex(@"\Ablk\.(\d{1,5})\.(\w+)\.(weight|bias)\z", RegexOptions.CultureInvariant)]
    private static partial Regex BlockName();
}
