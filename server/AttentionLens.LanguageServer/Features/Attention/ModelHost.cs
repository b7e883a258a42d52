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

    TokenizedText Encode(string text, string? pair, CancellationToken cancellation);

    AttentionTrace Forward(ModelInput input, Keep keep, CancellationToken cancellation);
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
    private readonly Lock gate = new();
    private int users;
    private bool retired;

    public IModelRunner Runner { get; } = runner;

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

/// <summary>Loads the chosen model in the background, hands it out, and tries again after a failure: a missing model may appear later.</summary>
internal sealed class ModelHost(IModelLoader loader, Func<string, Action, ProgressScope> beginProgress, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>A failed load is not repeated for every keystroke.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
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

    public bool Loading => Last is { Result.Task.IsCompleted: false };

    /// <summary>Why there is no model, in one sentence; null while there is or may be one.</summary>
    public string? Problem => Last?.Result.Task.Exception?.InnerException is { } failure ? Explain(failure) : null;

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

    /// <summary>The chosen model.</summary>
    /// <exception cref="ModelMissingException">And the other exceptions of <see cref="IModelLoader.Load"/>.</exception>
    public async Task<HeldModel> GetAsync(CancellationToken cancellation)
    {
        Attempt attempt;
        lock (gate)
            attempt = current ?? throw new ModelMissingException("No model has been chosen yet.");
        if (attempt.Result.Task is { IsFaulted: true } && time.GetElapsedTime(attempt.FailedAt) >= RetryAfter)
            attempt = Start(attempt.Choice, attempt);
        return await attempt.Result.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    public void Dispose()
    {
        Attempt? last;
        lock (gate)
        {
            last = current;
            current = null;
        }
        Retire(last);
    }

    /// <summary>One sentence for the user about any failure to load or run a model.</summary>
    public static string Explain(Exception failure) => failure switch
    {
        ModelMissingException or ModelException or TokenizerException or MethodException => failure.Message,
        OutOfMemoryException => "There is not enough memory for this model and text; choose a smaller model or a shorter segment.",
        OperationCanceledException => "Loading the model was cancelled; ask again to load it.",
        UnauthorizedAccessException or IOException => $"The model cannot be read: {failure.Message}",
        _ => "The model failed; the server's log says why.",
    };

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
            if (Last != attempt)
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

        public void Dispose() => model.Dispose();
    }
}
