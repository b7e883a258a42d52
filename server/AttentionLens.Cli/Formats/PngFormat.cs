using AttentionLens.Analysis.Export;
using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// Heatmaps as PNG (ISO/IEC 15948), without labels: square cells of whole pixels, matrices of one layer side by side,
/// layers one below the other.
/// </summary>
internal sealed class PngFormat : PictureFormat
{
    private const int Gap = 4;
    private const int WantedSize = 512;

    /// <summary>About what viewers open without trouble.</summary>
    private const long MaxPixels = 100_000_000;

    public override string Name => "png";

    public override bool IsBinary => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation)
    {
        var rows = Matrices(result, cancellation).GroupBy(m => (m.Stack, m.Selection.Layer)).Select(g => g.ToArray()).ToArray();
        var largest = rows.SelectMany(r => r).Max(m => Math.Max(m.Rows, m.Columns));
        var cell = rows is [[_]] ? Math.Clamp(WantedSize / largest, 1, 32) : Math.Clamp(WantedSize / 4 / largest, 1, 16);
        var width = rows.Max(r => r.Sum(m => (m.Columns * cell) + Gap)) - Gap;
        var height = rows.Sum(r => (r.Max(m => m.Rows) * cell) + Gap) - Gap;
        if ((long)width * height > MaxPixels)
        {
            throw new CommandException($"That would be a picture of {width} x {height} pixels; name a layer or head.");
        }

        var pixels = new byte[height * ((width * 3) + 1)];
        pixels.AsSpan().Fill(255);
        var top = 0;
        foreach (var row in rows)
        {
            var left = 0;
            foreach (var matrix in row)
            {
                Paint(pixels, width, matrix, left, top, cell);
                left += (matrix.Columns * cell) + Gap;
            }

            top += (row.Max(m => m.Rows) * cell) + Gap;
        }

        for (var y = 0; y < height; y++)
        {
            pixels[y * ((width * 3) + 1)] = 0; // no filter
        }

        Encode(stream, width, height, pixels, result.Model.Name);
    }

    private static void Paint(byte[] pixels, int width, Matrix matrix, int left, int top, int cell)
    {
        var stride = (width * 3) + 1;
        var isSigned = matrix.IsSigned;
        for (var row = 0; row < matrix.Rows; row++)
        {
            var start = ((top + (row * cell)) * stride) + 1 + (left * 3);
            var line = pixels.AsSpan(start, matrix.Columns * cell * 3);
            for (var column = 0; column < matrix.Columns; column++)
            {
                var (r, g, b) = Colors.Of(matrix.Weights[(row * matrix.Columns) + column], matrix.Max, isSigned);
                for (var x = column * cell * 3; x < (column + 1) * cell * 3; x += 3)
                {
                    (line[x], line[x + 1], line[x + 2]) = (r, g, b);
                }
            }

            for (var y = 1; y < cell; y++)
            {
                line.CopyTo(pixels.AsSpan(start + (y * stride)));
            }
        }
    }

    private static void Encode(Stream stream, int width, int height, byte[] pixels, string source)
    {
        stream.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8; // bits a sample
        header[9] = 2; // RGB
        Chunk(stream, "IHDR"u8, header);
        Chunk(stream, "tEXt"u8, Encoding.Latin1.GetBytes($"Software\0AttentionLens ({source})"));
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            zlib.Write(pixels);
        }

        Chunk(stream, "IDAT"u8, compressed.GetBuffer().AsSpan(0, (int)compressed.Length));
        Chunk(stream, "IEND"u8, []);
    }

    private static void Chunk(Stream stream, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        stream.Write(number);
        stream.Write(type);
        stream.Write(data);
        var crc = new Crc32();
        crc.Append(type);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, crc.GetCurrentHashAsUInt32());
        stream.Write(number);
    }
}
