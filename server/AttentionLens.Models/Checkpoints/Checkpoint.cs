using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace AttentionLens.Models;

/// <summary>The weights of a model: one safetensors file, several listed by an index, a known ONNX export, or a GGUF file.</summary>
internal sealed class Checkpoint : IDisposable
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = SingleFile + ".index.json";
    private const int MaxIndexBytes = 64 * 1024 * 1024;

    private readonly List<IWeightFile> files = [];
    private readonly Dictionary<string, IWeightFile> home = new(StringComparer.Ordinal);

    private Checkpoint()
    {
    }

    /// <summary>Bytes of all files.</summary>
    public long Bytes => files.Sum(static f => f.Length);

    /// <summary>Stored values of all floating-point tensors.</summary>
    public long Parameters => home.Sum(static pair => pair.Value.Tensors[pair.Key] is { IsFloat: true } tensor ? tensor.Count : 0);

    public IEnumerable<string> Names => home.Keys;

    /// <summary>A model that is one file.</summary>
    public static Checkpoint Of(IWeightFile file)
    {
        Checkpoint checkpoint = new();
        checkpoint.Add(file);
        return checkpoint;
    }

    /// <summary>Whether <see cref="Open"/> finds weights in a folder.</summary>
    public static bool Exists(string folder) =>
        File.Exists(Path.Combine(folder, SingleFile)) || File.Exists(Path.Combine(folder, IndexFile)) || OnnxExport(folder) is not null;

    /// <summary>The weights of a Hugging Face folder.</summary>
    public static Checkpoint Open(string folder)
    {
        Checkpoint checkpoint = new();
        try
        {
            string single = Path.Combine(folder, SingleFile);
            string index = Path.Combine(folder, IndexFile);
            if (File.Exists(single))
            {
                checkpoint.Add(SafetensorsFile.Open(single));
            }
            else if (File.Exists(index))
            {
                checkpoint.AddShards(folder, index);
            }
            else if (OnnxExport(folder) is { } export)
            {
                checkpoint.Add(OnnxFile.Open(export));
            }
            else
            {
                throw Missing(folder);
            }

            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public bool Has(string name) => home.ContainsKey(name);

    public int[] Shape(string name) => home[name].Tensors[name].Shape;

    /// <summary>Values <paramref name="first"/>, +1, ... of a tensor, as floats; refuses NaN and infinities, which would spread through every result.</summary>
    public void Read(string name, long first, Span<float> destination)
    {
        home[name].Read(name, first, destination);
        if (!Rows.AllFinite(destination))
        {
            throw new ModelException($"Tensor '{name}' holds values that are not finite numbers; the checkpoint is damaged or its training diverged.");
        }
    }

    /// <summary>Every value of every floating-point tensor, checked as in <see cref="Read"/>.</summary>
    public void ReadEverything(IProgress<double>? progress, CancellationToken cancellation)
    {
        float[] buffer = ArrayPool<float>.Shared.Rent(1 << 20);
        long total = Parameters;
        long done = 0;
        foreach ((string name, IWeightFile file) in home)
        {
            StoredTensor tensor = file.Tensors[name];
            for (long at = 0; tensor.IsFloat && at < tensor.Count; at += buffer.Length)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = (int)Math.Min(buffer.Length, tensor.Count - at);
                Read(name, at, buffer.AsSpan(0, count));
                done += count;
                progress?.Report((double)done / total);
            }
        }

        ArrayPool<float>.Shared.Return(buffer);
    }

    /// <summary>Stable under copying: configuration, headers and values (of a large file, samples: <see cref="MappedFile.AppendTo"/>).</summary>
    public string Fingerprint(ReadOnlySpan<byte> configuration)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(configuration);
        foreach (IWeightFile file in files)
        {
            file.AppendTo(hash);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));
    }

    public void Dispose()
    {
        foreach (IWeightFile file in files)
        {
            file.Dispose();
        }

        files.Clear();
    }

    private void Add(IWeightFile file)
    {
        files.Add(file);
        foreach (string name in file.Tensors.Keys)
        {
            if (!home.TryAdd(name, file))
            {
                throw new ModelException($"Tensor '{name}' is in two of the model's weight files.");
            }
        }
    }

    private void AddShards(string folder, string index)
    {
        try
        {
            if (new FileInfo(index).Length > MaxIndexBytes)
            {
                throw new ModelException($"'{index}' is larger than {MaxIndexBytes / (1024 * 1024)} MB, which no index of weight files is.");
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(index));
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("weight_map", out JsonElement map)
                || map.ValueKind != JsonValueKind.Object)
            {
                throw new ModelException($"'{index}' has no weight_map.");
            }

            SortedSet<string> shards = new(StringComparer.Ordinal);
            foreach (JsonProperty property in map.EnumerateObject())
            {
                string shard = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : ""; // a string element is never null
                // A bare file name: an index never reaches outside its folder.
                if (shard.Length == 0 || shard != Path.GetFileName(shard) || shard is "." or "..")
                {
                    throw new ModelException($"'{index}' places tensor '{property.Name}' in '{shard}', which is no file name.");
                }

                shards.Add(shard);
            }

            foreach (string shard in shards)
            {
                string path = Path.Combine(folder, shard);
                if (!File.Exists(path))
                {
                    throw new ModelException($"The model is incomplete: '{shard}' is listed in {Path.GetFileName(index)} but is not in the folder; download it.");
                }

                Add(SafetensorsFile.Open(path));
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new ModelException($"'{index}' is not valid JSON.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"'{index}' cannot be read: {error.Message}");
        }
    }

    /// <summary>Where sentence-transformers and optimum put their exports.</summary>
    private static string? OnnxExport(string folder) =>
        ((string[])[Path.Combine(folder, "model.onnx"), Path.Combine(folder, "onnx", "model.onnx")]).FirstOrDefault(File.Exists);

    private static ModelException Missing(string folder)
    {
        if (File.Exists(Path.Combine(folder, "pytorch_model.bin")) || File.Exists(Path.Combine(folder, "pytorch_model.bin.index.json")))
        {
            return new ModelException(
                $"'{folder}' holds pytorch_model.bin, a pickle that can run code when it is opened, so it is not read; convert it to model.safetensors with "
                + "`python3 training/convert/pickle_to_safetensors.py pytorch_model.bin model.safetensors`, or take the model's safetensors file.");
        }

        string? other = Directory.EnumerateFiles(folder)
            .Select(static path => Path.GetFileName(path))
            .FirstOrDefault(static name => name.EndsWith(".h5", StringComparison.OrdinalIgnoreCase)
                || name.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)
                || name.EndsWith(".msgpack", StringComparison.OrdinalIgnoreCase));
        return new ModelException(other is null
            ? $"'{folder}' has no weights: neither model.safetensors nor model.safetensors.index.json is there."
            : $"'{folder}' holds its weights as '{other}', which is not read; convert them with `python3 -c \"from transformers import AutoModel as M; "
                + $"M.from_pretrained('{folder}'{(other.EndsWith(".h5", StringComparison.OrdinalIgnoreCase) ? ", from_tf=True" : other.EndsWith(".msgpack", StringComparison.OrdinalIgnoreCase) ? ", from_flax=True" : "")}).save_pretrained('{folder}')\"`, or take the model's safetensors file.");
    }
}
