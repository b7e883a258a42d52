using AttentionLens.Corpora.Annotations;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>The annotations of one annotator in one open document: the file and its live places.</summary>
internal sealed class AnnotationLayer : IDisposable
{
    private readonly SidecarFile file;
    private readonly SidecarName name;
    private readonly BaseTexts baseTexts;
    private (DateTime Written, long Length) seen;
    private LiveAnnotations live;

    /// <summary>With nothing to move, edits are not followed: the text of a long document is put together only when it is needed.</summary>
    private Func<string>? behind;

    /// <exception cref="SidecarException">The file cannot be read.</exception>
    public AnnotationLayer(SidecarName name, string text, BaseTexts baseTexts)
    {
        (this.name, this.baseTexts) = (name, baseTexts);
        seen = Stamp();
        file = SidecarFile.Open(name.Path);
        // The text may have been edited elsewhere since the sidecar was written for it.
        live = new LiveAnnotations(text, Anchoring.Place(text, [.. file.Annotations.Values], file.Annotations.IsEmpty ? null : baseTexts.Find(name.Path)));
    }

    public string? Annotator => name.Annotator;

    public LiveAnnotations Live
    {
        get
        {
            if (behind is { } text)
                (live, behind) = (new LiveAnnotations(text(), []), null);
            return live;
        }
    }

    public IEnumerable<Annotation> Items => live.Items.Values;

    /// <summary>There is a file, or something that is to be in it.</summary>
    public bool IsThere => seen != default || HasUnsaved || !live.Items.IsEmpty;

    /// <summary>Done, and not yet in the sidecar.</summary>
    public bool HasUnsaved { get; private set; }

    public IEnumerable<string> Problems =>
        file.Problems.Select(problem => $"{Path.GetFileName(name.Path)}, line {problem.Line}: {problem.Message}.");

    /// <param name="changes">Each on the result of the one before.</param>
    /// <param name="text">What they lead to.</param>
    public void Follow(IReadOnlyList<(Span Range, string Text)> changes, Func<string> text)
    {
        if (live.Items.IsEmpty)
        {
            behind = text;
            return;
        }
        foreach ((Span range, string inserted) in changes)
            live.Apply(range, inserted);
    }

    /// <exception cref="SidecarException">The journal cannot be written: nothing happened.</exception>
    public void Change(IReadOnlyList<Annotation> put, IReadOnlyList<string> remove)
    {
        Annotation[] described = [.. Anchoring.Describe(Live.Text, put)];
        file.Change(described, remove.Where(file.Annotations.ContainsKey));
        foreach (Annotation annotation in described)
            Live.Put(annotation);
        foreach (string id in remove)
            Live.Remove(id);
        HasUnsaved = true;
    }

    /// <summary>Writes the sidecar. What another window or git wrote meanwhile is taken in first.</summary>
    /// <exception cref="SidecarException">Nothing was replaced; the journal holds what is not written.</exception>
    public void Save()
    {
        Reload();
        if (live.Items.IsEmpty && file.Annotations.IsEmpty && !HasUnsaved)
            return;
        file.Save(Live.Text, [.. Anchoring.Describe(Live.Text, Live.Items.Values)]);
        TakeIn(file.Annotations.Values);
        seen = Stamp();
        HasUnsaved = false;
        baseTexts.Keep(name.Path, Live.Text);
    }

    /// <summary>Takes in what another writer made of the file.</summary>
    /// <returns>Whether anything changed.</returns>
    /// <exception cref="SidecarException">The file cannot be read; what is known stays.</exception>
    public bool Reload()
    {
        (DateTime, long) now = Stamp();
        if (now == seen)
            return false;
        file.Reload();
        seen = now;
        return TakeIn(file.Annotations.Values);
    }

    /// <summary>
    /// Looks once more for what lost its place: text that was cut comes back by paste, and after a checkout the sidecar may be read before the text.
    /// </summary>
    /// <returns>Whether anything was found.</returns>
    public bool Recover()
    {
        Annotation[] lost =
        [
            .. Items.Where(a => a.Kind == AnnotationKind.Span && a.State != AnchorState.Anchored)
                .Select(a => file.Annotations.GetValueOrDefault(a.Id, a) with { Status = a.Status }),
        ];
        bool found = false;
        foreach (Annotation placed in lost.Length == 0 ? [] : Anchoring.Place(Live.Text, lost))
        {
            Annotation now = Live.Items[placed.Id];
            if (placed.State == AnchorState.Orphan || (now.State == AnchorState.Review && placed.State == AnchorState.Review))
                continue;
            Live.Put(placed);
            found = true;
        }
        return found;
    }

    public void Dispose() => file.Dispose();

    private bool TakeIn(IEnumerable<Annotation> stored)
    {
        var known = live.Items;
        var next = stored.ToDictionary(static a => a.Id);
        bool changed = false;
        foreach (string id in known.Keys.Where(id => !next.ContainsKey(id)))
        {
            Live.Remove(id);
            changed = true;
        }
        var place = new List<Annotation>();
        foreach (Annotation theirs in next.Values)
        {
            if (!known.TryGetValue(theirs.Id, out Annotation? ours) || !SamePlace(ours, theirs))
                place.Add(theirs);
            // A live place is better than one that is looked up: only what is said of it is taken.
            else if (Sidecar.Write(ours with { State = theirs.State }) != Sidecar.Write(theirs))
                Put(theirs with { Fragments = ours.Fragments, State = ours.State });
        }
        foreach (Annotation placed in place.Count == 0 ? [] : Anchoring.Place(Live.Text, place))
            Put(placed);
        return changed;

        void Put(Annotation annotation)
        {
            Live.Put(annotation);
            changed = true;
        }
    }

    private static bool SamePlace(Annotation ours, Annotation theirs) => ours.Anchors.SequenceEqual(theirs.Anchors);

    private (DateTime, long) Stamp()
    {
        var info = new FileInfo(name.Path);
        return info.Exists ? (info.LastWriteTimeUtc, info.Length) : default;
    }
}
