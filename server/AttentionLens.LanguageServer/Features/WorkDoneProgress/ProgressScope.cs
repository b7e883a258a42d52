using System.Globalization;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.WorkDoneProgress;

/// <summary>One piece of long work as the client shows it. Nothing is sent unless it is still running after half a second.</summary>
internal abstract class ProgressScope : IProgress<double>, IDisposable
{
    /// <summary>For clients without work-done progress.</summary>
    public static ProgressScope None { get; } = new Silent();

    public abstract void Report(double value);

    public abstract void Dispose();

    private sealed class Silent : ProgressScope
    {
        public override void Report(double value)
        {
        }

        public override void Dispose()
        {
        }
    }
}

/// <summary>Server-initiated progress (<c>window/workDoneProgress/create</c>, <c>$/progress</c>) and its cancellation by the user.</summary>
internal sealed class ProgressService(JsonRpcConnection rpc, TimeProvider clock)
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(500);

    private readonly JsonRpcConnection connection = rpc;
    private readonly TimeProvider time = clock;
    private readonly Dictionary<string, Action> cancel = [];
    private readonly Lock gate = new();
    private int next;

    /// <summary>The client can show progress.</summary>
    public bool Supported { get; set; }

    /// <summary>The client has the answer to <c>initialize</c>: before that, requests to it are against the protocol.</summary>
    public bool MaySpeak { get; set; }

    public ProgressScope Begin(string title, Action cancelWork) => Supported ? new Scope(this, title, cancelWork) : ProgressScope.None;

    /// <summary>The user pressed cancel.</summary>
    public void Cancel(string token)
    {
        Action? work;
        lock (gate)
            cancel.TryGetValue(token, out work);
        work?.Invoke();
    }

    private sealed class Scope : ProgressScope
    {
        private readonly ProgressService service;
        private readonly string title;
        private readonly Action cancelWork;
        private readonly ITimer timer;
        private readonly Lock gate = new();
        private string? token;
        private bool begun;
        private bool ended;
        private int percentage = -1;

        public Scope(ProgressService service, string title, Action cancelWork)
        {
            (this.service, this.title, this.cancelWork) = (service, title, cancelWork);
            timer = service.time.CreateTimer(static state => _ = ((Scope)state!).BeginAsync(), this, Delay, Timeout.InfiniteTimeSpan); // state is `this`
        }

        public override void Report(double value)
        {
            lock (gate)
            {
                int now = (int)Math.Clamp(value * 100, 0, 100);
                if (now == percentage)
                    return;
                percentage = now;
                if (begun && !ended)
                    Send("report", percentage: now);
            }
        }

        public override void Dispose()
        {
            timer.Dispose();
            lock (gate)
            {
                if (begun && !ended)
                    Send("end");
                ended = true;
                if (token is { } known)
                {
                    lock (service.gate)
                        service.cancel.Remove(known);
                }
            }
        }

        private async Task BeginAsync()
        {
            if (!service.MaySpeak)
                return;
            string created = string.Create(CultureInfo.InvariantCulture, $"attention-lens-{Interlocked.Increment(ref service.next)}");
            try
            {
                await service.connection.RequestAsync(
                    "window/workDoneProgress/create", new WorkDoneProgressCreateParams(created), LspJson.Default.WorkDoneProgressCreateParams, default)
                    .ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is RpcException or OperationCanceledException)
            {
                return; // A client that cannot show it does without.
            }
            lock (gate)
            {
                if (ended)
                    return;
                token = created;
                lock (service.gate)
                    service.cancel[created] = cancelWork;
                Send("begin", title, cancellable: true, percentage: Math.Max(percentage, 0));
                begun = true;
            }
        }

        private void Send(string kind, string? withTitle = null, bool? cancellable = null, int? percentage = null)
        {
            if (token is not { } known)
                return;
            var value = new ProgressParams(known, new Protocol.WorkDoneProgress(kind, withTitle, null, percentage, cancellable));
            if (kind == "report")
                service.connection.NotifyLatest(known, "$/progress", value, LspJson.Default.ProgressParams);
            else
                service.connection.Notify("$/progress", value, LspJson.Default.ProgressParams);
        }
    }
}
