using System.Text.Json;

namespace AttentionLens.Models;

/// <summary>
/// config.json or another JSON file of a model folder (or a section of it). Keys equal to a class's default are omitted by Hugging Face, so every reader names its default;
/// a key without one is required. Sizes are checked where they are read.
/// </summary>
internal sealed class ModelConfig
{
    private const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>Larger than any dimension of a published model; keeps products of two sizes inside 64 bits.</summary>
    private const int MaxSize = 1 << 27;

    private readonly JsonElement root;
    private readonly string where;

    /// <param name="root">An object that outlives this.</param>
    /// <param name="where">What messages call it.</param>
    public ModelConfig(JsonElement root, string where)
    {
        this.root = root;
        this.where = where;
    }

    public static ModelConfig Load(string folder, string file = "config.json")
    {
        string path = Path.Combine(folder, file);
        if (!File.Exists(path))
        {
            throw new ModelException($"'{folder}' is no model folder: it has no {file}.");
        }

        try
        {
            if (new FileInfo(path).Length > MaxBytes)
            {
                throw new ModelException($"'{path}' is larger than {MaxBytes / (1024 * 1024)} MB, which no model configuration is.");
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            CheckStrings(document.RootElement);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ModelConfig(document.RootElement.Clone(), file)
                : throw new ModelException($"'{path}' is not a JSON object.");
        }
        catch (JsonException error)
        {
            throw new ModelException($"'{path}' is not valid JSON (line {error.LineNumber + 1}).");
        }
        catch (InvalidOperationException)
        {
            throw new ModelException($"'{path}' is not valid JSON: it holds text that is not UTF-8.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"'{path}' cannot be read: {error.Message}");
        }
    }

    /// <summary>The parser looks into strings only when they are asked for; asking once here means that no later reader has to expect a failure.</summary>
    private static void CheckStrings(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    CheckStrings(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    CheckStrings(property.Value);
                }

                break;
        }
    }

    /// <summary>The file, and the section in it, for messages.</summary>
    public string Name => where;

    public IEnumerable<string> Keys => root.EnumerateObject().Select(static property => property.Name);

    public bool Has(string key) => Find(key) is not null;

    /// <summary>Written as null, which is not the same as left out where the class's default is a value (Mistral's sliding_window).</summary>
    public bool IsNull(string key) => root.TryGetProperty(key, out JsonElement element) && element.ValueKind == JsonValueKind.Null;

    public bool IsFalse(string key) => Find(key)?.ValueKind == JsonValueKind.False;

    public bool IsNumber(string key) => Find(key)?.ValueKind == JsonValueKind.Number;

    /// <summary>The class that saved the checkpoint, such as BertForMaskedLM; empty where it is not said.</summary>
    public string Architecture => Strings("architectures").FirstOrDefault("");

    /// <summary>A positive size. <paramref name="fallback"/> null = required.</summary>
    public int Size(string key, int? fallback = null)
    {
        int value = Integer(key, fallback);
        return value is > 0 and <= MaxSize ? value : throw new ModelException($"{where}: {key} is {value}; it must be between 1 and {MaxSize}.");
    }

    public int? OptionalSize(string key) => Has(key) ? Size(key) : null;

    public int Integer(string key, int? fallback = null)
    {
        if (Find(key) is not { } element)
        {
            return fallback ?? throw new ModelException($"{where} lacks {key}.");
        }

        // Some writers put whole numbers as 10000.0.
        return element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && value == Math.Floor(value) && Math.Abs(value) <= int.MaxValue
            ? (int)value
            : throw new ModelException($"{where}: {key} must be a whole number.");
    }

    public int? OptionalInteger(string key) => Find(key) is { ValueKind: JsonValueKind.Number } ? Integer(key) : null;

    public float Number(string key, float? fallback = null) => (float)Double(key, fallback);

    public double Double(string key, double? fallback = null)
    {
        if (Find(key) is not { } element)
        {
            return fallback ?? throw new ModelException($"{where} lacks {key}.");
        }

        return Finite(element) ?? throw new ModelException($"{where}: {key} must be a number.");
    }

    /// <summary>One number or a list of numbers; empty where there is none.</summary>
    public IReadOnlyList<double> Numbers(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } element => [.. element.EnumerateArray().Take(4096).Select(item =>
            Finite(item) ?? throw new ModelException($"{where}: {key} must hold numbers."))],
        _ => [Double(key)],
    };

    /// <summary>A number that float32 holds.</summary>
    private static double? Finite(JsonElement element) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && float.IsFinite((float)value) ? value : null;

    public bool Flag(string key, bool fallback) => Find(key) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw new ModelException($"{where}: {key} must be true or false."),
    };

    public string Text(string key, string? fallback = null) => Find(key) switch
    {
        null => fallback ?? throw new ModelException($"{where} lacks {key}."),
        { ValueKind: JsonValueKind.String } element => element.GetString()!, // a string element is never null
        _ => throw new ModelException($"{where}: {key} must be a string."),
    };

    /// <summary>A nested object; null where it is absent or null.</summary>
    public ModelConfig? Section(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } element => new ModelConfig(element, $"{where}: {key}"),
        _ => throw new ModelException($"{where}: {key} must be an object."),
    };

    /// <summary>One number or a list of numbers.</summary>
    public IReadOnlyList<int> Integers(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } element => [.. element.EnumerateArray().Take(4096).Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int value) ? value : throw new ModelException($"{where}: {key} must hold whole numbers."))],
        _ => [Integer(key)],
    };

    public IReadOnlyList<string> Strings(string key) => Find(key) is { ValueKind: JsonValueKind.Array } element
        ? [.. element.EnumerateArray().Where(static item => item.ValueKind == JsonValueKind.String).Select(static item => item.GetString()!)] // filtered to strings
        : [];

    /// <summary><c>id2label</c>: {"0": "NAME", ...}.</summary>
    public IReadOnlyList<string> Labels()
    {
        if (Find("id2label") is not { ValueKind: JsonValueKind.Object } element)
        {
            return [];
        }

        SortedDictionary<int, string> labels = [];
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (int.TryParse(property.Name, out int id) && property.Value.ValueKind == JsonValueKind.String)
            {
                labels[id] = property.Value.GetString()!; // a string element is never null
            }
        }

        return [.. labels.Values];
    }

    /// <summary>Refuses an option that would be computed differently from how it is computed here.</summary>
    public void Demand(bool holds, string what)
    {
        if (!holds)
        {
            throw new ModelException($"{where}: {what} is not supported.");
        }
    }

    private JsonElement? Find(string key) =>
        root.TryGetProperty(key, out JsonElement element) && element.ValueKind != JsonValueKind.Null ? element : null;
}
