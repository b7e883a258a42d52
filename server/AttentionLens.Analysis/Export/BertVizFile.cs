using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Export;

/// <summary>
/// The object that BertViz's head and model views draw (https://github.com/jessevig/bertviz): for each stack <c>attn</c>
/// [layers][heads][queries][keys], <c>left_text</c> and <c>right_text</c>.
/// </summary>
public static class BertVizFile
{
    public static void Write(AttentionResult result, Stream stream, CancellationToken cancellation)
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartArray("attention");
            foreach (var stack in result.Stacks)
            {
                Write(json, result, stack, cancellation);
            }

            json.WriteEndArray();
            json.WriteString("default_filter", "0");
            json.WriteString("root_div_id", "bertviz");
            json.WriteNull("layer");
            json.WriteNull("heads");
            json.WriteStartArray("include_layers");
            foreach (var layer in Layers(result, result.Stacks[0]))
            {
                json.WriteNumberValue(layer.Key ?? 0);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
    }

    private static void Write(Utf8JsonWriter json, AttentionResult result, StackResult stack, CancellationToken cancellation)
    {
        json.WriteStartObject();
        // BertViz names the stacks of an encoder-decoder, and nothing else.
        if (result.Model.Kind == ModelKind.EncoderDecoder)
        {
            json.WriteString("name", stack.View.Kind.ToString());
        }
        else
        {
            json.WriteNull("name");
        }

        int queries = stack.View.Queries, keys = stack.View.Keys;
        var matrix = new float[queries * keys];
        json.WriteStartArray("attn");
        foreach (var layer in Layers(result, stack))
        {
            json.WriteStartArray();
            foreach (var selection in layer)
            {
                cancellation.ThrowIfCancellationRequested();
                Weights.Matrix(stack.View, selection, matrix, cancellation);
                JsonMatrix.Write(json, matrix, keys);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
        Tokens("left_text", stack.Queries);
        Tokens("right_text", stack.Keys);
        json.WriteEndObject();

        void Tokens(string name, AttendedToken[] tokens)
        {
            json.WriteStartArray(name);
            foreach (var token in tokens)
            {
                json.WriteStringValue(token.Text);
            }

            json.WriteEndArray();
        }
    }

    private static IEnumerable<IGrouping<int?, HeadSelection>> Layers(AttentionResult result, StackResult stack) =>
        result.Selections(stack).GroupBy(selection => selection.Layer);
}
