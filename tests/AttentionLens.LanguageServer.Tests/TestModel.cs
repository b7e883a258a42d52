using System.Runtime.CompilerServices;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Tests;

/// <summary>
/// A real model (tiny, seeded, from the oracle fixtures) behind a tokenizer that any text fits: words and punctuation, ids by hash. A test can
/// hold passes at a gate and see how many ran.
/// </summary>
internal sealed class TestModel(string architecture) : IModelRunner
{
    private readonly Model model = Model.Load(Folder(architecture));
    private int passes;

    public ModelInfo Info => model.Info;

    public Model Model => model;

    /// <summary>When set, every pass waits here (and can be cancelled while it waits).</summary>
    public TaskCompletionSource? Gate { get; set; }

    /// <summary>Released once at the start of each pass.</summary>
    public SemaphoreSlim Started { get; } = new(0);

    /// <summary>Throws instead of a pass.</summary>
    public Func<ModelInput, Exception?>? Fail { get; set; }

    public int Passes => Volatile.Read(ref passes);

    public bool Disposed { get; private set; }

    public TokenizedText Encode(string text, string? pair, CancellationToken cancellation)
    {
        if (Info.Kind is ModelKind.Decoder)
            return new TokenizedText([.. Words(text, 0)]);
        Token cls = new(1, "[CLS]", 0, 0, true, -1, 0, -1), sep = new(2, "[SEP]", 0, 0, true, -1, 0, -1);
        return new TokenizedText(pair is null
            ? [cls, .. Words(text, 0), sep]
            : [cls, .. Words(text, 0), sep, .. Words(pair, 1), sep with { TypeId = 1 }]);
    }

    public string Spelling(int id) => $"w{id}";

    public AttentionTrace Generate(ModelInput input, int maxTokens, Keep keep, CancellationToken cancellation) =>
        model.Generate(input, maxTokens, keep, cancellation: cancellation).Trace;

    public AttentionTrace Forward(ModelInput input, Keep keep, CancellationToken cancellation)
    {
        Interlocked.Increment(ref passes);
        Started.Release();
        Gate?.Task.WaitAsync(cancellation).GetAwaiter().GetResult();
        if (Fail?.Invoke(input) is { } failure)
            throw failure;
        return model.Forward(input, keep, cancellation);
    }

    public void Dispose()
    {
        Disposed = true;
        model.Dispose();
    }

    public static string Folder(string architecture, [CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "fixtures", "oracle", architecture);

    /// <summary>Words of letters and digits, every other visible character (surrogate pair) by itself; long words in pieces of eight.</summary>
    private static IEnumerable<Token> Words(string text, int sequence)
    {
        int word = 0;
        for (int i = 0; i < text.Length;)
        {
            if (char.IsWhiteSpace(text[i]))
            {
                i++;
                continue;
            }
            int start = i;
            if (char.IsLetterOrDigit(text[i]))
            {
                while (i < text.Length && char.IsLetterOrDigit(text[i]))
                    i++;
            }
            else
            {
                i += char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;
            }
            for (int at = start; at < i; at += 8)
            {
                int end = Math.Min(i, at + 8), id = 5;
                foreach (char c in text.AsSpan(at, end - at))
                    id = ((id * 31) + c) % 100;
                yield return new Token(id + 5, (at > start ? "##" : "") + text[at..end], at, end, false, sequence, sequence, word);
            }
            word++;
        }
    }
}

/// <summary>Hands out what the test says for each choice of model.</summary>
internal sealed class TestLoader(Func<ModelChoice, IModelRunner> load) : IModelLoader
{
    private int loads;

    public int Loads => Volatile.Read(ref loads);

    /// <summary>When set, every load waits here.</summary>
    public TaskCompletionSource? Gate { get; set; }

    public IModelRunner Load(ModelChoice choice, IProgress<double> progress, CancellationToken cancellation)
    {
        Interlocked.Increment(ref loads);
        progress.Report(0.5);
        Gate?.Task.WaitAsync(cancellation).GetAwaiter().GetResult();
        return load(choice);
    }
}
