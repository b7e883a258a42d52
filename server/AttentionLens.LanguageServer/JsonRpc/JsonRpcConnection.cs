using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer.JsonRpc;

/// <summary>
/// JSON-RPC 2.0 over a byte stream in the framing of LSP. One reader dispatches messages in order: notification handlers run to their end on
/// it, request handlers start on it (so that they see the state as it was when the request came) and go on in the thread pool.
/// <para>Each request gets exactly one response. A cancelled request is answered at once by the cancellation; its handler then finds the
/// answer taken and stays silent.</para>
/// </summary>
internal sealed class JsonRpcConnection(PipeReader input, PipeWriter output, ILogger log)
{
    private static readonly TimeSpan ShutdownGrace = TimeSpan.FromMilliseconds(500);

    private readonly OutboundQueue outbound = new(output);
    private readonly Dictionary<string, RequestRoute> requests = [];
    private readonly Dictionary<string, Action<ReadOnlySequence<byte>?>> notifications = [];
    private readonly List<(JsonSerializerContext Types, Type Type)> wireTypes = [];
    private readonly ConcurrentDictionary<RequestId, PendingRequest> pending = [];
    private readonly ConcurrentDictionary<RequestId, TaskCompletionSource<byte[]>> outgoing = [];
    private readonly TaskCompletionSource<int> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long nextId;
    private int running;

    private delegate Func<CancellationToken, Task<Action<Utf8JsonWriter>>> RequestRoute(ReadOnlySequence<byte>? parameters);

    /// <summary>Asked before each message but <c>exit</c> is dispatched; a non-null answer refuses a request and drops a notification.</summary>
    public Func<string, RpcException?> Admit { get; set; } = static _ => null;

    /// <summary>Every method that is handled.</summary>
    public IEnumerable<string> Methods => requests.Keys.Concat(notifications.Keys);

    /// <summary>Every type that a handler reads or answers with, and the context that has to know it.</summary>
    public IReadOnlyCollection<(JsonSerializerContext Types, Type Type)> WireTypes => wireTypes;

    /// <summary>Requests that have not been answered.</summary>
    public int PendingCount => pending.Count;

    /// <summary>Handlers at work, those of cancelled requests included.</summary>
    public int RunningCount => Volatile.Read(ref running);

    /// <summary>
    /// Answers a method. <paramref name="begin"/> runs on the dispatcher, in the order of arrival; the function it returns runs in the thread pool.
    /// </summary>
    public void OnRequest<TParams, TResult>(string method, JsonSerializerContext types, Func<TParams, Func<CancellationToken, Task<TResult>>> begin)
    {
        wireTypes.Add((types, typeof(TParams)));
        wireTypes.Add((types, typeof(TResult)));
        requests.Add(method, raw =>
        {
            Func<CancellationToken, Task<TResult>> run = begin(Deserialize(method, raw, Info<TParams>(types)));
            return async cancellation =>
            {
                TResult value = await run(cancellation).ConfigureAwait(false);
                return writer => JsonSerializer.Serialize(writer, value, Info<TResult>(types));
            };
        });
    }

    /// <summary>Handles a notification on the dispatcher, before the next message is read.</summary>
    public void OnNotification<TParams>(string method, JsonSerializerContext types, Action<TParams> handler)
    {
        wireTypes.Add((types, typeof(TParams)));
        notifications.Add(method, raw => handler(Deserialize(method, raw, Info<TParams>(types))));
    }

    /// <summary>Ends <see cref="RunAsync"/> with this exit code.</summary>
    public void Stop(int code) => stopped.TrySetResult(code);

    /// <summary>Reads until <see cref="Stop"/>, the end of the input, or the loss of the peer; then cancels what runs and drains the output.</summary>
    /// <returns>The process's exit code.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        using CancellationTokenRegistration registration = cancellation.Register(() => Stop(1));
        Task writing = Task.Run(outbound.RunAsync, CancellationToken.None);
        // Not awaited after a stop: a read from a console cannot be cancelled, and the process is about to end.
        Task<int> reading = Task.Run(ReadAsync, CancellationToken.None);
        Task first = await Task.WhenAny(stopped.Task, reading, writing).ConfigureAwait(false);
        int code = 1;
        if (first == stopped.Task)
            code = await stopped.Task.ConfigureAwait(false);
        else if (first == reading)
            code = await reading.ConfigureAwait(false);
        else
            log.ConnectionLost("the output was closed");

        CancelOthers(null, "The server is shutting down.");
        foreach ((_, TaskCompletionSource<byte[]> waiting) in outgoing)
            waiting.TrySetCanceled(CancellationToken.None);
        outbound.Complete();
        try
        {
            await writing.WaitAsync(ShutdownGrace, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            log.ConnectionLost("the output could not be written to its end");
        }
        if (RunningCount > 0)
            log.StillRunning(RunningCount);
        return code;
    }

    /// <summary>Answers every running request but those of one method with RequestCancelled and cancels its work.</summary>
    public void CancelOthers(string? exceptMethod, string reason)
    {
        foreach ((_, PendingRequest request) in pending)
        {
            if (request.Method != exceptMethod)
                _ = CancelAsync(request, ErrorCodes.RequestCancelled, reason);
        }
    }

    public void Notify<T>(string method, T parameters, JsonTypeInfo<T> type) => _ = outbound.SendAsync(Notification(method, parameters, type)).AsTask();

    /// <summary>A notification of which only the newest with this key matters; dropped when the client does not read.</summary>
    public void NotifyLatest<T>(string key, string method, T parameters, JsonTypeInfo<T> type) =>
        outbound.SendLatest(key, Notification(method, parameters, type));

    /// <summary>Sends a request to the client and waits for its answer.</summary>
    /// <returns>The result as JSON.</returns>
    /// <exception cref="RpcException">The client answered with an error.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or the connection ended.</exception>
    public async Task<byte[]> RequestAsync<T>(string method, T parameters, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        var id = new RequestId(Interlocked.Increment(ref nextId).ToString(CultureInfo.InvariantCulture), false);
        var answer = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        outgoing[id] = answer;
        try
        {
            await outbound.SendAsync(Write(writer =>
            {
                writer.WritePropertyName("id");
                id.Write(writer);
                writer.WriteString("method", method);
                writer.WritePropertyName("params");
                JsonSerializer.Serialize(writer, parameters, type);
            })).ConfigureAwait(false);
            return await answer.Task.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            outgoing.TryRemove(id, out _);
        }
    }

    private async Task<int> ReadAsync()
    {
        var frames = new FrameReader(input);
        try
        {
            while (await frames.ReadAsync(CancellationToken.None).ConfigureAwait(false) is { } body)
            {
                if (Dispatch(body) is { } refusal)
                    await outbound.SendAsync(refusal).ConfigureAwait(false);
                if (stopped.Task.IsCompleted)
                    return await stopped.Task.ConfigureAwait(false);
            }
            // The client closed the input without `exit`: it has gone.
            return 1;
        }
        catch (Exception exception) when (exception is FramingException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            log.ConnectionLost(exception.Message);
            return 1;
        }
    }

    /// <returns>The response when the message is refused here; null when a handler has it or no response is due.</returns>
    private byte[]? Dispatch(ReadOnlySequence<byte> body)
    {
        Envelope message;
        try
        {
            message = Envelope.Read(body);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            log.BadMessage("not JSON");
            return Failure(null, new RpcException(ErrorCodes.ParseError, "The message is not valid JSON."));
        }
        catch (RpcException error)
        {
            log.BadMessage(error.Message);
            return Failure(null, error);
        }

        if (message.Method is { } method)
        {
            if (!message.HasId)
            {
                DispatchNotification(method, message.Params);
                return null;
            }
            return message.Id is { } id
                ? DispatchRequest(id, method, message.Params)
                : Failure(null, new RpcException(ErrorCodes.InvalidRequest, "A request's id is a number or a string."));
        }
        if (message.Result is not null || message.Error is not null)
        {
            DispatchResponse(message);
            return null;
        }
        return Failure(message.Id, new RpcException(ErrorCodes.InvalidRequest, "The message has no method."));
    }

    private void DispatchNotification(string method, ReadOnlySequence<byte>? parameters)
    {
        try
        {
            if (method == "$/cancelRequest")
                Cancel(parameters);
            else if (Admit(method) is null && notifications.TryGetValue(method, out Action<ReadOnlySequence<byte>?>? handler))
                handler(parameters);
            else if (!method.StartsWith("$/", StringComparison.Ordinal))
                log.Ignored(method);
        }
        catch (RpcException error)
        {
            log.BadMessage(error.Message);
        }
#pragma warning disable CA1031 // The loop must outlive any handler.
        catch (Exception exception)
        {
            log.Failed(exception, method);
        }
#pragma warning restore CA1031
    }

    private byte[]? DispatchRequest(RequestId id, string method, ReadOnlySequence<byte>? parameters)
    {
        if (Admit(method) is { } refused)
            return Failure(id, refused);
        if (!requests.TryGetValue(method, out RequestRoute? route))
            return Failure(id, new RpcException(ErrorCodes.MethodNotFound, $"This server has no method {Shorten(method)}."));
        var request = new PendingRequest(id, method);
        if (!pending.TryAdd(id, request))
        {
            request.Dispose();
            // Not echoed: the client would take this for the answer to the first request.
            return Failure(null, new RpcException(ErrorCodes.InvalidRequest, $"The id {Shorten(id.ToString())} is already in use."));
        }
        long start = Stopwatch.GetTimestamp();
        Func<CancellationToken, Task<Action<Utf8JsonWriter>>> run;
        try
        {
            run = route(parameters);
        }
#pragma warning disable CA1031 // Every failure becomes the request's one response.
        catch (Exception exception)
        {
            return Finish(request) ? Failure(id, Describe(exception, method)) : null;
        }
#pragma warning restore CA1031
        Interlocked.Increment(ref running);
        _ = Task.Run(() => AnswerAsync(request, run, start));
        return null;
    }

    private async Task AnswerAsync(PendingRequest request, Func<CancellationToken, Task<Action<Utf8JsonWriter>>> run, long start)
    {
        byte[] response;
        try
        {
            Action<Utf8JsonWriter> result = await run(request.Cancellation).ConfigureAwait(false);
            response = Write(writer =>
            {
                writer.WritePropertyName("id");
                request.Id.Write(writer);
                writer.WritePropertyName("result");
                result(writer);
            });
        }
#pragma warning disable CA1031 // Every failure becomes the request's one response.
        catch (Exception exception)
        {
            response = Failure(request.Id, Describe(exception, request.Method));
        }
#pragma warning restore CA1031
        if (Finish(request))
        {
            log.Answered(request.Method, request.Id.ToString(), Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            await outbound.SendAsync(response).ConfigureAwait(false);
        }
        Interlocked.Decrement(ref running);
    }

    /// <summary>Takes a request out of the pending ones. True for the caller who is to send the response.</summary>
    private bool Finish(PendingRequest request)
    {
        bool won = request.TryAnswer();
        pending.TryRemove(new KeyValuePair<RequestId, PendingRequest>(request.Id, request));
        request.Dispose();
        return won;
    }

    private void Cancel(ReadOnlySequence<byte>? parameters)
    {
        if (parameters is not { } raw)
            return;
        var reader = new Utf8JsonReader(raw);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isId = reader.ValueTextEquals("id"u8);
            reader.Read();
            if (isId && RequestId.Read(ref reader) is { } id && pending.TryGetValue(id, out PendingRequest? request))
            {
                log.Cancelled(request.Method, id.ToString());
                _ = CancelAsync(request, ErrorCodes.RequestCancelled, "Cancelled.");
                return;
            }
            reader.Skip();
        }
    }

    private async Task CancelAsync(PendingRequest request, int code, string message)
    {
        if (!request.TryAnswer())
            return;
        pending.TryRemove(new KeyValuePair<RequestId, PendingRequest>(request.Id, request));
        ValueTask<bool> sent = outbound.SendAsync(Failure(request.Id, new RpcException(code, message)));
        await request.CancelAsync().ConfigureAwait(false);
        await sent.ConfigureAwait(false);
    }

    private void DispatchResponse(Envelope message)
    {
        if (message.Id is not { } id || !outgoing.TryRemove(id, out TaskCompletionSource<byte[]>? waiting))
        {
            log.UnknownResponse(message.Id?.ToString() ?? "null");
            return;
        }
        if (message.Error is { } error)
        {
            RpcError? described = null;
            try
            {
                described = Deserialize("error", error, RpcJson.Default.RpcError);
            }
            catch (RpcException)
            {
                // The client failed to say how it failed.
            }
            waiting.TrySetException(new RpcException(described?.Code ?? ErrorCodes.InternalError, described?.Message ?? "The client reported an error."));
        }
        else
        {
            waiting.TrySetResult(message.Result.GetValueOrDefault().ToArray());
        }
    }

    private RpcException Describe(Exception exception, string method)
    {
        switch (exception)
        {
            case RpcException error:
                return error;
            case OperationCanceledException:
                return new RpcException(ErrorCodes.ServerCancelled, "The server stopped this request.");
            default:
                log.Failed(exception, method);
                return new RpcException(ErrorCodes.InternalError, $"The server failed to answer {method}; its log says why.");
        }
    }

    /// <summary>At the first message of its kind: building what describes all types took a fifth of the time to the answer of <c>initialize</c>.</summary>
    private static JsonTypeInfo<T> Info<T>(JsonSerializerContext types) => types.GetTypeInfo(typeof(T)) as JsonTypeInfo<T>
        ?? throw new InvalidOperationException($"{types.GetType().Name} does not know {typeof(T).Name}.");

    private static T Deserialize<T>(string method, ReadOnlySequence<byte>? raw, JsonTypeInfo<T> type)
    {
        try
        {
            // `params` may be absent, null, {} or an array: clients differ, and a formatter that sends null must not end a session.
            var reader = new Utf8JsonReader(raw ?? new ReadOnlySequence<byte>("{}"u8.ToArray()));
            reader.Read();
            if (reader.TokenType == JsonTokenType.Null)
                reader = Empty();
            else if (reader.TokenType == JsonTokenType.StartArray)
            {
                reader.Read();
                if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.Null)
                    reader = Empty();
            }
            return JsonSerializer.Deserialize(ref reader, type) ?? throw new JsonException("null");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            string path = exception is JsonException { Path: { Length: > 0 } place } ? $" at {Shorten(place)}" : "";
            throw new RpcException(ErrorCodes.InvalidParams, $"The parameters of {method} are not what the protocol says{path}.");
        }

        static Utf8JsonReader Empty()
        {
            var reader = new Utf8JsonReader("{}"u8);
            reader.Read();
            return reader;
        }
    }

    private static string Shorten(string text) => text.Length <= 100 ? text : string.Concat(text.AsSpan(0, 100), "...");

    private static byte[] Notification<T>(string method, T parameters, JsonTypeInfo<T> type) => Write(writer =>
    {
        writer.WriteString("method", method);
        writer.WritePropertyName("params");
        JsonSerializer.Serialize(writer, parameters, type);
    });

    private static byte[] Failure(RequestId? id, RpcException error) => Write(writer =>
    {
        writer.WritePropertyName("id");
        if (id is { } known)
            known.Write(writer);
        else
            writer.WriteNullValue();
        writer.WritePropertyName("error");
        JsonSerializer.Serialize(writer, new RpcError(error.Code, error.Message), RpcJson.Default.RpcError);
    });

    private static byte[] Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc", "2.0");
            members(writer);
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
