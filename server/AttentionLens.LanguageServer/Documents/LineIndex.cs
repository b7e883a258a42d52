using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>
/// Lines of a text as LSP counts them (ended by LF, CRLF or CR), for positions in UTF-16 code units. Any text is accepted: a BOM and a lone
/// surrogate are one code unit each.
/// </summary>
internal sealed class LineIndex
{
    private readonly string text;
    private readonly int[] starts;

    public LineIndex(string text)
        : this(text, [0, .. Scan(text, 0, text.Length)])
    {
    }

    private LineIndex(string text, int[] starts) => (this.text, this.starts) = (text, starts);

    /// <summary>
    /// The index of the text in which this one's [start, end) has been replaced. Only the lines around the edit are read again: in a document of
    /// megabytes, reading all of it for every keystroke would cost more than anything else that is done with one.
    /// </summary>
    /// <param name="start">Offset in the old text.</param>
    /// <param name="end">Offset in the old text.</param>
    /// <param name="next">The whole new text.</param>
    public LineIndex Replaced(int start, int end, string next)
    {
        int shift = next.Length - text.Length;
        // One line earlier, because a CR that ended it may become half of a CRLF; and up to the first line whose whole line end lies after the edit.
        int first = Math.Max(0, LineOf(start) - 1);
        int tail = Math.Min(starts.Length, LineOf(end) + 1);
        while (tail < starts.Length && starts[tail] - 2 < end)
            tail++;
        int to = tail < starts.Length ? starts[tail] + shift : next.Length + 1;
        List<int> between = Scan(next, starts[first], to - 1);
        int[] merged = new int[first + 1 + between.Count + starts.Length - tail];
        starts.AsSpan(0, first + 1).CopyTo(merged);
        between.CopyTo(merged, first + 1);
        for (int i = tail; i < starts.Length; i++)
            merged[first + 1 + between.Count + i - tail] = starts[i] + shift;
        return new LineIndex(next, merged);
    }

    /// <summary>Starts of the lines in (from, to].</summary>
    private static List<int> Scan(string text, int from, int to)
    {
        var found = new List<int>();
        int at = from;
        while (at < to)
        {
            int step = text.AsSpan(at, to - at).IndexOfAny('\n', '\r');
            if (step < 0)
                break;
            at += step + 1;
            if (text[at - 1] == '\r' && at < text.Length && text[at] == '\n')
                at++;
            if (at <= to)
                found.Add(at);
        }
        return found;
    }

    public int Count => starts.Length;

    /// <summary>The offset of a position. A character past the end of its line means that end, a line past the last one the end of the text.</summary>
    public int Offset(Position position)
    {
        if (position.Line >= starts.Length)
            return text.Length;
        if (position.Line < 0)
            return 0;
        int start = starts[position.Line];
        return start + Math.Clamp(position.Character, 0, ContentEnd(position.Line) - start);
    }

    /// <summary>The position of an offset; inside a CRLF, the end of its line.</summary>
    public Position Position(int offset)
    {
        offset = Math.Clamp(offset, 0, text.Length);
        int line = LineOf(offset);
        return new Position(line, Math.Min(offset, ContentEnd(line)) - starts[line]);
    }

    /// <summary>A line without its end.</summary>
    public OffsetRange Line(int line) => new(starts[line], ContentEnd(line));

    public TextRange Range(int start, int end) => new(Position(start), Position(end));

    private int LineOf(int offset)
    {
        int found = Array.BinarySearch(starts, offset);
        return found >= 0 ? found : ~found - 1;
    }

    private int ContentEnd(int line)
    {
        int end = line + 1 < starts.Length ? starts[line + 1] : text.Length;
        if (line + 1 < starts.Length)
            end -= end - 2 >= starts[line] && text[end - 1] == '\n' && text[end - 2] == '\r' ? 2 : 1;
        return end;
    }
}
