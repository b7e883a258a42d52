using System.Text;

namespace AttentionLens.Corpora;

/// <summary>A piece of a corpus file that can be read on its own.</summary>
/// <param name="Document">The file, as its user named it.</param>
/// <param name="FirstByte">Where it begins.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="FirstChar">The UTF-16 offset of its beginning in the document, a byte order mark not counted.</param>
public sealed record CorpusBlock(string Document, long FirstByte, int Bytes, long FirstChar);

/// <summary>
/// Cuts files into blocks without reading them into memory: of formats in which every line (or paragraph) stands for itself, large files are cut
/// between two of them; any other file is one block. The same files give the same blocks, on any machine.
/// </summary>
public static class CorpusPlan
{
    /// <summary>A file of another format may be so large: it is read whole.</summary>
    private const long LargestWhole = 512L << 20;

    /// <summary>A line or paragraph that is longer than this is cut at a line end, or inside.</summary>
    private const int LongestSeparation = 1 << 20;

    /// <summary>Blocks of one file in order.</summary>
    /// <param name="path">A text file in UTF-8.</param>
    /// <param name="target">Bytes of a block, roughly; at least 1.</param>
    /// <param name="cancellation">Checked per block.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is too large to be read whole, and its format cannot be cut.</exception>
    public static IEnumerable<CorpusBlock> Blocks(string path, int target, CancellationToken cancellation)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        long length = file.Length;
        if (length <= target)
        {
            yield return new CorpusBlock(path, 0, (int)length, 0);
            yield break;
        }

        if (Separator(path) is not { } separator)
        {
            yield return length <= LargestWhole
                ? new CorpusBlock(path, 0, (int)length, 0)
                : throw new InvalidDataException($"'{path}' has {length >> 20} MB, and a file of its format is read whole, which is done up to {LargestWhole >> 20} MB; cut it, or convert it to JSON Lines.");
            yield break;
        }

        byte[] buffer = new byte[target + LongestSeparation];
        long at = 0;
        long chars = 0;
        while (at < length)
        {
            cancellation.ThrowIfCancellationRequested();
            file.Position = at;
            int read = file.ReadAtLeast(buffer, (int)Math.Min(buffer.Length, length - at), throwOnEndOfStream: false);
            int end = at + target >= length ? read : End(buffer.AsSpan(0, read), Math.Min(target, read), separator);
            yield return new CorpusBlock(path, at, end, chars);
            ReadOnlySpan<byte> text = buffer.AsSpan(0, end);
            chars += Encoding.UTF8.GetCharCount(at == 0 && text.StartsWith("\uFEFF"u8) ? text[3..] : text);
            at += end;
        }
    }

    /// <summary>The text of a block; what is not UTF-8 becomes U+FFFD.</summary>
    /// <exception cref="IOException">The file cannot be read, or is shorter than it was.</exception>
    public static string Read(CorpusBlock block)
    {
        byte[] bytes = new byte[block.Bytes];
        using FileStream file = new(block.Document, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        file.Position = block.FirstByte;
        if (file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new IOException($"'{block.Document}' is shorter than it was when the run was planned.");
        }

        ReadOnlySpan<byte> text = bytes;
        return Encoding.UTF8.GetString(block.FirstByte == 0 && text.StartsWith("\uFEFF"u8) ? text[3..] : text);
    }

    /// <summary>What may stand between two blocks; null where a file is one.</summary>
    private static byte[]? Separator(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".jsonl" or ".ndjson" or ".jsonlines" => "\n"u8.ToArray(),
        ".txt" or ".text" or ".conll" or ".conll2002" or ".conll2003" or ".conll03" or ".iob" or ".iob2" or ".bio" or ".conllu" => "\n\n"u8.ToArray(),
        _ => null,
    };

    /// <summary>The first place at or after <paramref name="from"/> behind a separator; else behind a line end; else between two characters.</summary>
    private static int End(ReadOnlySpan<byte> bytes, int from, ReadOnlySpan<byte> separator)
    {
        ReadOnlySpan<byte> rest = bytes[from..];
        int at = rest.IndexOf(separator);
        // Windows writes a blank line with two more bytes.
        int windows = separator.Length == 2 ? rest.IndexOf("\r\n\r\n"u8) : -1;
        if (windows >= 0 && (at < 0 || windows < at))
        {
            return from + windows + 4;
        }

        if (at >= 0)
        {
            return from + at + separator.Length;
        }

        if (rest.IndexOf((byte)'\n') is >= 0 and var line)
        {
            return from + line + 1;
        }

        // Behind the last character that is whole.
        int lead = bytes.Length - 1;
        while (lead > from && (bytes[lead] & 0xC0) == 0x80)
        {
            lead--;
        }

        int length = bytes[lead] switch { >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC0 => 2, _ => 1 };
        return lead > from && lead + length > bytes.Length ? lead : bytes.Length;
    }
}
