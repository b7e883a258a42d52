namespace AttentionLens.Corpora;

/// <summary>
/// Running text: paragraphs (separated by blank lines), sentences (which may run over line ends inside a paragraph) or
/// lines. White space and a byte order mark around a segment are not part of it. Parallel text and CoNLL are often called
/// .txt and are known by their look.
/// </summary>
public sealed class PlainTextReader(ReaderOptions options, bool isCode = false) : DocumentReader
{
    public bool IsCode => isCode;

    public override string Name => isCode ? "source code" : "plain text";

    public override Seam Seam => Seam.BlankLine;

    /// <summary>Parallel text and CoNLL are known by how they begin, which a part from the middle does not show.</summary>
    public override bool ReadsAlone(Segment segment) => segment is { Pair: null, Name: null, Map.IsVerbatim: true };

    public override SegmentedDocument Read(string text)
    {
        if (!isCode && ConllReader.Sniff(text))
        {
            return new ConllReader(universal: false).Read(text);
        }

        if (!isCode && options.PairSeparator is { Length: > 0 } separator)
        {
            return new ParallelReader(separator, options.PairKind).Read(text);
        }

        if (!isCode && ParallelReader.Sniff(text) is { } sniffed)
        {
            return new ParallelReader(sniffed).Read(text);
        }

        var segments = new List<Segment>();
        Add(text, 0, text.Length, options.Unit, segments);
        return new SegmentedDocument(text, segments);
    }

    /// <summary>Appends the segments of text[start, end).</summary>
    internal static void Add(string text, int start, int end, SegmentUnit unit, List<Segment> segments)
    {
        int paragraph = -1, paragraphEnd = start;
        foreach (var (from, to) in Lines.Of(text, start, end))
        {
            var (first, last) = Trim(text, from, to);
            if (unit == SegmentUnit.Line)
            {
                if (first < last)
                {
                    segments.Add(new Segment(text, first, last));
                }
            }
            else if (first == last)
            {
                Close();
            }
            else
            {
                paragraph = paragraph < 0 ? first : paragraph;
                paragraphEnd = last;
            }
        }

        Close();

        void Close()
        {
            if (paragraph < 0)
            {
                return;
            }

            if (unit == SegmentUnit.Paragraph)
            {
                segments.Add(new Segment(text, paragraph, paragraphEnd));
            }
            else
            {
                foreach (var (from, to) in Sentences.Of(text, paragraph, paragraphEnd))
                {
                    segments.Add(new Segment(text, from, to));
                }
            }

            paragraph = -1;
        }
    }

    /// <summary>The range without white space and byte order marks at its ends.</summary>
    internal static (int Start, int End) Trim(string text, int start, int end)
    {
        while (start < end && (char.IsWhiteSpace(text[start]) || text[start] == '\uFEFF'))
        {
            start++;
        }

        while (end > start && (char.IsWhiteSpace(text[end - 1]) || text[end - 1] == '\uFEFF'))
        {
            end--;
        }

        return (start, end);
    }
}

internal static class Lines
{
    /// <summary>The lines of text[start, end) without their ends: LF, CRLF or CR.</summary>
    public static IEnumerable<(int Start, int End)> Of(string text, int start, int end)
    {
        while (start < end)
        {
            var length = text.AsSpan(start, end - start).IndexOfAny('\r', '\n');
            if (length < 0)
            {
                yield return (start, end);
                yield break;
            }

            var stop = start + length;
            yield return (start, stop);
            start = stop + (text[stop] == '\r' && stop + 1 < end && text[stop + 1] == '\n' ? 2 : 1);
        }
    }
}
