using System.Buffers.Binary;

namespace AttentionLens.Models;

/// <summary>How the camera was held: tag 0x0112 of Exif, 1 (upright) to 8. Hugging Face's image loading applies it, and so do browsers.</summary>
internal static class Orientation
{
    /// <summary>The TIFF structure of a JPEG's Exif segment; empty where there is none.</summary>
    public static ReadOnlySpan<byte> JpegExif(ReadOnlySpan<byte> file)
    {
        const byte app1 = 0xE1, startOfScan = 0xDA;
        for (int at = 2; at + 4 <= file.Length && file[at] == 0xFF && file[at + 1] != startOfScan;)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            if (length < 2 || length > file.Length - at - 2)
            {
                break;
            }

            ReadOnlySpan<byte> data = file.Slice(at + 4, length - 2);
            if (file[at + 1] == app1 && data.StartsWith("Exif\0\0"u8))
            {
                return data[6..];
            }

            at += length + 2;
        }

        return [];
    }

    public static RgbImage Upright(RgbImage image, ReadOnlySpan<byte> exif)
    {
        int orientation = Read(exif);
        if (orientation is < 2 or > 8)
        {
            return image;
        }

        // Orientations 5 to 8 lie on their side; of the result's axes, read along the stored ones, some run backwards.
        bool turned = orientation >= 5;
        bool flipX = orientation is 2 or 3 or 7 or 8;
        bool flipY = orientation is 3 or 4 or 6 or 7;
        int width = turned ? image.Height : image.Width;
        int height = turned ? image.Width : image.Height;
        byte[] result = new byte[image.Data.Length];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (int column, int row) = turned ? (y, x) : (x, y);
                column = flipX ? image.Width - 1 - column : column;
                row = flipY ? image.Height - 1 - row : row;
                image.Data.AsSpan(((row * image.Width) + column) * 3, 3).CopyTo(result.AsSpan(((y * width) + x) * 3));
            }
        }

        return new RgbImage(width, height, result);
    }

    /// <summary>The tag in the first directory of a TIFF structure; 1 where it is not there or makes no sense.</summary>
    private static int Read(ReadOnlySpan<byte> tiff)
    {
        const int tag = 0x0112, entry = 12;
        if (tiff.Length < 8)
        {
            return 1;
        }

        bool little = tiff[0] == 'I';
        uint start = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (start > tiff.Length - 2)
        {
            return 1;
        }

        ReadOnlySpan<byte> directory = tiff[(int)start..];
        int count = Short(directory, little);
        for (int i = 0, at = 2; i < count && at + entry <= directory.Length; i++, at += entry)
        {
            if (Short(directory[at..], little) == tag)
            {
                return Short(directory[(at + 8)..], little);
            }
        }

        return 1;
    }

    private static int Short(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
}
