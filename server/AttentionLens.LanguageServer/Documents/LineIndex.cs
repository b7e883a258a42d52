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
    {
        this.text = text;
        var found = new List<int> { 0 };
        int at = 0;
        while (true)
        {
            int step = text.AsSpan(at).IndexOfAny('\n', '\r');
            if (step < 0)
                break;
            at += step + 1;
            if (text[at - 1] == '\r' && at < text.Length && text[at] == '\n')
                at++;
            found.Add(at);
        }
        starts = [.. found];
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
        int found = Array.BinarySearch(starts, offset);
        int line = found >= 0 ? found : ~found - 1;
        return new Position(line, Math.Min(offset, ContentEnd(line)) - starts[line]);
    }

    public TextRange Range(int start, int end) => new(Position(start), Position(end));

    private int ContentEnd(int line)
    {
        int end = line + 1 < starts.Length ? starts[line + 1] : text.Length;
        if (line + 1 < starts.Length)
            end -= end - 2 >= starts[line] && text[end - 1] == '\n' && text[end - 2] == '\r' ? 2 : 1;
        return end;
    }
}
