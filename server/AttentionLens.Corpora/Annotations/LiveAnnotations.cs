using System.Collections.Immutable;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// The annotations of one open document, moved along with every change of its text. Not thread-safe: the document's own queue calls it.
/// </summary>
/// <remarks>
/// Text typed at a border stays outside the span. A span whose text is deleted becomes an orphan and returns, exactly, when undo
/// brings back a text seen before: the positions of recent texts are remembered by their hash, so no change has to say that it was an undo.
/// </remarks>
public sealed class LiveAnnotations
{
    private const int RememberedTexts = 256;

    /// <summary>Hashing a text on every keystroke must stay far below a frame; at 2 MB it takes well under one.</summary>
    private const int MaxRememberedLength = 2_000_000;

    private readonly Dictionary<UInt128, ImmutableDictionary<string, ImmutableArray<TextRange>>> _positions = [];
    private readonly Queue<UInt128> _order = new();

    public LiveAnnotations(string text, IEnumerable<Annotation> annotations)
    {
        Text = text;
        Items = annotations.ToImmutableDictionary(a => a.Id);
    }

    public string Text { get; private set; }

    public ImmutableDictionary<string, Annotation> Items { get; private set; }

    public void Put(Annotation annotation)
    {
        Forget(annotation.Id);
        Items = Items.SetItem(annotation.Id, annotation);
    }

    public void Remove(string id)
    {
        Forget(id);
        Items = Items.Remove(id);
    }

    /// <summary>Replaces <paramref name="range"/> of the text by <paramref name="inserted"/>.</summary>
    public void Apply(TextRange range, string inserted)
    {
        Remember();
        var old = Text;
        Text = string.Concat(old.AsSpan(0, range.Start), inserted, old.AsSpan(range.End));
        var known = Text.Length <= MaxRememberedLength ? _positions.GetValueOrDefault(Hash(Text)) : null;
        // A reload from disk arrives as one replacement from the first to the last changed line: look for what stayed inside it.
        var diff = new Lazy<TextDiff?>(() => inserted.Length > 0 ? TextDiff.Compare(range.Of(old).ToString(), inserted) : null);

        var moved = Items.ToBuilder();
        foreach (var a in Items.Values)
        {
            if (known is not null && known.TryGetValue(a.Id, out var before))
            {
                moved[a.Id] = a with { Fragments = before, State = a.State == AnchorState.Orphan ? AnchorState.Anchored : a.State };
                continue;
            }

            if (a.Fragments.IsEmpty) continue;
            var fragments = a.Fragments.Select(f => Move(f, range, inserted.Length, diff)).OfType<TextRange>().ToImmutableArray();
            if (fragments.Length == a.Fragments.Length && fragments.SequenceEqual(a.Fragments)) continue;
            moved[a.Id] = fragments.Length == a.Fragments.Length
                ? a with { Fragments = fragments }
                : Anchoring.Describe(old, [a]).First() with { Fragments = [], State = AnchorState.Orphan };
        }

        Items = moved.ToImmutable();
    }

    /// <summary>The position of <paramref name="span"/> after the change, or null when nothing of it is left.</summary>
    private static TextRange? Move(TextRange span, TextRange changed, int insertedLength, Lazy<TextDiff?> diff)
    {
        var delta = insertedLength - changed.Length;
        if (changed.End <= span.Start) return new TextRange(span.Start + delta, span.End + delta);
        if (changed.Start >= span.End) return span;
        if (span.Contains(changed) && changed != span) return new TextRange(span.Start, span.End + delta);
        // Retyping exactly the span's own range (rename, find and replace, completion) keeps the label on the new word.
        if (changed == span && insertedLength > 0) return new TextRange(span.Start, span.Start + insertedLength);
        if (changed.Contains(span) && diff.Value is { } inside)
        {
            return inside.Map(new TextRange(span.Start - changed.Start, span.End - changed.Start)) is { } m
                ? new TextRange(m.Start + changed.Start, m.End + changed.Start)
                : null;
        }

        var start = span.Start < changed.Start ? span.Start : changed.Start + insertedLength;
        var end = span.End > changed.End ? span.End + delta : changed.Start;
        return end > start ? new TextRange(start, end) : null;
    }

    /// <summary>What the user says of a span now outweighs where it was in an earlier text.</summary>
    private void Forget(string id)
    {
        foreach (var hash in _order) _positions[hash] = _positions[hash].Remove(id);
    }

    private void Remember()
    {
        if (Text.Length > MaxRememberedLength) return;
        var hash = Hash(Text);
        if (!_positions.ContainsKey(hash)) _order.Enqueue(hash);
        _positions[hash] = Items.Values.Where(a => !a.Fragments.IsEmpty).ToImmutableDictionary(a => a.Id, a => a.Fragments);
        if (_order.Count > RememberedTexts) _positions.Remove(_order.Dequeue());
    }

    private static UInt128 Hash(string text) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(text.AsSpan()));
}
