using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Tests.JsonRpc;

namespace AttentionLens.LanguageServer.Tests;

/// <summary>An editor at the other end of two pipes. Nothing here sleeps: what is awaited is a message.</summary>
internal sealed class TestClient : IAsyncDisposable
{
    public const string Uri = "file:///story.txt";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Pipe toServer = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Pipe fromServer = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Dictionary<string, TaskCompletionSource<JsonNode>> waiting = [];
    private readonly Channel<JsonNode> notifications = Channel.CreateUnbounded<JsonNode>();
    private readonly SemaphoreSlim writing = new(1);
    private int nextId;

    public TestClient(IModelLoader loader, TimeProvider? time = null, int? clientProcessId = null, string? baseTexts = null)
    {
        Exit = Task.Run(() => LanguageServerHost.RunAsync(
            toServer.Reader.AsStream(), fromServer.Writer.AsStream(),
            new ServerOptions { Loader = loader, Errors = Errors, Time = time ?? TimeProvider.System, ClientProcessId = clientProcessId, BaseTexts = baseTexts ?? Path.Combine(Path.GetTempPath(), "attention-lens-no-base-texts") }));
        Reading = Task.Run(ReadAsync);
    }

    public Task<int> Exit { get; }

    private Task Reading { get; }

    public StringWriter Errors { get; } = new();

    /// <summary>Answers the server's requests; null result by default.</summary>
    public Func<string, JsonNode?, JsonNode?> OnRequest { get; set; } = static (_, _) => null;

    /// <summary>A client on one of the oracle's models, initialized.</summary>
    public static async Task<(TestClient Client, TestModel Model)> StartAsync(
        string architecture = "bert", JsonNode? settings = null, JsonNode? capabilities = null, TimeProvider? time = null)
    {
        var model = new TestModel(architecture);
        var client = new TestClient(new TestLoader(_ => model), time);
        await client.InitializeAsync(settings, capabilities);
        return (client, model);
    }

    public async Task<JsonNode> InitializeAsync(JsonNode? settings = null, JsonNode? capabilities = null)
    {
        JsonNode answer = await Request("initialize", new JsonObject
        {
            ["processId"] = Environment.ProcessId,
            ["capabilities"] = capabilities?.DeepClone() ?? new JsonObject(),
            ["initializationOptions"] = settings?.DeepClone(),
        });
        await Notify("initialized", new JsonObject());
        return answer;
    }

    public Task Open(string text, int version = 1, string uri = Uri, string language = "plaintext") => Notify("textDocument/didOpen", new JsonObject
    {
        ["textDocument"] = new JsonObject { ["uri"] = uri, ["languageId"] = language, ["version"] = version, ["text"] = text },
    });

    public Task Change(int version, string text, JsonNode? range = null, string uri = Uri)
    {
        var change = new JsonObject { ["text"] = text };
        if (range is not null)
            change["range"] = range.DeepClone();
        return Notify("textDocument/didChange", new JsonObject
        {
            ["textDocument"] = new JsonObject { ["uri"] = uri, ["version"] = version },
            ["contentChanges"] = new JsonArray(change),
        });
    }

    public static JsonNode Position(int line, int character) => new JsonObject { ["line"] = line, ["character"] = character };

    public static JsonNode Range(int line, int character, int endLine, int endCharacter) =>
        new JsonObject { ["start"] = Position(line, character), ["end"] = Position(endLine, endCharacter) };

    public static JsonObject At(int line, int character, string uri = Uri) =>
        new() { ["textDocument"] = new JsonObject { ["uri"] = uri }, ["position"] = Position(line, character) };

    public static JsonObject Scope(JsonNode range, string uri = Uri) =>
        new() { ["textDocument"] = new JsonObject { ["uri"] = uri }, ["range"] = range };

    public static JsonObject Tints(int line, int character, int? queryLine = null, int? queryCharacter = null, string uri = Uri)
    {
        var request = new JsonObject { ["scope"] = Scope(Range(line, character, line, character), uri) };
        if (queryLine is { } l && queryCharacter is { } c)
            request["position"] = Position(l, c);
        return request;
    }

    /// <exception cref="RpcException">The server answered with an error.</exception>
    public async Task<JsonNode> Request(string method, JsonNode? parameters) => await (await Send(method, parameters)).Answer;

    /// <summary>Completes when the request is written, so that the order of messages is the test's.</summary>
    public async Task<(int Id, Task<JsonNode> Answer)> Send(string method, JsonNode? parameters)
    {
        int id = Interlocked.Increment(ref nextId);
        var answer = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (waiting)
            waiting[id.ToString(CultureInfo.InvariantCulture)] = answer;
        await Write(new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id, ["method"] = method, ["params"] = parameters });
        return (id, answer.Task.WaitAsync(Patience));
    }

    public Task Cancel(int id) => Notify("$/cancelRequest", new JsonObject { ["id"] = id });

    public Task Notify(string method, JsonNode parameters) => Write(new JsonObject { ["jsonrpc"] = "2.0", ["method"] = method, ["params"] = parameters });

    /// <summary>The next notification of a method that fits; others are passed over.</summary>
    public async Task<JsonNode> Next(string method, Func<JsonNode, bool>? fits = null)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            JsonNode message = await notifications.Reader.ReadAsync(patience.Token);
            if ((string?)message["method"] == method && (fits is null || fits(message["params"]!)))
                return message["params"]!;
        }
    }

    /// <summary>The notifications that have not been looked at, up to one of a method that fits.</summary>
    public async Task<List<JsonNode>> Until(string method, Func<JsonNode, bool> fits)
    {
        using var patience = new CancellationTokenSource(Patience);
        var seen = new List<JsonNode>();
        do
            seen.Add(await notifications.Reader.ReadAsync(patience.Token));
        while ((string?)seen[^1]["method"] != method || !fits(seen[^1]["params"]!));
        return seen;
    }

    /// <summary>The notifications that came before the last answer and have not been looked at.</summary>
    public List<JsonNode> Seen()
    {
        var seen = new List<JsonNode>();
        while (notifications.Reader.TryRead(out JsonNode? message))
            seen.Add(message);
        return seen;
    }

    public async Task<int> ShutdownAsync()
    {
        await Request("shutdown", null);
        await Notify("exit", new JsonObject());
        return await Exit.WaitAsync(Patience);
    }

    public void Disconnect() => toServer.Writer.Complete();

    public async ValueTask DisposeAsync()
    {
        toServer.Writer.Complete();
        await Exit.WaitAsync(Patience);
        fromServer.Writer.Complete();
        await Reading.WaitAsync(Patience);
    }

    private Task Write(JsonObject message) => SendRaw(message.ToJsonString());

    /// <summary>A message as it is.</summary>
    public async Task SendRaw(string message)
    {
        byte[] frame = Wire.Frame(message);
        await writing.WaitAsync();
        try
        {
            await toServer.Writer.WriteAsync(frame);
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task ReadAsync()
    {
        var frames = new FrameReader(fromServer.Reader);
        while (await frames.ReadAsync(default) is { } body)
        {
            JsonNode message = JsonNode.Parse(System.Buffers.BuffersExtensions.ToArray(body))!;
            if (message["method"] is null)
            {
                TaskCompletionSource<JsonNode> answer;
                lock (waiting)
                {
                    string id = message["id"]!.ToJsonString();
                    answer = waiting[id];
                    waiting.Remove(id);
                }
                if (message["error"] is { } error)
                    answer.SetException(new RpcException((int)error["code"]!, (string)error["message"]!));
                else
                    answer.SetResult(message["result"]!);
            }
            else if (message["id"] is { } id)
            {
                JsonNode? result = OnRequest((string)message["method"]!, message["params"]);
                try
                {
                    await Write(new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id.DeepClone(), ["result"] = result });
                }
                catch (InvalidOperationException)
                {
                    // Asked at the end of the session; a client that has gone answers nothing.
                }
            }
            else
            {
                await notifications.Writer.WriteAsync(message);
            }
        }
    }
}
