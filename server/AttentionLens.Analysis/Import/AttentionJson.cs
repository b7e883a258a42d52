using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Import;

/// <summary>Attention as JSON: what BertViz puts into its pages, and what <c>attend --format json</c> writes.</summary>
internal static class AttentionJson
{
    /// <summary>A digit string costs several times its float.</summary>
    private const long LargestFile = 1L << 30;

    /// <exception cref="ModelException">Not such a file.</exception>
    public static List<ImportedStack> Read(string path)
    {
        var name = Path.GetFileName(path);
        using var stream = File.OpenRead(path);
        if (stream.Length > LargestFile)
        {
            throw new ModelException($"{name} has {stream.Length >> 20} MB, and JSON is read up to {LargestFile >> 20} MB; save some layers only, or NPZ.");
        }

        try
        {
            using var json = JsonDocument.Parse(stream, new JsonDocumentOptions { MaxDepth = 16 });
            var root = json.RootElement;
            var stacks = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("stacks", out var own)
                ? own.EnumerateArray().Select(Own).ToList()
                : BertViz(root.ValueKind == JsonValueKind.Object && root.TryGetProperty("attention", out var inner) ? inner : root);
            return stacks.Count > 0 ? stacks : throw new FormatException();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new ModelException(
                $"{name} is not attention as BertViz or 'attend --format json' writes it: 'attention' with 'attn' [layers][heads][queries][keys], 'left_text' and 'right_text'.");
        }
    }

    /// <summary>A list of named stacks; before version 1.1 an object of filters, of which "all" is the whole.</summary>
    private static List<ImportedStack> BertViz(JsonElement attention)
    {
        if (attention.ValueKind == JsonValueKind.Array)
        {
            // "All", "Sentence A -> Sentence A", ...: the rest is cut from the first.
            var entries = attention.EnumerateArray().Select(entry => (Name: Name(entry), Entry: entry)).ToList();
            var whole = entries.FirstOrDefault(entry => string.Equals(entry.Name, "all", StringComparison.OrdinalIgnoreCase));
            return [.. (whole.Name is null ? entries : [whole]).Select(entry => Stack(entry.Name, entry.Entry))];
        }

        return attention.TryGetProperty("all", out var all)
            ? [Stack(null, all)]
            : [.. attention.EnumerateObject().Where(entry => entry.Value.ValueKind == JsonValueKind.Object).Select(entry => Stack(entry.Name, entry.Value))];

        static string? Name(JsonElement entry) => entry.TryGetProperty("name", out var name) ? name.GetString() : null;
    }

    private static ImportedStack Stack(string? name, JsonElement entry)
    {
        var kind = name?.ToLowerInvariant() switch
        {
            "decoder" => AttentionKind.Decoder,
            "cross" => AttentionKind.Cross,
            "encoder" => AttentionKind.Encoder,
            _ => (AttentionKind?)null,
        };
        var stack = new ImportedStack(kind, Texts(entry.GetProperty("left_text")), Texts(entry.GetProperty("right_text")));
        var layers = entry.GetProperty("attn").EnumerateArray().ToArray();
        int[] numbers = entry.TryGetProperty("include_layers", out var included) && included.ValueKind == JsonValueKind.Array
            ? [.. included.EnumerateArray().Select(layer => layer.GetInt32())]
            : [];
        for (var i = 0; i < layers.Length; i++)
        {
            stack.Add(numbers.Length == layers.Length ? numbers[i] : i, [.. layers[i].EnumerateArray().Select(head => Matrix(head))]);
        }

        return stack;
    }

    private static ImportedStack Own(JsonElement entry)
    {
        var queries = Tokens(entry.GetProperty("queries"));
        var kind = Enum.GetValues<AttentionKind>().Where(known => string.Equals($"{known}", entry.GetProperty("kind").GetString(), StringComparison.OrdinalIgnoreCase)).ToArray();
        var stack = new ImportedStack(
            kind is [var one] ? one : throw new FormatException(), queries, entry.TryGetProperty("keys", out var keys) ? Tokens(keys) : queries);
        foreach (var layer in entry.GetProperty("layers").EnumerateArray())
        {
            var index = layer.GetProperty("layer");
            stack.Add(
                index.ValueKind == JsonValueKind.Number ? index.GetInt32() : null,
                [.. layer.GetProperty("heads").EnumerateArray().Select(head => Matrix(head.GetProperty("rows")))]);
        }

        return stack;

        static string[] Tokens(JsonElement tokens) => [.. tokens.EnumerateArray().Select(token => token.GetProperty("text").GetString()!)];
    }

    private static string[] Texts(JsonElement texts) => [.. texts.EnumerateArray().Select(text => text.GetString()!)];

    private static float[] Matrix(JsonElement rows)
    {
        List<float> weights = [];
        foreach (var row in rows.EnumerateArray())
        {
            foreach (var weight in row.EnumerateArray())
            {
                weights.Add(weight.GetSingle());
            }
        }

        return [.. weights];
    }
}
