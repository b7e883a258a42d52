using System.IO.Pipelines;
using System.Text.Json.Nodes;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer.Tests.JsonRpc;

/// <summary>A connection with a few methods, fed with raw bytes.</summary>
internal sealed class RpcHarness
{
    private readonly Pipe toServer = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Pipe fromServer = new(new PipeOptions(pauseWriterThreshold: 0));

    private readonly TaskCompletionSource last = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RpcHarness()
    {
        Connection = new JsonRpcConnection(toServer.Reader, fromServer.Writer, Log);
        Connection.OnRequest<SetTraceParams, SetTraceParams>("echo", LspJson.Default, static p => _ => Task.FromResult(p));
        Connection.OnRequest<NoParams, NoParams>("nothing", LspJson.Default, static p => _ => Task.FromResult(p));
        Connection.OnRequest<NoParams, NoParams>("last", LspJson.Default, p =>
        {
            last.SetResult();
            return _ => Task.FromResult(p);
        });
        Connection.OnRequest<NoParams, NoParams>("wait", LspJson.Default, p =>
        {
            Started.Release();
            return async cancellation =>
            {
                await Gate.Task.WaitAsync(cancellation);
                return p;
            };
        });
        Connection.OnRequest<NoParams, NoParams>("deaf", LspJson.Default, p => async _ =>
        {
            await Gate.Task;
            return p;
        });
        Connection.OnRequest<NoParams, NoParams>("throw", LspJson.Default, static _ => static _ => throw new InvalidOperationException("secret detail"));
        Connection.OnRequest<NoParams, NoParams>("throwEarly", LspJson.Default, static _ => throw new InvalidOperationException("secret detail"));
        Connection.OnNotification<SetTraceParams>("note", LspJson.Default, p => Notes.Add(p.Value));
        Connection.OnNotification<NoParams>("badNote", LspJson.Default, static _ => throw new InvalidOperationException("secret detail"));
        Connection.OnNotification<NoParams>("stop", LspJson.Default, _ => Connection.Stop(0));
    }

    public JsonRpcConnection Connection { get; }
    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public SemaphoreSlim Started { get; } = new(0);
    public List<string> Notes { get; } = [];
    public RecordingLog Log { get; } = new();
    public MessageReader Replies => field ??= new MessageReader(fromServer.Reader);

    public Task<int> Run() => Connection.RunAsync(default);

    public async Task Send(string body) => await toServer.Writer.WriteAsync(Wire.Frame(body));

    public void End() => toServer.Writer.Complete();

    /// <summary>Plays a whole stream at a chunk size; all messages that came back, and the exit code.</summary>
    public static async Task<(List<JsonNode> Messages, int Code, RpcHarness Harness)> Play(byte[] stream, int chunk)
    {
        var harness = new RpcHarness();
        Task<int> run = harness.Run();
        for (int i = 0; i < stream.Length; i += chunk)
            await harness.toServer.Writer.WriteAsync(stream.AsMemory(i, Math.Min(chunk, stream.Length - i)));
        // The end of the input cancels what runs, so it comes only when everything before it has been dispatched and answered.
        await harness.Send("""{"id":"last","method":"last"}""");
        await harness.last.Task.WaitAsync(TimeSpan.FromSeconds(60));
        while (harness.Connection.RunningCount > 0)
            await Task.Yield();
        harness.End();
        int code = await run.WaitAsync(TimeSpan.FromSeconds(60));
        harness.fromServer.Writer.Complete();
        using var output = new MemoryStream();
        await harness.fromServer.Reader.CopyToAsync(output);
        List<JsonNode> messages = Wire.Parse(output.ToArray());
        messages.RemoveAll(static message => message["id"] is JsonValue id && id.TryGetValue(out string? text) && text == "last");
        return (messages, code, harness);
    }
}

/// <summary>Reads messages from the server one by one.</summary>
internal sealed class MessageReader(PipeReader reader)
{
    private readonly FrameReader frames = new(reader);

    public async Task<JsonNode> Next()
    {
        System.Buffers.ReadOnlySequence<byte>? body = await frames.ReadAsync(default).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.NotNull(body);
        return JsonNode.Parse(System.Buffers.BuffersExtensions.ToArray(body.Value))!;
    }
}

internal sealed class RecordingLog : ILogger
{
    private readonly List<string> lines = [];

    public string Text
    {
        get
        {
            lock (lines)
                return string.Join('\n', lines);
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (lines)
            lines.Add($"{logLevel} {formatter(state, exception)} {exception}");
    }
}
