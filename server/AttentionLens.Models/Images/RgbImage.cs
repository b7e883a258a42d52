namespace AttentionLens.Models;

/// <summary>An image upright as it is looked at: <c>Data</c> is [Height, Width, 3], red, green and blue of 8 bits, row-major.</summary>
public sealed record RgbImage(int Width, int Height, byte[] Data)
{
    /// <summary>The most pixels that are read; a picture of this size takes about 0.5 GB while it is decoded.</summary>
    public const int MostPixels = 50_000_000;

    /// <summary>Reads a PNG or JPEG file. Transparency is dropped, 16 bits become 8, and the orientation a camera noted is applied.</summary>
    /// <exception cref="ModelException">Missing, unreadable, damaged, too large or of another format; the message says which.</exception>
    public static RgbImage Load(string path) => ImageFile.Load(path);

    /// <inheritdoc cref="Load" path="/summary"/>
    /// <param name="file">The bytes of the file.</param>
    /// <param name="name">What the file is called in messages.</param>
    /// <exception cref="ModelException">Damaged, too large or of another format; the message says which.</exception>
    public static RgbImage Decode(byte[] file, string name) => ImageFile.Decode(file, name);
}
