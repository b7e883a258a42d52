using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace AttentionLens.Cli;

/// <summary>The TEXT argument and the -f option, and how they are read.</summary>
internal sealed class TextInput(Terminal terminal)
{
    /// <summary>More than any model takes, and little enough to answer at once.</summary>
    private const long MaxBytes = 256L << 20;

    public Argument<string?> Text { get; } = new("TEXT") { Description = "The text.", Arity = ArgumentArity.ZeroOrOne };

    public Option<string?> File { get; } = new("--file", "-f")
    {
        Description = "Read the text from a file; - is standard input. A line end at the very end is left out.",
        HelpName = "FILE",
    };

    /// <summary>The text of this run, or null when none was given.</summary>
    public string? Read(ParseResult parsed)
    {
        var text = parsed.GetValue(Text);
        var path = parsed.GetValue(File);
        // The parser takes an option it does not know for the text.
        if (text is ['-', .. { Length: > 0 } name] && name.All(c => char.IsAsciiLetter(c) || c is '-' or '=') && parsed.Tokens.All(t => t.Type != TokenType.DoubleDash))
        {
            throw new UsageException($"There is no option '{text}'; a text that starts with '-' goes after --.");
        }

        return (text, path) switch
        {
            (not null, not null) => throw new UsageException("Give either TEXT or -f FILE, not both."),
            (_, "-") => Decode(ReadAll(terminal.Input), "standard input"),
            (_, not null) => Decode(ReadFile(path), path),
            _ => text,
        };
    }

    /// <summary>A text file named by another option.</summary>
    public static string ReadText(string path) => Decode(ReadFile(path), path);

    private static byte[] ReadFile(string path)
    {
        if (Directory.Exists(path))
        {
            throw new CommandException($"'{path}' is a folder; give a text file.");
        }

        if (!System.IO.File.Exists(path))
        {
            throw new CommandException($"The file '{path}' does not exist.");
        }

        using var stream = System.IO.File.OpenRead(path);
        return ReadAll(stream);
    }

    private static byte[] ReadAll(Stream stream)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > MaxBytes)
            {
                throw new CommandException($"The text is larger than {MaxBytes >> 20} MB; give the part that is wanted.");
            }
        }

        return bytes.ToArray();
    }

    private static string Decode(byte[] bytes, string source)
    {
        var text = Decode(bytes.AsSpan(), source);
        return text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text is [.., '\n' or '\r'] ? text[..^1] : text;
    }

    private static string Decode(ReadOnlySpan<byte> bytes, string source)
    {
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
        {
            try
            {
                return new UnicodeEncoding(bytes[0] == 0xFE, false, throwOnInvalidBytes: true).GetString(bytes[2..]);
            }
            catch (DecoderFallbackException)
            {
                throw new CommandException($"'{source}' starts like UTF-16 but is not valid UTF-16; convert it to UTF-8 first.");
            }
        }

        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        if (bytes[..Math.Min(bytes.Length, 8192)].Contains((byte)0))
        {
            throw new CommandException($"'{source}' is a binary file; a text file in UTF-8 is needed.");
        }

        var chars = new char[bytes.Length];
        var status = Utf8.ToUtf16(bytes, chars, out var read, out var written, replaceInvalidSequences: false);
        if (status == System.Buffers.OperationStatus.Done)
        {
            return new string(chars, 0, written);
        }

        var line = bytes[..read].Count((byte)'\n') + 1;
        throw new CommandException(string.Create(CultureInfo.InvariantCulture,
            $"'{source}' is not valid UTF-8: byte 0x{bytes[read]:X2} at offset {read} (line {line}); convert it to UTF-8 first."));
    }
}
