using System.Collections.Immutable;
using System.Text;
using AttentionLens.Corpora.Annotations;
using AttentionLens.LanguageServer.Documents;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>One open document with the annotations of all its annotators. Not thread-safe: the document's queue calls it.</summary>
internal sealed class DocumentAnnotations : IDisposable
{
    private readonly List<AnnotationLayer> others;
    private readonly BaseTexts baseTexts;
    private readonly AnnotationHistory history = new();

    /// <summary>Whether the file holds the present text; null = not known.</summary>
    private bool? isOnDisk;

    /// <exception cref="SidecarException">A sidecar cannot be read.</exception>
    public DocumentAnnotations(string path, string? annotator, DocumentSnapshot snapshot, BaseTexts baseTexts)
    {
        (Path, Snapshot, this.baseTexts) = (path, snapshot, baseTexts);
        var opened = new List<AnnotationLayer>();
        try
        {
            Own = new AnnotationLayer(new SidecarName(path, annotator), snapshot.Text.ToString(), baseTexts);
            opened.Add(Own);
            foreach (SidecarName name in SidecarName.Beside(path).Where(name => name.Annotator != annotator))
                opened.Add(new AnnotationLayer(name, snapshot.Text.ToString(), baseTexts));
        }
        catch
        {
            opened.ForEach(static layer => layer.Dispose());
            throw;
        }
        others = [.. opened.Skip(1)];
    }

    public string Path { get; }

    public DocumentSnapshot Snapshot { get; private set; }

    public string Text => Snapshot.Text.ToString();

    /// <summary>The annotations that can be changed.</summary>
    public AnnotationLayer Own { get; }

    /// <summary>Layers of annotators who have a file here, or something that is to be in one.</summary>
    public IEnumerable<AnnotationLayer> Others => others.Where(static layer => layer.IsThere);

    public IEnumerable<AnnotationLayer> Layers => others.Prepend(Own);

    public bool IsEmpty => Layers.All(static layer => !layer.Items.Any());

    public string? Undoable => history.Undoable;

    public string? Redoable => history.Redoable;

    /// <summary>The annotations of an annotator, who may have none yet: no file comes into being by asking.</summary>
    /// <exception cref="SidecarException">There is a file, and it cannot be read.</exception>
    public AnnotationLayer Of(string? annotator)
    {
        if (Layers.FirstOrDefault(layer => layer.Annotator == annotator) is { } known)
            return known;
        var fresh = new AnnotationLayer(new SidecarName(Path, annotator), Text, baseTexts);
        others.Add(fresh);
        return fresh;
    }

    /// <summary>Accepted spans of the annotator that have a place, in document order, the outer of two first.</summary>
    public IEnumerable<Annotation> Labelled => Own.Items.Where(static a => a is { Kind: AnnotationKind.Span, Status: AnnotationStatus.Accepted, Fragments.IsEmpty: false })
        .OrderBy(static a => a.Fragments[0].Start).ThenByDescending(static a => a.Fragments[^1].End).ThenBy(static a => a.Id, StringComparer.Ordinal);

    /// <summary>The next version of the text and the changes that led to it, each on the result of the one before.</summary>
    public void Follow(IReadOnlyList<(Span Range, string Text)> changes, DocumentSnapshot next)
    {
        Snapshot = next;
        isOnDisk = null;
        foreach (AnnotationLayer layer in Layers)
            layer.Follow(changes, next.Text.ToString);
        history.Follow(changes);
    }

    /// <summary>One action on somebody's annotations. Undo is for the annotator's own.</summary>
    /// <exception cref="SidecarException">It could not be made safe and did not happen.</exception>
    public void Do(AnnotationLayer layer, string title, IReadOnlyList<Annotation> put, IReadOnlyList<string> remove)
    {
        if (layer == Own)
            Do(title, put, remove);
        else
            layer.Change(put, remove);
    }

    /// <summary>One action of the annotator.</summary>
    /// <exception cref="SidecarException">It could not be made safe and did not happen.</exception>
    public void Do(string title, IReadOnlyList<Annotation> put, IReadOnlyList<string> remove)
    {
        var before = Own.Live.Items;
        Own.Change(put, remove);
        ImmutableDictionary<string, Annotation> after = Own.Live.Items;
        history.Push(Text, title, put.Select(static a => a.Id).Concat(remove).Distinct()
            .Select(id => (id, before.GetValueOrDefault(id), after.GetValueOrDefault(id))));
    }

    /// <summary>Takes back, or does again.</summary>
    /// <returns>What was done; null when there is nothing left.</returns>
    /// <exception cref="SidecarException">It could not be made safe and did not happen.</exception>
    public AnnotationHistory.Change? Undo(bool forward, DateTimeOffset now)
    {
        if (history.Peek(forward) is not { } change)
            return null;
        Own.Change([.. change.Put.Select(a => a with { Time = now })], change.Remove);
        history.Moved(forward);
        return change;
    }

    /// <summary>The text has been saved: what it moved is written, for every annotator, because only this window knows where it went.</summary>
    /// <exception cref="SidecarException">A sidecar could not be written.</exception>
    public void Saved()
    {
        isOnDisk = true;
        foreach (AnnotationLayer layer in Layers)
            layer.Save();
    }

    /// <summary>Writes actions that wait, unless the text they are about is not on disk: then they stay in the journal until it is.</summary>
    /// <exception cref="SidecarException">The sidecar could not be written.</exception>
    public void Flush()
    {
        foreach (AnnotationLayer layer in Layers.Where(static layer => layer.HasUnsaved))
        {
            if (IsOnDisk())
                layer.Save();
        }
    }

    /// <summary>Takes in what others wrote.</summary>
    /// <exception cref="SidecarException">A sidecar could not be read.</exception>
    public bool Reload()
    {
        bool changed = false;
        foreach (AnnotationLayer layer in Layers)
            changed |= layer.Reload();
        return changed;
    }

    /// <inheritdoc cref="AnnotationLayer.Recover"/>
    public bool Recover()
    {
        bool found = false;
        foreach (AnnotationLayer layer in Layers)
            found |= layer.Recover();
        return found;
    }

    public void Dispose()
    {
        foreach (AnnotationLayer layer in Layers)
            layer.Dispose();
    }

    private bool IsOnDisk()
    {
        if (isOnDisk is { } known)
            return known;
        try
        {
            // Another encoding than UTF-8 reads as another text: then only a save by the editor vouches for it.
            isOnDisk = File.ReadAllText(Path, Encoding.UTF8).AsSpan().TrimStart('\uFEFF').SequenceEqual(Text.AsSpan().TrimStart('\uFEFF'));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            isOnDisk = false;
        }
        return isOnDisk.Value;
    }
}
