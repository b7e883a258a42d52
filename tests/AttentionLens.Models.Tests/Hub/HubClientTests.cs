using System.Text;
using AttentionLens.Models.Hub;

namespace AttentionLens.Models.Tests.Hub;

public sealed class HubClientTests : IDisposable
{
    private readonly string _cache = Directory.CreateTempSubdirectory("attention-lens-hub-").FullName;
    private readonly LoopbackHub _hub = new();
    private readonly byte[] _weights = new byte[700_000];

    public HubClientTests()
    {
        new Random(1).NextBytes(_weights);
        _hub.Add("config.json", "{\"model_type\":\"bert\"}"u8.ToArray());
        _hub.Add("tokenizer.json", Encoding.UTF8.GetBytes("{\"é\":1}"));
        _hub.Add("model.safetensors", _weights);
        _hub.Add("README.md", "not needed"u8.ToArray());
        _hub.Add("pytorch_model.bin", "pickle"u8.ToArray());
    }

    private string Blobs => Path.Combine(_cache, "models--org--model", "blobs");

    private string Snapshot => Path.Combine(_cache, "models--org--model", "snapshots", LoopbackHub.Commit);

    public void Dispose()
    {
        _hub.Dispose();
        Directory.Delete(_cache, recursive: true);
    }

    private HubOptions Options(string? token = null) => new()
    {
        Endpoint = _hub.Endpoint,
        Cache = _cache,
        Token = token,
        Attempts = 3,
        Backoff = TimeSpan.FromMilliseconds(5),
        // No test but that of stalls may take a slow machine for a stalled one.
        Stall = TimeSpan.FromMinutes(1),
    };

    private async Task<string> Pull(HubOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var client = new HubClient(options ?? Options());
        return await client.PullAsync("org/model", progress: progress, cancellation: cancellation);
    }

    private static string[] Names(string folder) => [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    [Fact]
    public async Task A_pull_leaves_the_needed_files_verified_in_the_shared_cache()
    {
        var reports = new List<PullProgress>();
        var folder = await Pull(Options("secret"), new Immediate(reports));
        Assert.Equal(Snapshot, folder);
        Assert.Equal(["config.json", "model.safetensors", "tokenizer.json"], Names(folder));
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(LoopbackHub.Commit, await File.ReadAllTextAsync(Path.Combine(_cache, "models--org--model", "refs", "main")));
        Assert.Equal(reports[^1].Total, reports.Max(r => r.Done));
        Assert.All(_hub.Requests, r => Assert.Equal("Bearer secret", r.Authorization));
        Assert.Contains(_hub.Requests, r => r.Path == "/cdn/model.safetensors");

        // Once there, only the question which commit the branch means is asked again.
        _hub.Requests.Clear();
        await Pull();
        Assert.StartsWith("/api/", Assert.Single(_hub.Requests).Path, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_does_not_follow_a_redirect_to_another_host()
    {
        using var cdn = new LoopbackHub();
        cdn.Add("model.safetensors", _weights);
        _hub.Misbehave = (path, _) => path.Contains("/resolve/", StringComparison.Ordinal) && path.EndsWith(".safetensors", StringComparison.Ordinal)
            ? new LoopbackHub.Fault(302, $"Location: {cdn.Endpoint}cdn/model.safetensors\r\n") : null;
        await Pull(Options("secret"));
        Assert.Null(Assert.Single(cdn.Requests).Authorization);
    }

    [Fact]
    public async Task A_broken_transfer_goes_on_where_it_ended()
    {
        _hub.Misbehave = (path, asked) => path.StartsWith("/cdn/", StringComparison.Ordinal) && asked < 4 ? new LoopbackHub.Fault(Truncate: 100_000) : null;
        var folder = await Pull();
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        Assert.Equal([null, "bytes=100000-", "bytes=200000-", "bytes=300000-", "bytes=400000-"], _hub.Requests.Where(r => r.Path.StartsWith("/cdn/", StringComparison.Ordinal)).Select(r => r.Range));
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_still_gives_the_right_file()
    {
        _hub.Misbehave = (path, asked) => path.StartsWith("/cdn/", StringComparison.Ordinal) ? new LoopbackHub.Fault(Truncate: asked == 0 ? 100_000 : null, IgnoreRange: true) : null;
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(await Pull(), "model.safetensors")));
    }

    [Fact]
    public async Task A_stalled_transfer_is_broken_off_and_resumed()
    {
        _hub.Misbehave = (path, asked) => path.StartsWith("/cdn/", StringComparison.Ordinal) && asked == 0 ? new LoopbackHub.Fault(Truncate: 300_000, Stall: true) : null;
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(await Pull(Options() with { Stall = TimeSpan.FromSeconds(1) }), "model.safetensors")));
    }

    [Fact]
    public async Task A_corrupt_file_is_fetched_again_and_never_published()
    {
        _hub.Misbehave = (path, asked) => path.StartsWith("/cdn/", StringComparison.Ordinal) && asked == 0 ? new LoopbackHub.Fault(Corrupt: true) : null;
        Assert.Equal(_weights, await File.ReadAllBytesAsync(Path.Combine(await Pull(), "model.safetensors")));
    }

    [Fact]
    public async Task A_file_that_stays_corrupt_leaves_no_snapshot()
    {
        _hub.Misbehave = (path, _) => path.StartsWith("/cdn/", StringComparison.Ordinal) ? new LoopbackHub.Fault(Corrupt: true) : null;
        var error = await Assert.ThrowsAsync<ModelException>(() => Pull());
        Assert.Contains("hash differs", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Snapshot));
        Assert.Throws<ModelException>(() => ModelLocator.Resolve("org/model"));
    }

    [Fact]
    public async Task A_small_file_is_checked_by_its_git_hash()
    {
        _hub.Misbehave = (path, _) => path.EndsWith("config.json", StringComparison.Ordinal) ? new LoopbackHub.Fault(Corrupt: true) : null;
        Assert.Contains("config.json", (await Assert.ThrowsAsync<ModelException>(() => Pull())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "HF_TOKEN")]
    [InlineData(403, "HF_TOKEN")]
    [InlineData(404, "not found")]
    [InlineData(429, "429")]
    [InlineData(503, "503")]
    [InlineData(418, "418")]
    public async Task A_refusal_is_told_in_one_sentence(int status, string hint)
    {
        _hub.Misbehave = (_, _) => new LoopbackHub.Fault(status);
        var error = await Assert.ThrowsAsync<ModelException>(() => Pull());
        Assert.Contains(hint, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Too_many_requests_are_waited_out_as_long_as_the_server_says()
    {
        _hub.Misbehave = (path, asked) => path.StartsWith("/api/", StringComparison.Ordinal) && asked < 2 ? new LoopbackHub.Fault(429, "Retry-After: 0\r\n") : null;
        Assert.Equal(Snapshot, await Pull());
    }

    [Fact]
    public async Task A_redirect_in_a_circle_ends()
    {
        _hub.Misbehave = (path, _) => path.StartsWith("/api/", StringComparison.Ordinal) ? new LoopbackHub.Fault(302, $"Location: {path}\r\n") : null;
        Assert.Contains("circle", (await Assert.ThrowsAsync<ModelException>(() => Pull())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://hub.test/a", "http://cdn.test/b")]
    [InlineData("https://hub.test/a", "file:///etc/passwd")]
    [InlineData("http://hub.test/a", "ftp://cdn.test/b")]
    public void A_redirect_never_leaves_encryption_or_the_web(string from, string to) => Assert.Contains(
        "not followed", Assert.Throws<ModelException>(() => HubClient.Redirected("org/model", new Uri(from), new Uri(to))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("https://hub.test/a", "/b", "https://hub.test/b")]
    [InlineData("https://hub.test/a", "https://cdn.test/b", "https://cdn.test/b")]
    [InlineData("http://hub.test/a", "https://cdn.test/b", "https://cdn.test/b")]
    [InlineData("http://hub.test/a", "http://cdn.test/b", "http://cdn.test/b")]
    public void Other_redirects_are_followed(string from, string to, string expected) =>
        Assert.Equal(expected, HubClient.Redirected("org/model", new Uri(from), new Uri(to, UriKind.RelativeOrAbsolute)).AbsoluteUri);

    [Fact]
    public async Task A_description_without_end_is_refused()
    {
        _hub.Misbehave = (path, _) => path.StartsWith("/api/", StringComparison.Ordinal) ? new LoopbackHub.Fault(302, $"Location: {_hub.Endpoint}cdn/endless\r\n") : null;
        _hub.Add("endless", Encoding.ASCII.GetBytes("{\"id\":\"" + new string('x', 33 << 20) + "\"}"));
        Assert.Contains("more than 32 MB", (await Assert.ThrowsAsync<ModelException>(() => Pull())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_keeps_what_arrived_for_the_next_time()
    {
        using var cancel = new CancellationTokenSource();
        _hub.Misbehave = (path, asked) => path.StartsWith("/cdn/", StringComparison.Ordinal) && asked == 0 ? new LoopbackHub.Fault(Truncate: 300_000, Stall: true) : null;
        var progress = new Immediate([], p =>
        {
            if (p.File == "model.safetensors" && p.Done >= 300_000) cancel.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Pull(Options(), progress, cancel.Token));
        Assert.False(Directory.Exists(Snapshot));
        // The small files may or may not have come to their end before.
        Assert.Single(Directory.GetFiles(Blobs, "*.incomplete"), f => new FileInfo(f).Length == 300_000);
        _hub.Misbehave = (_, _) => null;
        _hub.Requests.Clear();
        await Pull();
        Assert.Contains(_hub.Requests, r => r is { Path: "/cdn/model.safetensors", Range: not null });
    }

    [Fact]
    public async Task A_model_with_only_a_pickle_is_refused_with_the_way_to_convert_it()
    {
        using var hub = new LoopbackHub();
        hub.Add("config.json", "{}"u8.ToArray());
        hub.Add("pytorch_model.bin", "pickle"u8.ToArray());
        var error = await Assert.ThrowsAsync<ModelException>(() => Pull(Options() with { Endpoint = hub.Endpoint }));
        Assert.Contains("safe_serialization", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(hub.Requests, r => r.Path.EndsWith(".bin", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sharded_weights_come_with_their_index()
    {
        using var hub = new LoopbackHub();
        hub.Add("config.json", "{}"u8.ToArray());
        hub.Add("model.safetensors.index.json", "{}"u8.ToArray());
        hub.Add("model-00001-of-00002.safetensors", _weights);
        hub.Add("model-00002-of-00002.safetensors", _weights[..1000]);
        Assert.Equal(4, Names(await Pull(Options() with { Endpoint = hub.Endpoint })).Length);
    }

    [Fact]
    public async Task Offline_asks_nothing()
    {
        var error = await Assert.ThrowsAsync<ModelException>(() => Pull(Options() with { Offline = true }));
        Assert.Contains("HF_HUB_OFFLINE", error.Message, StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
    }

    [Theory]
    [InlineData("../evil", "main")]
    [InlineData("org/model", "../../evil")]
    [InlineData("org/model/x", "main")]
    [InlineData("", "main")]
    public async Task Names_that_walk_out_of_the_cache_are_refused(string id, string revision)
    {
        using var client = new HubClient(Options());
        await Assert.ThrowsAsync<ModelException>(() => client.PullAsync(id, revision));
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public async Task A_disk_without_room_is_said_before_the_download()
    {
        _hub.Claims["model.safetensors"] = long.MaxValue / 4;
        Assert.Contains("make room", (await Assert.ThrowsAsync<ModelException>(() => Pull())).Message, StringComparison.Ordinal);
        Assert.All(_hub.Requests, r => Assert.StartsWith("/api/", r.Path, StringComparison.Ordinal));
    }

    private sealed class Immediate(List<PullProgress> reports, Action<PullProgress>? action = null) : IProgress<PullProgress>
    {
        public void Report(PullProgress value)
        {
            lock (reports) reports.Add(value);
            action?.Invoke(value);
        }
    }
}
