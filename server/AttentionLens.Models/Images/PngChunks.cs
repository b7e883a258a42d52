using System.Buffers.Binary;
using System.IO.Compression;

namespace AttentionLens.Models;

/// <summary>What is asked of a PNG file before it is decoded (https://www.w3.org/TR/png-3/).</summary>
internal static class PngChunks
{
    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    public static bool Are(ReadOnlySpan<byte> file) => file.StartsWith(Signature);

    /// <summary>Whether the image data unpacks to no more than an image of this size needs: a megabyte of deflate can stand for a gigabyte.</summary>
    public static bool UnpackWithin(byte[] file, int width, int height)
    {
        using MemoryStream packed = new();
        for (int at = Signature.Length; Next(file, ref at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> data);)
        {
            if (type.SequenceEqual("IDAT"u8))
            {
                packed.Write(data);
            }
        }

        packed.Position = 0;
        // At most four samples of 16 bits a pixel; a filter byte a row, of which the seven passes of an interlaced image have up to two each.
        long left = (8L * width * height) + (16L * height) + 64;
        using ZLibStream unpacked = new(packed, CompressionMode.Decompress);
        byte[] buffer = new byte[1 << 16];
        for (int read; (read = unpacked.Read(buffer)) > 0;)
        {
            left -= read;
            if (left < 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The TIFF structure of the eXIf chunk; empty where there is none.</summary>
    public static ReadOnlySpan<byte> Exif(ReadOnlySpan<byte> file)
    {
        for (int at = Signature.Length; Next(file, ref at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> data);)
        {
            if (type.SequenceEqual("eXIf"u8))
            {
                return data;
            }
        }

        return [];
    }

    /// <summary>Length, type, data, checksum.</summary>
    private static bool Next(ReadOnlySpan<byte> file, scoped ref int at, out ReadOnlySpan<byte> type, out ReadOnlySpan<byte> data)
    {
        type = data = [];
        if (file.Length - at < 12)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
        if (length > (uint)(file.Length - at - 12))
        {
            return false;
        }

        type = file.Slice(at + 4, 4);
        data = file.Slice(at + 8, (int)length);
        at += (int)length + 12;
        return true;
    }
}
