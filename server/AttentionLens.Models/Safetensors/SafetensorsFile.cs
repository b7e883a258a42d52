using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics;
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
public sealed unsafe class SafetensorsFile : IDisposable
{
    /// <summary>The reference implementation's own limit.</summary>
    private const long MaxHeader = 100_000_000;

    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* data;
    private readonly Dictionary<string, SafetensorsEntry> entries;

    private SafetensorsFile(MemoryMappedFile map, MemoryMappedViewAccessor view, byte* data, Dictionary<string, SafetensorsEntry> entries, byte[] header, long length)
    {
        this.map = map;
        this.view = view;
        this.data = data;
        this.entries = entries;
        Header = header;
        Length = length;
    }

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => entries;

    /// <summary>Bytes of the whole file.</summary>
    public long Length { get; }

    /// <summary>The raw JSON header.</summary>
    internal byte[] Header { get; }

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
            Dictionary<string, SafetensorsEntry> entries = ReadHeader(name, header, length - dataStart);

            MemoryMappedFile map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            MemoryMappedViewAccessor view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            byte* pointer = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
            return new SafetensorsFile(map, view, pointer + view.PointerOffset + dataStart, entries, header, length);
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

    /// <summary>Bytes [from, to) of the data section, wherever tensors lie; used for fingerprints.</summary>
    internal ReadOnlySpan<byte> Sample(long from, int count) => new(data + from, count);

    internal long DataLength => Length - 8 - Header.Length;

    /// <summary>Copies values <paramref name="first"/>, +1, ... of a tensor, widened to float.</summary>
    /// <exception cref="ModelException">The element type is not a floating-point type that models use.</exception>
    public void Read(SafetensorsEntry entry, long first, Span<float> destination)
    {
        ObjectDisposedException.ThrowIf(view.SafeMemoryMappedViewHandle.IsClosed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, entry.Count - first);
        byte* source = data + entry.Start;
        int count = destination.Length;
        switch (entry.Type)
        {
            case SafetensorsType.F32:
                new ReadOnlySpan<float>(source + (first * 4), count).CopyTo(destination);
                break;
            case SafetensorsType.F16:
                WidenHalf((ushort*)(source + (first * 2)), destination);
                break;
            case SafetensorsType.BF16:
                ushort* brain = (ushort*)(source + (first * 2));
                for (int i = 0; i < count; i++)
                {
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)brain[i] << 16);
                }

                break;
            case SafetensorsType.F64:
                double* doubles = (double*)(source + (first * 8));
                for (int i = 0; i < count; i++)
                {
                    destination[i] = (float)doubles[i];
                }

                break;
            default:
                throw new ModelException($"Tensor '{entry.Name}' holds {entry.Type} values; weights must be F32, F16 or BF16 (quantised checkpoints are not supported).");
        }
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
        byte* source = data + entry.Start;
        for (int i = 0; i < values.Length; i++)
        {
            long value = entry.Type switch
            {
                SafetensorsType.I64 or SafetensorsType.U64 => ((long*)source)[i],
                SafetensorsType.I32 => ((int*)source)[i],
                SafetensorsType.U32 => ((uint*)source)[i],
                SafetensorsType.I16 => ((short*)source)[i],
                SafetensorsType.U16 => ((ushort*)source)[i],
                SafetensorsType.I8 => ((sbyte*)source)[i],
                SafetensorsType.U8 or SafetensorsType.Bool => source[i],
                _ => throw new ModelException($"Tensor '{name}' holds {entry.Type} values; integers are needed."),
            };
            values[i] = value is >= int.MinValue and <= int.MaxValue
                ? (int)value
                : throw new ModelException($"Tensor '{name}' holds {value}, which is no token id.");
        }

        return values;
    }

    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }

    /// <summary>
    /// A vector at a time, exactly, subnormals included: exponent and fraction moved into place make a float 2^112 too small, and multiplying by
    /// 2^112 is exact. Infinity and NaN get the exponent they would miss.
    /// </summary>
    private static void WidenHalf(ushort* source, Span<float> destination)
    {
        Vector<float> scale = new(BitConverter.UInt32BitsToSingle(0x77800000)); // 2^112
        int i = 0;
        for (; i <= destination.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Vector.Load(source + i), out Vector<uint> low, out Vector<uint> high);
            WidenHalf(low, scale).CopyTo(destination[i..]);
            WidenHalf(high, scale).CopyTo(destination[(i + Vector<uint>.Count)..]);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    private static Vector<float> WidenHalf(Vector<uint> half, Vector<float> scale)
    {
        Vector<uint> magnitude = half & new Vector<uint>(0x7fff);
        Vector<uint> sign = (half ^ magnitude) << 16;
        Vector<uint> special = Vector.GreaterThan(magnitude, new Vector<uint>(0x7bff)) & new Vector<uint>(0x7f800000);
        Vector<float> value = Vector.AsVectorSingle(magnitude << 13) * scale;
        return Vector.AsVectorSingle(Vector.AsVectorUInt32(value) | special | sign);
    }

    private static Dictionary<string, SafetensorsEntry> ReadHeader(string file, byte[] header, long dataLength)
    {
        Utf8JsonReader reader = new(header, new JsonReaderOptions { MaxDepth = 8 });
        Dictionary<string, SafetensorsEntry> entries = new(StringComparer.Ordinal);
        Expect(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!; // a property name is never null
            if (name == "__metadata__")
            {
                reader.Read();
                reader.Skip();
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
