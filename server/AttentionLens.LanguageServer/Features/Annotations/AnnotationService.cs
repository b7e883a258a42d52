using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.LanguageServer.Settings;
using Microsoft.Extensions.Logging;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>
/// The annotations of every open file. What the dispatcher hears is queued per document, so that actions and edits meet in the order in which they
/// were made while files are read and written elsewhere.
/// </summary>
internal sealed class AnnotationService(JsonRpcConnection connection, BaseTexts baseTexts, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>A burst of labels is one write of the sidecar; until then they are in the journal.</summary>
    private static readonly TimeSpan WriteDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>Typing pauses this long before lost annotations are looked for.</summary>
    private static readonly TimeSpan RecoverDelay = TimeSpan.FromMilliseconds(600);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, Session> sessions = [];

    /// <summary>By path, for as long as the server lives: what is opened again (another language mode does that) waits for its end.</summary>
    private readonly Dictionary<string, SerialQueue> queues = [];

    private readonly LabelSets labelSets = new();

    /// <summary>Whose annotations can be changed; null = the one without a name.</summary>
    public string? Annotator { get; private set; }

    private sealed class Session(string uri, string path, SerialQueue queue) : IDisposable
    {
        public string Uri => uri;
        public string Path => path;
        public SerialQueue Queue => queue;
        public DocumentAnnotations? Document { get; set; }

        /// <summary>The newest version; changed on the dispatcher.</summary>
        public required DocumentSnapshot Latest { get; set; }
        public string? Problem { get; set; }
        public ITimer? Write { get; set; }
        public ITimer? Recover { get; set; }

        public void Dispose()
        {
            Write?.Dispose();
            Recover?.Dispose();
            Document?.Dispose();
            Document = null;
        }
    }

    public DateTimeOffset Now => time.GetUtcNow();

    public void Open(DocumentSnapshot document)
    {
        if (PathOf(document.Uri) is not { } path || SidecarName.Of(path) is not null)
            return;
        // A client that opens twice means the second.
        Close(document.Uri);
        if (!queues.TryGetValue(path, out SerialQueue? queue))
            queues.Add(path, queue = new SerialQueue());
        var session = new Session(document.Uri, path, queue) { Latest = document };
        session.Write = time.CreateTimer(_ => Later(session, static document => document.Flush()), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        session.Recover = time.CreateTimer(_ => Later(session, document => Tell(session, document.Recover())), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        sessions[document.Uri] = session;
        Load(session, document);
    }

    public void Change(DocumentSnapshot next, IReadOnlyList<(Span Range, string Text)> changes)
    {
        if (!sessions.TryGetValue(next.Uri, out Session? session))
            return;
        session.Latest = next;
        Later(session, document => document.Follow(changes, next));
        session.Recover?.Change(RecoverDelay, Timeout.InfiniteTimeSpan);
    }

    public void Saved(string uri)
    {
        if (sessions.TryGetValue(uri, out Session? session))
            Later(session, document =>
            {
                bool found = document.Recover();
                document.Saved();
                Tell(session, found);
            });
    }

    public void Close(string uri)
    {
        if (sessions.Remove(uri, out Session? session))
            End(session);
    }

    /// <summary>Files that changed on disk.</summary>
    public void FilesChanged(IEnumerable<string> uris)
    {
        foreach (string path in uris.Select(PathOf).OfType<string>())
        {
            bool isLabelSet = Path.GetFileName(path) == LabelSet.FileName;
            string? document = SidecarName.Of(path)?.Document;
            foreach (Session session in sessions.Values)
            {
                if (isLabelSet)
                    Tell(session, true);
                else if (session.Path == document)
                    ReadAgain(session, path);
            }
        }
    }

    private void ReadAgain(Session session, string sidecar)
    {
        DocumentSnapshot latest = session.Latest;
        _ = session.Queue.Run(() => Guard(session, () =>
        {
            // A file that could not be read before, or that of an annotator who had none: everything is read again.
            bool isKnown = session.Document is { } open && open.Layers.Any(layer => new SidecarName(session.Path, layer.Annotator).Path == sidecar);
            if (session.Document is { } document && (isKnown || !File.Exists(sidecar)))
                Tell(session, document.Reload() | document.Recover());
            else
                Reopen(session, latest);
        }));
    }

    public void Configure(ServerSettings settings)
    {
        string? wanted = SidecarName.IsAnnotator(settings.Annotator) ? settings.Annotator : null;
        if (settings.Annotator.Length > 0 && wanted is null)
            log.BadSetting("annotation.annotator", "a name has letters, digits, - and _ only");
        if (wanted == Annotator)
            return;
        Annotator = wanted;
        foreach (Session session in sessions.Values)
        {
            DocumentSnapshot latest = session.Latest;
            _ = session.Queue.Run(() => Guard(session, () => Reopen(session, latest)));
        }
    }

    /// <summary>The labels that apply to a document, and what is wrong with their file.</summary>
    public (LabelSet Set, IReadOnlyList<string> Problems) Labels(string document) => labelSets.For(document);

    /// <summary>
    /// Something of a document's annotations, after all that came before the question. To be called on the dispatcher: the order of calls is that
    /// of the answers.
    /// </summary>
    /// <param name="isAction">It may change them: the sidecar is written soon after.</param>
    /// <returns>Fails with <see cref="AttentionException"/> when there is no answer.</returns>
    public Task<T> Ask<T>(string uri, Func<DocumentAnnotations, T> answer, bool isAction = false)
    {
        if (!sessions.TryGetValue(uri, out Session? session))
        {
            return Task.FromException<T>(new AttentionException(AttentionStatus.Failed, PathOf(uri) is null
                ? "Save the document first: annotations are kept in a file beside it."
                : "The document is not open; open it again."));
        }
        return session.Queue.Run(() => Answer(session, answer, isAction));
    }

    private T Answer<T>(Session session, Func<DocumentAnnotations, T> answer, bool isAction)
    {
        if (session.Document is not { } document)
            throw new AttentionException(AttentionStatus.Failed, session.Problem ?? "The annotations of this document could not be read; the log says why.");
        try
        {
            T result = answer(document);
            if (isAction)
            {
                session.Write?.Change(WriteDelay, Timeout.InfiniteTimeSpan);
                Tell(session, true);
            }
            return result;
        }
        catch (SidecarException refused)
        {
            throw new AttentionException(AttentionStatus.Failed, refused.Message);
        }
    }

    /// <summary>All that waits is written; for the end of the session.</summary>
    public Task FlushAsync()
    {
        foreach (Session session in sessions.Values)
            Later(session, static document => document.Flush());
        return Task.WhenAll(sessions.Values.Select(static session => session.Queue.Idle));
    }

    public void Dispose()
    {
        Session[] open = [.. sessions.Values];
        foreach (Session session in open)
            End(session);
        sessions.Clear();
        // What does not get written in this time is in the journal.
        Task.WhenAll(open.Select(static session => session.Queue.Idle)).Wait(Patience);
    }

    private void End(Session session) => _ = session.Queue.Run(() =>
    {
        Guard(session, () => session.Document?.Flush());
        session.Dispose();
        return true;
    });

    private void Load(Session session, DocumentSnapshot document) => _ = session.Queue.Run(() => Guard(session, () =>
    {
        session.Document = new DocumentAnnotations(session.Path, Annotator, document, baseTexts);
        Tell(session, !session.Document.IsEmpty);
    }));

    private void Reopen(Session session, DocumentSnapshot document)
    {
        session.Document?.Flush();
        session.Document?.Dispose();
        session.Document = null;
        session.Document = new DocumentAnnotations(session.Path, Annotator, document, baseTexts);
        Tell(session, true);
    }

    private void Later(Session session, Action<DocumentAnnotations> work) => _ = session.Queue.Run(() => Guard(session, () =>
    {
        if (session.Document is { } document)
            work(document);
    }));

    /// <summary>Nobody waits for this work: what goes wrong is told.</summary>
    private bool Guard(Session session, Action work)
    {
        try
        {
            work();
            if (session.Document is not null)
                session.Problem = null;
        }
        catch (SidecarException problem)
        {
            session.Problem = problem.Message;
            Tell(session, true, problem.Message);
        }
#pragma warning disable CA1031 // One document's failure must not end the queue, nor the server.
        catch (Exception failure)
        {
            log.Failed(failure, "annotations");
            session.Problem = "The annotations of this document could not be read; the log says why.";
        }
#pragma warning restore CA1031
        return true;
    }

    private void Tell(Session session, bool changed, string? message = null)
    {
        if (changed)
            connection.Notify("attentionLens/annotationsChanged", new AnnotationsChangedParams(session.Uri, message), AnnotationJson.Default.AnnotationsChangedParams);
    }

    /// <summary>The path of a file; null for what is none.</summary>
    public static string? PathOf(string uri) =>
        Uri.TryCreate(uri, UriKind.Absolute, out Uri? parsed) && parsed.IsFile ? parsed.LocalPath : null;
}
