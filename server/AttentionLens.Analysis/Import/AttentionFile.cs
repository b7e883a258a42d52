using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using AttentionLens.Analysis.Export;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Import;

/// <summary>The weights of one stack as they come out of a file, layer by layer.</summary>
internal sealed class ImportedStack(AttentionKind? kind, string[]? queries, string[]? keys)
{
    private readonly List<(int? Number, float[][] Heads)> layers = [];

    public AttentionKind? Kind => kind;

    public string[]? Queries => queries;

    public string[]? Keys => keys;

    /// <summary>In the order of their numbers; a mean has none.</summary>
    public IReadOnlyList<(int? Number, float[][] Heads)> Layers => [.. layers.OrderBy(layer => layer.Number ?? -1)];

    public void Add(int? number, float[][] heads) => layers.Add((number, heads));
}

/// <summary>
/// Attention that another program computed: NPZ, safetensors, or JSON as BertViz has it (docs/corpora.md). It becomes a trace without a model, so that
/// whatever shows attention shows this too.
/// </summary>
public sealed partial record AttentionFile
{
    private static readonly string[] Prefixes = ["", "encoder_", "decoder_", "cross_", "text_", "vision_"];

    private AttentionFile(AttentionTrace trace, (AttendedToken[] Queries, AttendedToken[] Keys)[] tokens, string? notice) =>
        (Trace, Tokens, Notice) = (trace, tokens, notice);

    public AttentionTrace Trace { get; }

    /// <summary>The two sides of each stack.</summary>
    public IReadOnlyList<(AttendedToken[] Queries, AttendedToken[] Keys)> Tokens { get; }

    /// <summary>What its user should know about how it was read, or null.</summary>
    public string? Notice { get; }

    /// <exception cref="ModelException">The file cannot be used; says why.</exception>
    public static AttentionFile Read(string path, CancellationToken cancellation = default)
    {
        var name = Path.GetFileName(path);
        if (!File.Exists(path))
        {
            throw new ModelException($"The file '{path}' does not exist.");
        }

        var stacks = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".npz" => Stacks(name, NumpyReader.Read(path, cancellation)),
            ".safetensors" => Stacks(name, NamedArrays.OfSafetensors(path, tensor => TensorName().IsMatch(tensor), cancellation)),
            ".json" => AttentionJson.Read(path),
            _ => throw new ModelException($"{name} is no file that attention is read from: .npz, .safetensors or .json (BertViz)."),
        };
        using var stream = File.OpenRead(path);
        return Of(name, path, Convert.ToHexStringLower(SHA256.HashData(stream)), stacks);
    }

    private static AttentionFile Of(string name, string path, string fingerprint, List<ImportedStack> imported)
    {
        List<StoredAttention> stored = [];
        List<(AttendedToken[], AttendedToken[])> tokens = [];
        string? notice = null;
        foreach (var stack in imported)
        {
            var layers = stack.Layers;
            var (heads, cells) = layers is [{ Heads: [var one, ..] }, ..] ? (layers[0].Heads.Length, one.Length) : (0, 0);
            if (heads == 0 || cells == 0 || layers.Any(layer => layer.Heads.Length != heads || layer.Heads.Any(head => head.Length != cells)))
            {
                throw new ModelException($"{name}: all layers must have the same number of heads, and all heads matrices of one size that is not 0.");
            }

            var queries = stack.Queries?.Length ?? (stack.Keys is { } right ? cells / right.Length : (int)Math.Sqrt(cells));
            var keys = stack.Keys?.Length ?? (queries == 0 ? 0 : cells / queries);
            if ((long)queries * keys != cells)
            {
                throw new ModelException($"{name}: its matrices have {cells:N0} weights, and there are {queries:N0} tokens that attend and {keys:N0} that are attended to.");
            }

            if (layers.Any(layer => layer.Heads.Any(head => head.Any(weight => !float.IsFinite(weight) || weight < 0))))
            {
                throw new ModelException($"{name}: its weights must be numbers that are not negative; it holds others.");
            }

            if (layers.Select((layer, i) => layer.Number == i).Contains(false))
            {
                notice = $"{name} holds layers {string.Join(", ", layers.Select(layer => AttentionResult.Label(layer.Number)))}; they are numbered from 0 here.";
            }

            var causal = stack.Kind != AttentionKind.Cross && queries == keys && queries > 1 && layers.All(layer => layer.Heads.All(head => IsCausal(head, queries)));
            var kind = stack.Kind is { } known and not AttentionKind.Encoder ? known : causal && imported.Count == 1 ? AttentionKind.Decoder : AttentionKind.Encoder;
            var (left, above) = (Attended(stack.Queries, queries), Attended(stack.Keys, keys));
            int[] separators = [.. Enumerable.Range(0, keys).Where(i => above[i].Text is "[SEP]" or "</s>" or "<eos>" or "<|endoftext|>")];
            stored.Add(new StoredAttention(kind, heads, queries, keys, causal, [.. layers.Select(layer => layer.Heads.SelectMany(head => head).ToArray())], separators));
            tokens.Add(queries == keys && kind != AttentionKind.Cross ? (left, left) : (left, above));
        }

        var kinds = stored.Select(stack => stack.Kind).ToHashSet();
        if (kinds.Count != stored.Count)
        {
            throw new ModelException($"{name} holds two stacks of one kind; name them encoder, decoder and cross.");
        }

        var info = new ModelInfo
        {
            Name = name,
            Folder = path,
            ModelType = "file",
            Kind = kinds.Contains(AttentionKind.Vision) ? kinds.Count > 1 ? ModelKind.TextVision : ModelKind.Vision
                : kinds.Contains(AttentionKind.Cross) || kinds.Count > 1 ? ModelKind.EncoderDecoder
                : kinds.Contains(AttentionKind.Decoder) ? ModelKind.Decoder : ModelKind.Encoder,
            Layers = stored[0].Layers.Length,
            DecoderLayers = stored.Count > 1 ? stored[1].Layers.Length : 0,
            Heads = stored[0].Heads,
            DecoderHeads = stored.Count > 1 ? stored[1].Heads : 0,
            HiddenSize = 0,
            MaxPositions = int.MaxValue,
            Fingerprint = fingerprint,
        };
        return new AttentionFile(AttentionTrace.Stored(info, new ModelInput(), stored), [.. tokens], notice);
    }

    private static bool IsCausal(float[] head, int size)
    {
        for (var query = 0; query < size; query++)
        {
            if (head.AsSpan((query * size) + query + 1, size - query - 1).ContainsAnyExcept(0f))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Tokens with places in the text that they make with a space between; their numbers where the file does not say them.</summary>
    private static AttendedToken[] Attended(string[]? texts, int count)
    {
        var at = 0;
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var text = texts?[i] ?? i.ToString(CultureInfo.InvariantCulture);
            var token = new AttendedToken(-1, text, at, at + text.Length, SpecialToken().IsMatch(text), 0, 0);
            at += text.Length + 1;
            return token;
        })];
    }

    private static List<ImportedStack> Stacks(string name, NamedArrays arrays)
    {
        var found = arrays.All.Select(pair => (Match: TensorName().Match(pair.Key), pair.Key, pair.Value)).Where(pair => pair.Match.Success)
            .GroupBy(pair => pair.Match.Groups["stack"].Value).ToDictionary(group => group.Key, group => group.ToArray());
        if (found.Count == 0)
        {
            throw new ModelException(
                $"{name} holds no attention: a tensor 'attentions' [layers, heads, queries, keys], or 'attentions.0', 'attentions.1', ... [heads, queries, keys], is needed.");
        }

        var crossed = found.ContainsKey("cross_") || found.ContainsKey("decoder_");
        List<ImportedStack> stacks = [];
        foreach (var prefix in Prefixes.Where(found.ContainsKey))
        {
            var kind = prefix switch
            {
                "decoder_" => AttentionKind.Decoder,
                "cross_" => AttentionKind.Cross,
                "vision_" => AttentionKind.Vision,
                "encoder_" or "text_" => AttentionKind.Encoder,
                _ => crossed ? AttentionKind.Encoder : (AttentionKind?)null,
            };
            var (queries, keys) = prefix switch
            {
                "decoder_" => (Texts("decoder_tokens", "target_tokens"), Texts("decoder_tokens", "target_tokens")),
                "cross_" => (Texts("decoder_tokens", "target_tokens", "query_tokens"), Texts("encoder_tokens", "source_tokens", "key_tokens", "tokens")),
                "vision_" => (Texts("vision_tokens"), Texts("vision_tokens")),
                _ => (Texts("encoder_tokens", "source_tokens", "text_tokens", "tokens"), Texts("encoder_tokens", "source_tokens", "text_tokens", "tokens")),
            };
            // Before anything is made for each row or column that an array of nothing claims to have.
            if (found[prefix].FirstOrDefault(array => array.Value.Shape.Contains(0)) is { Key: { } empty })
            {
                throw new ModelException($"{name}: '{empty}' holds no weights.");
            }

            var sizes = found[prefix][0].Value.Shape;
            // One row for one output that was explained.
            queries = sizes is [.., 1, > 1] && queries is { Length: > 1 } ? ["output"] : queries;
            var stack = new ImportedStack(kind, queries ?? Numbers(sizes, 2), keys ?? Numbers(sizes, 1));
            foreach (var (match, key, (shape, values)) in found[prefix])
            {
                foreach (var (number, heads) in Layers($"{name}: '{key}'", match.Groups["layer"].Value, shape, values))
                {
                    stack.Add(number, heads);
                }
            }

            stacks.Add(stack);
        }

        return stacks;

        string[]? Texts(params string[] names) => names.Select(arrays.Strings.GetValueOrDefault).FirstOrDefault(texts => texts is not null);

        // Where the file names no tokens, their positions stand for them.
        static string[]? Numbers(int[] shape, int fromEnd) => shape.Length < 2
            ? null
            : [.. Enumerable.Range(0, shape[^fromEnd]).Select(i => i.ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>One array as layers of heads; a batch dimension of 1 is left out.</summary>
    private static IEnumerable<(int? Number, float[][] Heads)> Layers(string where, string layer, int[] shape, float[] values)
    {
        var one = layer.Length > 0;
        int[] inner = (one, shape.Length) switch
        {
            (true, 2) => [1, 1, .. shape],
            (true, 3) => [1, .. shape],
            (true, 4) when shape[0] == 1 => shape,
            (false, 2) => [1, 1, .. shape],
            (false, 3) => [1, .. shape],
            (false, 4) => shape,
            (false, 5) when shape[1] == 1 => [shape[0], .. shape[2..]],
            _ => throw new ModelException($"{where} has the shape [{string.Join(", ", shape)}]; {(one ? "[heads, queries, keys]" : "[layers, heads, queries, keys]")} is needed, of one text."),
        };
        var cells = inner[2] * inner[3];
        for (var l = 0; l < inner[0]; l++)
        {
            var heads = new float[inner[1]][];
            for (var h = 0; h < heads.Length; h++)
            {
                heads[h] = values.AsSpan(((l * heads.Length) + h) * cells, cells).ToArray();
            }

            yield return (one ? int.TryParse(layer, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null : l, heads);
        }
    }

    [GeneratedRegex(@"^(?<stack>(encoder_|decoder_|cross_|text_|vision_)?)(attentions?|attn)([._](?<layer>\d{1,6}|mean|heads))?$")]
    private static partial Regex TensorName();

    [GeneratedRegex(@"^(\[(CLS|SEP|PAD|MASK|BOS|EOS)\]|</?s>|<(pad|mask|bos|eos)>|<\|[^|]+\|>)$")]
    private static partial Regex SpecialToken();
}
