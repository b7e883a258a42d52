using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// One JSON object, described in docs/cli.md; written as it is computed, one matrix at a time. Weights are the
/// shortest decimals that read back as the same float32.
/// </summary>
internal sealed class JsonFormat : Format
{
    public override string Name => "json";

    public override bool IsData => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation)
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            var model = result.Model;
            json.WriteStartObject();
            json.WriteNumber("format", 1);
            json.WriteStartObject("model");
            json.WriteString("name", model.Name);
            json.WriteString("type", model.ModelType);
            json.WriteString("kind", JsonNamingPolicy.CamelCase.ConvertName(model.Kind.ToString()));
            json.WriteNumber("layers", model.Layers);
            json.WriteNumber("heads", model.Heads);
            json.WriteString("fingerprint", model.Fingerprint);
            json.WriteEndObject();
            json.WriteString("method", result.Method);
            json.WriteString("special", JsonNamingPolicy.CamelCase.ConvertName(result.Special.ToString()));
            WriteText(json, "text", result.Text);
            WriteText(json, "pair", result.Pair);
            WriteText(json, "target", result.Target);
            json.WriteStartArray("stacks");
            foreach (var stack in result.Stacks)
            {
                WriteStack(json, result, stack, cancellation);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
    }

    private static void WriteStack(Utf8JsonWriter json, AttentionResult result, StackResult stack, CancellationToken cancellation)
    {
        json.WriteStartObject();
        json.WriteString("kind", stack.Name);
        json.WriteBoolean("causal", stack.View.Causal);
        WriteTokens(json, "queries", stack.Queries);
        if (stack.Keys != stack.Queries)
        {
            WriteTokens(json, "keys", stack.Keys);
        }

        json.WriteStartArray("layers");
        int queries = stack.View.Queries, keys = stack.View.Keys;
        var matrix = new float[queries * keys];
        foreach (var layer in result.Selections(stack).GroupBy(s => s.Layer))
        {
            json.WriteStartObject();
            WriteIndex(json, "layer", layer.Key, result.LayerName(layer.Key));
            json.WriteStartArray("heads");
            foreach (var selection in layer)
            {
                cancellation.ThrowIfCancellationRequested();
                json.WriteStartObject();
                if (result.Method == Methods.Max.Name && selection.Set is null)
                {
                    json.WriteString("head", "max");
                }
                else
                {
                    WriteIndex(json, "head", selection.Head, AttentionResult.HeadName(selection));
                }

                Weights.Matrix(stack.View, selection, matrix, cancellation);
                json.WritePropertyName("rows");
                JsonMatrix.Write(json, matrix, keys);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTokens(Utf8JsonWriter json, string name, AttendedToken[] tokens)
    {
        json.WriteStartArray(name);
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("text", token.Text);
            json.WriteNumber("start", token.Start);
            json.WriteNumber("end", token.End);
            json.WriteBoolean("special", token.Special);
            json.WriteNumber("sequence", token.Sequence);
            json.WriteNumber("type", token.TypeId);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>An index is a number, anything else a string.</summary>
    private static void WriteIndex(Utf8JsonWriter json, string name, int? index, string text)
    {
        if (index is { } value)
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteString(name, text);
        }
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null)
        {
            json.WriteString(name, text);
        }
    }
}
