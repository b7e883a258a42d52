using System.IO.Pipelines;
using System.Text;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.JsonRpc;

/// <summary>Rows 12 and 13: one writer, bounded, replies never dropped, lossy items coalesced.</summary>
public sealed class OutboundQueueTests
{
    [Fact]
    public async Task A_client_that_does_not_read_costs_a_bounded_queue_and_loses_no_reply()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 64, resumeWriterThreshold: 32));
        var queue = new OutboundQueue(pipe.Writer, capacity: 4);
        Task run = queue.RunAsync();
        List<Task<bool>> replies = [.. Enumerable.Range(0, 50).Select(i => queue.SendAsync(Body($"{{\"reply\":{i}}}")).AsTask())];
        Assert.Contains(replies, static reply => !reply.IsCompleted); // they wait for room
        for (int i = 0; i < 1000; i++)
            queue.SendLatest($"log {i}", Body("{\"log\":true}"));
        Assert.True(queue.Dropped > 900);

        Task<List<JsonNode>> read = ReadAll(pipe.Reader);
        Assert.All(await Task.WhenAll(replies), Assert.True);
        queue.Complete();
        await run;
        pipe.Writer.Complete();
        List<JsonNode> messages = await read;
        Assert.Equal(Enumerable.Range(0, 50), messages.Where(static m => m["reply"] is not null).Select(static m => (int)m["reply"]!));
    }

    [Fact]
    public async Task Of_unsent_items_with_one_key_the_newest_is_written_once()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var queue = new OutboundQueue(pipe.Writer);
        for (int i = 0; i < 100; i++)
            queue.SendLatest("progress", Body($"{{\"percentage\":{i}}}"));
        queue.Complete();
        await queue.RunAsync();
        pipe.Writer.Complete();
        Assert.Equal(99, (int)Assert.Single(await ReadAll(pipe.Reader))["percentage"]!);
    }

    [Fact]
    public async Task After_the_peer_has_gone_sending_says_so()
    {
        var pipe = new Pipe();
        pipe.Reader.Complete();
        var queue = new OutboundQueue(pipe.Writer);
        Task run = queue.RunAsync();
        await queue.SendAsync(Body("{}"));
        await run.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.False(await queue.SendAsync(Body("{}")));
    }

    private static byte[] Body(string json) => Encoding.UTF8.GetBytes(json);

    private static async Task<List<JsonNode>> ReadAll(PipeReader reader)
    {
        using var copy = new MemoryStream();
        await reader.CopyToAsync(copy);
        return Wire.Parse(copy.ToArray());
    }
}
