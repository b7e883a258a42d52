using System.Text;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Files that are found beside a document and read unasked. A folder from elsewhere may hold a link to a device there, whose length is 0 and whose
/// end never comes: what counts is what is read, not what the file system says.
/// </summary>
internal static class SmallFile
{
    /// <exception cref="IOException">The file cannot be read, or holds more than <paramref name="most"/> bytes.</exception>
    /// <exception cref="DecoderFallbackException">Where <paramref name="encoding"/> is strict.</exception>
    public static string ReadText(Stream stream, int most, Encoding encoding)
    {
        using var content = new MemoryStream((int)Math.Min(stream.CanSeek ? stream.Length : 0, most));
        var buffer = new byte[1 << 16];
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            if (content.Length + read > most) throw new IOException($"it holds more than {most >> 20} MB");
            content.Write(buffer, 0, read);
        }

        content.Position = 0;
        using var reader = new StreamReader(content, encoding);
        return reader.ReadToEnd();
    }

    /// <inheritdoc cref="ReadText(Stream, int, Encoding)"/>
    public static string ReadText(string path, int most, Encoding encoding)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1);
        return ReadText(stream, most, encoding);
    }
}
