using System.Buffers;
using System.Text;
using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Export;

/// <summary>
/// Attention, hidden states, logits and the inputs as tensors under the names that Hugging Face outputs have:
/// <c>attentions.LAYER</c> [heads, queries, keys], <c>hidden_states.I</c> [n, hidden], <c>logits</c>, <c>input_ids</c>. A mean over
/// heads has one head, a mean over layers the name <c>attentions.mean</c>, some heads as one <c>attentions.heads</c>. The
/// header names the tokens, as JSON lists of texts under the names of <see cref="AttentionResult.TokenLists"/>.
/// </summary>
public static class TensorFile
{
    public static void Write(AttentionResult result, Stream stream, CancellationToken cancellation)
    {
        var writer = new SafetensorsWriter();
        foreach (var (name, tokens) in result.TokenLists)
        {
            writer.Metadata[name] = JsonList(tokens);
        }

        AddInputs(writer, result.Trace.Input);
        foreach (var stack in result.Stacks)
        {
            int queries = stack.View.Queries, keys = stack.View.Keys;
            foreach (var layer in result.Selections(stack).GroupBy(s => s.Layer))
            {
                var selections = layer.ToArray();
                writer.Add($"{result.TensorName(stack, "attentions")}.{result.LayerName(layer.Key)}", [selections.Length, queries, keys], values =>
                {
                    for (var i = 0; i < selections.Length; i++)
                    {
                        Weights.Matrix(stack.View, selections[i], values.Slice(i * queries * keys, queries * keys), cancellation);
                    }
                });
            }

            var hidden = stack.Stack;
            for (var i = 0; result.Layers.IsAll && i < hidden.HiddenStates; i++)
            {
                var index = i;
                var width = hidden.HiddenState(i).Length / queries;
                writer.Add($"{result.TensorName(stack, "hidden_states")}.{i}", [queries, width], values => hidden.HiddenState(index).CopyTo(values));
            }
        }

        foreach (var (name, tensor) in result.Trace.Outputs)
        {
            writer.Add(name, tensor);
        }

        writer.WriteTo(stream, cancellation);
    }

    private static string JsonList(AttendedToken[] tokens)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartArray();
            foreach (var token in tokens)
            {
                json.WriteStringValue(token.Text);
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    private static void AddInputs(SafetensorsWriter writer, ModelInput input)
    {
        Add("input_ids", input.InputIds.Length > 0 ? input.InputIds : null);
        Add("attention_mask", input.AttentionMask);
        Add("token_type_ids", input.TokenTypeIds);
        Add("global_attention_mask", input.GlobalAttentionMask);
        Add("decoder_input_ids", input.DecoderInputIds);
        if (input.Pixels is { } pixels)
        {
            writer.Add("pixel_values", new Tensor(pixels.Data, [pixels.Channels, pixels.Height, pixels.Width]));
        }

        void Add(string name, int[]? values)
        {
            if (values is not null)
            {
                writer.Add(name, values);
            }
        }
    }
}
