namespace AttentionLens.Corpora.Annotations.Labels;

/// <summary>Something an annotation does that its label set does not allow, in one sentence.</summary>
public sealed record RuleBreak(Annotation Annotation, string Message);

/// <summary>Holds annotations against a label set.</summary>
public static class LabelRules
{
    /// <summary>Everything in <paramref name="annotations"/> (placed in <paramref name="text"/>) that the set does not allow, in document order.</summary>
    public static IReadOnlyList<RuleBreak> Check(this LabelSet set, string text, IReadOnlyCollection<Annotation> annotations)
    {
        var breaks = new List<RuleBreak>();
        var byId = annotations.DistinctBy(a => a.Id).ToDictionary(a => a.Id);
        var open = new List<Annotation>();
        foreach (var a in annotations.Where(a => a.Kind == AnnotationKind.Span).OrderBy(Start).ThenByDescending(End))
        {
            if (set.Refuses(text, a, byId.GetValueOrDefault) is { } why) breaks.Add(new RuleBreak(a, why));
            if (a.Fragments.IsEmpty) continue;
            // Only spans that reach into this one can clash with it: the sweep keeps them and nothing else.
            open.RemoveAll(o => End(o) <= Start(a));
            foreach (var o in open)
                if (set.Clash(text, o, a) is { } clash) breaks.Add(new RuleBreak(a, clash));
            open.Add(a);
        }

        foreach (var a in annotations.Where(a => a.Kind != AnnotationKind.Span))
            if (set.Refuses(text, a, byId.GetValueOrDefault) is { } why) breaks.Add(new RuleBreak(a, why));
        var documents = annotations.Where(a => a.Kind == AnnotationKind.Document).ToArray();
        if (set.OneDocumentLabel && documents.Length > 1)
            breaks.Add(new RuleBreak(documents[1], $"The document has {documents.Length} labels ({string.Join(", ", documents.Select(d => d.Label))}); the set allows one."));
        return breaks;
    }

    /// <summary>Why <paramref name="candidate"/> may not be added to <paramref name="others"/>, or null: what an editor asks before it labels.</summary>
    public static string? Refuses(this LabelSet set, string text, Annotation candidate, IReadOnlyCollection<Annotation> others)
    {
        var rest = others.Where(o => o.Id != candidate.Id).ToArray();
        if (set.Refuses(text, candidate, id => rest.FirstOrDefault(o => o.Id == id)) is { } why) return why;
        if (candidate.Kind == AnnotationKind.Document && set.OneDocumentLabel && rest.FirstOrDefault(o => o.Kind == AnnotationKind.Document) is { } already)
            return $"The document is already labelled {already.Label}; the set allows one label.";
        if (candidate.Kind != AnnotationKind.Span || candidate.Fragments.IsEmpty) return null;
        return rest.Where(o => o.Kind == AnnotationKind.Span && !o.Fragments.IsEmpty && Start(o) < End(candidate) && Start(candidate) < End(o))
            .Select(o => set.Clash(text, o, candidate)).FirstOrDefault(c => c is not null);
    }

    private static string? Refuses(this LabelSet set, string text, Annotation a, Func<string, Annotation?> find)
    {
        var label = set.Find(a.Kind, a.Label);
        // A set that lists no labels of a kind says nothing about them.
        if (label is null && set.Labels(a.Kind).Any())
            return $"\"{a.Label}\" is no {Word(a.Kind)} label of the set{LabelSetReader.Hint(a.Label, set.Labels(a.Kind).Select(l => l.Name))}.";
        if (label is SpanLabel span && !a.Fragments.IsEmpty)
        {
            if (!span.Discontinuous && a.Fragments.Length > 1) return $"{a.Label} must be one stretch of text; \"{Quote(text, a)}\" has {a.Fragments.Length} parts.";
            if (!span.Multiline && a.Fragments.Any(f => f.Of(text).ContainsAny('\r', '\n'))) return $"{a.Label} must stay on one line; \"{Quote(text, a)}\" does not.";
        }

        if (a.Kind == AnnotationKind.Relation)
        {
            var (from, to) = (find(a.From ?? ""), find(a.To ?? ""));
            if (from?.Kind != AnnotationKind.Span || to?.Kind != AnnotationKind.Span) return $"The relation {a.Label} lacks one of its spans.";
            if (label is RelationLabel relation && !relation.Takes(from.Label, to.Label))
                return $"{a.Label} leads from {Any(relation.From)} to {Any(relation.To)}, not from {from.Label} to {to.Label}.";
        }

        if (set.Attributes.IsEmpty) return null;
        foreach (var (name, value) in a.Attributes)
        {
            if (name == Annotation.Note) continue;
            if (set.Attributes.FirstOrDefault(x => x.Name == name) is not { } attribute)
                return $"\"{name}\" is no attribute of the set{LabelSetReader.Hint(name, set.Attributes.Select(x => x.Name))}.";
            if (!attribute.On.IsEmpty && !attribute.On.Contains(a.Label)) return $"{a.Label} has no attribute \"{name}\"; it is for {string.Join(", ", attribute.On)}.";
            if (!attribute.Values.IsEmpty && !attribute.Values.Contains(value)) return $"\"{name}\" of {a.Label} is \"{value}\"; it can be {string.Join(", ", attribute.Values)}.";
        }

        return null;
    }

    /// <summary>Why two spans may not share text, or null.</summary>
    private static string? Clash(this LabelSet set, string text, Annotation first, Annotation second)
    {
        if (!first.Fragments.Any(f => second.Fragments.Any(s => f.Start < s.End && s.Start < f.End))) return null;
        if (first.Label == second.Label && first.Fragments.SequenceEqual(second.Fragments)) return $"\"{Quote(text, second)}\" is labelled {second.Label} twice.";
        var nested = Inside(second, first) || Inside(first, second);
        if (Allows(first) || Allows(second)) return null;
        var (inner, outer) = Inside(second, first) ? (second, first) : (first, second);
        return nested
            ? $"{inner.Label} \"{Quote(text, inner)}\" lies inside {outer.Label} \"{Quote(text, outer)}\", which neither label allows."
            : $"{second.Label} \"{Quote(text, second)}\" overlaps {first.Label} \"{Quote(text, first)}\", which neither label allows.";

        // A set says nothing about labels that it does not list.
        bool Allows(Annotation a) => set.Find(AnnotationKind.Span, a.Label) is not SpanLabel label || (nested ? label.Nest : label.Overlap);
    }

    private static bool Inside(Annotation inner, Annotation outer) => inner.Fragments.All(i => outer.Fragments.Any(o => o.Contains(i)));

    private static int Start(Annotation a) => a.Fragments.IsEmpty ? int.MaxValue : a.Fragments[0].Start;

    private static int End(Annotation a) => a.Fragments.IsEmpty ? int.MaxValue : a.Fragments[^1].End;

    private static string Any(IReadOnlyList<string> labels) => labels.Count == 0 ? "any span" : string.Join(" or ", labels);

    private static string Word(AnnotationKind kind) => kind switch { AnnotationKind.Span => "span", AnnotationKind.Relation => "relation", _ => "document" };

    private static string Quote(string text, Annotation a)
    {
        const int Longest = 40;
        var whole = string.Join(" … ", a.Fragments.Select(f => f.Of(text).ToString())).ReplaceLineEndings(" ");
        return whole.Length <= Longest ? whole : whole[..(char.IsHighSurrogate(whole[Longest - 2]) ? Longest - 2 : Longest - 1)] + "…";
    }
}
