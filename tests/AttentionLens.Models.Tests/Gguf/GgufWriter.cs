using System.Text;
using System.Text.Json;

namespace AttentionLens.Models.Tests.Gguf;

/// <summary>Writes GGUF files as llama.cpp's conversion does, for models that the oracle knows.</summary>
internal sealed class GgufWriter
{
    private readonly List<(string Key, uint Type, Action<BinaryWriter> Write)> keys = [];
    private readonly List<(string Name, int[] Shape, uint Type, byte[] Data)> tensors = [];

    public GgufWriter Text(string key, string value) => Key(key, 8, writer => String(writer, value));

    public GgufWriter Integer(string key, int value) => Key(key, 4, writer => writer.Write((uint)value));

    public GgufWriter Number(string key, double value) => Key(key, 6, writer => writer.Write((float)value));

    public GgufWriter Flag(string key, bool value) => Key(key, 7, writer => writer.Write(value));

    public GgufWriter Texts(string key, IReadOnlyList<string> values) => Array(key, 8, values.Count, (writer, i) => String(writer, values[i]));

    public GgufWriter Numbers(string key, IReadOnlyList<float> values) => Array(key, 6, values.Count, (writer, i) => writer.Write(values[i]));

    public GgufWriter Integers(string key, IReadOnlyList<int> values) => Array(key, 5, values.Count, (writer, i) => writer.Write(values[i]));

    /// <param name="shape">Outermost first.</param>
    public GgufWriter Tensor(string name, int[] shape, ReadOnlySpan<float> values)
    {
        tensors.Add((name, shape, 0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values).ToArray()));
        return this;
    }

    public GgufWriter Tensor(string name, int[] shape, uint type, byte[] data)
    {
        tensors.Add((name, shape, type, data));
        return this;
    }

    public byte[] ToArray()
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)keys.Count);
        foreach ((string key, uint type, Action<BinaryWriter> write) in keys)
        {
            String(writer, key);
            writer.Write(type);
            write(writer);
        }

        ulong offset = 0;
        foreach ((string name, int[] shape, uint type, byte[] data) in tensors)
        {
            String(writer, name);
            writer.Write((uint)shape.Length);
            foreach (int size in shape.Reverse())
            {
                writer.Write((ulong)size);
            }

            writer.Write(type);
            writer.Write(offset);
            offset += (ulong)(data.Length + 31) / 32 * 32;
        }

        Pad();
        foreach ((_, _, _, byte[] data) in tensors)
        {
            writer.Write(data);
            Pad();
        }

        return stream.ToArray();

        void Pad()
        {
            while (stream.Length % 32 != 0)
            {
                writer.Write((byte)0);
            }
        }
    }

    /// <summary>A Hugging Face folder of the LLaMA family: names, order of the rotary dimensions and norms as the conversion writes them.</summary>
    public static GgufWriter FromFolder(string folder)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
        JsonElement config = document.RootElement;
        string type = config.GetProperty("model_type").GetString()!;
        string architecture = type == "mistral" ? "llama" : type;
        int heads = config.GetProperty("num_attention_heads").GetInt32();
        int keyHeads = config.TryGetProperty("num_key_value_heads", out JsonElement shared) ? shared.GetInt32() : heads;
        int size = config.TryGetProperty("head_dim", out JsonElement given) ? given.GetInt32() : config.GetProperty("hidden_size").GetInt32() / heads;
        GgufWriter writer = new GgufWriter()
            .Text("general.architecture", architecture)
            .Text("general.name", Path.GetFileName(folder))
            .Integer($"{architecture}.context_length", config.GetProperty("max_position_embeddings").GetInt32())
            .Integer($"{architecture}.embedding_length", config.GetProperty("hidden_size").GetInt32())
            .Integer($"{architecture}.block_count", config.GetProperty("num_hidden_layers").GetInt32())
            .Integer($"{architecture}.feed_forward_length", config.GetProperty("intermediate_size").GetInt32())
            .Integer($"{architecture}.attention.head_count", heads)
            .Integer($"{architecture}.attention.head_count_kv", keyHeads)
            .Integer($"{architecture}.attention.key_length", size)
            .Number($"{architecture}.attention.layer_norm_rms_epsilon", config.TryGetProperty("rms_norm_eps", out JsonElement epsilon) ? epsilon.GetDouble() : 1e-6)
            .Number($"{architecture}.rope.freq_base", config.TryGetProperty("rope_theta", out JsonElement theta) ? theta.GetDouble() : 10000);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        foreach (SafetensorsEntry entry in file.Entries.Values)
        {
            float[] values = file.ReadFloats(entry.Name);
            if (architecture == "llama" && entry.Name.Contains("q_proj", StringComparison.Ordinal))
            {
                values = Interleaved(values, heads, size);
            }
            else if (architecture == "llama" && entry.Name.Contains("k_proj", StringComparison.Ordinal))
            {
                values = Interleaved(values, keyHeads, size);
            }
            else if (architecture == "gemma" && entry.Name.EndsWith("norm.weight", StringComparison.Ordinal))
            {
                values = [.. values.Select(static value => value + 1)];
            }

            writer.Tensor(Renamed(entry.Name), entry.Shape, values);
        }

        return writer;
    }

    /// <summary>Rows [heads, 2, size / 2] become [heads, size / 2, 2].</summary>
    private static float[] Interleaved(float[] values, int heads, int size)
    {
        int width = values.Length / (heads * size);
        float[] result = new float[values.Length];
        for (int row = 0; row < heads * size; row++)
        {
            int inHead = row % size;
            int target = row - inHead + (inHead % (size / 2) * 2) + (inHead / (size / 2));
            values.AsSpan(row * width, width).CopyTo(result.AsSpan(target * width));
        }

        return result;
    }

    private static string Renamed(string name) => name
        .Replace("model.embed_tokens", "token_embd", StringComparison.Ordinal)
        .Replace("lm_head", "output", StringComparison.Ordinal)
        .Replace("model.norm", "output_norm", StringComparison.Ordinal)
        .Replace("model.layers", "blk", StringComparison.Ordinal)
        .Replace("input_layernorm", "attn_norm", StringComparison.Ordinal)
        .Replace("post_attention_layernorm", "ffn_norm", StringComparison.Ordinal)
        .Replace("self_attn.o_proj", "attn_output", StringComparison.Ordinal)
        .Replace("self_attn.", "attn_", StringComparison.Ordinal)
        .Replace("mlp.", "ffn_", StringComparison.Ordinal)
        .Replace("_proj", "", StringComparison.Ordinal);

    private GgufWriter Key(string key, uint type, Action<BinaryWriter> write)
    {
        keys.Add((key, type, write));
        return this;
    }

    private GgufWriter Array(string key, uint type, int count, Action<BinaryWriter, int> write) => Key(key, 9, writer =>
    {
        writer.Write(type);
        writer.Write((ulong)count);
        for (int i = 0; i < count; i++)
        {
            write(writer, i);
        }
    });

    private static void String(BinaryWriter writer, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
