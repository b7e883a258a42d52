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

    /// <summary>What a choice comes to here: taking a side takes its silence too, and of both there may be only one.</summary>
    public Choice Of(Choice choice) => (Left, Right, choice) switch
    {
        (null, _, Choice.Left) or (_, null, Choice.Right) => Choice.Neither,
        (null, _, Choice.Both) => Choice.Right,
        (_, null, Choice.Both) => Choice.Left,
        _ => choice,
    };

    /// <summary>Id of what is made of the left side, in the third sidecar; null where it has nothing.</summary>
    public string? LeftResult => Left is { } left ? Adjudication.IdOf(left, isLeft: true) : null;

    public string? RightResult => Right is { } right ? Adjudication.IdOf(right, isLeft: false) : null;
}

/// <summary>What makes a third sidecar hold a choice.</summary>
public sealed record AdjudicationChange(ImmutableArray<Annotation> Put, ImmutableArray<string> Remove);

/// <summary>
/// Two annotators' work on one text side by side. Immutable: <see cref="With(int, Choice)"/> makes a choice, <see cref="Result"/> is the third
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
        var (leftPlaces, rightPlaces) = (Places(p => p.Left), Places(p => p.Right));
        var relations = ByKey(l, r, AnnotationKind.Relation, a => Ends(a, leftPlaces), a => Ends(a, rightPlaces));
        var documents = ByKey(l, r, AnnotationKind.Document, a => a.Label, a => a.Label);
        return new Adjudication([.. spans, .. relations, .. documents]);

        // Each side by itself: two who began with the same import have the same ids.
        Dictionary<string, int> Places(Func<AdjudicationPair, Annotation?> side) =>
            spans.Select((p, i) => (side(p)?.Id, i)).Where(p => p.Id is not null).ToDictionary(p => p.Id ?? "", p => p.i);

        static string Ends(Annotation a, Dictionary<string, int> places) =>
            $"{places.GetValueOrDefault(a.From ?? "", -1)} {places.GetValueOrDefault(a.To ?? "", -1)}";
    }

    public Adjudication With(int pair, Choice choice) => With([(pair, choice)]);

    public Adjudication With(IEnumerable<(int Pair, Choice Choice)> choices)
    {
        var pairs = Pairs.ToBuilder();
        foreach (var (pair, choice) in choices) pairs[pair] = pairs[pair] with { Choice = pairs[pair].Of(choice) };
        return new Adjudication(pairs.ToImmutable());
    }

    /// <summary>Every open pair decided in one way: what a batch run does.</summary>
    public Adjudication WithAllOpen(Choice choice) => With(Pairs.Select((p, i) => (p, i)).Where(x => x.p.Choice == Choice.Open).Select(x => (x.i, choice)));

    /// <summary>The choices that <paramref name="third"/>, a result of before, stands for; the others stay as they are.</summary>
    public Adjudication Resume(IEnumerable<Annotation> third)
    {
        var status = third.DistinctBy(a => a.Id).ToDictionary(a => a.Id, a => a.Status);
        return new([.. Pairs.Select(p =>
        {
            var left = p.Left is { } l && status.TryGetValue(IdOf(l, isLeft: true), out var ls) ? ls : (AnnotationStatus?)null;
            var right = p.Right is { } r && status.TryGetValue(IdOf(r, isLeft: false), out var rs) ? rs : (AnnotationStatus?)null;
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
    /// record; open pairs are not there. A chosen relation whose span was not is left out; one that was turned down needs no spans.
    /// </summary>
    public IReadOnlyList<Annotation> Result(string? by, DateTimeOffset time)
    {
        // Where a relation of either side leads: to what was taken of the pair that its span is in.
        var (fromLeft, fromRight) = (new Dictionary<string, string>(), new Dictionary<string, string>());
        foreach (var p in Pairs.Where(p => p.Kind == AnnotationKind.Span))
        {
            var (takesLeft, takesRight) = Takes(p);
            var left = takesLeft && p.Left is { } l ? IdOf(l, isLeft: true) : null;
            var right = takesRight && p.Right is { } r ? IdOf(r, isLeft: false) : null;
            if (p.Left is { } a && (left ?? right) is { } forLeft) fromLeft[a.Id] = forLeft;
            if (p.Right is { } b && (right ?? left) is { } forRight) fromRight[b.Id] = forRight;
        }

        var result = new List<Annotation>();
        foreach (var p in Pairs)
        {
            var (takesLeft, takesRight) = Takes(p);
            if (takesLeft) Add(p.Left, isLeft: true, AnnotationStatus.Accepted);
            if (takesRight) Add(p.Right, isLeft: false, AnnotationStatus.Accepted);
            if (p.Choice == Choice.Neither) Add(p.Left ?? p.Right, isLeft: p.Left is not null, AnnotationStatus.Rejected);
        }

        return result;

        void Add(Annotation? a, bool isLeft, AnnotationStatus status)
        {
            if (a is null) return;
            var made = a with { Id = IdOf(a, isLeft), By = by, Time = time, Status = status, Source = Source, Score = null, Shown = null };
            if (a.Kind == AnnotationKind.Relation)
            {
                var ids = isLeft ? fromLeft : fromRight;
                var (from, to) = (ids.GetValueOrDefault(a.From ?? ""), ids.GetValueOrDefault(a.To ?? ""));
                if (status == AnnotationStatus.Accepted && (from is null || to is null)) return;
                made = made with { From = from ?? IdOf(a.From ?? "", isLeft), To = to ?? IdOf(a.To ?? "", isLeft) };
            }

            result.Add(made);
        }
    }

    /// <summary>
    /// How <paramref name="third"/> comes to hold the choices of the <paramref name="decided"/> pairs, and what both sides agree on and it has not
    /// yet. Of the other pairs only relations change, where a span that they lead to is another one of its pair now or gone: what a person made of
    /// an earlier result stays, relations that were led to another span included.
    /// </summary>
    public AdjudicationChange Changes(IEnumerable<Annotation> third, IReadOnlySet<int> decided, string? by, DateTimeOffset time)
    {
        var before = third.DistinctBy(a => a.Id).ToDictionary(a => a.Id);
        var after = Result(by, time).ToDictionary(a => a.Id);
        var (put, remove) = (ImmutableArray.CreateBuilder<Annotation>(), ImmutableArray.CreateBuilder<string>());
        // Spans come before the relations that lead to them, so that these find here what is left of them.
        var alive = before.Values.Where(a => a.Status == AnnotationStatus.Accepted).Select(a => a.Id).ToHashSet();
        var places = new Dictionary<string, int>();
        for (var i = 0; i < Pairs.Length; i++)
        {
            string[] ids = [.. new[] { Pairs[i].LeftResult, Pairs[i].RightResult }.OfType<string>()];
            var isNew = Pairs[i].Difference == Difference.None && !ids.Any(before.ContainsKey);
            foreach (var id in ids)
            {
                places[id] = i;
                var (was, now) = (before.GetValueOrDefault(id), after.GetValueOrDefault(id));
                if (now is not null && (isNew || decided.Contains(i))) Put(now);
                else if (was is null) continue;
                else if (decided.Contains(i) || (now is null && was.Kind == AnnotationKind.Relation && !(IsAlive(was.From) && IsAlive(was.To)))) Remove(id);
                else if (now is not null && (End(was.From, now.From), End(was.To, now.To)) is var (from, to) && (was.From, was.To) != (from, to)) Put(was with { From = from, To = to, Time = time });
            }
        }

        // Whatever else led to a span that is gone or turned down says nothing any more.
        var gone = remove.Concat(put.Where(a => a.Status == AnnotationStatus.Rejected).Select(a => a.Id)).ToHashSet();
        remove.AddRange(before.Values.Where(a => !gone.Contains(a.Id) && !after.ContainsKey(a.Id) && (gone.Contains(a.From ?? "") || gone.Contains(a.To ?? ""))).Select(a => a.Id));
        return new AdjudicationChange(put.ToImmutable(), remove.ToImmutable());

        bool IsAlive(string? id) => alive.Contains(id ?? "");

        string? End(string? was, string? now) => !IsAlive(was) || places.GetValueOrDefault(was ?? "", -1) == places.GetValueOrDefault(now ?? "", -2) ? now : was;

        void Put(Annotation a)
        {
            put.Add(a);
            if (a.Status == AnnotationStatus.Accepted) alive.Add(a.Id);
            else alive.Remove(a.Id);
        }

        void Remove(string id)
        {
            remove.Add(id);
            alive.Remove(id);
        }
    }

    /// <summary>How much of <paramref name="third"/> that an adjudication made says other than the choices would now: by hand, or because a side has changed since.</summary>
    public int Differing(IEnumerable<Annotation> third)
    {
        var made = Result(null, default).ToDictionary(a => a.Id);
        return third.Count(a => made.TryGetValue(a.Id, out var b) ? !SaysTheSame(a, b) : a.Source == Source);

        static bool SaysTheSame(Annotation a, Annotation b) =>
            (a.Label, a.Status, a.From, a.To) == (b.Label, b.Status, b.From, b.To) && a.Fragments.SequenceEqual(b.Fragments) && a.Attributes.SequenceEqual(b.Attributes);
    }

    private static (bool Left, bool Right) Takes(AdjudicationPair p) =>
        (p.Left is not null && p.Choice is Choice.Left or Choice.Both, p.Right is not null && p.Choice is Choice.Right or Choice.Both);

    internal static string IdOf(Annotation source, bool isLeft) => IdOf(source.Id, isLeft);

    private static string IdOf(string source, bool isLeft) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{(isLeft ? "left" : "right")} {source}")).AsSpan(0, 6));

    private static Annotation[] Settled(IEnumerable<Annotation> annotations) =>
        [.. annotations.Where(a => a.Status == AnnotationStatus.Accepted && a.Kind != AnnotationKind.Approval)];

    private static List<AdjudicationPair> Spans(Annotation[] left, Annotation[] right)
    {
        var pairing = new Pairing(left, right);
        pairing.ByKey(a => $"{a.Label}\0{Extent(a)}", a => $"{a.Label}\0{Extent(a)}");
        pairing.ByKey(Extent, Extent);
        var byStart = right.Where(r => pairing.IsFreeRight(r) && !r.Fragments.IsEmpty).OrderBy(Start).ToArray();
        var longest = byStart.Select(r => End(r) - Start(r)).DefaultIfEmpty(0).Max();
        var starts = byStart.Select(Start).ToArray();
        var candidates = new List<(double Likeness, Annotation Left, Annotation Right)>();
        foreach (var l in left.Where(l => pairing.IsFreeLeft(l) && !l.Fragments.IsEmpty))
        {
            // Whatever overlaps begins before this one ends and, being no longer than the longest, not too far before it.
            var at = Array.BinarySearch(starts, Start(l) - longest);
            for (at = at < 0 ? ~at : at; at > 0 && starts[at - 1] >= Start(l) - longest; at--) { }
            for (; at < starts.Length && starts[at] < End(l); at++)
                if (Overlap(l, byStart[at]) is > 0 and var likeness) candidates.Add((likeness + (l.Label == byStart[at].Label ? 1e-3 : 0), l, byStart[at]));
        }

        foreach (var (_, l, r) in candidates.OrderByDescending(c => c.Likeness).ThenBy(c => Start(c.Left)))
            if (pairing.IsFreeLeft(l) && pairing.IsFreeRight(r)) pairing.Join(l, r);
        return [.. pairing.Pairs().OrderBy(p => Start(p.Left ?? p.Right)).ThenByDescending(p => End(p.Left ?? p.Right))];
    }

    private static List<AdjudicationPair> ByKey(
        Annotation[] left, Annotation[] right, AnnotationKind kind, Func<Annotation, string> leftKey, Func<Annotation, string> rightKey)
    {
        var pairing = new Pairing([.. left.Where(a => a.Kind == kind)], [.. right.Where(a => a.Kind == kind)]);
        pairing.ByKey(a => $"{a.Label}\0{leftKey(a)}", a => $"{a.Label}\0{rightKey(a)}");
        pairing.ByKey(leftKey, rightKey);
        return [.. pairing.Pairs()];
    }

    /// <summary>Joins annotations of two sides, each at most once.</summary>
    private sealed class Pairing(Annotation[] left, Annotation[] right)
    {
        private readonly Dictionary<Annotation, Annotation> _partner = new(ReferenceEqualityComparer.Instance);
        private readonly HashSet<Annotation> _taken = new(ReferenceEqualityComparer.Instance);

        public bool IsFreeLeft(Annotation l) => !_partner.ContainsKey(l);

        public bool IsFreeRight(Annotation r) => !_taken.Contains(r);

        public void Join(Annotation l, Annotation r)
        {
            _partner[l] = r;
            _taken.Add(r);
        }

        /// <summary>Joins what is free on both sides and has the same key. An orphan has no extent to compare and stays free.</summary>
        public void ByKey(Func<Annotation, string> leftKey, Func<Annotation, string> rightKey)
        {
            var open = right.Where(r => IsFreeRight(r) && HasPlace(r)).GroupBy(rightKey).ToDictionary(g => g.Key, g => new Queue<Annotation>(g));
            foreach (var l in left.Where(l => IsFreeLeft(l) && HasPlace(l)))
                if (open.TryGetValue(leftKey(l), out var queue) && queue.TryDequeue(out var r)) Join(l, r);
        }

        public IEnumerable<AdjudicationPair> Pairs() =>
            left.Select(l => Pair(l, _partner.GetValueOrDefault(l))).Concat(right.Where(IsFreeRight).Select(r => Pair(null, r)));

        private static bool HasPlace(Annotation a) => a.Kind != AnnotationKind.Span || !a.Fragments.IsEmpty;
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
