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

        var order = ours.Annotations.Select(a => a.Id).Where(kept.ContainsKey).ToList();
        var here = order.ToHashSet();
        var after = new Dictionary<string, List<string>>();
        var neighbour = "";
        foreach (var a in theirs.Annotations.Where(a => kept.ContainsKey(a.Id)))
        {
            if (here.Contains(a.Id)) neighbour = a.Id;
            else (after.TryGetValue(neighbour, out var list) ? list : after[neighbour] = []).Add(a.Id);
        }

        var merged = after.GetValueOrDefault("", []).Concat(order.SelectMany(id => after.GetValueOrDefault(id, []).Prepend(id))).Select(id => kept[id]);
        // Unread lines are no one's to drop, but one that both have is one line.
        return (Sidecar.Lines(merged, ours.Unread.Union(theirs.Unread)), decided);
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
