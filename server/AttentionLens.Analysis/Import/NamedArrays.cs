using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Import;

/// <summary>Arrays by name, as NumPy and safetensors files hold them, and texts beside them.</summary>
internal sealed class NamedArrays
{
    /// <summary>Of one file, 2 GB as float32.</summary>
    public const long MostValues = 500_000_000;

    private readonly Dictionary<string, (int[] Shape, float[] Values)> arrays = new(StringComparer.Ordinal);
    private long total;

    public Dictionary<string, string[]> Strings { get; } = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, (int[] Shape, float[] Values)> All => arrays;

    /// <exception cref="ModelException">All together are too large.</exception>
    public void Add(string name, int[] shape, float[] values)
    {
        total += values.Length;
        arrays[name] = total <= MostValues
            ? (shape, values)
            : throw new ModelException($"The file holds more than {MostValues:N0} values; save some layers or heads only.");
    }

    /// <summary>What has a name that is about attention; the header may name lists of tokens as JSON.</summary>
    /// <exception cref="ModelException">Not such a file.</exception>
    public static NamedArrays OfSafetensors(string path, Func<string, bool> wanted, CancellationToken cancellation)
    {
        var arrays = new NamedArrays();
        using var file = SafetensorsFile.Open(path);
        foreach (var entry in file.Entries.Values.Where(e => wanted(e.Name)))
        {
            cancellation.ThrowIfCancellationRequested();
            if (arrays.total + entry.Count > MostValues)
            {
                throw new ModelException($"{Path.GetFileName(path)} holds more than {MostValues:N0} values; save some layers or heads only.");
            }

            arrays.Add(entry.Name, entry.Shape, file.ReadFloats(entry.Name));
        }

        foreach (var (name, text) in file.Metadata.Where(pair => pair.Key.EndsWith("tokens", StringComparison.Ordinal)))
        {
            try
            {
                using var json = JsonDocument.Parse(text);
                arrays.Strings[name] = [.. json.RootElement.EnumerateArray().Select(token => token.GetString() ?? "")];
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException)
            {
                throw new ModelException($"{Path.GetFileName(path)}: '{name}' of its header is no JSON list of texts.");
            }
        }

        return arrays;
    }
}
