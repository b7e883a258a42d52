using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Threading.Channels;

namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>
/// Everything that leaves the server, written by one consumer so that header and body of a message are always contiguous. The queue is bounded:
/// a message that must arrive waits for room, a lossy one (progress, log) replaces the unsent one with the same key or is dropped when full.
/// </summary>
internal sealed class OutboundQueue(PipeWriter output, int capacity = 256)
{
    private readonly Channel<Entry> channel = Channel.CreateBounded<Entry>(new BoundedChannelOptions(capacity) { SingleReader = true });
    private readonly Dictionary<string, ReadOnlyMemory<byte>> latest = [];
    private readonly Lock latestLock = new();

    private readonly record struct Entry(ReadOnlyMemory<byte> Body, string? Key);

    /// <summary>Lossy messages that found the queue full.</summary>
    public long Dropped { get; private set; }

    /// <summary>Queues a message that must arrive; completes when there is room. False once the queue is closed.</summary>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body)
    {
        try
        {
            await channel.Writer.WriteAsync(new Entry(body, null)).ConfigureAwait(false);
            return true;
        }
        catch (ChannelClosedException)
        {
            return false;
        }
    }

    /// <summary>Queues a message of which only the newest with this key matters.</summary>
    public void SendLatest(string key, ReadOnlyMemory<byte> body)
    {
        lock (latestLock)
        {
            if (!latest.TryAdd(key, body))
                latest[key] = body;
            else if (!channel.Writer.TryWrite(new Entry(default, key)))
            {
                latest.Remove(key);
                Dropped++;
            }
        }
    }

    /// <summary>No more messages; <see cref="RunAsync"/> ends when what is queued has been written.</summary>
    public void Complete() => channel.Writer.TryComplete();

    /// <summary>The one consumer. Ends when the queue is completed, or throws <see cref="IOException"/> when the peer has gone.</summary>
    public async Task RunAsync()
    {
        try
        {
            await foreach (Entry entry in channel.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                ReadOnlyMemory<byte> body = entry.Body;
                if (entry.Key is { } key)
                {
                    lock (latestLock)
                        latest.Remove(key, out body);
                }
                WriteHeader(body.Length);
                output.Write(body.Span);
                // Not tied to any request's token: a cancelled flush must not look like a message that was never sent.
                FlushResult flushed = await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                if (flushed.IsCompleted)
                    break;
            }
        }
        finally
        {
            channel.Writer.TryComplete();
        }
    }

    private void WriteHeader(int length)
    {
        Span<byte> span = output.GetSpan(40);
        int written = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"Content-Length: {length}\r\n\r\n"), span);
        output.Advance(written);
    }
}
