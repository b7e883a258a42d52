using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace AttentionLens.Corpora.Annotations;

/// <summary>How the two annotators differ about one thing.</summary>
public enum Difference
{
    None,
    Attributes,
    Label,
    Extent,
    LabelAndExtent,
    OnlyLeft,
    OnlyRight,
}

/// <summary>What the adjudicator takes over.</summary>
public enum Choice
{
    Open,
    Left,
    Right,
    Both,
    Neither,
}

/// <summary>One thing that was annotated by one side or both. Without a difference <paramref name="Choice"/> begins as <see cref="Choice.Left"/>.</summary>
public sealed record AdjudicationPair(Annotation? Left, Annotation? Right, Difference Difference, Choice Choice)
{
    public AnnotationKind Kind => (Left ?? Right)?.Kind ?? AnnotationKind.Span;
}

/// <summary>
/// Two annotators' work on one text side by side. Immutable: <see cref="With"/> makes a choice, <see cref="Result"/> is the third
/// sidecar. Ids of the result follow from the ids it was made of, so that doing it again changes what is there instead of doubling it,
/// and <see cref="Resume"/> finds the choices of an earlier sitting.
/// </summary>
public sealed class Adjudication
{
    /// <summary>The <see cref="Annotation.Source"/> of what an adjudication made.</summary>
    public const string Source = "adjudication";

    private Adjudication(ImmutableArray<AdjudicationPair> pairs) => Pairs = pairs;

    /// <summary>In the order of the text: spans, then relations, then document labels.</summary>
    public ImmutableArray<AdjudicationPair> Pairs { get; }

    /// <summary>How many pairs wait for a choice.</summary>
    public int Open => Pairs.Count(p => p.Choice == Choice.Open);

    /// <summary>
    /// Pairs what both sides say about the same place, one to one: equal extent and label first, then equal extent, then the largest
    /// overlap. Both sides must be placed in the same text. Suggestions that nobody accepted take no part.
    /// </summary>
    public static Adjudication Of(IEnumerable<Annotation> left, IEnumerable<Annotation> right)
    {
        var (l, r) = (Settled(left), Settled(right));
        var spans = Spans([.. l.Where(a => a.Kind == AnnotationKind.Span)], [.. r.Where(a => a.Kind == AnnotationKind.Span)]);
        // Two relations are the same when they join the same pairs of spans.
        var places = new Dictionary<string, int>();
        for (var i = 0; i < spans.Count; i++)
        {
            if (spans[i].Left is { } a) places[a.Id] = i;
            if (spans[i].Right is { } b) places.TryAdd(b.Id, i);
        }

        var relations = ByKey(l, r, AnnotationKind.Relation, a => $"{places.GetValueOrDefault(a.From ?? "", -1)} {places.GetValueOrDefault(a.To ?? "", -1)}");
        var documents = ByKey(l, r, AnnotationKind.Document, a => a.Label);
        return new Adjudication([.. spans, .. relations, .. documents]);
    }

    public Adjudication With(int pair, Choice choice)
    {
        var p = Pairs[pair];
        if (choice == Choice.Both && (p.Left is null || p.Right is null)) choice = p.Left is null ? Choice.Right : Choice.Left;
        return new Adjudication(Pairs.SetItem(pair, p with { Choice = choice }));
    }

    /// <summary>Every open pair decided in one way: what a batch run does.</summary>
    public Adjudication WithAllOpen(Choice choice) =>
        new([.. Pairs.Select(p => p.Choice != Choice.Open ? p : p with { Choice = choice switch
        {
            // Taking a side takes its silence too.
            Choice.Left when p.Left is null => Choice.Neither,
            Choice.Right when p.Right is null => Choice.Neither,
            Choice.Both when p.Left is null => Choice.Right,
            Choice.Both when p.Right is null => Choice.Left,
            _ => choice,
        } })]);

    /// <summary>The choices that <paramref name="third"/>, a result of before, stands for; the others stay as they are.</summary>
    public Adjudication Resume(IEnumerable<Annotation> third)
    {
        var status = third.DistinctBy(a => a.Id).ToDictionary(a => a.Id, a => a.Status);
        return new([.. Pairs.Select(p =>
        {
            var left = p.Left is { } l && status.TryGetValue(IdOf(l), out var ls) ? ls : (AnnotationStatus?)null;
            var right = p.Right is { } r && status.TryGetValue(IdOf(r), out var rs) ? rs : (AnnotationStatus?)null;
            return (left, right) switch
            {
                (AnnotationStatus.Accepted, AnnotationStatus.Accepted) => p with { Choice = Choice.Both },
                (AnnotationStatus.Accepted, _) => p with { Choice = Choice.Left },
                (_, AnnotationStatus.Accepted) => p with { Choice = Choice.Right },
                (AnnotationStatus.Rejected, _) or (_, AnnotationStatus.Rejected) => p with { Choice = Choice.Neither },
                _ => p,
            };
        })]);
    }

    /// <summary>
    /// What was chosen, as annotations of <paramref name="by"/>. What was turned down is there as rejected, so that the decision is on
    /// record; open pairs are not there. A chosen relation whose span was not is left out.
    /// </summary>
    public IReadOnlyList<Annotation> Result(string? by, DateTimeOffset time)
    {
        var accepted = new Dictionary<string, string>();
        foreach (var p in Pairs.Where(p => p.Kind == AnnotationKind.Span))
        {
            var (takesLeft, takesRight) = Takes(p);
            if (p.Left is { } l && (takesLeft || takesRight)) accepted[l.Id] = IdOf(takesLeft ? l : p.Right ?? l);
            if (p.Right is { } r && (takesLeft || takesRight)) accepted.TryAdd(r.Id, IdOf(takesRight ? r : p.Left ?? r));
        }

        var result = new List<Annotation>();
        foreach (var p in Pairs)
        {
            var (takesLeft, takesRight) = Takes(p);
            if (takesLeft) Add(p.Left, AnnotationStatus.Accepted);
            if (takesRight) Add(p.Right, AnnotationStatus.Accepted);
            if (p.Choice == Choice.Neither) Add(p.Left ?? p.Right, AnnotationStatus.Rejected);
        }

        return result;

        void Add(Annotation? a, AnnotationStatus status)
        {
            if (a is null) return;
            var made = a with { Id = IdOf(a), By = by, Time = time, Status = status, Source = Source, Score = null, Shown = null };
            if (a.Kind == AnnotationKind.Relation)
            {
                if (!accepted.TryGetValue(a.From ?? "", out var from) || !accepted.TryGetValue(a.To ?? "", out var to)) return;
                made = made with { From = from, To = to };
            }

            result.Add(made);
        }
    }

    private static (bool Left, bool Right) Takes(AdjudicationPair p) =>
        (p.Left is not null && p.Choice is Choice.Left or Choice.Both, p.Right is not null && p.Choice is Choice.Right or Choice.Both);

    private static string IdOf(Annotation source) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"adjudicated {source.Id}")).AsSpan(0, 6));

    private static Annotation[] Settled(IEnumerable<Annotation> annotations) =>
        [.. annotations.Where(a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval)];

    private static List<AdjudicationPair> Spans(Annotation[] left, Annotation[] right)
    {
        var partner = new Dictionary<Annotation, Annotation>(ReferenceEqualityComparer.Instance);
        var taken = new HashSet<Annotation>(ReferenceEqualityComparer.Instance);
        Exact(a => $"{a.Label}\0{Extent(a)}");
        Exact(Extent);
        var byStart = right.Where(r => !taken.Contains(r) && !r.Fragments.IsEmpty).OrderBy(Start).ToArray();
        var longest = byStart.Select(r => End(r) - Start(r)).DefaultIfEmpty(0).Max();
        var starts = byStart.Select(Start).ToArray();
        var candidates = new List<(double Likeness, Annotation Left, Annotation Right)>();
        foreach (var l in left.Where(l => !partner.ContainsKey(l) && !l.Fragments.IsEmpty))
        {
            // Whatever overlaps begins before this one ends and, being no longer than the longest, not too far before it.
            var at = Array.BinarySearch(starts, Start(l) - longest);
            for (at = at < 0 ? ~at : at; at > 0 && starts[at - 1] >= Start(l) - longest; at--) { }
            for (; at < starts.Length && starts[at] < End(l); at++)
                if (Overlap(l, byStart[at]) is > 0 and var likeness) candidates.Add((likeness + (l.Label == byStart[at].Label ? 1e-3 : 0), l, byStart[at]));
        }

        foreach (var (_, l, r) in candidates.OrderByDescending(c => c.Likeness).ThenBy(c => Start(c.Left)))
        {
            if (partner.ContainsKey(l) || taken.Contains(r)) continue;
            partner[l] = r;
            taken.Add(r);
        }

        return
        [
            .. left.Select(l => Pair(l, partner.GetValueOrDefault(l))).Concat(right.Where(r => !taken.Contains(r)).Select(r => Pair(null, r)))
                .OrderBy(p => Start(p.Left ?? p.Right)).ThenByDescending(p => End(p.Left ?? p.Right)),
        ];

        void Exact(Func<Annotation, string> key)
        {
            var open = right.Where(r => !taken.Contains(r) && !r.Fragments.IsEmpty).GroupBy(key).ToDictionary(g => g.Key, g => new Queue<Annotation>(g));
            foreach (var l in left.Where(l => !partner.ContainsKey(l) && !l.Fragments.IsEmpty))
            {
                if (!open.TryGetValue(key(l), out var queue) || !queue.TryDequeue(out var r)) continue;
                partner[l] = r;
                taken.Add(r);
            }
        }
    }

    private static List<AdjudicationPair> ByKey(Annotation[] left, Annotation[] right, AnnotationKind kind, Func<Annotation, string> key)
    {
        var pairs = new List<AdjudicationPair>();
        var open = right.Where(r => r.Kind == kind).ToList();
        var unpaired = new List<Annotation>();
        foreach (var l in left.Where(l => l.Kind == kind))
        {
            if (open.Find(r => r.Label == l.Label && key(r) == key(l)) is { } same && open.Remove(same)) pairs.Add(Pair(l, same));
            else unpaired.Add(l);
        }

        foreach (var l in unpaired)
        {
            var other = open.Find(r => key(r) == key(l));
            if (other is not null) open.Remove(other);
            pairs.Add(Pair(l, other));
        }

        pairs.AddRange(open.Select(r => Pair(null, r)));
        return pairs;
    }

    private static AdjudicationPair Pair(Annotation? left, Annotation? right)
    {
        var difference = (left, right) switch
        {
            (null, _) => Difference.OnlyRight,
            (_, null) => Difference.OnlyLeft,
            var (l, r) => (l.Label == r.Label, l.Fragments.SequenceEqual(r.Fragments)) switch
            {
                (true, true) => l.Attributes.SequenceEqual(r.Attributes) ? Difference.None : Difference.Attributes,
                (false, true) => Difference.Label,
                (true, false) => Difference.Extent,
                _ => Difference.LabelAndExtent,
            },
        };
        return new AdjudicationPair(left, right, difference, difference == Difference.None ? Choice.Left : Choice.Open);
    }

    /// <summary>Characters in both over characters in either.</summary>
    private static double Overlap(Annotation a, Annotation b)
    {
        var both = a.Fragments.Sum(f => b.Fragments.Sum(g => Math.Max(0, Math.Min(f.End, g.End) - Math.Max(f.Start, g.Start))));
        return both == 0 ? 0 : (double)both / (a.Fragments.Sum(f => f.Length) + b.Fragments.Sum(f => f.Length) - both);
    }

    private static string Extent(Annotation a) => string.Join(';', a.Fragments.Select(f => $"{f.Start} {f.End}"));

    private static int Start(Annotation? a) => a is not { Fragments.IsEmpty: false } ? int.MaxValue : a.Fragments[0].Start;

    private static int End(Annotation? a) => a is not { Fragments.IsEmpty: false } ? int.MaxValue : a.Fragments[^1].End;
}
