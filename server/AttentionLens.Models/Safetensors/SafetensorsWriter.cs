using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace AttentionLens.Models;

/// <summary>
/// Writes a safetensors file of float and integer tensors. Tensors are declared first (the header comes first in the file),
/// then written in that order, each by a callback that fills one buffer: no more than one tensor is in memory.
/// </summary>
public sealed class SafetensorsWriter
{
    private readonly List<(string Name, int[] Shape, bool Integer, Action<Stream> Write)> tensors = [];
    private readonly HashSet<string> names = new(StringComparer.Ordinal);

    /// <summary>What the header says beside the tensors: texts by name.</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal) { ["format"] = "pt" };

    /// <summary>Declares a float32 tensor; <paramref name="fill"/> is called with a buffer of its size while the file is written.</summary>
    public void Add(string name, int[] shape, SpanFill fill)
    {
        int count = Count(shape);
        Declare(name, shape, integer: false, stream =>
        {
            float[] buffer = ArrayPool<float>.Shared.Rent(count);
            try
            {
                fill(buffer.AsSpan(0, count));
                stream.Write(MemoryMarshal.AsBytes(buffer.AsSpan(0, count)));
            }
            finally
            {
                ArrayPool<float>.Shared.Return(buffer);
            }
        });
    }

    /// <summary>Declares a float32 tensor.</summary>
    public void Add(string name, Tensor tensor) => Add(name, tensor.Shape, tensor.Data.CopyTo);

    /// <summary>Declares an int64 tensor, as Hugging Face stores ids and masks.</summary>
    public void Add(string name, ReadOnlyMemory<int> values) => Declare(name, [values.Length], integer: true, stream =>
    {
        Span<byte> bytes = stackalloc byte[8];
        foreach (int value in values.Span)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
            stream.Write(bytes);
        }
    });

    /// <summary>Writes header and data.</summary>
    public void WriteTo(Stream stream, CancellationToken cancellation = default)
    {
        ArrayBufferWriter<byte> header = new();
        using (Utf8JsonWriter json = new(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach ((string name, string text) in Metadata)
            {
                json.WriteString(name, text);
            }

            json.WriteEndObject();
            long at = 0;
            foreach ((string name, int[] shape, bool integer, _) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", integer ? "I64" : "F32");
                json.WriteStartArray("shape");
                foreach (int size in shape)
                {
                    json.WriteNumberValue(size);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                at += (long)Count(shape) * (integer ? 8 : 4);
                json.WriteNumberValue(at);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // The data section starts at a multiple of 8, as the reference writer aligns it, with spaces after the JSON.
        int padded = (header.WrittenCount + 7) / 8 * 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        stream.Write(length);
        stream.Write(header.WrittenSpan);
        stream.Write("       "u8[..(padded - header.WrittenCount)]);
        foreach ((_, _, _, Action<Stream> write) in tensors)
        {
            cancellation.ThrowIfCancellationRequested();
            write(stream);
        }
    }

    private static int Count(int[] shape) => checked(shape.Aggregate(1, static (product, size) => checked(product * size)));

    private void Declare(string name, int[] shape, bool integer, Action<Stream> write)
    {
        if (!names.Add(name))
        {
            throw new ArgumentException($"'{name}' was added before.", nameof(name));
        }

        tensors.Add((name, shape, integer, write));
    }
}

/// <summary>Fills a buffer with the values of one tensor.</summary>
public delegate void SpanFill(Span<float> values);
