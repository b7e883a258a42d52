using System.Collections.Immutable;
using System.Globalization;
using AttentionLens.Corpora.Annotations;
using Span = AttentionLens.Corpora.Annotations.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>
/// Undo and redo of what was done to annotations, apart from the undo of the text. The versions that an entry may bring back move with every edit
/// as if they were in the document, so that undoing a label after an edit of the text brings it back where its text is now.
/// </summary>
internal sealed class AnnotationHistory
{
    private const int MaxEntries = 200;

    private readonly LinkedList<Entry> undo = [];
    private readonly Stack<Entry> redo = [];
    private LiveAnnotations versions = new("", []);
    private int nextKey;

    /// <param name="Title">What people read.</param>
    private sealed record Entry(string Title, ImmutableArray<Step> Steps);

    /// <summary>One annotation; a key is null where it did not exist.</summary>
    private sealed record Step(string Id, string? Before, string? After);

    /// <summary>What has to be done to the annotations.</summary>
    public sealed record Change(string Title, ImmutableArray<Annotation> Put, ImmutableArray<string> Remove);

    public string? Undoable => undo.Last?.Value.Title;

    public string? Redoable => redo.TryPeek(out Entry? entry) ? entry.Title : null;

    /// <param name="text">The present text, in which the versions are placed.</param>
    /// <param name="title">What people read.</param>
    /// <param name="steps">What became of each annotation.</param>
    public void Push(string text, string title, IEnumerable<(string Id, Annotation? Before, Annotation? After)> steps)
    {
        while (redo.TryPop(out Entry? gone))
            Forget(gone);
        // Without a version to move the text was not followed.
        if (versions.Items.IsEmpty)
            versions = new LiveAnnotations(text, []);
        undo.AddLast(new Entry(title, [.. steps.Select(step => new Step(step.Id, Keep(step.Before), Keep(step.After)))]));
        if (undo.Count > MaxEntries && undo.First is { } oldest)
        {
            Forget(oldest.Value);
            undo.RemoveFirst();
        }
    }

    /// <summary>The text has changed.</summary>
    public void Follow(IReadOnlyList<(Span Range, string Text)> changes)
    {
        if (versions.Items.IsEmpty)
            return;
        foreach ((Span range, string inserted) in changes)
            versions.Apply(range, inserted);
    }

    /// <summary>What the next undo or redo would do; null when there is nothing left.</summary>
    public Change? Peek(bool forward)
    {
        Entry? entry = forward ? redo.TryPeek(out Entry? next) ? next : null : undo.Last?.Value;
        if (entry is null)
            return null;
        var put = ImmutableArray.CreateBuilder<Annotation>();
        var remove = ImmutableArray.CreateBuilder<string>();
        foreach (Step step in entry.Steps)
        {
            if ((forward ? step.After : step.Before) is { } key)
                put.Add(versions.Items[key] with { Id = step.Id });
            else
                remove.Add(step.Id);
        }
        return new Change(entry.Title, put.ToImmutable(), remove.ToImmutable());
    }

    /// <summary>What <see cref="Peek"/> said has been done.</summary>
    public void Moved(bool forward)
    {
        if (forward)
        {
            undo.AddLast(redo.Pop());
        }
        else if (undo.Last is { } last)
        {
            redo.Push(last.Value);
            undo.RemoveLast();
        }
    }

    private string? Keep(Annotation? version)
    {
        if (version is null)
            return null;
        string key = nextKey++.ToString(CultureInfo.InvariantCulture);
        versions.Put(version with { Id = key });
        return key;
    }

    private void Forget(Entry entry)
    {
        foreach (Step step in entry.Steps)
        {
            if (step.Before is { } before)
                versions.Remove(before);
            if (step.After is { } after)
                versions.Remove(after);
        }
    }
}
