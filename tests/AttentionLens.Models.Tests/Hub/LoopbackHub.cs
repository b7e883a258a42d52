using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace AttentionLens.Models.Tests.Hub;

/// <summary>
/// Speaks as much of the Hub's HTTP as a pull needs, on loopback: model information, resolve with a redirect to a CDN path for large
/// files, ranges; and misbehaves on request, which is what the tests are about.
/// </summary>
internal sealed class LoopbackHub : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Dictionary<string, byte[]> _files = [];

    public LoopbackHub()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public Uri Endpoint => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>Request lines with their Range and Authorization, in the order of arrival.</summary>
    public ConcurrentQueue<(string Path, string? Range, string? Authorization)> Requests { get; } = [];

    /// <summary>Asked before the ordinary answer with the path and the number of times it was asked; null = answer in the ordinary way.</summary>
    public Func<string, int, Fault?> Misbehave { get; set; } = (_, _) => null;

    /// <summary>Sizes that the metadata states instead of the true ones.</summary>
    public Dictionary<string, long> Claims { get; } = [];

    public sealed record Fault(int Status = 200, string Headers = "", int? Truncate = null, bool Stall = false, bool Corrupt = false, bool IgnoreRange = false);

    public void Add(string name, byte[] content) => _files[name] = content;

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            await using (var stream = client.GetStream())
            {
                var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                var path = (await reader.ReadLineAsync(_end.Token))?.Split(' ')[1] ?? "";
                string? range = null, authorization = null;
                while (await reader.ReadLineAsync(_end.Token) is { Length: > 0 } header)
                {
                    if (header.StartsWith("Range: ", StringComparison.OrdinalIgnoreCase)) range = header[7..];
                    if (header.StartsWith("Authorization: ", StringComparison.OrdinalIgnoreCase)) authorization = header[15..];
                }

                var asked = Requests.Count(r => r.Path == path);
                Requests.Enqueue((path, range, authorization));
                await AnswerAsync(stream, path, range, Misbehave(path, asked));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The client went away, which some tests make it do.
        }
    }

    private async Task AnswerAsync(NetworkStream stream, string path, string? range, Fault? fault)
    {
        if (fault is { Status: not 200 })
        {
            await WriteAsync(stream, $"HTTP/1.1 {fault.Status} X\r\n{fault.Headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }

        if (path.StartsWith("/api/models/", StringComparison.Ordinal))
        {
            await SendAsync(stream, Encoding.UTF8.GetBytes(Describe()), null, fault);
            return;
        }

        var name = path.Split('/')[^1];
        if (!_files.TryGetValue(name, out var content))
        {
            await WriteAsync(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        else if (IsLarge(name) && !path.StartsWith("/cdn/", StringComparison.Ordinal))
        {
            await WriteAsync(stream, $"HTTP/1.1 302 Found\r\nLocation: /cdn/{name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        else
        {
            await SendAsync(stream, content, range, fault);
        }
    }

    private async Task SendAsync(NetworkStream stream, byte[] content, string? range, Fault? fault)
    {
        var from = range is not null && fault is not { IgnoreRange: true } ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : 0;
        var body = content[from..];
        if (fault is { Corrupt: true }) body[^1] ^= 1;
        var status = from > 0 ? $"206 Partial Content\r\nContent-Range: bytes {from}-{content.Length - 1}/{content.Length}" : "200 OK";
        await WriteAsync(stream, $"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n");
        await stream.WriteAsync(body.AsMemory(0, fault?.Truncate ?? body.Length), _end.Token);
        await stream.FlushAsync(_end.Token);
        if (fault is { Stall: true }) await Task.Delay(Timeout.Infinite, _end.Token);
    }

    private Task WriteAsync(NetworkStream stream, string head) => stream.WriteAsync(Encoding.ASCII.GetBytes(head), _end.Token).AsTask();

    private string Describe()
    {
        var siblings = _files.Select(f =>
        {
            var size = Claims.GetValueOrDefault(f.Key, f.Value.Length);
            var hash = IsLarge(f.Key)
                ? $$"""
                  "blobId":"{{new string('a', 40)}}","lfs":{"sha256":"{{Convert.ToHexStringLower(SHA256.HashData(f.Value))}}","size":{{size}},"pointerSize":134}
                  """
                : $"\"blobId\":\"{GitHash(f.Value)}\"";
            return $"{{\"rfilename\":\"{f.Key}\",\"size\":{size},{hash}}}";
        });
        return $$"""{"id":"org/model","sha":"{{Commit}}","siblings":[{{string.Join(',', siblings)}}],"gated":false,"likes":3}""";
    }

    private static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal);

#pragma warning disable CA5350 // Git names its objects by SHA-1.
    private static string GitHash(byte[] content) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }
}
