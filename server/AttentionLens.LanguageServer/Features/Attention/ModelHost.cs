using System.Collections.Concurrent;
using AttentionLens.Analysis;
using AttentionLens.Kernels;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.Models;
using AttentionLens.Tokenization;
using Microsoft.Extensions.Logging;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>A loaded model with its tokenizer: the edge behind which tests put their own.</summary>
internal interface IModelRunner : IDisposable
{
    ModelInfo Info { get; }

    /// <summary>For the methods of analysis that read weights.</summary>
    Model Model { get; }

    /// <summary>The same, or null where there is no model but a file of what one has computed.</summary>
    Model? Loaded => Model;

    TokenizedText Encode(string text, string? pair, CancellationToken cancellation);

    /// <summary>How the vocabulary spells an id; empty where it does not.</summary>
    string Spelling(int id);

    AttentionTrace Forward(ModelInput input, Keep keep, CancellationToken cancellation);

    /// <summary>A pass in which an encoder-decoder writes the target itself.</summary>
    AttentionTrace Generate(ModelInput input, int maxTokens, Keep keep, CancellationToken cancellation);
}

/// <summary>Which model the settings ask for.</summary>
/// <param name="Name">A folder, an embedded name or a Hub id; empty = the embedded default.</param>
/// <param name="Threads">0 = as many as the machine suggests.</param>
internal sealed record ModelChoice(string Name, int Threads);

internal interface IModelLoader
{
    /// <exception cref="ModelMissingException">There is nothing at that place.</exception>
    /// <exception cref="ModelException">What is there cannot be used.</exception>
    /// <exception cref="TokenizerException">Its tokenizer cannot be used.</exception>
    IModelRunner Load(ModelChoice choice, IProgress<double> progress, CancellationToken cancellation);
}

/// <summary>No model where the settings say.</summary>
internal sealed class ModelMissingException(string message) : Exception(message);

/// <summary>A model in use: passes in flight keep it alive after the settings have moved on to another one.</summary>
internal sealed class HeldModel(IModelRunner runner)
{
    /// <summary>A sentence.</summary>
    private const int TellingTokens = 16;

    private readonly Lock gate = new();
    private readonly Dictionary<AttentionKind, HeadSelection> clearest = [];
    private int users;
    private bool retired;

    public IModelRunner Runner { get; } = runner;

    /// <summary>
    /// The head that a view means which leaves the choice to the server. Kept while the model is loaded, so that two paragraphs show the same
    /// head and typing does not change it; a text of few tokens says too little to keep its choice.
    /// </summary>
    public HeadSelection ClearestHead(AttentionKind kind, int tokens, Func<HeadSelection> find)
    {
        lock (clearest)
        {
            if (clearest.TryGetValue(kind, out HeadSelection known))
                return known;
            HeadSelection found = find();
            if (tokens >= TellingTokens)
                clearest.Add(kind, found);
            return found;
        }
    }

    /// <summary>Keeps the model alive until disposed.</summary>
    /// <exception cref="AttentionException">Another model has been chosen since.</exception>
    public Lease Enter()
    {
        lock (gate)
        {
            if (retired)
                throw new AttentionException(AttentionStatus.Stale, "Another model has been chosen since.");
            users++;
            return new Lease(this);
        }
    }

    /// <summary>The default one holds nothing.</summary>
    public readonly struct Lease(HeldModel model) : IDisposable
    {
        private readonly HeldModel? held = model;

        public void Dispose() => held?.Exit();
    }

    private void Exit()
    {
        lock (gate)
        {
            if (--users > 0 || !retired)
                return;
        }
        Runner.Dispose();
    }

    /// <summary>Disposes the model as soon as nobody uses it.</summary>
    public void Retire()
    {
        lock (gate)
        {
            if (retired)
                return;
            retired = true;
            if (users > 0)
                return;
        }
        Runner.Dispose();
    }
}

/// <summary>
/// Loads the chosen model in the background, hands it out, and tries again after a failure: a missing model may appear later. Models that questions
/// name themselves are held beside it, the most recently used few.
/// </summary>
internal sealed class ModelHost(IModelLoader loader, Func<string, Action, ProgressScope> beginProgress, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>A failed load is not repeated for every keystroke.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>Two more serve a comparison and a picture beside the text; each costs its weights in memory.</summary>
    private const int MaxOthers = 2;

    private readonly Lock gate = new();

    /// <summary>Most recently used first.</summary>
    private readonly List<Attempt> others = [];
    private Attempt? current;

    /// <summary>One try to load one choice.</summary>
    private sealed class Attempt(ModelChoice choice)
    {
        public ModelChoice Choice { get; } = choice;
        public CancellationTokenSource Cancel { get; } = new();
        public TaskCompletionSource<HeldModel> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public long FailedAt { get; set; }
    }

    /// <summary>Called after each change of state, from any thread, outside of locks.</summary>
    public event Action? Changed;

    /// <summary>The model when it is loaded; never waits.</summary>
    public HeldModel? Current => Last is { Result.Task: { IsCompletedSuccessfully: true } task } ? task.Result : null;

    public ModelInfo? Info => Current?.Runner.Info;

    public bool Loading
    {
        get
        {
            lock (gate)
                return others.Append(current).Any(static attempt => attempt is { Result.Task.IsCompleted: false });
        }
    }

    /// <summary>Why there is no model; null while there is or may be one.</summary>
    public Exception? Failure => Last?.Result.Task.Exception?.InnerException;

    private Attempt? Last
    {
        get
        {
            lock (gate)
                return current;
        }
    }

    /// <summary>Starts to load another model; no-op when the choice has not changed.</summary>
    public void Choose(ModelChoice choice)
    {
        lock (gate)
        {
            if (current?.Choice == choice)
                return;
        }
        Start(choice);
    }

    /// <summary>The model that a question is about.</summary>
    /// <param name="name">As in the settings; null = the chosen one.</param>
    /// <param name="cancellation">Of the wait: loading goes on for whoever asks next.</param>
    /// <exception cref="ModelMissingException">And the other exceptions of <see cref="IModelLoader.Load"/>.</exception>
    public async Task<HeldModel> GetAsync(string? name, CancellationToken cancellation)
    {
        Attempt attempt;
        lock (gate)
            attempt = current ?? throw new ModelMissingException("No model has been chosen yet.");
        if (name is not null && name != attempt.Choice.Name)
            attempt = Other(attempt.Choice with { Name = name });
        else if (MayRetry(attempt))
            attempt = Start(attempt.Choice, attempt);
        return await attempt.Result.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    public void Dispose()
    {
        Attempt?[] all;
        lock (gate)
        {
            all = [current, .. others];
            current = null;
            others.Clear();
        }
        foreach (Attempt? attempt in all)
            Retire(attempt);
    }

    /// <summary>One sentence for the user about any failure to load or run a model.</summary>
    public static string Explain(Exception failure) => failure switch
    {
        ModelMissingException or ModelException or TokenizerException or MethodException or Analysis.Export.ExportException => failure.Message,
        OutOfMemoryException => "There is not enough memory for this model and text; choose a smaller model or a shorter segment.",
        OperationCanceledException => "Loading the model was cancelled; ask again to load it.",
        UnauthorizedAccessException or IOException => $"The model cannot be read: {failure.Message}",
        _ => "The model failed; the server's log says why.",
    };

    private bool MayRetry(Attempt attempt) => attempt.Result.Task.IsFaulted && time.GetElapsedTime(attempt.FailedAt) >= RetryAfter;

    /// <summary>A model beside the chosen one; the least recently used gives way.</summary>
    private Attempt Other(ModelChoice choice)
    {
        Attempt attempt;
        List<Attempt> gone = [];
        lock (gate)
        {
            if (others.Find(other => other.Choice == choice) is { } known)
            {
                others.Remove(known);
                others.Insert(0, known);
                if (!MayRetry(known))
                    return known;
                gone.Add(known);
                others.RemoveAt(0);
            }
            attempt = new Attempt(choice);
            others.Insert(0, attempt);
            gone.AddRange(others.Skip(MaxOthers));
            others.RemoveRange(Math.Min(MaxOthers, others.Count), Math.Max(0, others.Count - MaxOthers));
        }
        gone.ForEach(Retire);
        _ = Task.Run(() => Load(attempt));
        return attempt;
    }

    private Attempt Start(ModelChoice choice, Attempt? instead = null)
    {
        var attempt = new Attempt(choice);
        Attempt? before;
        lock (gate)
        {
            if (instead is not null && current != instead && current is not null)
                return current;
            before = current;
            current = attempt;
        }
        Retire(before);
        _ = Task.Run(() => Load(attempt));
        return attempt;
    }

    private void Load(Attempt attempt)
    {
        Changed?.Invoke();
        try
        {
            using ProgressScope progress = beginProgress("AttentionLens: loading the model", attempt.Cancel.Cancel);
            var held = new HeldModel(loader.Load(attempt.Choice, progress, attempt.Cancel.Token));
            log.ModelLoaded(held.Runner.Info.Name, held.Runner.Info.ModelType, held.Runner.Info.Layers, held.Runner.Info.Heads);
            attempt.Result.SetResult(held);
            if (!Holds(attempt))
                held.Retire();
        }
#pragma warning disable CA1031 // Whatever a model folder does to us, the server stays up and says so.
        catch (Exception failure)
        {
            if (failure is not OperationCanceledException)
                log.ModelFailed(failure is ModelMissingException or ModelException or TokenizerException ? null : failure, Explain(failure));
            attempt.FailedAt = time.GetTimestamp();
            attempt.Result.SetException(failure);
            _ = attempt.Result.Task.Exception; // observed
        }
#pragma warning restore CA1031
        Changed?.Invoke();
    }

    private bool Holds(Attempt attempt)
    {
        lock (gate)
            return current == attempt || others.Contains(attempt);
    }

    private static void Retire(Attempt? attempt)
    {
        if (attempt is null)
            return;
        _ = attempt.Cancel.CancelAsync();
        if (attempt.Result.Task.IsCompletedSuccessfully)
            attempt.Result.Task.Result.Retire();
    }
}

/// <summary>Loads models from the local disk.</summary>
internal sealed class LocalModelLoader : IModelLoader
{
    /// <summary>By number of threads. Kept for the life of the process: traces of an earlier model may still compute rows on them.</summary>
    private readonly ConcurrentDictionary<int, WorkerPool> pools = [];

    public IModelRunner Load(ModelChoice choice, IProgress<double> progress, CancellationToken cancellation)
    {
        string folder;
        try
        {
            folder = ModelLocator.Resolve(choice.Name.Length == 0 ? null : choice.Name);
        }
        catch (ModelException missing)
        {
            throw new ModelMissingException(missing.Message);
        }
        var model = Model.Load(folder, progress, cancellation);
        if (choice.Threads > 0)
            model.Pool = pools.GetOrAdd(choice.Threads, static threads => new WorkerPool(threads));
        if (model.Tokenizer is { } tokenizer)
            return new LocalModel(model, tokenizer);
        // A vision model has no tokenizer, and is refused with the first text.
        if (model.Info.Kind == ModelKind.Vision)
            return new LocalModel(model, null);
        model.Dispose();
        throw new ModelException(model.TokenizerProblem
            ?? $"'{folder}' has no tokenizer (tokenizer.json, vocab.txt, vocab.json with merges.txt, or spiece.model); put it beside the model.");
    }

    private sealed class LocalModel(Model model, Tokenizer? tokenizer) : IModelRunner
    {
        /// <summary>Weak: the trace cache decides how long traces live.</summary>
        private readonly WeakReference<AttentionTrace?> latest = new(null);

        public ModelInfo Info => model.Info;

        public Model Model => model;

        public TokenizedText Encode(string text, string? pair, CancellationToken cancellation) =>
            tokenizer?.Encode(text, pair, cancellation: cancellation) ?? new TokenizedText([]);

        public string Spelling(int id) => tokenizer?.IdToToken(id) ?? "";

        /// <summary>
        /// A decoder's rows do not depend on what follows them: after an edit only the rows behind it are computed, as long as the cache still
        /// holds the trace from before it.
        /// </summary>
        public AttentionTrace Forward(ModelInput input, Keep keep, CancellationToken cancellation)
        {
            if (model.Info.Kind != ModelKind.Decoder)
                return model.Forward(input, keep, cancellation);
            keep |= Keep.Values;
            AttentionTrace trace = latest.TryGetTarget(out AttentionTrace? previous)
                ? model.Forward(input, previous, keep, cancellation)
                : model.Forward(input, keep, cancellation);
            latest.SetTarget(trace);
            return trace;
        }

        public AttentionTrace Generate(ModelInput input, int maxTokens, Keep keep, CancellationToken cancellation) =>
            model.Generate(input, maxTokens, keep, cancellation: cancellation).Trace;

        public void Dispose() => model.Dispose();
    }
}
