using System.Buffers.Binary;
using System.IO.Compression;

namespace AttentionLens.Models.Tests;

/// <summary>Images whose pixels are known, and files of them.</summary>
internal static class TestImages
{
    public static string Jpeg(string name) => Path.Combine(Repository.Root, "tests", "fixtures", "images", name);

    /// <summary>Red, green and blue of pixel x, y in the JPEG fixtures.</summary>
    public static byte[] Gradient(int x, int y) => [(byte)(5 * x), (byte)(6 * y), (byte)(3 * (x + y))];

    public static RgbImage Noise(int width, int height, int seed)
    {
        byte[] data = new byte[width * height * 3];
        new Random(seed).NextBytes(data);
        return new RgbImage(width, height, data);
    }

    /// <summary>A white line through the points on black, as wide as twice the radius, with a soft edge.</summary>
    public static RgbImage Stroke(int width, int height, double radius, IReadOnlyList<(double X, double Y)> points)
    {
        byte[] data = new byte[width * height * 3];
        for (int i = 0; i < data.Length; i++)
        {
            (double x, double y) = (i / 3 % width, i / 3 / width);
            double nearest = points.Zip(points.Skip(1), (a, b) =>
            {
                (double dx, double dy) = (b.X - a.X, b.Y - a.Y);
                double along = Math.Clamp((((x - a.X) * dx) + ((y - a.Y) * dy)) / ((dx * dx) + (dy * dy)), 0, 1);
                return Math.Sqrt(Math.Pow(x - a.X - (along * dx), 2) + Math.Pow(y - a.Y - (along * dy), 2));
            }).Min();
            data[i] = (byte)Math.Clamp(255 * (radius - nearest + 0.5), 0, 255);
        }

        return new RgbImage(width, height, data);
    }

    /// <summary>A PNG of 8-bit RGB.</summary>
    public static byte[] Png(RgbImage image) => Png(image.Width, image.Height, 8, 2, Rows(image.Data, image.Width * 3));

    /// <summary>A PNG of any kind: <paramref name="rows"/> are the filtered rows, before compression.</summary>
    public static byte[] Png(int width, int height, byte depth, byte colour, byte[] rows, byte interlace = 0, params (string Type, byte[] Data)[] others)
    {
        using MemoryStream file = new();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = (depth, colour, interlace);
        Chunk(file, "IHDR", header);
        foreach ((string type, byte[] data) in others)
        {
            Chunk(file, type, data);
        }

        using MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            zlib.Write(rows);
        }

        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    /// <summary>Rows with filter 0 before each.</summary>
    public static byte[] Rows(byte[] data, int stride) => [.. data.Chunk(stride).SelectMany(static row => (byte[])[0, .. row])];

    /// <summary>The checksum is left 0: no reader of images that only shows them minds, and what is under test here does not.</summary>
    private static void Chunk(Stream file, string type, byte[] data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(System.Text.Encoding.ASCII.GetBytes(type));
        file.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, 0);
        file.Write(number);
    }

    /// <summary>A little-endian TIFF structure whose one entry is the orientation.</summary>
    public static byte[] Exif(byte orientation) =>
        [(byte)'I', (byte)'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
}
