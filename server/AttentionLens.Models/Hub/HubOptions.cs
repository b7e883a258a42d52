namespace AttentionLens.Models.Hub;

/// <summary>Where the Hub is and how to speak to it, read from the same environment that Hugging Face's own tools read.</summary>
public sealed record HubOptions
{
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>The cache folder shared with other tools: <c>HF_HUB_CACHE</c>, <c>HF_HOME/hub</c> or <c>~/.cache/huggingface/hub</c>.</summary>
    public required string Cache { get; init; }

    public string? Token { get; init; }

    /// <summary><c>HF_HUB_OFFLINE</c>: nothing is asked for.</summary>
    public bool Offline { get; init; }

    public int ParallelFiles { get; init; } = 3;

    /// <summary>Tries per file on faults that may pass (429, 5xx, broken or stalled transfers).</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>A transfer without a byte for this long is broken off and resumed.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause before the second try; doubled for each further one.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <exception cref="ModelException"><c>HF_ENDPOINT</c> is not a web address.</exception>
    public static HubOptions FromEnvironment()
    {
        var endpoint = Variable("HF_ENDPOINT") ?? "https://huggingface.co";
        if (!Uri.TryCreate(endpoint.TrimEnd('/'), UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            throw new ModelException($"HF_ENDPOINT is \"{endpoint}\", which is not a web address; set it to one such as https://huggingface.co, or unset it.");
        return new HubOptions
        {
            Endpoint = uri,
            Cache = CacheFolder(),
            Token = Variable("HF_TOKEN") ?? Variable("HUGGING_FACE_HUB_TOKEN") ?? StoredToken(),
            Offline = Variable("HF_HUB_OFFLINE") is "1" or "ON" or "on" or "YES" or "yes" or "TRUE" or "true",
        };
    }

    public static string CacheFolder() => Variable("HF_HUB_CACHE") ?? Path.Combine(Home(), "hub");

    private static string Home() =>
        Variable("HF_HOME")
        ?? Path.Combine(Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "huggingface");

    private static string? StoredToken()
    {
        var path = Variable("HF_TOKEN_PATH") ?? Path.Combine(Home(), "token");
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
