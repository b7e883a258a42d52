using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace AttentionLens.Models;

/// <summary>Element types of the safetensors format (those that real checkpoints hold).</summary>
public enum SafetensorsType
{
    Bool,
    U8,
    I8,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    I64,
    U64,
    F64,
    F8E4M3,
    F8E5M2,
}

/// <summary>One tensor of a file: where its bytes lie, counted from the end of the header.</summary>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, int[] Shape, long Start, long End)
{
    public long Count { get; } = Shape.Aggregate(1L, static (product, size) => product * size);
}

/// <summary>
/// A memory-mapped safetensors file (https://github.com/huggingface/safetensors#format). The header is checked completely before anything is
/// read: every later read stays inside the file.
/// </summary>
public sealed class SafetensorsFile : IWeightFile
{
    /// <summary>The reference implementation's own limit.</summary>
    private const long MaxHeader = 100_000_000;

    private readonly MappedFile file;
    private readonly Dictionary<string, SafetensorsEntry> entries;
    private readonly Dictionary<string, StoredTensor> tensors;
    private readonly byte[] header;

    private SafetensorsFile(MappedFile file, Dictionary<string, SafetensorsEntry> entries, Dictionary<string, string> metadata, byte[] header)
    {
        this.file = file;
        this.entries = entries;
        this.header = header;
        Metadata = metadata;
        tensors = entries.ToDictionary(
            static pair => pair.Key,
            static pair => new StoredTensor(
                pair.Value.Shape, pair.Value.Type is SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F64),
            StringComparer.Ordinal);
    }

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => entries;

    /// <summary>What the header says beside the tensors (<c>__metadata__</c>).</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of the whole file.</summary>
    public long Length => file.Length;

    IReadOnlyDictionary<string, StoredTensor> IWeightFile.Tensors => tensors;

    private int DataStart => 8 + header.Length;

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="ModelException">Not a safetensors file, or one whose header contradicts itself or the file.</exception>
    public static SafetensorsFile Open(string path)
    {
        string name = Path.GetFileName(path);
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            long length = stream.Length;
            Span<byte> prefix = stackalloc byte[8];
            if (length < 8 || stream.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8)
            {
                throw new ModelException($"{name} is no safetensors file: it has only {length} bytes.");
            }

            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (headerLength > MaxHeader)
            {
                throw new ModelException($"{name} is no safetensors file: its header would be {headerLength} bytes long (at most {MaxHeader}).");
            }

            if ((long)headerLength > length - 8)
            {
                throw new ModelException($"{name} is truncated: its header of {headerLength} bytes does not fit in {length} bytes; download it again.");
            }

            byte[] header = new byte[headerLength];
            stream.ReadExactly(header);
            long dataStart = 8 + (long)headerLength;
            Dictionary<string, string> metadata = new(StringComparer.Ordinal);
            Dictionary<string, SafetensorsEntry> entries = ReadHeader(name, header, length - dataStart, metadata);

            return new SafetensorsFile(new MappedFile(stream), entries, metadata, header);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string of the header is no valid UTF-8.
            throw new ModelException($"{name} is damaged: its header is not valid JSON; download it again.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"{name} cannot be read: {error.Message}");
        }
    }

    /// <summary>Copies values <paramref name="first"/>, +1, ... of a tensor, widened to float.</summary>
    /// <exception cref="ModelException">The element type is not a floating-point type that models use.</exception>
    public void Read(SafetensorsEntry entry, long first, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, entry.Count - first);
        switch (entry.Type)
        {
            case SafetensorsType.F32:
                Values(4, destination.Length).CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case SafetensorsType.F16:
                Widening.Half(Values(2, destination.Length), destination);
                break;
            case SafetensorsType.BF16:
                Widening.Brain(Values(2, destination.Length), destination);
                break;
            case SafetensorsType.F64:
                Widening.Double(Values(8, destination.Length), destination);
                break;
            default:
                throw new ModelException($"Tensor '{entry.Name}' holds {entry.Type} values; weights must be F32, F16 or BF16 (quantised safetensors are not supported).");
        }

        ReadOnlySpan<byte> Values(int size, int count) => file.Bytes(DataStart + entry.Start + (first * size), checked(count * size));
    }

    void IWeightFile.Read(string name, long first, Span<float> destination) => Read(entries[name], first, destination);

    void IWeightFile.AppendTo(IncrementalHash hash)
    {
        hash.AppendData(header);
        file.AppendTo(hash, DataStart);
    }

    /// <summary>A whole tensor of floats.</summary>
    public float[] ReadFloats(string name)
    {
        SafetensorsEntry entry = entries[name];
        float[] values = GC.AllocateUninitializedArray<float>(checked((int)entry.Count));
        Read(entry, 0, values);
        return values;
    }

    /// <summary>A whole tensor of integers (token ids, masks).</summary>
    /// <exception cref="ModelException">Not an integer tensor, or a value outside the range of int.</exception>
    public int[] ReadIntegers(string name)
    {
        SafetensorsEntry entry = entries[name];
        int[] values = new int[checked((int)entry.Count)];
        ReadOnlySpan<byte> source = file.Bytes(DataStart + entry.Start, checked((int)(entry.End - entry.Start)));
        for (int i = 0; i < values.Length; i++)
        {
            long value = entry.Type switch
            {
                SafetensorsType.I64 or SafetensorsType.U64 => BinaryPrimitives.ReadInt64LittleEndian(source[(8 * i)..]),
                SafetensorsType.I32 => BinaryPrimitives.ReadInt32LittleEndian(source[(4 * i)..]),
                SafetensorsType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(source[(4 * i)..]),
                SafetensorsType.I16 => BinaryPrimitives.ReadInt16LittleEndian(source[(2 * i)..]),
                SafetensorsType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(source[(2 * i)..]),
                SafetensorsType.I8 => (sbyte)source[i],
                SafetensorsType.U8 or SafetensorsType.Bool => source[i],
                _ => throw new ModelException($"Tensor '{name}' holds {entry.Type} values; integers are needed."),
            };
            values[i] = value is >= int.MinValue and <= int.MaxValue
                ? (int)value
                : throw new ModelException($"Tensor '{name}' holds {value}, which is no token id.");
        }

        return values;
    }

    public void Dispose() => file.Dispose();

    private static Dictionary<string, SafetensorsEntry> ReadHeader(string file, byte[] header, long dataLength, Dictionary<string, string> metadata)
    {
        Utf8JsonReader reader = new(header, new JsonReaderOptions { MaxDepth = 8 });
        Dictionary<string, SafetensorsEntry> entries = new(StringComparer.Ordinal);
        Expect(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!; // a property name is never null
            if (name == "__metadata__")
            {
                ReadMetadata(ref reader, metadata);
                continue;
            }

            if (!entries.TryAdd(name, ReadEntry(file, name, ref reader, dataLength)))
            {
                throw new ModelException($"{file} names tensor '{name}' twice.");
            }
        }

        if (reader.TokenType != JsonTokenType.EndObject)
        {
            throw new JsonException();
        }

        // Contiguous and without overlap, as the reference implementation demands.
        long at = 0;
        string? previous = null;
        foreach (SafetensorsEntry entry in entries.Values.OrderBy(static e => e.Start).ThenBy(static e => e.End))
        {
            if (entry.Start != at)
            {
                throw new ModelException(entry.Start < at
                    ? $"{file} is damaged: tensors '{previous}' and '{entry.Name}' overlap."
                    : $"{file} is damaged: {entry.Start - at} bytes before tensor '{entry.Name}' belong to no tensor.");
            }

            at = entry.End;
            previous = entry.Name;
        }

        return at == dataLength
            ? entries
            : throw new ModelException($"{file} is damaged: its tensors take {at} bytes but {dataLength} follow the header; download it again.");
    }

    /// <summary>Texts by name; what is no text there is nothing to this reader.</summary>
    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!; // a property name is never null
            reader.Read();
            if (reader.TokenType == JsonTokenType.String)
            {
                metadata[name] = reader.GetString()!; // a string token
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static SafetensorsEntry ReadEntry(string file, string name, ref Utf8JsonReader reader, long dataLength)
    {
        string? type = null;
        int[]? shape = null;
        long start = -1;
        long end = -1;
        Expect(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8))
            {
                Expect(ref reader, JsonTokenType.String);
                type = reader.GetString();
            }
            else if (reader.ValueTextEquals("shape"u8))
            {
                shape = [.. ReadSizes(file, name, ref reader).Select(size => size is >= 0 and <= int.MaxValue
                    ? (int)size
                    : throw new ModelException($"{file} is damaged: tensor '{name}' has a dimension of {size}."))];
            }
            else if (reader.ValueTextEquals("data_offsets"u8))
            {
                List<long> offsets = ReadSizes(file, name, ref reader);
                if (offsets.Count != 2)
                {
                    throw new ModelException($"{file} is damaged: tensor '{name}' has {offsets.Count} offsets instead of 2.");
                }

                (start, end) = (offsets[0], offsets[1]);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        if (type is null || shape is null || start < 0)
        {
            throw new ModelException($"{file} is damaged: tensor '{name}' lacks its dtype, shape or offsets.");
        }

        if (end < start || end > dataLength)
        {
            throw new ModelException($"{file} is truncated or damaged: tensor '{name}' lies at bytes {start} to {end} of {dataLength}; download it again.");
        }

        (SafetensorsType parsed, int size) = ElementType(type)
            ?? throw new ModelException($"{file}: tensor '{name}' has the unknown type '{type}'.");
        Int128 bytes = size;
        foreach (int dimension in shape)
        {
            bytes = bytes > long.MaxValue ? bytes : bytes * dimension;
        }

        return bytes == end - start
            ? new SafetensorsEntry(name, parsed, shape, start, end)
            : throw new ModelException($"{file} is damaged: tensor '{name}' {Shapes.Text(shape)} of {type} needs {bytes} bytes but has {end - start}.");
    }

    private static List<long> ReadSizes(string file, string name, ref Utf8JsonReader reader)
    {
        List<long> sizes = [];
        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType == JsonTokenType.Number)
        {
            if (!reader.TryGetInt64(out long value) || value < 0 || sizes.Count == 16)
            {
                throw new ModelException($"{file} is damaged: tensor '{name}' has a size or offset that makes no sense.");
            }

            sizes.Add(value);
        }

        return reader.TokenType == JsonTokenType.EndArray ? sizes : throw new JsonException();
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
        {
            throw new JsonException();
        }
    }

    private static (SafetensorsType Type, int Size)? ElementType(string name) => name switch
    {
        "BOOL" => (SafetensorsType.Bool, 1),
        "U8" => (SafetensorsType.U8, 1),
        "I8" => (SafetensorsType.I8, 1),
        "I16" => (SafetensorsType.I16, 2),
        "U16" => (SafetensorsType.U16, 2),
        "F16" => (SafetensorsType.F16, 2),
        "BF16" => (SafetensorsType.BF16, 2),
        "I32" => (SafetensorsType.I32, 4),
        "U32" => (SafetensorsType.U32, 4),
        "F32" => (SafetensorsType.F32, 4),
        "I64" => (SafetensorsType.I64, 8),
        "U64" => (SafetensorsType.U64, 8),
        "F64" => (SafetensorsType.F64, 8),
        "F8_E4M3" => (SafetensorsType.F8E4M3, 1),
        "F8_E5M2" => (SafetensorsType.F8E5M2, 1),
        _ => null,
    };
}

/// <summary>How shapes read in messages.</summary>
internal static class Shapes
{
    public static string Text(IEnumerable<int> shape) => $"[{string.Join(", ", shape)}]";
}
