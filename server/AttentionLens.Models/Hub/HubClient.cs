using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace AttentionLens.Models.Hub;

/// <summary>Bytes of a pull so far, over all its files.</summary>
public readonly record struct PullProgress(long Done, long Total, string File);

/// <summary>
/// Downloads models from the Hub into the cache that Hugging Face's tools share (<c>blobs/HASH</c>, <c>snapshots/COMMIT/</c>, <c>refs/REVISION</c>).
/// A transfer is resumed where it broke off, every file is checked against the hash that the Hub's metadata states, and a snapshot
/// appears in one rename when all of it is there: nothing half-written can be loaded.
/// </summary>
public sealed class HubClient : IDisposable
{
    private const int MaxRedirects = 8;

    /// <summary>What the Hub says of a repository of some thousand files takes a megabyte.</summary>
    private const int MaxMetadataBytes = 32 << 20;

    private readonly HubOptions _options;
    private readonly HttpClient _http;

    public HubClient(HubOptions options)
    {
        _options = options;
        // Redirects by hand: the token must not follow one to another host. Proxies come from the environment, as the default handler does.
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = options.Stall }) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("attention-lens", typeof(HubClient).Assembly.GetName().Version?.ToString(3)));
    }

    public void Dispose() => _http.Dispose();

    /// <exception cref="ModelException">Offline, unknown, gated, or the Hub does not answer.</exception>
    public async Task<HubRepository> DescribeAsync(string id, string revision = "main", CancellationToken cancellation = default)
    {
        CheckNames(id, revision);
        var uri = new Uri(_options.Endpoint, $"/api/models/{id}/revision/{Uri.EscapeDataString(revision)}?blobs=true");
        var answer = await Retried(id, async attempt =>
        {
            using var response = await SendAsync(id, uri, null, attempt);
            using var stalled = new StallWatch(_options.Stall, attempt);
            await using var body = await response.Content.ReadAsStreamAsync(stalled.Token);
            using var metadata = new MemoryStream();
            var buffer = new byte[1 << 16];
            int read;
            while ((read = await stalled.Watch(() => body.ReadAsync(buffer, stalled.Token))) > 0)
            {
                if (metadata.Length + read > MaxMetadataBytes)
                    throw new ModelException($"{_options.Endpoint.Host} answers about {id} with more than {MaxMetadataBytes >> 20} MB, which no model's description is; is HF_ENDPOINT right?");
                metadata.Write(buffer, 0, read);
            }

            return JsonSerializer.Deserialize(metadata.GetBuffer().AsSpan(0, (int)metadata.Length), HubJson.Default.ModelInfoAnswer);
        }, null, cancellation);

        if (answer?.Sha is not { Length: >= 7 } commit || !commit.All(char.IsAsciiHexDigit) || answer.Siblings is null)
            throw new ModelException($"The answer of {_options.Endpoint.Host} about {id} could not be understood; is HF_ENDPOINT right?");
        var files = new List<HubFile>();
        foreach (var s in answer.Siblings)
        {
            // Names come from a server: only what stays inside the snapshot folder is a file of the model.
            if (s.Rfilename is not { Length: > 0 } name || name.Split('/').Any(p => p is "" or "." or ".." || p.Contains('\\', StringComparison.Ordinal)) || Path.IsPathRooted(name)) continue;
            var sha256 = Hash(s.Lfs?.Sha256, 64);
            var git = Hash(s.BlobId, 40);
            if (sha256 is null && git is null) continue;
            files.Add(new HubFile(name, s.Lfs?.Size ?? s.Size ?? 0, sha256, git));
        }

        return new HubRepository(id, commit, files);
    }

    /// <summary>Downloads what is needed of a model and returns its folder. What is already in the cache is not asked for again.</summary>
    /// <exception cref="ModelException">See <see cref="DescribeAsync"/>; or the model has no safetensors, the disk is full, a file stays corrupt.</exception>
    public async Task<string> PullAsync(string id, string revision = "main", IProgress<PullProgress>? progress = null, CancellationToken cancellation = default)
    {
        var repository = await DescribeAsync(id, revision, cancellation);
        var files = repository.Needed();
        if (!files.Any(f => f.Path == "config.json")) throw new ModelException($"{id} has no config.json at its top: it is not a model in the Hugging Face layout.");
        if (!files.Any(f => f.Path.EndsWith(".safetensors", StringComparison.Ordinal)))
        {
            var pickle = repository.Files.Any(f => f.Path.EndsWith(".bin", StringComparison.Ordinal));
            throw new ModelException(pickle
                ? $"{id} has its weights only as a pickle (pytorch_model.bin), which can run code and is not loaded; ask its authors for safetensors, or convert it once with: python -c \"from transformers import AutoModel; AutoModel.from_pretrained('{id}').save_pretrained('DIR', safe_serialization=True)\""
                : $"{id} has no model.safetensors.");
        }

        var root = Path.Combine(_options.Cache, "models--" + id.Replace("/", "--", StringComparison.Ordinal));
        var blobs = Path.Combine(root, "blobs");
        try
        {
            Directory.CreateDirectory(blobs);
            // Two files of one content are one blob.
            var contents = files.DistinctBy(f => f.BlobName).ToArray();
            CheckSpace(id, blobs, contents);
            var total = contents.Sum(f => f.Size);
            long done = 0;
            await Parallel.ForEachAsync(contents, new ParallelOptions { MaxDegreeOfParallelism = _options.ParallelFiles, CancellationToken = cancellation }, async (file, token) =>
                await FetchAsync(repository, file, blobs, bytes => progress?.Report(new PullProgress(Interlocked.Add(ref done, bytes), total, file.Path)), token));
            return Publish(repository, revision, root, files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"{id} could not be stored in {_options.Cache}: {e.Message.TrimEnd('.')}.");
        }
    }

    private async Task FetchAsync(HubRepository repository, HubFile file, string blobs, Action<long> advance, CancellationToken cancellation)
    {
        var target = Path.Combine(blobs, file.BlobName);
        if (File.Exists(target) && new FileInfo(target).Length == file.Size)
        {
            advance(file.Size);
            return;
        }

        var partial = target + ".incomplete";
        var uri = new Uri(_options.Endpoint, $"/{repository.Id}/resolve/{repository.Commit}/{string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString))}");
        long reported = 0;
        await Retried($"{repository.Id}/{file.Path}", async attempt =>
        {
            // Another process that pulls the same model holds the file; two writers in one file would spoil it.
            await using var output = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (output.Length > file.Size) output.SetLength(0);
            if (output.Length < file.Size || file.Size == 0) await TransferAsync(file, uri, output, Report, attempt);
            if (output.Length != file.Size) throw new TransferException($"ended after {output.Length} of {file.Size} bytes");
            if (!await MatchesAsync(file, output, attempt))
            {
                output.SetLength(0);
                throw new TransferException("does not have the content that the Hub's metadata states (its hash differs)");
            }

            return true;
        }, () => reported, cancellation);
        File.Move(partial, target, overwrite: true);
        Report(file.Size);

        void Report(long at)
        {
            if (at <= reported) return;
            advance(at - reported);
            reported = at;
        }
    }

    private async Task TransferAsync(HubFile file, Uri uri, FileStream output, Action<long> report, CancellationToken cancellation)
    {
        var from = output.Length;
        using var response = await SendAsync(file.Path, uri, from > 0 ? new RangeHeaderValue(from, null) : null, cancellation);
        // A server may ignore the range and send the whole: then begin again.
        if (response.StatusCode != HttpStatusCode.PartialContent || response.Content.Headers.ContentRange?.From != from) output.SetLength(0);
        output.Seek(0, SeekOrigin.End);
        using var stalled = new StallWatch(_options.Stall, cancellation);
        await using var body = await response.Content.ReadAsStreamAsync(stalled.Token);
        var buffer = new byte[1 << 17];
        while (true)
        {
            var read = await stalled.Watch(() => body.ReadAsync(buffer, stalled.Token));
            if (read == 0) break;
            if (output.Length + read > file.Size)
            {
                output.SetLength(0);
                throw new TransferException($"is longer than the {file.Size} bytes that the Hub's metadata states");
            }

            await output.WriteAsync(buffer.AsMemory(0, read), cancellation);
            report(output.Length);
        }
    }

    private static async Task<bool> MatchesAsync(HubFile file, FileStream content, CancellationToken cancellation)
    {
        content.Seek(0, SeekOrigin.Begin);
        using var hash = IncrementalHash.CreateHash(file.Sha256 is not null ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (file.Sha256 is null) hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")));
        var buffer = new byte[1 << 17];
        int read;
        while ((read = await content.ReadAsync(buffer, cancellation)) > 0) hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset()) == file.BlobName;
    }

    /// <summary>Sends a GET, following redirects; throws for every answer but success.</summary>
    private async Task<HttpResponseMessage> SendAsync(string what, Uri uri, RangeHeaderValue? range, CancellationToken cancellation)
    {
        for (var hop = 0; hop <= MaxRedirects; hop++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            request.Headers.Range = range;
            // Compressed answers have no length to resume at.
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
            if (_options.Token is { } token && uri.Host == _options.Endpoint.Host && uri.Port == _options.Endpoint.Port && uri.Scheme == _options.Endpoint.Scheme)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var stalled = new StallWatch(_options.Stall, cancellation);
            var response = await stalled.Watch(() => new ValueTask<HttpResponseMessage>(_http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stalled.Token)));
            if (response.IsSuccessStatusCode) return response;
            var status = response.StatusCode;
            var location = response.Headers.Location;
            var retryAfter = response.Headers.RetryAfter;
            response.Dispose();
            if ((int)status is 301 or 302 or 303 or 307 or 308 && location is not null)
            {
                uri = Redirected(what, uri, location);
                continue;
            }

            throw status switch
            {
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden when _options.Token is null => new ModelException(
                    $"{what} needs an account: it is private, gated, or does not exist. Accept its terms on the Hub, then set HF_TOKEN or run \"hf auth login\"."),
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new ModelException(
                    $"{what} is not open to the token in use: accept the model's terms on the Hub, or use a token that may read it."),
                HttpStatusCode.NotFound => new ModelException($"{what} was not found on {_options.Endpoint.Host}: check the name and the revision."),
                HttpStatusCode.RequestedRangeNotSatisfiable => new TransferException("could not be resumed"),
                HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError or HttpStatusCode.RequestTimeout => new TransferException(
                    $"was answered {(int)status}", retryAfter?.Delta ?? (retryAfter?.Date is { } date ? date - DateTimeOffset.UtcNow : null)),
                _ => new ModelException($"{what}: {_options.Endpoint.Host} answered {(int)status}."),
            };
        }

        throw new ModelException($"{what}: the Hub redirects in a circle.");
    }

    /// <summary>The hashes that files are checked against come over the same way: from an encrypted one nothing leads to one that is not.</summary>
    internal static Uri Redirected(string what, Uri from, Uri location)
    {
        var to = new Uri(from, location);
        return to.Scheme == from.Scheme || to.Scheme == Uri.UriSchemeHttps
            ? to
            : throw new ModelException($"{what}: {from.Host} redirects to an address of {to.Scheme}:, which is not followed.");
    }

    /// <summary>Tries again after faults that may pass; as long as each try brings <paramref name="progress"/> further, without end.</summary>
    private async Task<T> Retried<T>(string what, Func<CancellationToken, Task<T>> attempt, Func<long>? progress, CancellationToken cancellation)
    {
        if (_options.Offline) throw new ModelException($"{what} is not in the cache, and HF_HUB_OFFLINE forbids to ask for it.");
        long best = 0;
        for (var tried = 1; ; tried++)
        {
            try
            {
                return await attempt(cancellation);
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && e is TransferException or HttpRequestException or HttpIOException or TimeoutException)
            {
                var reason = e is TransferException ? e.Message : e is TimeoutException ? $"stalled for {_options.Stall.TotalSeconds:0} seconds" : $"could not be transferred ({e.Message.TrimEnd('.')})";
                if (progress?.Invoke() is { } at && at > best) (best, tried) = (at, 1);
                if (tried >= _options.Attempts) throw new ModelException($"{what} {reason}, {tried} times in a row; what arrived is kept, so the same command goes on from there.");
                var pause = (e as TransferException)?.RetryAfter ?? _options.Backoff * Math.Pow(2, tried - 1);
                await Task.Delay(pause < TimeSpan.Zero ? TimeSpan.Zero : pause > TimeSpan.FromMinutes(2) ? TimeSpan.FromMinutes(2) : pause, cancellation);
            }
            catch (JsonException)
            {
                throw new ModelException($"The answer of {_options.Endpoint.Host} about {what} could not be understood; is HF_ENDPOINT right?");
            }
        }
    }

    /// <summary>Links (or copies, where links are not allowed) the blobs into a snapshot folder that appears all at once, then moves the reference.</summary>
    private static string Publish(HubRepository repository, string revision, string root, IReadOnlyList<HubFile> files)
    {
        var snapshot = Path.Combine(root, "snapshots", repository.Commit);
        Directory.CreateDirectory(Path.Combine(root, "snapshots"));
        var staging = Path.Combine(root, $".staging-{Guid.NewGuid():N}", repository.Commit);
        Directory.CreateDirectory(staging);
        try
        {
            foreach (var file in files)
            {
                var target = Path.Combine(staging, file.Path);
                // Relative, so that the cache can be moved; two levels up from snapshots/COMMIT as from the staging folder.
                var blob = Path.Combine("..", "..", "blobs", file.BlobName);
                try
                {
                    File.CreateSymbolicLink(target, blob);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    File.Copy(Path.Combine(root, "blobs", file.BlobName), target);
                }
            }

            if (!Directory.Exists(snapshot))
            {
                Directory.Move(staging, snapshot);
            }
            else
            {
                // Another tool began this snapshot: add what it lacks, each file in one step.
                foreach (var path in Directory.GetFiles(staging))
                    if (!File.Exists(Path.Combine(snapshot, Path.GetFileName(path)))) File.Move(path, Path.Combine(snapshot, Path.GetFileName(path)));
            }
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(staging) ?? staging, recursive: true);
        }

        if (revision != repository.Commit)
        {
            var reference = Path.Combine(root, "refs", revision.Replace('/', Path.DirectorySeparatorChar));
            Directory.CreateDirectory(Path.GetDirectoryName(reference) ?? root);
            var temporary = reference + $".{Guid.NewGuid():N}";
            File.WriteAllText(temporary, repository.Commit);
            File.Move(temporary, reference, overwrite: true);
        }

        return snapshot;
    }

    private static void CheckSpace(string id, string folder, IReadOnlyList<HubFile> files)
    {
        var missing = files.Sum(f =>
        {
            var blob = Path.Combine(folder, f.BlobName);
            return File.Exists(blob) ? 0 : f.Size - (File.Exists(blob + ".incomplete") ? new FileInfo(blob + ".incomplete").Length : 0);
        });
        var free = new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        if (missing > free)
            throw new ModelException($"{id} needs {Megabytes(missing)} more in {folder}, and {Megabytes(free)} are free; make room, or set HF_HOME to another disk.");
    }

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");

    private static void CheckNames(string id, string revision)
    {
        if (!ModelLocator.IsName(id)) throw new ModelException($"\"{id}\" is not a model name of the Hub; one looks like ORGANISATION/NAME.");
        if (revision.Length == 0 || revision.Split('/').Any(p => p is "" or "." or "..") || revision.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.' or '/')))
            throw new ModelException($"\"{revision}\" is not a revision; it is a branch, a tag or a commit hash.");
    }

    private static string? Hash(string? text, int length) => text is not null && text.Length == length && text.All(char.IsAsciiHexDigitLower) ? text : null;

    /// <summary>A fault that may pass.</summary>
    private sealed class TransferException(string message, TimeSpan? retryAfter = null) : Exception(message)
    {
        public TimeSpan? RetryAfter { get; } = retryAfter;
    }

    /// <summary>Turns "no byte for a while" into a <see cref="TimeoutException"/>, apart from the caller's own cancellation.</summary>
    private sealed class StallWatch(TimeSpan stall, CancellationToken cancellation) : IDisposable
    {
        private readonly CancellationTokenSource _source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);

        public CancellationToken Token => _source.Token;

        public async Task<T> Watch<T>(Func<ValueTask<T>> action)
        {
            _source.CancelAfter(stall);
            try
            {
                var result = await action();
                _source.CancelAfter(Timeout.InfiniteTimeSpan);
                return result;
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new TimeoutException();
            }
        }

        public void Dispose() => _source.Dispose();
    }
}
