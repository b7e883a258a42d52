using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>A range of a document in offsets.</summary>
internal readonly record struct OffsetRange(int Start, int End);

/// <summary>
/// A text that never changes and is cheap to edit: pieces of a few thousand characters, of which an edit makes anew those that it touches. What
/// an edit copies of all others is one reference and two numbers each: 20 kB for a text of 5 MB, instead of all of it. Knows its lines as LSP
/// counts them (ended by LF, CRLF or CR), for positions in UTF-16 code units. Any text is accepted: a BOM and a lone surrogate are one code
/// unit each.
/// </summary>
internal sealed class DocumentText
{
    /// <summary>Of a piece, in UTF-16 code units; one that an edit makes longer than twice this is cut.</summary>
    private const int PieceLength = 4096;

    private readonly Piece[] pieces;

    /// <summary>Offset of each piece, and the length of the text.</summary>
    private readonly int[] offsets;

    /// <summary>Line ends before each piece, and all of them.</summary>
    private readonly int[] lines;

    private string? whole;

    /// <summary>No line end and no surrogate pair lies half in one piece and half in the next.</summary>
    /// <param name="Text">Not empty, unless it is the only one.</param>
    /// <param name="Starts">Where lines start in it: behind each of its line ends.</param>
    private sealed record Piece(string Text, int[] Starts);

    public DocumentText(string text)
        : this(Cut(text)) => whole = text;

    private DocumentText(Piece[] pieces)
    {
        this.pieces = pieces;
        (offsets, lines) = (new int[pieces.Length + 1], new int[pieces.Length + 1]);
        for (int i = 0; i < pieces.Length; i++)
        {
            offsets[i + 1] = offsets[i] + pieces[i].Text.Length;
            lines[i + 1] = lines[i] + pieces[i].Starts.Length;
        }
    }

    public int Length => offsets[^1];

    public int LineCount => lines[^1] + 1;

    public char this[int offset]
    {
        get
        {
            int piece = PieceAt(offset);
            return pieces[piece].Text[offset - offsets[piece]];
        }
    }

    /// <summary>All of it. Costs its length, once; for what reads no more than a part, <see cref="Slice"/>.</summary>
    public override string ToString() => whole ??= pieces.Length == 1 ? pieces[0].Text : Slice(0, Length);

    public string Slice(int start, int end)
    {
        if (whole is not null)
            return whole[start..end];
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, Length);
        return string.Create(end - start, (Text: this, Start: start), static (target, source) =>
        {
            DocumentText text = source.Text;
            for (int piece = text.PieceAt(source.Start), at = source.Start - text.offsets[piece]; target.Length > 0; piece++, at = 0)
            {
                ReadOnlySpan<char> part = text.pieces[piece].Text.AsSpan(at);
                part = part[..Math.Min(part.Length, target.Length)];
                part.CopyTo(target);
                target = target[part.Length..];
            }
        });
    }

    /// <summary>The text in which [start, end) has been replaced.</summary>
    public DocumentText Replace(int start, int end, string text)
    {
        // From the character before the edit to the one after it, so that no line end or surrogate pair that the edit makes is left in halves.
        int first = PieceAt(Math.Max(0, start - 1)), last = PieceAt(end);
        if (offsets[last + 1] - offsets[first] - (end - start) + text.Length < PieceLength / 2 && last + 1 < pieces.Length)
            last++; // deleting must not leave a text of crumbs
        string anew = string.Concat(Slice(offsets[first], start), text, Slice(end, offsets[last + 1]));
        return new DocumentText([.. pieces.AsSpan(0, first), .. Cut(anew), .. pieces.AsSpan(last + 1)]);
    }

    /// <summary>The offset of a position. A character past the end of its line means that end, a line past the last one the end of the text.</summary>
    public int Offset(Position position)
    {
        if (position.Line >= LineCount)
            return Length;
        if (position.Line < 0)
            return 0;
        (int start, int end) = Line(position.Line);
        return start + Math.Clamp(position.Character, 0, end - start);
    }

    /// <summary>The position of an offset; inside a CRLF, the end of its line.</summary>
    public Position Position(int offset)
    {
        offset = Math.Clamp(offset, 0, Length);
        int piece = PieceAt(offset);
        int found = Array.BinarySearch(pieces[piece].Starts, offset - offsets[piece]);
        int line = lines[piece] + (found >= 0 ? found + 1 : ~found);
        (int start, int end) = Line(line);
        return new Position(line, Math.Min(offset, end) - start);
    }

    public TextRange Range(int start, int end) => new(Position(start), Position(end));

    /// <summary>A line without its end.</summary>
    public OffsetRange Line(int line)
    {
        int start = LineStart(line);
        if (line + 1 == LineCount)
            return new OffsetRange(start, Length);
        int end = LineStart(line + 1);
        return new OffsetRange(start, end - (end - 2 >= start && this[end - 1] == '\n' && this[end - 2] == '\r' ? 2 : 1));
    }

    private int LineStart(int line)
    {
        if (line == 0)
            return 0;
        int piece = Last(lines, line - 1);
        return offsets[piece] + pieces[piece].Starts[line - 1 - lines[piece]];
    }

    /// <summary>The piece that holds a character; the last one for the end of the text.</summary>
    private int PieceAt(int offset) => Math.Min(Last(offsets, offset), pieces.Length - 1);

    /// <summary>The last of ascending numbers that is at most a value; the first is 0, and equal ones before the last hold nothing.</summary>
    private static int Last(int[] numbers, int value)
    {
        int low = 0, high = numbers.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = numbers[middle] <= value ? (middle, high) : (low, middle - 1);
        }
        return low;
    }

    private static Piece[] Cut(string text)
    {
        if (text.Length <= 2 * PieceLength)
            return [new Piece(text, Starts(text))];
        var pieces = new List<Piece>((text.Length / PieceLength) + 1);
        for (int at = 0; at < text.Length;)
        {
            int end = text.Length - at <= 2 * PieceLength ? text.Length : at + PieceLength;
            if (end < text.Length && (text[end - 1] == '\r' && text[end] == '\n' || char.IsSurrogatePair(text[end - 1], text[end])))
                end++;
            string piece = text[at..end];
            pieces.Add(new Piece(piece, Starts(piece)));
            at = end;
        }
        return [.. pieces];
    }

    private static int[] Starts(string text)
    {
        var found = new List<int>();
        for (int at = 0; ;)
        {
            int step = text.AsSpan(at).IndexOfAny('\n', '\r');
            if (step < 0)
                return [.. found];
            at += step + 1;
            if (text[at - 1] == '\r' && at < text.Length && text[at] == '\n')
                at++;
            found.Add(at);
        }
    }
}
