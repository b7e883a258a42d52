using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace AttentionLens.Cli.Formats;

/// <summary>Heatmaps as PNG (ISO/IEC 15948), RGB with 8 bits.</summary>
internal static class Png
{
    /// <summary>A page of white.</summary>
    public static byte[] Blank(int width, int height)
    {
        var stride = (width * 3) + 1;
        var pixels = new byte[height * stride];
        pixels.AsSpan().Fill(255);
        for (var y = 0; y < height; y++)
        {
            pixels[y * stride] = 0; // no filter
        }

        return pixels;
    }

    /// <summary>A heatmap of square cells into pixels of three bytes, with a byte in front of each line that stays 0 (no filter).</summary>
    public static void Paint(byte[] pixels, int width, (float[] Weights, int Rows, int Columns) matrix, float max, bool isSigned, int left, int top, int cell)
    {
        var stride = (width * 3) + 1;
        for (var row = 0; row < matrix.Rows; row++)
        {
            var start = ((top + (row * cell)) * stride) + 1 + (left * 3);
            var line = pixels.AsSpan(start, matrix.Columns * cell * 3);
            for (var column = 0; column < matrix.Columns; column++)
            {
                var (r, g, b) = Colors.Of(matrix.Weights[(row * matrix.Columns) + column], max, isSigned);
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

    /// <param name="pixels">[height, 1 + 3 * width]: each line begins with its filter, 0.</param>
    public static void Encode(Stream stream, int width, int height, byte[] pixels, string source)
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
