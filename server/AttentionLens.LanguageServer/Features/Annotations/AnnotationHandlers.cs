using System.Collections.Immutable;
using AttentionLens.Corpora;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using Span = AttentionLens.Corpora.Annotations.TextRange;
using TextRange = AttentionLens.LanguageServer.Protocol.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>The requests about annotations that need no model. Each begins on the dispatcher, so that it meets the edits before it and no other.</summary>
internal sealed class AnnotationHandlers(AnnotationService annotations, AttentionService attention)
{
    private const string ApprovalId = "approval";

    private readonly CorpusProgress corpora = new();

    private const int LongestQuote = 200;

    public Func<CancellationToken, Task<AnnotationsResult>> List(AnnotationsParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/annotations", document =>
        {
            (LabelSet set, IReadOnlyList<string> problems) = annotations.Labels(document.Path);
            string? unread = Refresh(document);
            return new AnnotationsResult
            {
                Version = document.Snapshot.Version,
                Annotations =
                [
                    .. document.Layers.SelectMany(layer => layer.Items, (layer, a) => (layer, a))
                        .Where(static x => x.a.Kind != AnnotationKind.Approval)
                        .OrderBy(static x => Place(x.a)).ThenByDescending(static x => x.a.Fragments.IsEmpty ? 0 : x.a.Fragments[^1].End)
                        .ThenBy(static x => x.a.Id, StringComparer.Ordinal)
                        .Select(x => Item(document, x.layer, x.a)),
                ],
                Labels = Labels(set, problems),
                Annotator = document.Own.Annotator,
                Others = document.Others.Select(static layer => layer.Annotator ?? "").ToArray() is { Length: > 0 } others ? others : null,
                Approved = document.Own.Live.Items.ContainsKey(ApprovalId),
                Undo = document.Undoable,
                Redo = document.Redoable,
                Problems = document.Layers.SelectMany(static layer => layer.Problems).Concat(unread is null ? [] : [unread]).ToArray() is { Length: > 0 } wrong ? wrong : null,
            };
        });

    /// <summary>Not every client watches files: what others wrote is looked for here too.</summary>
    public static string? Refresh(DocumentAnnotations document)
    {
        try
        {
            document.Reload();
            return null;
        }
        catch (SidecarException unreadable)
        {
            return unreadable.Message;
        }
    }

    public Func<CancellationToken, Task<AnnotateResult>> Annotate(AnnotateParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/annotate", document => Apply(document, request), isAction: true);

    public Func<CancellationToken, Task<AnnotateResult>> History(AnnotationHistoryParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/annotationHistory", document =>
        {
            AnnotationHistory.Change? done = document.Undo(request.Redo, annotations.Now);
            return done is null
                ? new AnnotateResult { Status = AttentionStatus.Empty, Message = request.Redo ? "There is no annotation to redo." : "There is no annotation to undo." }
                : new AnnotateResult { Version = document.Snapshot.Version, Title = done.Title, Ids = [.. done.Put.Select(static a => a.Id).Concat(done.Remove)] };
        }, isAction: true);

    public Func<CancellationToken, Task<NextAnnotationResult>> Next(NextAnnotationParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/nextAnnotation", document => Next(document, request, state));

    public Func<CancellationToken, Task<ConsistencyResult>> Consistency(ConsistencyParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/labelConsistency", document => new ConsistencyResult
        {
            Version = document.Snapshot.Version,
            Texts = [.. Occurrences.Inconsistent(document, request.Label).Select(found => new InconsistentText(
                found.Text, found.Labels, [.. found.Unlabelled.Select(range => Range(document.Snapshot, range))]))],
        });

    public Func<CancellationToken, Task<ExchangeResult>> Export(ExportAnnotationsParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/exportAnnotations", document =>
        {
            var losses = new List<string>();
            Annotation[] own = [.. document.Own.Items];
            AnnotationFormat.Of(request.Format).Export(
                [new AnnotatedDocument(Path.GetFileName(document.Path), document.Text, [.. own])], request.Path, loss => losses.Add(loss.Message));
            return new ExchangeResult
            {
                Version = document.Snapshot.Version,
                Count = own.Count(static a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval),
                Losses = [.. losses],
            };
        });

    public Func<CancellationToken, Task<ExchangeResult>> Import(ImportAnnotationsParams request, ServerState state) =>
        Answer(state, request.TextDocument, "attentionLens/importAnnotations", document => Import(document, request), isAction: true);

    public Func<CancellationToken, Task<AnnotatedCorpusResult>> Corpus(AnnotatedCorpusParams request, ServerState state)
    {
        string? annotator = annotations.Annotator;
        return cancellation => attention.AnswerAsync(state, request.Folder, "attentionLens/annotatedCorpus", () => Task.FromResult(corpora.Read(
            AnnotationService.PathOf(request.Folder) ?? throw new AttentionException(AttentionStatus.Failed, "A corpus is a folder on this machine."), annotator, cancellation)));
    }

    private Func<CancellationToken, Task<T>> Answer<T>(
        ServerState state, TextDocumentIdentifier document, string method, Func<DocumentAnnotations, T> answer, bool isAction = false)
        where T : AttentionResult, new()
    {
        Task<T> asked = annotations.Ask(document.Uri, answer, isAction);
        return _ => attention.AnswerAsync(state, document.Uri, method, () => asked);
    }

    private AnnotateResult Apply(DocumentAnnotations document, AnnotateParams request)
    {
        if (request.Version is { } version && version != document.Snapshot.Version)
            throw new AttentionException(AttentionStatus.Stale, "The document has changed since.");
        (LabelSet set, _) = annotations.Labels(document.Path);
        ImmutableDictionary<string, Annotation> known = document.Own.Live.Items, next = known;
        var added = new List<string>();
        bool isAction = false;

        foreach (string id in request.Remove ?? [])
        {
            Known(id);
            // A relation without one of its spans says nothing.
            next = next.RemoveRange(next.Values.Where(a => a.Id == id || a.From == id || a.To == id).Select(static a => a.Id).ToArray());
            isAction = true;
        }
        foreach (AnnotationChange change in request.Change ?? [])
        {
            Annotation changed = Change(document, Known(change.Id), change);
            isAction |= change is not { Label: null, Ranges: null, Attributes: null, Status: null };
            Check(changed, change is { Label: null, Ranges: null, Attributes: null } && change.Status is null or "rejected");
            next = next.SetItem(changed.Id, changed);
        }
        foreach (NewAnnotation item in request.Add ?? [])
        {
            Annotation fresh = Make(document, item);
            Check(fresh, false);
            next = next.SetItem(fresh.Id, fresh);
            added.Add(fresh.Id);
            isAction = true;
        }

        Annotation[] put = [.. next.Values.Where(a => !known.TryGetValue(a.Id, out Annotation? old) || !ReferenceEquals(old, a))];
        string[] remove = [.. known.Keys.Where(id => !next.ContainsKey(id))];
        if (isAction)
            document.Do(request.Title ?? "annotate", put, remove);
        else if (put.Length > 0)
            document.Own.Change(put, remove);
        return new AnnotateResult { Version = document.Snapshot.Version, Ids = [.. added], Title = request.Title };

        Annotation Known(string id) => next.GetValueOrDefault(id) ?? throw new AttentionException(
            AttentionStatus.Failed,
            document.Others.Any(layer => layer.Live.Items.ContainsKey(id)) ? "That is another annotator's; only your own annotations can be changed." : "That annotation is not there any more.");

        // Suggestions are held against the rules when they are accepted.
        void Check(Annotation candidate, bool isJudgement)
        {
            if (isJudgement || candidate is { Status: not AnnotationStatus.Accepted } or { Kind: AnnotationKind.Approval })
                return;
            if (set.Refuses(document.Text, candidate, [.. next.Values.Where(static a => a is { Status: AnnotationStatus.Accepted, Kind: not AnnotationKind.Approval })]) is { } why)
                throw new AttentionException(AttentionStatus.Failed, why);
        }
    }

    private Annotation Make(DocumentAnnotations document, NewAnnotation item)
    {
        AnnotationKind kind = item.Kind switch
        {
            "span" => AnnotationKind.Span,
            "relation" => AnnotationKind.Relation,
            "document" => AnnotationKind.Document,
            "approval" => AnnotationKind.Approval,
            _ => throw Invalid("kind must be \"span\", \"relation\", \"document\" or \"approval\"."),
        };
        if (kind == AnnotationKind.Relation && (item.From is null || item.To is null || item.From == item.To))
            throw Invalid("A relation needs two spans: from and to.");
        return new Annotation
        {
            Id = kind == AnnotationKind.Approval ? ApprovalId : Annotation.NewId(),
            Kind = kind,
            Label = kind == AnnotationKind.Approval ? Annotation.Approved : item.Label.Length > 0 ? item.Label : throw Invalid("label must not be empty."),
            Fragments = kind == AnnotationKind.Span ? Offsets(document.Snapshot, item.Ranges ?? []) : [],
            From = kind == AnnotationKind.Relation ? item.From : null,
            To = kind == AnnotationKind.Relation ? item.To : null,
            Attributes = Attributes(item.Attributes),
            Status = item.Status is null ? AnnotationStatus.Accepted : Status(item.Status),
            Source = item.Source,
            Score = item.Score,
            By = annotations.Annotator,
            Time = annotations.Now,
        };
    }

    private Annotation Change(DocumentAnnotations document, Annotation old, AnnotationChange change)
    {
        Annotation changed = old;
        if (change.Label is { } label)
            changed = changed with { Label = label.Length > 0 ? label : throw Invalid("label must not be empty.") };
        if (change.Ranges is { } ranges)
            changed = changed with { Fragments = Offsets(document.Snapshot, ranges), State = AnchorState.Anchored };
        if (change.Attributes is { } attributes)
            changed = changed with { Attributes = Attributes(attributes) };
        if (change.Status is { } status)
            changed = changed with { Status = Status(status), State = changed.State == AnchorState.Review && status == "accepted" ? AnchorState.Anchored : changed.State };
        if (change.Shown == true)
            changed = changed with { Shown = changed.Shown ?? annotations.Now };
        return ReferenceEquals(changed, old) || changed == old ? old : changed with { By = annotations.Annotator ?? old.By, Time = annotations.Now };
    }

    private static NextAnnotationResult Next(DocumentAnnotations document, NextAnnotationParams request, ServerState state)
    {
        int at = document.Snapshot.Text.Offset(request.Position);
        if (request.Kind == "unlabelled")
        {
            Segment[] open =
            [
                .. document.Snapshot.Segments(state.ReaderOf(document.Snapshot)).Segments
                    .Where(segment => !document.Labelled.Any(a => a.Fragments[0].Start < segment.End && a.Fragments[^1].End > segment.Start)),
            ];
            Segment? found = Beside(open, segment => segment.Start, at, request.Backward);
            return found is null
                ? Nothing("Every part of the document has a label.")
                : new NextAnnotationResult { Version = document.Snapshot.Version, Range = Range(document.Snapshot, new Span(found.Start, found.End)), Count = open.Length };
        }
        IEnumerable<Annotation> wanted = document.Own.Items.Where(a => request.Kind switch
        {
            "suggestion" => a is { Status: AnnotationStatus.Suggested, Fragments.IsEmpty: false },
            "review" => a is { Status: AnnotationStatus.Accepted, State: AnchorState.Review },
            "orphan" => a is { Status: AnnotationStatus.Accepted, State: AnchorState.Orphan },
            "label" => a is { Status: AnnotationStatus.Accepted, Fragments.IsEmpty: false },
            _ => throw Invalid("kind must be \"suggestion\", \"review\", \"orphan\", \"unlabelled\" or \"label\"."),
        });
        if (request.Label is { } label)
            wanted = wanted.Where(a => a.Label == label);
        bool hasOrder = request.Order == "uncertain" || request.Kind == "orphan";
        Annotation[] all = request.Order == "uncertain"
            ? [.. wanted.OrderBy(static a => Math.Abs((a.Score ?? 1) - 0.5)).ThenBy(Place).ThenBy(static a => a.Id, StringComparer.Ordinal)]
            : [.. wanted.OrderBy(Place).ThenBy(static a => a.Id, StringComparer.Ordinal)];
        if (all.Length == 0)
            return Nothing("There is none left in this document.");
        Annotation next;
        int left = request.After is { } id ? Array.FindIndex(all, a => a.Id == id) : -1;
        if (left >= 0)
            next = all[(left + (request.Backward ? all.Length - 1 : 1)) % all.Length];
        else
            next = hasOrder ? all[0] : Beside(all, Place, at, request.Backward)!;
        return new NextAnnotationResult
        {
            Version = document.Snapshot.Version,
            Id = next.Id,
            Range = next.Fragments.IsEmpty ? null : Range(document.Snapshot, next.Fragments[0]),
            Count = all.Length,
        };

        static NextAnnotationResult Nothing(string message) => new() { Status = AttentionStatus.Empty, Message = message };
    }

    /// <summary>The first item behind (or before) an offset, around the end if there is none; null when there is no item.</summary>
    private static T? Beside<T>(T[] sorted, Func<T, int> start, int at, bool backward)
        where T : class =>
        backward
            ? sorted.LastOrDefault(item => start(item) < at) ?? sorted.LastOrDefault()
            : sorted.FirstOrDefault(item => start(item) > at) ?? sorted.FirstOrDefault();

    private ExchangeResult Import(DocumentAnnotations document, ImportAnnotationsParams request)
    {
        var losses = new List<string>();
        IReadOnlyList<AnnotatedDocument> read = AnnotationFormat.Of(request.Format).Import(request.Path, loss => losses.Add(loss.Message));
        string text = document.Text, name = Path.GetFileNameWithoutExtension(document.Path);
        AnnotatedDocument? theirs = read.FirstOrDefault(d => d.Text == text)
            ?? read.FirstOrDefault(d => Path.GetFileNameWithoutExtension(d.Name) == name)
            ?? (read.Count == 1 ? read[0] : null)
            ?? throw new AttentionException(AttentionStatus.Failed, $"None of the {read.Count} documents in {Path.GetFileName(request.Path)} is this one.");
        IReadOnlyList<Annotation> placed = Anchoring.Carry(theirs.Annotations, theirs.Text, text);
        // What is there already keeps its id; relations of the file then mean that one.
        var known = document.Own.Items.GroupBy(Key).ToDictionary(static g => g.Key, static g => g.First().Id);
        var ids = new Dictionary<string, string>();
        var fresh = new List<Annotation>();
        foreach (Annotation a in placed.OrderBy(static a => a.Kind == AnnotationKind.Relation))
        {
            Annotation mapped = a with { From = a.From is null ? null : ids.GetValueOrDefault(a.From, a.From), To = a.To is null ? null : ids.GetValueOrDefault(a.To, a.To) };
            if (known.TryAdd(Key(mapped), mapped.Id))
                fresh.Add(mapped with { By = mapped.By ?? annotations.Annotator, Time = annotations.Now });
            ids[a.Id] = known[Key(mapped)];
        }
        int orphans = fresh.Count(static a => a.State == AnchorState.Orphan);
        if (orphans > 0)
            losses.Add($"{orphans} span(s) stand on text that is not in this document and were kept as orphans");
        if (fresh.Count < placed.Count)
            losses.Add($"{placed.Count - fresh.Count} annotation(s) were there already");
        if (fresh.Count > 0)
            document.Do($"import {Path.GetFileName(request.Path)}", fresh, []);
        return new ExchangeResult { Version = document.Snapshot.Version, Count = fresh.Count, Losses = [.. losses] };

        static string Key(Annotation a) => $"{a.Kind} {a.Label} {a.From} {a.To} {string.Join(';', a.Fragments.Select(static f => $"{f.Start} {f.End}"))}";
    }

    private static ImmutableArray<Span> Offsets(DocumentSnapshot snapshot, TextRange[] ranges)
    {
        ImmutableArray<Span> spans = [.. ranges.Select(Whole).OrderBy(static s => s.Start)];
        if (spans.IsEmpty || spans.Any(static s => s.Length == 0))
            throw new AttentionException(AttentionStatus.Empty, "There is no text to label here; put the cursor on a word or select one.");
        for (int i = 1; i < spans.Length; i++)
        {
            if (spans[i].Start < spans[i - 1].End)
                throw Invalid("The parts of a span must not overlap.");
        }
        return spans;

        Span Whole(TextRange range)
        {
            int start = snapshot.Text.Offset(range.Start), end = snapshot.Text.Offset(range.End);
            (start, end) = snapshot.WholeCharacters(Math.Min(start, end), Math.Max(start, end));
            return new Span(start, end);
        }
    }

    private static ImmutableSortedDictionary<string, string> Attributes(IReadOnlyDictionary<string, string>? values) =>
        (values ?? ImmutableDictionary<string, string>.Empty).Where(static pair => pair.Value.Length > 0).ToImmutableSortedDictionary(StringComparer.Ordinal);

    private static AnnotationStatus Status(string name) => name switch
    {
        "accepted" => AnnotationStatus.Accepted,
        "suggested" => AnnotationStatus.Suggested,
        "rejected" => AnnotationStatus.Rejected,
        _ => throw Invalid("status must be \"accepted\", \"suggested\" or \"rejected\"."),
    };

    private static RpcException Invalid(string message) => new(ErrorCodes.InvalidParams, message);

    private static int Place(Annotation a) => a.Kind switch
    {
        AnnotationKind.Document => -1,
        AnnotationKind.Relation => int.MaxValue,
        _ => a.Fragments.IsEmpty ? int.MaxValue - 1 : a.Fragments[0].Start,
    };

    public static AnnotationItem Item(DocumentAnnotations document, AnnotationLayer layer, Annotation a) => new(
        a.Id,
        a.Kind switch { AnnotationKind.Span => "span", AnnotationKind.Relation => "relation", _ => "document" },
        a.Label,
        a.State switch { AnchorState.Review => "review", AnchorState.Orphan => "orphan", _ => "anchored" },
        a.Status switch { AnnotationStatus.Suggested => "suggested", AnnotationStatus.Rejected => "rejected", _ => "accepted" },
        layer == document.Own,
        [.. a.Fragments.Select(fragment => Range(document.Snapshot, fragment))],
        Quote(document.Text, a),
        layer.Annotator,
        a.From,
        a.To,
        a.Attributes.IsEmpty ? null : a.Attributes,
        a.Source,
        a.Score,
        a.Shown is null ? null : true,
        a.Time?.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture));

    private static string? Quote(string text, Annotation a)
    {
        if (a.Kind != AnnotationKind.Span)
            return null;
        string quote = a.Fragments.IsEmpty
            ? string.Join(" … ", a.Anchors.Select(static anchor => anchor.Quote))
            : string.Join(" … ", a.Fragments.Select(fragment => fragment.Of(text).ToString()));
        return quote.Length <= LongestQuote ? quote : quote[..(char.IsHighSurrogate(quote[LongestQuote - 2]) ? LongestQuote - 2 : LongestQuote - 1)] + "…";
    }

    public static TextRange Range(DocumentSnapshot snapshot, Span range) => snapshot.Text.Range(range.Start, range.End);

    private static LabelSetItem Labels(LabelSet set, IReadOnlyList<string> problems)
    {
        return new LabelSetItem(
            [.. set.Spans.Select((label, i) => Item(label, i))],
            [.. set.Relations.Select((label, i) => Item(label, i) with { From = Some(label.From), To = Some(label.To) })],
            [.. set.Documents.Select((label, i) => Item(label, i))],
            [.. set.Attributes.Select(static a => new LabelAttributeItem(a.Name, a.Title, a.Description, Some(a.On), Some(a.Values), a.Default))],
            set.Path,
            problems.Count == 0 ? null : [.. problems]);

        static LabelItem Item(Label label, int index) =>
            new(label.Name, label.Title, label.Description, label.Color ?? LabelSet.Colors[index % LabelSet.Colors.Length], label.Key?.ToString());

        static string[]? Some(ImmutableArray<string> names) => names.IsEmpty ? null : [.. names];
    }
}
