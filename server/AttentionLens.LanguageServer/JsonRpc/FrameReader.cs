using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>The byte stream no longer says where a message begins; nothing after this point can be trusted.</summary>
internal sealed class FramingException(string message) : Exception(message);

/// <summary>Cuts a byte stream into message bodies (LSP base protocol: header block, empty line, Content-Length bytes of JSON).</summary>
internal sealed class FrameReader(PipeReader input)
{
    /// <summary>A header block longer than this is not one; without a bound a stray stream would be buffered without end.</summary>
    public const int MaxHeaderBytes = 8 * 1024;

    /// <summary>Longest accepted body, in bytes.</summary>
    public const int MaxBodyBytes = 64 * 1024 * 1024;

    private int? pendingBody;
    private SequencePosition? consumed;

    /// <summary>
    /// The next body, or null at a clean end of the stream (between messages). The sequence is valid until the next call.
    /// </summary>
    /// <exception cref="FramingException">Bad or missing length, header too long, or the stream ended inside a message.</exception>
    public async ValueTask<ReadOnlySequence<byte>?> ReadAsync(CancellationToken cancellation)
    {
        if (consumed is { } end)
        {
            input.AdvanceTo(end);
            consumed = null;
        }
        while (true)
        {
            ReadResult read = await input.ReadAsync(cancellation).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = read.Buffer;
            SequencePosition start = buffer.Start;
            if (pendingBody is null && TryReadHeader(buffer, out SequencePosition bodyStart, out int length))
            {
                pendingBody = length;
                start = bodyStart;
                buffer = buffer.Slice(bodyStart);
            }
            if (pendingBody is { } expected && buffer.Length >= expected)
            {
                ReadOnlySequence<byte> body = buffer.Slice(0, expected);
                consumed = body.End;
                pendingBody = null;
                return body;
            }
            if (read.IsCompleted)
            {
                bool clean = pendingBody is null && buffer.IsEmpty;
                input.AdvanceTo(buffer.End);
                return clean ? null : throw new FramingException("The input ended inside a message.");
            }
            input.AdvanceTo(start, buffer.End);
        }
    }

    private static bool TryReadHeader(ReadOnlySequence<byte> buffer, out SequencePosition bodyStart, out int length)
    {
        var reader = new SequenceReader<byte>(buffer);
        int? found = null;
        while (reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            if (reader.Consumed > MaxHeaderBytes)
                break;
            string text = Encoding.Latin1.GetString(line).TrimEnd('\r');
            if (text.Length == 0)
            {
                bodyStart = reader.Position;
                length = found ?? throw new FramingException("A message header has no Content-Length.");
                return true;
            }
            int colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0)
                throw new FramingException("A message header line has no colon; something other than the protocol was written to the input.");
            if (!text.AsSpan(0, colon).Trim().Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
                continue;
            int value = ParseLength(text.AsSpan(colon + 1).Trim());
            if (found is { } earlier && earlier != value)
                throw new FramingException("A message has two different Content-Length headers.");
            found = value;
        }
        if (buffer.Length > MaxHeaderBytes)
            throw new FramingException($"A message header is longer than {MaxHeaderBytes} bytes.");
        bodyStart = default;
        length = 0;
        return false;
    }

    private static int ParseLength(ReadOnlySpan<char> digits)
    {
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9'))
            throw new FramingException("A Content-Length is not a number.");
        return int.TryParse(digits, out int value) && value <= MaxBodyBytes
            ? value
            : throw new FramingException($"A message is longer than {MaxBodyBytes} bytes.");
    }
}
