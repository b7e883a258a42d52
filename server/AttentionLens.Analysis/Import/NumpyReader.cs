using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Import;

/// <summary>
/// Reads NumPy's .npz: numbers of the usual types widened to float32, and arrays of strings (NumPy Enhancement Proposal 1, formats 1.0 to 3.0).
/// An array of objects is a pickle, which can run code, and is refused.
/// </summary>
internal static partial class NumpyReader
{
    /// <summary>NumPy's own readers refuse longer headers too.</summary>
    private const int LongestHeader = 10_000;

    /// <summary>Tokens of a file; a few bytes unpack to many empty ones.</summary>
    private const int MostTexts = 1_000_000;

    /// <exception cref="ModelException">Not such a file, or one that is damaged.</exception>
    public static NamedArrays Read(string path, CancellationToken cancellation)
    {
        var name = Path.GetFileName(path);
        var arrays = new NamedArrays();
        try
        {
            using var archive = ZipFile.OpenRead(path);
            foreach (var entry in archive.Entries.Where(e => e.Name.EndsWith(".npy", StringComparison.Ordinal)))
            {
                cancellation.ThrowIfCancellationRequested();
                using var stream = entry.Open();
                Read($"{name}: {entry.FullName}", entry.FullName[..^4], stream, arrays);
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException)
        {
            throw new ModelException($"{name} is no NPZ file, or it is damaged; write it again with numpy.savez.");
        }

        return arrays;
    }

    private static void Read(string where, string name, Stream stream, NamedArrays arrays)
    {
        var (type, shape) = Header(where, stream);
        long count = 1;
        foreach (var size in shape)
        {
            count = count > NamedArrays.MostValues ? count : count * size;
        }

        if (count > NamedArrays.MostValues)
        {
            throw new ModelException($"{where} holds more than {NamedArrays.MostValues:N0} values; save some layers or heads only.");
        }

        if (type is [_, 'U' or 'S', ..])
        {
            arrays.Strings[name] = Strings(where, type, (int)count, stream);
            return;
        }

        var (size0, widen) = Widener(where, type);
        arrays.Add(name, shape, Numbers(stream, (int)count, size0, widen));
    }

    private static (string Type, int[] Shape) Header(string where, Stream stream)
    {
        Span<byte> start = stackalloc byte[8];
        stream.ReadExactly(start);
        if (!start[..6].SequenceEqual((ReadOnlySpan<byte>)[0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y']) || start[6] is < 1 or > 3)
        {
            throw new ModelException($"{where} is no array of NumPy.");
        }

        Span<byte> length = stackalloc byte[4];
        length.Clear();
        stream.ReadExactly(start[6] == 1 ? length[..2] : length);
        var size = BinaryPrimitives.ReadUInt32LittleEndian(length);
        if (size > LongestHeader)
        {
            throw new ModelException($"{where} has a header of {size} bytes, which is damaged.");
        }

        var bytes = new byte[size];
        stream.ReadExactly(bytes);
        var header = Encoding.UTF8.GetString(bytes);
        var type = Description().Match(header);
        var shape = ShapeOf().Match(header);
        if (!type.Success || !shape.Success)
        {
            throw new ModelException($"{where} has a header that says no type or shape; arrays with named fields are not read.");
        }

        if (header.Contains("'fortran_order': True", StringComparison.Ordinal))
        {
            throw new ModelException($"{where} is stored by columns; save numpy.ascontiguousarray of it.");
        }

        int[] sizes = [.. shape.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(s => int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw new ModelException($"{where} has a shape that is none: ({shape.Groups[1].Value})."))];
        return (type.Groups[1].Value, sizes);
    }

    private static (int Size, Action<ReadOnlySpan<byte>, Span<float>> Widen) Widener(string where, string type) => type switch
    {
        "<f4" => (4, static (from, to) => from.CopyTo(MemoryMarshal.AsBytes(to))),
        "<f8" => (8, static (from, to) => Each(MemoryMarshal.Cast<byte, double>(from), to, static v => (float)v)),
        "<f2" => (2, static (from, to) => Each(MemoryMarshal.Cast<byte, Half>(from), to, static v => (float)v)),
        "<i8" or "<u8" => (8, static (from, to) => Each(MemoryMarshal.Cast<byte, long>(from), to, static v => v)),
        "<i4" => (4, static (from, to) => Each(MemoryMarshal.Cast<byte, int>(from), to, static v => v)),
        "<u4" => (4, static (from, to) => Each(MemoryMarshal.Cast<byte, uint>(from), to, static v => v)),
        "<i2" => (2, static (from, to) => Each(MemoryMarshal.Cast<byte, short>(from), to, static v => v)),
        "<u2" => (2, static (from, to) => Each(MemoryMarshal.Cast<byte, ushort>(from), to, static v => v)),
        "|i1" => (1, static (from, to) => Each(MemoryMarshal.Cast<byte, sbyte>(from), to, static v => v)),
        "|u1" or "|b1" => (1, static (from, to) => Each(from, to, static v => v)),
        "|O" => throw new ModelException($"{where} holds Python objects (a pickle, which can run code); save numbers, and strings as numpy.array(tokens, dtype=str)."),
        _ => throw new ModelException($"{where} holds values of type '{type}'; save float32."),
    };

    private static void Each<T>(ReadOnlySpan<T> from, Span<float> to, Func<T, float> widen)
    {
        for (var i = 0; i < to.Length; i++)
        {
            to[i] = widen(from[i]);
        }
    }

    private static float[] Numbers(Stream stream, int count, int size, Action<ReadOnlySpan<byte>, Span<float>> widen)
    {
        // Grown as it is read: a short file that says it is long must not cost what it says.
        const int Part = 1 << 18;
        var values = new float[Math.Min(count, Part)];
        var bytes = new byte[Part * size];
        for (var at = 0; at < count;)
        {
            var take = Math.Min(Part, count - at);
            stream.ReadExactly(bytes, 0, take * size);
            if (at + take > values.Length)
            {
                Array.Resize(ref values, (int)Math.Min(count, Math.Max(at + take, values.Length * 2L)));
            }

            widen(bytes.AsSpan(0, take * size), values.AsSpan(at, take));
            at += take;
        }

        return values;
    }

    private static string[] Strings(string where, string type, int count, Stream stream)
    {
        if (type[0] == '>' || !int.TryParse(type[2..], NumberStyles.None, CultureInfo.InvariantCulture, out var width) || width is < 1 or > 100_000)
        {
            throw new ModelException($"{where} holds strings of type '{type}', which is not read; save numpy.array(tokens, dtype=str).");
        }

        if (count > MostTexts)
        {
            throw new ModelException($"{where} holds more than {MostTexts:N0} texts; save the tokens of one text.");
        }

        var wide = type[1] == 'U';
        var bytes = new byte[width * (wide ? 4 : 1)];
        var encoding = wide ? Encoding.UTF32 : Encoding.UTF8;
        List<string> texts = [];
        for (var i = 0; i < count; i++)
        {
            stream.ReadExactly(bytes);
            texts.Add(encoding.GetString(bytes).TrimEnd('\0'));
        }

        return [.. texts];
    }

    [GeneratedRegex(@"'descr':\s*'([<>|=]?\w+)'")]
    private static partial Regex Description();

    [GeneratedRegex(@"'shape':\s*\(([^)]*)\)")]
    private static partial Regex ShapeOf();
}
