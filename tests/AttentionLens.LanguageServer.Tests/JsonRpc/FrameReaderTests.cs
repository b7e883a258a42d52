using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using AttentionLens.LanguageServer.JsonRpc;
using CsCheck;

namespace AttentionLens.LanguageServer.Tests.JsonRpc;

/// <summary>Rows 1 to 4 of the host's checklist: headers, bounds, ends of the stream, segments.</summary>
public sealed class FrameReaderTests
{
    public static TheoryData<int> Chunks => [1, 2, 7, 4096];

    [Theory]
    [MemberData(nameof(Chunks))]
    public async Task Bodies_are_cut_exactly(int chunk)
    {
        byte[] stream = [.. Wire.Frame("{\"a\":1}"), .. Wire.Frame(""), .. Wire.Frame("é🔎"), .. Wire.Frame(new string('x', 10_000))];
        Assert.Equal(["{\"a\":1}", "", "é🔎", new string('x', 10_000)], await ReadAll(stream, chunk));
    }

    [Theory]
    [MemberData(nameof(Chunks))]
    public async Task Headers_are_read_as_http_reads_them(int chunk)
    {
        string[] headers =
        [
            "Content-Length: 2\r\n\r\n", "content-length:2\r\n\r\n", "CONTENT-LENGTH:   2  \r\n\r\n",
            "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
            $"X-{new string('y', 3000)}: {new string('z', 3000)}\r\nContent-Length: 2\r\n\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", "Content-Length: 0002\n\n",
        ];
        byte[] stream = [.. headers.SelectMany(static h => Encoding.ASCII.GetBytes(h + "{}"))];
        Assert.Equal(headers.Select(static _ => "{}"), await ReadAll(stream, chunk));
    }

    [Theory]
    [InlineData("Content-Length: -1\r\n\r\n{}")]
    [InlineData("Content-Length: 99999999999999999999\r\n\r\n{}")]
    [InlineData("Content-Length: 67108865\r\n\r\n{}")]
    [InlineData("Content-Length: two\r\n\r\n{}")]
    [InlineData("Content-Length: \r\n\r\n{}")]
    [InlineData("Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("Content-Type: text\r\n\r\n{}")]
    [InlineData("\r\n\r\n{}")]
    [InlineData("a stray print\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("Content-Length: 2\r\n\r\n{")]
    [InlineData("Content-Length: 2\r\n\r\n")]
    [InlineData("Content-Le")]
    public async Task Lost_framing_is_an_error_and_never_a_wait(string stream)
    {
        foreach (int chunk in new[] { 1, 2, 7, 4096 })
            await Assert.ThrowsAsync<FramingException>(() => ReadAll(Encoding.ASCII.GetBytes(stream), chunk).WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task An_endless_header_is_refused_without_buffering_it()
    {
        var endless = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var reader = new FrameReader(endless.Reader);
        Task<ReadOnlySequence<byte>?> read = reader.ReadAsync(default).AsTask();
        byte[] noise = Encoding.ASCII.GetBytes(new string('x', 1024));
        long written = 0;
        while (!read.IsCompleted && written < 64 * FrameReader.MaxHeaderBytes)
        {
            await endless.Writer.WriteAsync(noise);
            written += noise.Length;
        }
        await Assert.ThrowsAsync<FramingException>(() => read.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Any_bytes_end_in_messages_and_then_a_clean_end_or_an_error()
    {
        await Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 50]).SampleAsync(async (bytes, chunk) =>
        {
            try
            {
                await ReadAll(bytes, chunk).WaitAsync(TimeSpan.FromSeconds(30));
                return true;
            }
            catch (FramingException)
            {
                return true;
            }
        }, iter: 2000);
    }

    private static async Task<List<string>> ReadAll(byte[] stream, int chunk)
    {
        var reader = new FrameReader(Wire.Reader(stream, chunk));
        var bodies = new List<string>();
        while (await reader.ReadAsync(default) is { } body)
            bodies.Add(Encoding.UTF8.GetString(body));
        return bodies;
    }
}
