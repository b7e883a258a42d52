using System.IO.Pipelines;
using System.IO.Pipes;
using System.Net.Sockets;
using AttentionLens.LanguageServer.Features.Attention;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer;

/// <summary>How a server is run.</summary>
public sealed record ServerOptions
{
    /// <summary>The client's process; the server ends when it does. <c>initialize</c> may name it too.</summary>
    public int? ClientProcessId { get; init; }

    /// <summary>Where failures are written in full, stderr in a process.</summary>
    public TextWriter Errors { get; init; } = TextWriter.Null;

    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Folder of the texts that sidecars were written for.</summary>
    internal string BaseTexts { get; init; } = Corpora.Annotations.BaseTexts.DefaultFolder;

    internal IModelLoader Loader { get; init; } = new LocalModelLoader();

    internal TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>The language server over any two streams.</summary>
public static class LanguageServerHost
{
    /// <summary>Serves one client until it ends the session, closes the input or goes away.</summary>
    /// <returns>The exit code: 0 after <c>shutdown</c> and <c>exit</c>, else 1.</returns>
    public static async Task<int> RunAsync(Stream input, Stream output, ServerOptions options, CancellationToken cancellation = default)
    {
        using var server = new LanguageServer(
            PipeReader.Create(input, new StreamPipeReaderOptions(bufferSize: 64 * 1024, leaveOpen: true)),
            PipeWriter.Create(output, new StreamPipeWriterOptions(leaveOpen: true)),
            options);
        return await server.RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Serves the client that listens on a named pipe (Windows) or a Unix socket (elsewhere), as editors do with <c>--pipe NAME</c>.</summary>
    /// <exception cref="IOException">Nobody listens there; one sentence.</exception>
    public static async Task<int> RunPipeAsync(string name, ServerOptions options, CancellationToken cancellation = default)
    {
        Stream stream = await ConnectAsync(name, cancellation).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
            return await RunAsync(stream, stream, options, cancellation).ConfigureAwait(false);
    }

    private static async Task<Stream> ConnectAsync(string name, CancellationToken cancellation)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                const string Prefix = @"\\.\pipe\";
                var client = new NamedPipeClientStream(
                    serverName: ".", pipeName: name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name, PipeDirection.InOut, System.IO.Pipes.PipeOptions.Asynchronous);
                await client.ConnectAsync(5000, cancellation).ConfigureAwait(false);
                return client;
            }
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(name), cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception exception) when (exception is SocketException or TimeoutException or ArgumentException)
        {
            throw new IOException($"Nobody listens on the pipe '{name}'.");
        }
    }
}
