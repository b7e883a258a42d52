using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>Who asks: of two waiting askers with the same method and document, the one with the newer version is served, the other gets "stale".</summary>
internal readonly record struct Question(string Method, string Uri, int Version)
{
    public bool Supersedes(Question other) => Method == other.Method && Uri == other.Uri && Version > other.Version;
}

/// <summary>
/// From model inputs to traces. What is known comes from a cache bounded in bytes; equal inputs in flight share one pass; a pass that nobody
/// waits for any more is cancelled; a question that waits is replaced by its newer version (at most one running, one pending, newest wins).
/// </summary>
internal sealed class TraceService(ComputeLane lane, ByteCache<object, object> cache, Func<string, Action, ProgressScope> beginProgress)
{
    /// <summary>A model that never ends its text must be stopped; each token costs a pass over the decoder.</summary>
    private const int MaxGenerated = 512;

    private readonly Lock gate = new();
    private readonly Dictionary<TraceKey, Flight> flights = [];

    private sealed record Asker(Question Question, TaskCompletionSource<AttentionTrace> Answer);

    private sealed class Flight
    {
        public List<Asker> Askers { get; } = [];
        public ComputeLane.Job? Job { get; set; }
    }

    /// <summary>Passes waiting or running.</summary>
    public int InFlight
    {
        get
        {
            lock (gate)
                return flights.Count;
        }
    }

    /// <summary>The trace of one input.</summary>
    /// <exception cref="AttentionException">Replaced by a newer version of the question, or cancelled by the user.</exception>
    /// <exception cref="ModelException">The model refuses the input.</exception>
    public async Task<AttentionTrace> GetAsync(HeldModel model, EncodedText text, Question question, Priority priority, CancellationToken cancellation)
    {
        var asker = new Asker(question, new TaskCompletionSource<AttentionTrace>(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (gate)
        {
            if (cache.TryGet(text.Key, out object known))
                return (AttentionTrace)known;
            // Handlers run in the pool, so a newer version may have come first.
            if (flights.Values.Any(flight => flight.Askers.Any(other => other.Question.Supersedes(question))))
                throw Stale();
            Supersede(question);
            if (flights.TryGetValue(text.Key, out Flight? flight))
            {
                flight.Askers.Add(asker);
                if (flight.Job is { } job)
                    lane.Raise(job, priority);
            }
            else
            {
                flight = new Flight();
                flight.Askers.Add(asker);
                flights.Add(text.Key, flight);
                flight.Job = lane.Enqueue(priority, token => Run(model, text, flight, token));
            }
        }
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(_ => Leave(text.Key, asker, cancellation), null);
        return await asker.Answer.Task.ConfigureAwait(false);
    }

    /// <summary>Waiting (not running) askers of an older version of the question give up their place.</summary>
    private void Supersede(Question question)
    {
        foreach ((TraceKey key, Flight flight) in flights.ToArray())
        {
            if (flight.Job is not { } job || !lane.IsWaiting(job))
                continue;
            foreach (Asker asker in flight.Askers.ToArray())
            {
                if (question.Supersedes(asker.Question))
                {
                    flight.Askers.Remove(asker);
                    asker.Answer.TrySetException(Stale());
                }
            }
            if (flight.Askers.Count == 0)
                Drop(key, flight);
        }
    }

    private static AttentionException Stale() => new(AttentionStatus.Stale, "The document has changed since.");

    private void Leave(TraceKey key, Asker asker, CancellationToken cancellation)
    {
        lock (gate)
        {
            if (flights.TryGetValue(key, out Flight? flight) && flight.Askers.Remove(asker) && flight.Askers.Count == 0)
                Drop(key, flight);
        }
        asker.Answer.TrySetCanceled(cancellation);
    }

    private void Drop(TraceKey key, Flight flight)
    {
        flights.Remove(key);
        if (flight.Job is { } job)
            lane.Cancel(job);
    }

    /// <summary>On the compute thread. Throws <see cref="OperationCanceledException"/> when interrupted; it is then run again from the start.</summary>
    private void Run(HeldModel model, EncodedText text, Flight flight, CancellationToken cancellation)
    {
        Action<Asker> answer;
        try
        {
            using HeldModel.Lease lease = model.Enter();
            using ProgressScope progress = beginProgress("AttentionLens: reading attention", () => CancelByUser(text.Key, flight));
            AttentionTrace trace = text.Key.Generated
                ? model.Runner.Generate(text.Input, Math.Min(MaxGenerated, 16 + (2 * text.Source.Length)), text.Key.Keep, cancellation)
                : model.Runner.Forward(text.Input, text.Key.Keep, cancellation);
            cache.Add(text.Key, trace, trace.Bytes + (2L * text.Key.Text.Length));
            answer = asker => asker.Answer.TrySetResult(trace);
        }
#pragma warning disable CA1031 // The lane must outlive any input; whoever asked is told.
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            answer = asker => asker.Answer.TrySetException(failure);
        }
#pragma warning restore CA1031
        Finish(text.Key, flight, answer);
    }

    private void CancelByUser(TraceKey key, Flight flight)
    {
        lock (gate)
        {
            if (flight.Job is { } job)
                lane.Cancel(job);
        }
        Finish(key, flight, static asker => asker.Answer.TrySetException(new AttentionException(AttentionStatus.Failed, "Cancelled; ask again to compute it.")));
    }

    private void Finish(TraceKey key, Flight flight, Action<Asker> answer)
    {
        Asker[] askers;
        lock (gate)
        {
            if (flights.TryGetValue(key, out Flight? known) && known == flight)
                flights.Remove(key);
            askers = [.. flight.Askers];
            flight.Askers.Clear();
        }
        foreach (Asker asker in askers)
            answer(asker);
    }
}
