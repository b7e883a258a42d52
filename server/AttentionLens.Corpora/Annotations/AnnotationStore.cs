using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Corpora.Annotations;

/// <summary>Puts annotations from elsewhere into the sidecars of documents, without an editor.</summary>
public static class AnnotationStore
{
    /// <summary>What <see cref="Add"/> did.</summary>
    public sealed record Added(int New, int Known);

    /// <summary>
    /// Adds annotations that are placed in <paramref name="text"/> to a sidecar. What says the same as one that is there is not added again;
    /// relations are led to the one that is there.
    /// </summary>
    /// <exception cref="SidecarException">The sidecar cannot be read or written.</exception>
    public static Added Add(SidecarName sidecar, string text, IEnumerable<Annotation> annotations)
    {
        using var file = SidecarFile.Open(sidecar.Path);
        var there = Anchoring.Place(text, [.. file.Annotations.Values]).GroupBy(Key).ToDictionary(g => g.Key, g => g.First().Id);
        var ids = new Dictionary<string, string>();
        var added = new List<Annotation>();
        var known = 0;
        var now = DateTimeOffset.UtcNow;
        // Spans first: what a relation says depends on what its spans are called here.
        foreach (var given in annotations.OrderBy(a => a.Kind == AnnotationKind.Relation))
        {
            var a = given with { Time = given.Time ?? now, By = given.By ?? sidecar.Annotator };
            if (a.Kind == AnnotationKind.Relation)
                a = a with { From = ids.GetValueOrDefault(a.From ?? "", a.From ?? ""), To = ids.GetValueOrDefault(a.To ?? "", a.To ?? "") };
            if (there.TryGetValue(Key(a), out var id))
            {
                known++;
                ids[given.Id] = id;
                continue;
            }

            there[Key(a)] = a.Id;
            added.Add(a);
        }

        var described = Anchoring.Describe(text, added).ToArray();
        file.Change(described, []);
        file.Save(text, described);
        return new Added(added.Count, known);

        // An orphan has no place to compare; what it says is its id.
        static string Key(Annotation a) => a.Kind switch
        {
            AnnotationKind.Span when a.Fragments.IsEmpty => a.Id,
            AnnotationKind.Span => $"s {a.Label}\0{string.Join(';', a.Fragments.Select(f => $"{f.Start} {f.End}"))}",
            AnnotationKind.Relation => $"r {a.Label}\0{a.From}\0{a.To}",
            _ => $"d {a.Kind} {a.Label}",
        };
    }

    /// <exception cref="SidecarException">The sidecar cannot be read or written.</exception>
    public static void Change(SidecarName sidecar, string text, AdjudicationChange change)
    {
        if (change.Put.IsEmpty && change.Remove.IsEmpty) return;
        using var file = SidecarFile.Open(sidecar.Path);
        var described = Anchoring.Describe(text, change.Put).ToArray();
        file.Change(described, change.Remove);
        file.Save(text, described);
    }

    /// <summary>
    /// Makes a sidecar hold these annotations of a program's (<see cref="Annotation.Source"/>) and no others of its; what a person or
    /// another program put there stays, and what says the same as before keeps its time.
    /// </summary>
    /// <exception cref="SidecarException">The sidecar cannot be read or written.</exception>
    public static void Replace(SidecarName sidecar, string text, IReadOnlyList<Annotation> annotations, string source)
    {
        using var file = SidecarFile.Open(sidecar.Path);
        var described = Anchoring.Describe(text, annotations)
            .Select(a => file.Annotations.TryGetValue(a.Id, out var before) && Sidecar.Write(a with { Time = before.Time }) == Sidecar.Write(before) ? before with { Fragments = a.Fragments } : a).ToArray();
        var kept = described.Select(a => a.Id).ToHashSet();
        file.Change(
            described.Where(a => !file.Annotations.TryGetValue(a.Id, out var before) || a.Time != before.Time),
            file.Annotations.Values.Where(a => a.Source == source && !kept.Contains(a.Id)).Select(a => a.Id));
        file.Save(text, described);
    }

    /// <summary>Writes imported documents into a folder, each with its sidecar.</summary>
    /// <exception cref="SidecarException">A file cannot be written, or one of this name with another text is there.</exception>
    public static Added Write(string folder, string? annotator, AnnotatedDocument document)
    {
        var path = Path.Combine(folder, FileName(document.Name));
        try
        {
            Directory.CreateDirectory(folder);
            if (!File.Exists(path)) WholeText.Write(path, document.Text);
            else if (CorpusIndex.ReadText(path) != document.Text.TrimStart('\uFEFF')) throw new SidecarException($"{path} exists and holds another text; import into another folder, or move it away.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SidecarException($"{path} could not be written: {e.Message.TrimEnd('.')}.", e);
        }

        return Add(new SidecarName(path, annotator), document.Text, document.Annotations);
    }

    /// <summary>A plain file name: ids of other tools may hold slashes, and nothing may be written outside the folder.</summary>
    private static string FileName(string name)
    {
        const string Unsafe = "/\\:*?\"<>|";
        var safe = string.Concat(name.Select(c => char.IsControl(c) || Unsafe.Contains(c, StringComparison.Ordinal) ? '_' : c)).Trim(' ', '.');
        if (safe.Length == 0) safe = "document";
        return Path.HasExtension(safe) && DocumentFormats.IsCorpusFile(safe) ? safe : safe + ".txt";
    }
}
