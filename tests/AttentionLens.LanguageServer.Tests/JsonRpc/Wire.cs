using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json.Nodes;

namespace AttentionLens.LanguageServer.Tests.JsonRpc;

/// <summary>The bytes of the base protocol, written by hand: a test must not trust the code it tests.</summary>
internal static class Wire
{
    public static byte[] Frame(string body)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(body);
        return [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"Content-Length: {bytes.Length}\r\n\r\n")), .. bytes];
    }

    /// <summary>Every message in a stream that must hold nothing else.</summary>
    public static List<JsonNode> Parse(ReadOnlySpan<byte> stream)
    {
        var messages = new List<JsonNode>();
        while (!stream.IsEmpty)
        {
            int end = stream.IndexOf("\r\n\r\n"u8);
            string header = Encoding.ASCII.GetString(stream[..end]);
            Assert.StartsWith("Content-Length: ", header, StringComparison.Ordinal);
            int length = int.Parse(header["Content-Length: ".Length..], CultureInfo.InvariantCulture);
            messages.Add(JsonNode.Parse(stream.Slice(end + 4, length))!);
            stream = stream[(end + 4 + length)..];
        }
        return messages;
    }

    /// <summary>A reader that delivers these bytes in pieces of one size.</summary>
    public static PipeReader Reader(byte[] bytes, int chunk) => PipeReader.Create(new ChunkStream(bytes, chunk));

    private sealed class ChunkStream(byte[] bytes, int chunk) : MemoryStream(bytes, writable: false)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, chunk)], cancellationToken);

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, chunk)]);
    }
}
