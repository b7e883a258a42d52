namespace AttentionLens.Corpora;

/// <summary>
/// One token a line, a blank line between sentences: CoNLL-2003 and its kin (columns divided by blanks, the word first) and
/// CoNLL-U (ten columns divided by tabs). The words are joined by spaces as the format says (SpaceAfter=No) or as the script
/// wants (none between Han or kana); a multi-word token (3-4) stands for its words, empty nodes (8.1) are left out.
/// </summary>
/// <param name="universal">True = CoNLL-U, false = the older kind, null = see what the first token line looks like.</param>
public sealed class ConllReader(bool? universal = null) : DocumentReader
{
    private const int UniversalColumns = 10;

    public override string Name => universal == true ? "CoNLL-U" : "CoNLL";

    /// <summary>When the kind is to be seen from the first line, a part from the middle could show another one.</summary>
    public override Seam Seam => universal is null ? Seam.None : Seam.BlankLine;

    public override SegmentedDocument Read(string text)
    {
        var problems = new Problems();
        var segments = new List<Segment>();
        var builder = new SegmentBuilder(text);
        var format = universal;
        int columns = 0, first = -1, last = 0, skipUntil = 0;
        var glue = true;
        string? name = null;
        foreach (var (from, to) in Lines.Of(text, 0, text.Length))
        {
            var start = from == 0 && text[0] == '\uFEFF' ? 1 : from;
            var line = text.AsSpan(start, to - start);
            if (line.IsWhiteSpace())
            {
                Close();
                continue;
            }

            if (line[0] == '#' && (format == true || (first < 0 && line.StartsWith("# "))))
            {
                name = line.StartsWith("# sent_id = ") ? line[12..].Trim().ToString() : name;
                continue;
            }

            if (line.StartsWith("-DOCSTART-"))
            {
                Close();
                continue;
            }

            format ??= line.Count('\t') == UniversalColumns - 1 && char.IsAsciiDigit(line[0]);
            if (format == true)
            {
                Universal(start, to);
            }
            else
            {
                Plain(start, to);
            }
        }

        Close();
        return new SegmentedDocument(text, segments, problems.Found);

        void Plain(int start, int end)
        {
            var line = text.AsSpan(start, end - start);
            var lead = line.Length - line.TrimStart().Length;
            var word = line[lead..];
            var length = word.IndexOfAny(' ', '\t');
            length = length < 0 ? word.Length : length;
            var count = Count(line);
            if (columns == 0)
            {
                columns = count;
            }
            else if (count != columns)
            {
                problems.Add(start, end, $"This line has {count} columns; the lines before have {columns}.");
            }

            Word(start + lead, start + lead + length, spaceAfter: true);
        }

        void Universal(int start, int end)
        {
            Span<Range> cells = stackalloc Range[UniversalColumns + 1];
            var line = text.AsSpan(start, end - start);
            var count = line.Split(cells, '\t');
            if (count != UniversalColumns)
            {
                problems.Add(start, end, $"A CoNLL-U line has {UniversalColumns} columns divided by tabs; this one has {(count > UniversalColumns ? "more" : count)}.");
                if (count < 2)
                {
                    return;
                }
            }

            var id = line[cells[0]];
            if (id.Contains('.'))
            {
                return;
            }

            var dash = id.IndexOf('-');
            if (!int.TryParse(dash < 0 ? id : id[..dash], out var number) || (dash >= 0 && !int.TryParse(id[(dash + 1)..], out _)))
            {
                problems.Add(start, start + id.Length, "The first column of a CoNLL-U line is the number of the word: 3, 3-4 or 8.1.");
            }
            else if (dash < 0 && number <= skipUntil)
            {
                return;
            }

            if (dash >= 0 && int.TryParse(id[(dash + 1)..], out var until))
            {
                skipUntil = until;
            }

            var (offset, length) = cells[1].GetOffsetAndLength(line.Length);
            Word(start + offset, start + offset + length, count < UniversalColumns || !line[cells[9]].Contains("SpaceAfter=No", StringComparison.Ordinal));
        }

        void Word(int start, int end, bool spaceAfter)
        {
            if (start == end)
            {
                problems.Add(start, end, "The word is missing in this line.");
                return;
            }

            if (builder.Length > 0 && !glue && !(IsUnspaced(builder.Last) && IsUnspaced(text[start])))
            {
                builder.Inserted(" ", last);
            }

            builder.Verbatim(start, end);
            first = first < 0 ? start : first;
            last = end;
            glue = !spaceAfter;
        }

        void Close()
        {
            if (first >= 0)
            {
                var (joined, map) = builder.Take();
                segments.Add(new Segment(joined, first, last, map) { Name = name });
            }

            (first, skipUntil, glue, name) = (-1, 0, true, null);
        }
    }

    /// <summary>True when a document that is called plain text is CoNLL all the same.</summary>
    internal static bool Sniff(string text) => text.AsSpan().TrimStart('\uFEFF').StartsWith("-DOCSTART-");

    private static int Count(ReadOnlySpan<char> line)
    {
        var count = 0;
        var inside = false;
        foreach (var c in line)
        {
            var blank = c is ' ' or '\t';
            count += !blank && !inside ? 1 : 0;
            inside = !blank;
        }

        return count;
    }

    /// <summary>Han, kana, and the punctuation and full-width forms written with them.</summary>
    private static bool IsUnspaced(char c) => c is (>= '\u3000' and <= '\u30FF') or (>= '\u3400' and <= '\u4DBF') or (>= '\u4E00' and <= '\u9FFF')
        or (>= '\uF900' and <= '\uFAFF') or (>= '\uFF00' and <= '\uFF65') or (>= '\uD840' and <= '\uD8BF');
}
