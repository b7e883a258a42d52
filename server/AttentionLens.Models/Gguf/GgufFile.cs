using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace AttentionLens.Models;

/// <summary>
/// A GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, little-endian, as llama.cpp and Ollama keep models.
/// Metadata and tensor table are checked completely before anything is read: every later read stays inside the file.
/// </summary>
internal sealed class GgufFile : IWeightFile
{
    /// <summary>More than any model has; keeps a damaged count from asking for memory.</summary>
    private const ulong MaxTensors = 1 << 20;

    private const ulong MaxKeys = 1 << 16;

    private readonly MappedFile file;
    private readonly Dictionary<string, Entry> entries;
    private readonly Dictionary<string, StoredTensor> tensors;
    private readonly long dataStart;

    private GgufFile(MappedFile file, string name, Dictionary<string, object> metadata, Dictionary<string, Entry> entries, long dataStart)
    {
        this.file = file;
        this.entries = entries;
        this.dataStart = dataStart;
        Name = name;
        Metadata = metadata;
        tensors = entries.ToDictionary(static pair => pair.Key, static pair => new StoredTensor(pair.Value.Shape, true), StringComparer.Ordinal);
    }

    /// <summary>The file's name, for messages.</summary>
    public string Name { get; }

    public long Length => file.Length;

    /// <summary>Values as long, double, bool or string; arrays as <c>long[]</c>, <c>double[]</c>, <c>bool[]</c> or <c>string[]</c>.</summary>
    public IReadOnlyDictionary<string, object> Metadata { get; }

    public IReadOnlyDictionary<string, StoredTensor> Tensors => tensors;

    /// <summary>Whether a file begins as GGUF files do.</summary>
    public static bool IsGguf(string path)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            Span<byte> magic = stackalloc byte[4];
            return stream.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("GGUF"u8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"'{path}' cannot be read: {error.Message}");
        }
    }

    /// <exception cref="ModelException">Not a GGUF file, or one whose tables contradict themselves or the file.</exception>
    public static GgufFile Open(string path)
    {
        string name = Path.GetFileName(path);
        MappedFile? file = null;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (stream.Length < 24)
            {
                throw new ModelException($"{name} is no GGUF file: it has only {stream.Length} bytes.");
            }

            file = new MappedFile(stream);
            return Read(file, name);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw new ModelException($"{name} cannot be read: {error.Message}");
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    public string Text(string key) => Metadata.GetValueOrDefault(key) as string ?? throw new ModelException($"{Name} lacks the text {key}.");

    public long? Integer(string key) => Metadata.GetValueOrDefault(key) as long?;

    public double? Number(string key) => Metadata.GetValueOrDefault(key) switch { double value => value, long value => value, _ => null };

    public void Read(string name, long first, Span<float> destination)
    {
        Entry entry = entries[name];
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, tensors[name].Count - first);
        int size = entry.Format.BlockValues;
        Span<float> block = stackalloc float[BlockFormat.LargestBlock];
        while (!destination.IsEmpty)
        {
            // Whole blocks go straight to their place; the first and the last may be needed in part only.
            int skip = (int)(first % size);
            int whole = skip == 0 ? destination.Length / size : 0;
            long at = dataStart + entry.Offset + (first / size * entry.Format.BlockBytes);
            if (whole > 0)
            {
                int step = Math.Min(whole, (1 << 24) / entry.Format.BlockBytes);
                entry.Format.Dequantize(file.Bytes(at, step * entry.Format.BlockBytes), destination[..(step * size)]);
                destination = destination[(step * size)..];
                first += (long)step * size;
                continue;
            }

            entry.Format.Dequantize(file.Bytes(at, entry.Format.BlockBytes), block[..size]);
            Span<float> part = block[skip..size];
            part = part[..Math.Min(part.Length, destination.Length)];
            part.CopyTo(destination);
            destination = destination[part.Length..];
            first += part.Length;
        }
    }

    public void AppendTo(IncrementalHash hash)
    {
        for (long at = 0; at < dataStart; at += 1 << 20)
        {
            hash.AppendData(file.Bytes(at, (int)Math.Min(1 << 20, dataStart - at)));
        }

        file.AppendTo(hash, dataStart);
    }

    public void Dispose() => file.Dispose();

    private static GgufFile Read(MappedFile file, string name)
    {
        Reader reader = new(file, name);
        if (!file.Bytes(0, 4).SequenceEqual("GGUF"u8))
        {
            throw new ModelException($"{name} is no GGUF file: it does not begin with GGUF.");
        }

        reader.Skip(4);
        uint version = reader.Word();
        if (version is not (2 or 3))
        {
            throw new ModelException($"{name} has GGUF version {version}; versions 2 and 3 (little-endian) are read. Convert it with a current llama.cpp.");
        }

        ulong tensorCount = reader.Long();
        ulong keyCount = reader.Long();
        if (tensorCount > MaxTensors || keyCount > MaxKeys)
        {
            throw new ModelException($"{name} is damaged: it claims {tensorCount} tensors and {keyCount} keys.");
        }

        Dictionary<string, object> metadata = new(StringComparer.Ordinal);
        for (ulong i = 0; i < keyCount; i++)
        {
            string key = reader.String();
            object value = reader.Value(reader.Word());
            if (!metadata.TryAdd(key, value))
            {
                throw new ModelException($"{name} is damaged: it says {key} twice.");
            }
        }

        List<Entry> table = [];
        for (ulong i = 0; i < tensorCount; i++)
        {
            table.Add(reader.Tensor());
        }

        long alignment = metadata.GetValueOrDefault("general.alignment") is long given ? given : 32;
        if (alignment is < 1 or > 1 << 20)
        {
            throw new ModelException($"{name} is damaged: its alignment is {alignment}.");
        }

        long dataStart = (reader.Position + alignment - 1) / alignment * alignment;
        Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
        foreach (Entry entry in table)
        {
            if (entry.Offset < 0 || entry.Bytes > file.Length - dataStart - entry.Offset)
            {
                throw new ModelException($"{name} is truncated or damaged: tensor '{entry.Name}' lies outside the file; download it again.");
            }

            if (!entries.TryAdd(entry.Name, entry))
            {
                throw new ModelException($"{name} names tensor '{entry.Name}' twice.");
            }
        }

        long end = -1;
        foreach (Entry entry in entries.Values.OrderBy(static e => e.Offset))
        {
            if (entry.Offset < end)
            {
                throw new ModelException($"{name} is damaged: tensor '{entry.Name}' overlaps the one before it.");
            }

            end = entry.Offset + entry.Bytes;
        }

        return new GgufFile(file, name, metadata, entries, dataStart);
    }

    /// <param name="Offset">Bytes from the start of the data.</param>
    private sealed record Entry(string Name, int[] Shape, BlockFormat Format, long Offset, long Bytes);

    private sealed class Reader(MappedFile file, string name)
    {
        private const int MaxString = 1 << 24;

        public long Position { get; private set; }

        public void Skip(int count) => Take(count);

        public uint Word() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

        public ulong Long() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

        public string String()
        {
            ulong length = Long();
            return length <= MaxString ? Encoding.UTF8.GetString(Take((int)length)) : throw Damaged();
        }

        public object Value(uint type)
        {
            switch (type)
            {
                case 8:
                    return String();
                case 9:
                    uint element = Word();
                    ulong count = Long();
                    // An element takes at least a byte, so the file bounds the array before it is allocated.
                    if (count > (ulong)Math.Min(file.Length - Position, int.MaxValue / 16))
                    {
                        throw Damaged();
                    }

                    object[] items = [.. Enumerable.Range(0, (int)count).Select(_ => element == 9 ? throw Damaged() : Value(element))];
                    return element switch
                    {
                        8 => items.Cast<string>().ToArray(),
                        6 or 12 => items.Cast<double>().ToArray(),
                        7 => items.Cast<bool>().ToArray(),
                        _ => items.Cast<long>().ToArray(),
                    };
                case 0:
                    return (long)Take(1)[0];
                case 1:
                    return (long)(sbyte)Take(1)[0];
                case 2:
                    return (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2));
                case 3:
                    return (long)BinaryPrimitives.ReadInt16LittleEndian(Take(2));
                case 4:
                    return (long)Word();
                case 5:
                    return (long)(int)Word();
                case 6:
                    return (double)BitConverter.UInt32BitsToSingle(Word());
                case 7:
                    return Take(1)[0] != 0;
                case 10 or 11:
                    return (long)Long();
                case 12:
                    return BitConverter.UInt64BitsToDouble(Long());
                default:
                    throw Damaged();
            }
        }

        public Entry Tensor()
        {
            string tensor = String();
            uint rank = Word();
            if (rank is 0 or > 4)
            {
                throw Damaged();
            }

            int[] shape = new int[rank];
            Int128 count = 1;
            for (uint i = 0; i < rank; i++)
            {
                ulong size = Long();
                if (size is 0 or > int.MaxValue)
                {
                    throw new ModelException($"{name} is damaged: tensor '{tensor}' has a dimension of {size}.");
                }

                // Stored innermost first.
                shape[rank - 1 - i] = (int)size;
                count *= size;
            }

            uint type = Word();
            ulong offset = Long();
            BlockFormat format = BlockFormat.Find(type) ?? throw new ModelException(
                $"{name}: tensor '{tensor}' is quantised as {BlockFormat.NameOf(type)}, which is not read; F32, F16, BF16, Q2_K to Q6_K, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 are. Convert it with `llama-quantize --allow-requantize {name} OUT.gguf Q8_0`.");
            if (shape[^1] % format.BlockValues != 0 || count > long.MaxValue / 4 || offset > long.MaxValue / 2)
            {
                throw new ModelException($"{name} is damaged: tensor '{tensor}' {Shapes.Text(shape)} does not divide into blocks of {format.BlockValues}.");
            }

            return new Entry(tensor, shape, format, (long)offset, (long)(count / format.BlockValues) * format.BlockBytes);
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            if (count > file.Length - Position)
            {
                throw new ModelException(string.Create(
                    CultureInfo.InvariantCulture, $"{name} is truncated: its header goes on past its {file.Length} bytes; download it again."));
            }

            ReadOnlySpan<byte> bytes = file.Bytes(Position, count);
            Position += count;
            return bytes;
        }

        private ModelException Damaged() => new($"{name} is damaged: its header makes no sense at byte {Position}; download it again.");
    }
}
