using System.Text;

namespace AttentionLens.Corpora;

/// <summary>Builds a segment whose text differs from what the document holds.</summary>
internal sealed class SegmentBuilder(string document)
{
    private readonly StringBuilder _text = new();
    private readonly OffsetMap.Builder _map = new();

    public int Length => _text.Length;

    public char Last => _text[^1];

    /// <summary>Appends document[start, end) as it stands.</summary>
    public void Verbatim(int start, int end)
    {
        _text.Append(document, start, end - start);
        _map.Add(end - start, start, end - start);
    }

    /// <summary>Appends what document[start, start + length) stands for.</summary>
    public void Decoded(ReadOnlySpan<char> text, int start, int length)
    {
        _text.Append(text);
        _map.Add(text.Length, start, length);
    }

    /// <summary>Appends text that the document does not hold.</summary>
    public void Inserted(ReadOnlySpan<char> text, int position) => Decoded(text, position, 0);

    /// <summary>The text and its map; the builder is empty afterwards.</summary>
    public (string Text, OffsetMap Map) Take()
    {
        var taken = (_text.ToString(), _map.Build());
        _text.Clear();
        _map.Clear();
        return taken;
    }

    /// <summary>
    /// Appends the segments of a decoded text: the whole of it without white space around it, or its paragraphs,
    /// sentences or lines.
    /// </summary>
    public static void Add(string text, OffsetMap map, SegmentUnit unit, string? name, List<Segment> segments)
    {
        var parts = new List<Segment>();
        PlainTextReader.Add(text, 0, text.Length, unit, parts);
        foreach (var part in parts)
        {
            segments.Add(Slice(text, map, part.Start, part.End, name));
        }
    }

    /// <summary>The segment of text[start, end) of a decoded text.</summary>
    public static Segment Slice(string text, OffsetMap map, int start, int end, string? name)
    {
        var (from, to) = map.ToDocument(start, end);
        return new Segment(text[start..end], from, to, map.Slice(start, end)) { Name = name };
    }

    /// <summary>The whole decoded text without white space around it; null when nothing is left.</summary>
    public static Segment? Whole(string text, OffsetMap map, string? name)
    {
        var (start, end) = PlainTextReader.Trim(text, 0, text.Length);
        return start == end ? null : Slice(text, map, start, end, name);
    }
}

/// <summary>Collects problems up to a number that a person would read.</summary>
internal sealed class Problems
{
    private const int Most = 100;

    private readonly List<DocumentProblem> _found = [];

    public IReadOnlyList<DocumentProblem> Found => _found;

    public void Add(int start, int end, string message)
    {
        if (_found.Count < Most)
        {
            _found.Add(new DocumentProblem(start, Math.Max(start, end), message));
        }
    }
}
