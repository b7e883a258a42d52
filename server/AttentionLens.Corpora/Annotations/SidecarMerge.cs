using System.Collections.Immutable;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Merges two versions of a sidecar by id, with or without the version both came from. Needs no text: a record that only one side has
/// goes where it stood there, after the same neighbour.
/// </summary>
public static class SidecarMerge
{
    /// <summary>Never fails: what both sides changed in different ways is decided by time and reported in one sentence each.</summary>
    public static (string Content, IReadOnlyList<string> Decided) Merge(Sidecar ours, Sidecar theirs, Sidecar? @base = null)
    {
        var decided = new List<string>();
        var before = @base?.Annotations.ToDictionary(a => a.Id) ?? [];
        var mine = ours.Annotations.ToDictionary(a => a.Id);
        var other = theirs.Annotations.ToDictionary(a => a.Id);
        var kept = new Dictionary<string, Annotation>();
        foreach (var id in mine.Keys.Union(other.Keys))
            if (Decide(mine.GetValueOrDefault(id), other.GetValueOrDefault(id), before.GetValueOrDefault(id), decided) is { } a) kept[id] = a;

        // Between two records that both have, the runs of each side are merged.
        var common = mine.Keys.Where(other.ContainsKey).ToHashSet();
        var (left, right) = (Runs(ours, kept, common), Runs(theirs, kept, common));
        var merged = Merged(left[""], right[""])
            .Concat(ours.Annotations.Where(a => common.Contains(a.Id)).SelectMany(a => Merged(left[a.Id], right[a.Id]).Prepend(a)))
            .Select(a => kept.GetValueOrDefault(a.Id)).OfType<Annotation>();
        // Unread lines are no one's to drop, but one that both have is one line.
        return (Sidecar.Lines(merged, ours.Unread.Union(theirs.Unread)), decided);
    }

    /// <summary>What only one side has, by the record of both that it follows ("" = the beginning).</summary>
    private static ILookup<string, Annotation> Runs(Sidecar side, Dictionary<string, Annotation> kept, HashSet<string> common)
    {
        var neighbour = "";
        var runs = new List<(string After, Annotation Annotation)>();
        foreach (var a in side.Annotations)
        {
            if (common.Contains(a.Id)) neighbour = a.Id;
            else if (kept.ContainsKey(a.Id)) runs.Add((neighbour, a));
        }

        return runs.ToLookup(r => r.After, r => r.Annotation);
    }

    /// <summary>In one line by column; across lines, whose order nobody knows without the text, ours first.</summary>
    private static IEnumerable<Annotation> Merged(IEnumerable<Annotation> ours, IEnumerable<Annotation> theirs)
    {
        var rest = new Queue<Annotation>(theirs);
        foreach (var a in ours)
        {
            while (rest.TryPeek(out var b) && Before(b, a)) yield return rest.Dequeue();
            yield return a;
        }

        foreach (var b in rest) yield return b;

        static bool Before(Annotation b, Annotation a) =>
            !a.Anchors.IsEmpty && !b.Anchors.IsEmpty && a.Anchors[0].Start is var x && b.Anchors[0].Start is var y
            && x.Line == y.Line && x.Ordinal == y.Ordinal && y.Column < x.Column;
    }

    private static Annotation? Decide(Annotation? ours, Annotation? theirs, Annotation? before, List<string> decided)
    {
        if (ours is null || theirs is null)
        {
            var left = ours ?? theirs;
            // Absent on one side: deleted there, or new here.
            if (before is null || left is null) return left;
            if (Same(left, before)) return null;
            decided.Add($"{Name(left)} was deleted on one side and changed on the other; it was kept.");
            return left;
        }

        if (Same(ours, theirs) || (before is not null && Same(theirs, before))) return ours;
        if (before is not null && Same(ours, before)) return theirs;
        var later = theirs.Time > ours.Time || (ours.Time is null && theirs.Time is not null) ? theirs : ours;
        decided.Add($"{Name(ours)} was changed on both sides; the {(ReferenceEquals(later, theirs) ? "second" : "first")} was kept{(ours.Time is null || theirs.Time is null ? "" : ", being later")}.");
        return later;
    }

    private static bool Same(Annotation a, Annotation b) => Sidecar.Write(a) == Sidecar.Write(b);

    private static string Name(Annotation a) => a.Anchors.IsEmpty ? $"{a.Label} ({a.Id})" : $"{a.Label} \"{a.Anchors[0].Quote.ReplaceLineEndings(" ")}\" ({a.Id})";
}
