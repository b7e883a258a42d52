using System.Buffers;
using System.Text;

namespace AttentionLens.Tokenization.Text;

/// <summary>
/// Text on its way to the model, with the range of the original text that each UTF-16 code unit comes from.
/// Immutable once built. A text that is still the original carries no map.
/// </summary>
/// <remarks>
/// Alignment is kept per code point: both units of a surrogate pair carry the pair's whole range, so that no range splits one.
/// The rules for edits are those of the reference implementation: a replacing character takes the range of the character it
/// replaces, an inserted one that of the character before it.
/// </remarks>
internal sealed class AlignedText
{
    private readonly char[] chars;
    private readonly int[]? starts;
    private readonly int[]? ends;
    private readonly int offset;

    /// <summary>The original text from <paramref name="offset"/> on; lone surrogates must already be U+FFFD.</summary>
    public AlignedText(char[] chars, int length, int offset = 0)
    {
        this.chars = chars;
        Length = length;
        this.offset = offset;
    }

    private AlignedText(char[] chars, int length, int[] starts, int[] ends)
    {
        this.chars = chars;
        this.starts = starts;
        this.ends = ends;
        Length = length;
    }

    public int Length { get; }

    public ReadOnlySpan<char> Span => chars.AsSpan(0, Length);

    public int OriginalStart(int index) => starts is null ? index + offset : starts[index];

    /// <summary>End in the original text of the code unit at <paramref name="index"/>, which is the last of its code point.</summary>
    public int OriginalEnd(int index) => ends is null ? index + 1 + offset : ends[index];

    /// <summary>The original range of a non-empty range that starts and ends on code point boundaries.</summary>
    public (int Start, int End) Original(int start, int end) => (OriginalStart(start), OriginalEnd(end - 1));

    public AlignedText Slice(int start, int end)
    {
        if (start == 0 && end == Length)
            return this;
        var slice = chars.AsSpan(start, end - start).ToArray();
        return starts is null
            ? new AlignedText(slice, slice.Length, offset + start)
            : new AlignedText(slice, slice.Length, starts[start..end], ends![start..end]); // built together with starts
    }

    public static AlignedText Join(List<AlignedText> parts)
    {
        if (parts.Count == 1)
            return parts[0];
        var length = parts.Sum(part => part.Length);
        var (chars, starts, ends) = (new char[length], new int[length], new int[length]);
        var at = 0;
        foreach (var part in parts)
        {
            part.Span.CopyTo(chars.AsSpan(at));
            part.CopyAlignment(0, starts.AsSpan(at, part.Length), ends.AsSpan(at, part.Length));
            at += part.Length;
        }
        return new AlignedText(chars, length, starts, ends);
    }

    private void CopyAlignment(int from, Span<int> toStarts, Span<int> toEnds)
    {
        if (starts is not null)
        {
            starts.AsSpan(from, toStarts.Length).CopyTo(toStarts);
            ends.AsSpan(from, toEnds.Length).CopyTo(toEnds);
            return;
        }
        for (var i = 0; i < toStarts.Length; i++)
        {
            var at = from + i;
            toStarts[i] = offset + at - (char.IsLowSurrogate(chars[at]) ? 1 : 0);
            toEnds[i] = offset + at + (char.IsHighSurrogate(chars[at]) ? 2 : 1);
        }
    }

    /// <summary>The same alignment under other characters; lengths and code point boundaries must agree.</summary>
    public AlignedText WithChars(char[] replaced) =>
        starts is null ? new AlignedText(replaced, Length, offset) : new AlignedText(replaced, Length, starts, ends!); // as above

    /// <summary>Replaces lone surrogates by U+FFFD, one for one, as every UTF-8 based tokenizer sees them.</summary>
    public static AlignedText FromText(string text)
    {
        var chars = text.ToCharArray();
        for (var rest = chars.AsSpan(); ;)
        {
            var next = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
            if (next < 0)
                break;
            if (Rune.DecodeFromUtf16(rest[next..], out _, out var consumed) != OperationStatus.Done)
                rest.Slice(next, consumed).Fill('\uFFFD');
            rest = rest[(next + consumed)..];
        }
        return new AlignedText(chars, chars.Length);
    }

    /// <summary>Collects the result of an edit of <paramref name="source"/>, code point by code point.</summary>
    internal sealed class Builder(AlignedText source)
    {
        private char[] chars = new char[source.Length + 16];
        private int[] starts = new int[source.Length + 16];
        private int[] ends = new int[source.Length + 16];
        private int length;

        private int position;

        /// <summary>Drops <paramref name="count"/> code points of the source.</summary>
        public void Drop(int count)
        {
            for (; count > 0 && position < source.Length; count--)
                position += RuneLength(position);
        }

        /// <summary>
        /// Puts a code point: change 0 replaces the next one of the source, -n replaces it and drops the n after it,
        /// +1 inserts.
        /// </summary>
        public void Put(Rune rune, int change)
        {
            if (change > 0)
            {
                Insert(rune);
                return;
            }
            var from = Math.Min(position, source.Length - 1);
            var step = RuneLength(from);
            Append(rune, source.OriginalStart(from), source.OriginalEnd(from + step - 1));
            position += step;
            Drop(-change);
        }

        /// <summary>Inserts a code point that shares the alignment of the last one read from the source.</summary>
        public void Insert(Rune rune)
        {
            if (position == 0)
                Append(rune, 0, 0);
            else
                AppendAt(rune, position - 1);
        }

        /// <summary>Copies <paramref name="count"/> code units.</summary>
        public void Copy(int count)
        {
            Reserve(count);
            source.chars.AsSpan(position, count).CopyTo(chars.AsSpan(length));
            source.CopyAlignment(position, starts.AsSpan(length, count), ends.AsSpan(length, count));
            length += count;
            position += count;
        }

        /// <summary>Drops the source up to a code unit.</summary>
        public void SkipTo(int index) => position = index;

        /// <summary>Puts text in front of the next code point of the source, under its alignment.</summary>
        public void Prepend(ReadOnlySpan<char> text)
        {
            var last = position + RuneLength(position) - 1;
            foreach (var rune in text.EnumerateRunes())
                Append(rune, source.OriginalStart(position), source.OriginalEnd(last));
        }

        /// <summary>Next unread code unit of the source.</summary>
        public int Position => position;

        /// <summary>Code units written.</summary>
        public int Length => length;

        public AlignedText Build() => new(chars, length, starts, ends);

        private void AppendAt(Rune rune, int sourceIndex)
        {
            var first = sourceIndex;
            if (char.IsLowSurrogate(source.chars[first]))
                first--;
            Append(rune, source.OriginalStart(first), source.OriginalEnd(sourceIndex));
        }

        private void Append(Rune rune, int start, int end)
        {
            Reserve(2);
            var written = rune.EncodeToUtf16(chars.AsSpan(length));
            starts.AsSpan(length, written).Fill(start);
            ends.AsSpan(length, written).Fill(end);
            length += written;
        }

        private void Reserve(int count)
        {
            if (length + count <= chars.Length)
                return;
            var size = checked(Math.Max(length + count, chars.Length * 2));
            Array.Resize(ref chars, size);
            Array.Resize(ref starts, size);
            Array.Resize(ref ends, size);
        }

        private int RuneLength(int index) => char.IsHighSurrogate(source.chars[index]) ? 2 : 1;
    }
}
