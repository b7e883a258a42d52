using System.Globalization;
using StbImageSharp;

namespace AttentionLens.Models;

/// <summary>
/// PNG and JPEG files. The decoder is stb_image's; what it does not bound itself is bounded before it runs: pixels, the data a PNG unpacks to,
/// the scans of a JPEG, and reading past the end.
/// </summary>
internal static class ImageFile
{
    private const int MostBytes = 256 << 20;

    /// <summary>Progressive files have about ten. Each costs a walk over the whole image, however few bytes it is (libjpeg-turbo's advice on hostile files).</summary>
    private const int MostScans = 200;

    private static ReadOnlySpan<byte> StartOfScan => [0xFF, 0xDA];

    public static RgbImage Load(string path)
    {
        if (Directory.Exists(path))
        {
            throw new ModelException($"'{path}' is a folder; give a PNG or JPEG file.");
        }

        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MostBytes })
            {
                throw new ModelException($"'{path}' is larger than {MostBytes >> 20} MB; make the image smaller.");
            }

            return Decode(File.ReadAllBytes(path), path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelException($"The file '{path}' does not exist.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"'{path}' cannot be read: {error.Message}");
        }
    }

    public static RgbImage Decode(byte[] file, string name)
    {
        bool png = PngChunks.Are(file);
        if (!png && file is not [0xFF, 0xD8, 0xFF, ..])
        {
            throw new ModelException($"'{name}' is neither a PNG nor a JPEG image; convert it to one of them.");
        }

        try
        {
            if (ImageInfo.FromStream(new Bounded(file)) is not { Width: > 0, Height: > 0 } size)
            {
                throw Damaged(name);
            }

            if ((long)size.Width * size.Height > RgbImage.MostPixels)
            {
                throw new ModelException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"'{name}' has {size.Width:N0} x {size.Height:N0} pixels, and {RgbImage.MostPixels:N0} are the most that is read; make the image smaller."));
            }

            if (png ? !PngChunks.UnpackWithin(file, size.Width, size.Height) : file.AsSpan().Count(StartOfScan) > MostScans)
            {
                throw Damaged(name);
            }

            ImageResult image = ImageResult.FromStream(new Bounded(file), ColorComponents.RedGreenBlue);
            return Orientation.Upright(new RgbImage(image.Width, image.Height, image.Data), png ? PngChunks.Exif(file) : Orientation.JpegExif(file));
        }
        catch (Exception error) when (error is not ModelException)
        {
            // The decoder reports damage as whatever its port of C runs into: InvalidOperation, IndexOutOfRange, NullReference, EndOfStream.
            throw Damaged(name);
        }
    }

    private static ModelException Damaged(string name) => new($"'{name}' is damaged or of a kind of PNG or JPEG that is not read; save it again with an image editor.");

    /// <summary>A file in memory whose end is an error: the decoder takes the end for a byte of 255 and may look for the one after it forever.</summary>
    private sealed class Bounded(byte[] file) : MemoryStream(file, writable: false)
    {
        public override int Read(byte[] buffer, int offset, int count) =>
            base.Read(buffer, offset, count) is var read && read == count ? count : throw new EndOfStreamException();

        public override int ReadByte() => Position < Length ? base.ReadByte() : throw new EndOfStreamException();
    }
}
