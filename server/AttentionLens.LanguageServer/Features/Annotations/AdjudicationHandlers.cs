using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>
/// Two annotators' work on an open document side by side, and a third annotator's sidecar made of it. What is decided stands in that sidecar
/// and nowhere else, so that another sitting, another window and the command line go on from it.
/// </summary>
internal sealed class AdjudicationHandlers(AnnotationService annotations, AttentionService attention)
{
    /// <summary>Reasons to be read by a person; the rest is counted by what stays open.</summary>
    private const int MaxProblems = 20;

    public Func<CancellationToken, Task<AdjudicationResult>> Compare(AdjudicationParams request, ServerState state)
    {
        var asked = annotations.Ask(request.TextDocument.Uri, document =>
        {
            Check(request.Left, request.Right, request.Into);
            string? unread = AnnotationHandlers.Refresh(document);
            return Result(document, request, Read(document, request), [], unread is null ? [] : [unread]);
        });
        return _ => attention.AnswerAsync(state, request.TextDocument.Uri, "attentionLens/adjudication", () => asked);
    }

    public Func<CancellationToken, Task<AdjudicationResult>> Decide(AdjudicateParams request, ServerState state)
    {
        var asked = annotations.Ask(request.TextDocument.Uri, document => Decide(document, request), isAction: true);
        return _ => attention.AnswerAsync(state, request.TextDocument.Uri, "attentionLens/adjudicate", () => asked);
    }

    private AdjudicationResult Decide(DocumentAnnotations document, AdjudicateParams request)
    {
        var names = new AdjudicationParams(request.TextDocument, request.Left, request.Right, request.Into, request.Agreed);
        Check(request.Left, request.Right, request.Into);
        var problems = new List<string>();
        if (AnnotationHandlers.Refresh(document) is { } unread)
            problems.Add(unread);
        Adjudication before = Read(document, names);
        AnnotationLayer third = document.Of(request.Into);

        var places = before.Pairs.Select(static (pair, i) => (pair, i)).ToDictionary(static x => (x.pair.Left?.Id, x.pair.Right?.Id), static x => x.i);
        var wanted = new Dictionary<int, Choice>();
        foreach (AdjudicationDecision decision in request.Decisions ?? [])
        {
            Choice choice = ChoiceOf(decision.Choice);
            if (places.TryGetValue((decision.Left, decision.Right), out int at) && (decision.Stamp is null || decision.Stamp == Stamp(document, before.Pairs[at])))
                wanted[at] = before.Pairs[at].Of(choice);
            else
                problems.Add("What is compared has changed meanwhile; look at it again before you decide.");
        }
        if (request.AllOpen is { } all)
        {
            Choice choice = ChoiceOf(all);
            for (int i = 0; i < before.Pairs.Length; i++)
            {
                if (before.Pairs[i].Choice == Choice.Open)
                    wanted.TryAdd(i, before.Pairs[i].Of(choice));
            }
        }

        Refuse(document, before, wanted, third, problems);
        Adjudication after = before.With(wanted.Select(static x => (x.Key, x.Value)));
        AdjudicationChange change = after.Changes(third.Items, wanted.Keys.ToHashSet(), request.Into, annotations.Now);
        if (change.Put.Length + change.Remove.Length > 0)
            document.Do(third, request.Title ?? "adjudicate", change.Put, change.Remove);

        // A relation whose span is gone is open again: what it was belongs to what undo has to bring back.
        Adjudication now = Read(document, names);
        AdjudicationDecision[] changed =
        [
            .. before.Pairs.Zip(now.Pairs).Where(static x => x.First.Choice != x.Second.Choice)
                .Select(static x => new AdjudicationDecision(Name(x.First.Choice), x.First.Left?.Id, x.First.Right?.Id)),
        ];
        return Result(document, names, now, changed, problems);
    }

    /// <summary>Takes out of <paramref name="wanted"/> what cannot be done, and says why.</summary>
    private void Refuse(DocumentAnnotations document, Adjudication before, Dictionary<int, Choice> wanted, AnnotationLayer third, List<string> problems)
    {
        Adjudication after = before.With(wanted.Select(static x => (x.Key, x.Value)));
        AdjudicationChange change = after.Changes(third.Items, wanted.Keys.ToHashSet(), null, annotations.Now);
        var put = change.Put.ToDictionary(static a => a.Id);
        var gone = change.Remove.ToHashSet();
        Annotation[] labels =
        [
            .. third.Items.Where(a => !put.ContainsKey(a.Id) && !gone.Contains(a.Id)).Concat(put.Values)
                .Where(static a => a is { Status: AnnotationStatus.Accepted, Kind: not AnnotationKind.Approval }),
        ];
        (LabelSet set, _) = annotations.Labels(document.Path);
        foreach ((int at, Choice choice) in wanted.ToArray())
        {
            AdjudicationPair pair = before.Pairs[at];
            if (choice is not (Choice.Left or Choice.Right or Choice.Both))
                continue;
            string?[] ids = [choice != Choice.Right ? pair.LeftResult : null, choice != Choice.Left ? pair.RightResult : null];
            foreach (string id in ids.OfType<string>())
            {
                string? why = null;
                if (!put.TryGetValue(id, out Annotation? made))
                    problems.Add("A relation needs both its spans: decide those first.");
                else if ((why = set.Refuses(document.Text, made, labels)) is not null)
                    problems.Add(why);
                else
                    continue;
                wanted.Remove(at);
                break;
            }
        }
    }

    /// <summary>What both sides say now, and what the third says of it.</summary>
    private static Adjudication Read(DocumentAnnotations document, AdjudicationParams names) =>
        Adjudication.Of(document.Of(names.Left).Items, document.Of(names.Right).Items).Resume(document.Of(names.Into).Items);

    private AdjudicationResult Result(
        DocumentAnnotations document, AdjudicationParams names, Adjudication adjudication, AdjudicationDecision[] changed, List<string> problems)
    {
        (AnnotationLayer left, AnnotationLayer right, AnnotationLayer third) = (document.Of(names.Left), document.Of(names.Right), document.Of(names.Into));
        string[] told = [.. problems.Distinct().Take(MaxProblems), .. new[] { left, right, third }.SelectMany(static layer => layer.Problems)];
        return new AdjudicationResult
        {
            Version = document.Snapshot.Version,
            Pairs = [.. adjudication.Pairs.Where(pair => names.Agreed || pair.Difference != Difference.None).Select(Item)],
            Agreed = adjudication.Pairs.Count(static pair => pair.Difference == Difference.None),
            Unwritten = adjudication.Changes(third.Items, ImmutableHashSet<int>.Empty, names.Into, annotations.Now).Put.Length,
            Changed = changed.Length == 0 ? null : changed,
            Problems = told.Length == 0 ? null : told,
        };

        AdjudicationPairItem Item(AdjudicationPair pair)
        {
            AnnotationItem[] taken =
            [
                .. new[] { (Source: pair.Left, Id: pair.LeftResult), (Source: pair.Right, Id: pair.RightResult) }
                    .Where(static x => x.Source is not null && x.Id is not null)
                    .Select(x => (x.Source, Now: third.Live.Items.GetValueOrDefault(x.Id!))) // Where has left out null
                    .Where(static x => x.Now is { Status: AnnotationStatus.Accepted } now && !SaysTheSame(now, x.Source!))
                    .Select(x => Of(third, x.Now!)),
            ];
            return new AdjudicationPairItem(
                Name(pair.Difference), Name(pair.Choice), Stamp(document, pair),
                pair.Left is null ? null : Of(left, pair.Left), pair.Right is null ? null : Of(right, pair.Right), taken.Length == 0 ? null : taken);
        }

        AnnotationItem Of(AnnotationLayer layer, Annotation a)
        {
            AnnotationItem item = AnnotationHandlers.Item(document, layer, a);
            if (a.Kind != AnnotationKind.Relation)
                return item;
            AnnotationItem?[] ends = [.. new[] { a.From, a.To }.Select(id => layer.Live.Items.TryGetValue(id ?? "", out Annotation? end) ? AnnotationHandlers.Item(document, layer, end) : null)];
            return item with { Quote = string.Join(" → ", ends.Select(static end => end?.Quote ?? "?")), Ranges = [.. ends.SelectMany(static end => end?.Ranges ?? [])] };
        }
    }

    private static bool SaysTheSame(Annotation a, Annotation b) =>
        a.Label == b.Label && a.Fragments.SequenceEqual(b.Fragments) && a.Attributes.SequenceEqual(b.Attributes);

    /// <summary>Of what a person sees of a pair: a decision about something else is none. Where it stands is left out, because edits move it.</summary>
    private static string Stamp(DocumentAnnotations document, AdjudicationPair pair)
    {
        var said = new StringBuilder();
        foreach (Annotation? side in new[] { pair.Left, pair.Right })
        {
            said.Append('\u0001').Append(side?.Label).Append('\0').Append(side?.From).Append('\0').Append(side?.To);
            foreach ((string name, string value) in side?.Attributes ?? ImmutableSortedDictionary<string, string>.Empty)
                said.Append('\u0002').Append(name).Append('\0').Append(value);
            foreach (var fragment in side?.Fragments ?? [])
                said.Append('\u0003').Append(fragment.Of(document.Text));
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(said.ToString())).AsSpan(0, 6));
    }

    private static void Check(string? left, string? right, string? into)
    {
        // Names that differ in case alone are one file on many disks.
        if (Same(left, right))
            throw new AttentionException(AttentionStatus.Failed, "The two sides are one annotator; choose two.");
        if (Same(into, left) || Same(into, right))
            throw new AttentionException(AttentionStatus.Failed, "The result must not replace one of the sides: choose a third name.");
        if (new[] { left, right, into }.Any(static name => name is not null && !SidecarName.IsAnnotator(name)))
            throw new AttentionException(AttentionStatus.Failed, "An annotator's name has letters, digits, - and _ only, and at most 64 of them.");

        static bool Same(string? a, string? b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);
    }

    private static Choice ChoiceOf(string name) => name switch
    {
        "open" => Choice.Open,
        "left" => Choice.Left,
        "right" => Choice.Right,
        "both" => Choice.Both,
        "neither" => Choice.Neither,
        _ => throw new RpcException(ErrorCodes.InvalidParams, "choice must be \"left\", \"right\", \"both\", \"neither\" or \"open\"."),
    };

    private static string Name(Choice choice) => choice switch
    {
        Choice.Left => "left",
        Choice.Right => "right",
        Choice.Both => "both",
        Choice.Neither => "neither",
        _ => "open",
    };

    private static string Name(Difference difference) => difference switch
    {
        Difference.Attributes => "attributes",
        Difference.Label => "label",
        Difference.Extent => "extent",
        Difference.LabelAndExtent => "labelAndExtent",
        Difference.OnlyLeft => "onlyLeft",
        Difference.OnlyRight => "onlyRight",
        _ => "none",
    };
}
