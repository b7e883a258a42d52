namespace AttentionLens.Corpora;

/// <summary>How the two texts of a pair belong together.</summary>
public enum PairKind
{
    /// <summary>Both go through the encoder as one input: question and context, premise and hypothesis.</summary>
    Sentences,

    /// <summary>Source for the encoder, target for the decoder: parallel text.</summary>
    Translation,
}

/// <summary>
/// A piece of a document that goes through the model as one text. <see cref="Start"/> and <see cref="End"/> are UTF-16
/// offsets of the document, <see cref="Map"/> gives the place of every code unit of <see cref="Text"/>. No segment
/// splits a surrogate pair.
/// </summary>
public sealed class Segment
{
    private readonly string _source;
    private string? _text;

    /// <summary>A verbatim slice of the document; its text is cut out when first asked for.</summary>
    public Segment(string document, int start, int end)
    {
        _source = document;
        (Start, End, Map) = (start, end, OffsetMap.Verbatim(start, end - start));
    }

    /// <summary>A text that differs from what the document holds between start and end (escapes, columns, markup).</summary>
    public Segment(string text, int start, int end, OffsetMap map)
    {
        if (map.TextLength != text.Length)
        {
            throw new ArgumentException("The map and the text differ in length.", nameof(map));
        }

        _source = _text = text;
        (Start, End, Map) = (start, end, map);
    }

    public string Text => _text ??= _source[Start..End];

    public int Start { get; }

    public int End { get; }

    public OffsetMap Map { get; }

    /// <summary>The second text, when the document pairs two. It is not listed among the segments on its own.</summary>
    public Segment? Pair { get; init; }

    public PairKind PairKind { get; init; }

    /// <summary>What the format calls this piece: a field or column name, an element name, a sentence id.</summary>
    public string? Name { get; init; }

    /// <summary>The same text in a document that holds <paramref name="by"/> code units more before it.</summary>
    public Segment Moved(int by) => new(Text, Start + by, End + by, Map.Moved(by)) { Pair = Pair?.Moved(by), PairKind = PairKind, Name = Name };

    /// <summary>True when the document offset lies in this text or at its end.</summary>
    public bool Contains(int offset) => Start <= offset && offset <= End;

    /// <summary>The document range of text[start, end); see <see cref="OffsetMap.ToDocument"/>.</summary>
    public (int Start, int End) ToDocument(int start, int end) => Map.ToDocument(start, end);

    /// <summary>The offset in <see cref="Text"/> of a document offset; see <see cref="OffsetMap.ToText"/>.</summary>
    public int ToText(int offset) => Map.ToText(offset);
}

/// <summary>Something wrong at document[Start, End), in one sentence for the user.</summary>
public sealed record DocumentProblem(int Start, int End, string Message);
