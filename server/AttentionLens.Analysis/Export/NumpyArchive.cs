using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace AttentionLens.Analysis.Export;

/// <summary>
/// NumPy's .npz: the tensors that <see cref="TensorFile"/> writes as float32 and int64 arrays of the same names (NumPy Enhancement
/// Proposal 1, format 1.0), and the tokens as arrays of strings (<see cref="AttentionResult.TokenLists"/>).
/// </summary>
public static class NumpyArchive
{
    public static void Write(AttentionResult result, Stream stream, CancellationToken cancellation)
    {
        // The archive is written in one pass; a pipe cannot seek, and need not.
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach (var (name, tokens) in result.TokenLists)
        {
            Strings(archive, name, tokens);
        }

        if (result.Trace.Input.InputIds.Length > 0)
        {
            Integers(archive, "input_ids", result.Trace.Input.InputIds);
        }

        foreach (var stack in result.Stacks)
        {
            int queries = stack.View.Queries, keys = stack.View.Keys;
            foreach (var layer in result.Selections(stack).GroupBy(s => s.Layer))
            {
                cancellation.ThrowIfCancellationRequested();
                var selections = layer.ToArray();
                var values = new float[selections.Length * queries * keys];
                for (var i = 0; i < selections.Length; i++)
                {
                    Weights.Matrix(stack.View, selections[i], values.AsSpan(i * queries * keys), cancellation);
                }

                Floats(archive, $"{result.TensorName(stack, "attentions")}.{result.LayerName(layer.Key)}", [selections.Length, queries, keys], values);
            }

            for (var i = 0; result.Layers.IsAll && i < stack.Stack.HiddenStates; i++)
            {
                var state = stack.Stack.HiddenState(i);
                Floats(archive, $"{result.TensorName(stack, "hidden_states")}.{i}", [queries, state.Length / queries], state);
            }
        }

        foreach (var (name, tensor) in result.Trace.Outputs)
        {
            Floats(archive, name, tensor.Shape, tensor.Data);
        }
    }

    private static void Floats(ZipArchive archive, string name, int[] shape, ReadOnlySpan<float> values)
    {
        using var entry = Open(archive, name, "<f4", shape);
        // A span of more than int.MaxValue bytes does not exist.
        while (!values.IsEmpty)
        {
            var part = values[..Math.Min(values.Length, 1 << 20)];
            entry.Write(MemoryMarshal.AsBytes(part));
            values = values[part.Length..];
        }
    }

    private static void Integers(ZipArchive archive, string name, int[] values)
    {
        using var entry = Open(archive, name, "<i8", [values.Length]);
        entry.Write(MemoryMarshal.AsBytes<long>(Array.ConvertAll(values, v => (long)v)));
    }

    private static void Strings(ZipArchive archive, string name, AttendedToken[] tokens)
    {
        var width = Math.Max(1, tokens.Select(t => Encoding.UTF32.GetByteCount(t.Text) / 4).DefaultIfEmpty(1).Max());
        using var entry = Open(archive, name, string.Create(CultureInfo.InvariantCulture, $"<U{width}"), [tokens.Length]);
        foreach (var token in tokens)
        {
            var bytes = new byte[width * 4];
            Encoding.UTF32.GetBytes(token.Text, bytes);
            entry.Write(bytes);
        }
    }

    private static Stream Open(ZipArchive archive, string name, string type, int[] shape)
    {
        var entry = archive.CreateEntry(name + ".npy", CompressionLevel.NoCompression).Open();
        var text = new StringBuilder($"{{'descr': '{type}', 'fortran_order': False, 'shape': ({string.Join(", ", shape)}{(shape.Length == 1 ? "," : "")}), }}");
        // Header and data are aligned to 64 bytes; the header ends with a line feed.
        while ((10 + text.Length + 1) % 64 != 0)
        {
            text.Append(' ');
        }

        text.Append('\n');
        entry.Write([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, (byte)(text.Length & 255), (byte)(text.Length >> 8)]);
        entry.Write(Encoding.ASCII.GetBytes(text.ToString()));
        return entry;
    }
}
