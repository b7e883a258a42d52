using System.Buffers;

namespace AttentionLens.Corpora;

/// <summary>
/// Markdown by its blocks: paragraphs, headings, list items, quotes, table rows and code blocks. The markers of a block
/// (<c>#</c>, <c>-</c>, <c>1.</c>, <c>&gt;</c>, fences) are not part of its text; inline markup is, since an offset there is what the
/// reader of the source sees. Front matter, thematic breaks and table rules carry no text.
/// </summary>
public sealed class MarkdownReader(ReaderOptions options) : DocumentReader
{
    private static readonly SearchValues<char> TableRule = SearchValues.Create("|-: \t");

    public override string Name => "Markdown";

    public override SegmentedDocument Read(string text)
    {
        var segments = new List<Segment>();
        var block = new List<(int Start, int End)>();
        var quoted = false;
        string? fence = null;
        var index = 0;
        var frontMatter = false;
        foreach (var (from, to) in Lines.Of(text, 0, text.Length))
        {
            var (start, end) = PlainTextReader.Trim(text, from, to);
            var line = text.AsSpan(start, end - start);
            if (index++ == 0 && line is "---" && text.AsSpan(to).IndexOf("\n---") >= 0)
            {
                frontMatter = true;
                continue;
            }

            if (frontMatter)
            {
                frontMatter = line is not "---" and not "...";
                continue;
            }

            if (fence is not null)
            {
                if (line.StartsWith(fence) && line.TrimStart(fence[0]).IsEmpty)
                {
                    Close();
                    fence = null;
                }
                else if (line.IsEmpty)
                {
                    Close();
                }
                else
                {
                    Extend(start, end);
                }

                continue;
            }

            if (line.StartsWith("```") || line.StartsWith("~~~"))
            {
                Close();
                fence = line[..^line.TrimStart(line[0]).Length].ToString();
                continue;
            }

            if (line.IsEmpty || IsRule(line))
            {
                Close();
                continue;
            }

            var marker = Marker(line, out var heading);
            if (marker > 0)
            {
                // A line of nothing but quote markers before its text goes on with the quote above it.
                var quote = line[..marker].IndexOfAnyExcept('>', ' ') < 0;
                if (!quote || !quoted)
                {
                    Close();
                }

                quoted = quote;
                start += marker;
                (start, end) = PlainTextReader.Trim(text, start, end);
                if (heading)
                {
                    while (end > start && text[end - 1] == '#')
                    {
                        end--;
                    }

                    (start, end) = PlainTextReader.Trim(text, start, end);
                }

                if (start < end)
                {
                    Extend(start, end);
                }
                else
                {
                    Close();
                }

                if (heading)
                {
                    Close();
                }

                continue;
            }

            if (line[0] == '|')
            {
                Close();
                Extend(start, end);
                Close();
                continue;
            }

            Extend(start, end);
        }

        Close();
        return new SegmentedDocument(text, segments);

        void Extend(int start, int end) => block.Add((start, end));

        void Close()
        {
            if (block.Count > 0)
            {
                Add(text, block, segments);
            }

            block.Clear();
            quoted = false;
        }
    }

    /// <summary>A block is verbatim unless quote markers stand between its lines; then a line end stands for the markers too.</summary>
    private void Add(string text, List<(int Start, int End)> lines, List<Segment> segments)
    {
        var verbatim = true;
        for (var i = 1; i < lines.Count; i++)
        {
            verbatim &= text.AsSpan(lines[i - 1].End, lines[i].Start - lines[i - 1].End).IsWhiteSpace();
        }

        if (verbatim)
        {
            PlainTextReader.Add(text, lines[0].Start, lines[^1].End, options.Unit, segments);
            return;
        }

        var builder = new SegmentBuilder(text);
        for (var i = 0; i < lines.Count; i++)
        {
            if (i > 0)
            {
                var gap = text.AsSpan(lines[i - 1].End, lines[i].Start - lines[i - 1].End);
                builder.Decoded(gap.Contains('\n') ? "\n" : "\r", lines[i - 1].End, gap.Length);
            }

            builder.Verbatim(lines[i].Start, lines[i].End);
        }

        var (joined, map) = builder.Take();
        SegmentBuilder.Add(joined, map, options.Unit, null, segments);
    }

    /// <summary>Length of the markers a line starts with: quotes, one list marker or one heading marker.</summary>
    private static int Marker(ReadOnlySpan<char> line, out bool heading)
    {
        heading = false;
        var position = 0;
        while (position < line.Length && line[position] == '>')
        {
            position++;
            while (position < line.Length && line[position] == ' ')
            {
                position++;
            }
        }

        var rest = line[position..];
        var hashes = rest.Length - rest.TrimStart('#').Length;
        if (hashes is > 0 and <= 6 && (rest.Length == hashes || rest[hashes] is ' ' or '\t'))
        {
            heading = true;
            return position + hashes;
        }

        if (rest.Length > 1 && rest[0] is '-' or '*' or '+' && rest[1] is ' ' or '\t')
        {
            position += 2;
            rest = line[position..];
            return rest.StartsWith("[ ] ") || rest.StartsWith("[x] ") || rest.StartsWith("[X] ") ? position + 4 : position;
        }

        var digits = rest.Length - rest.TrimStart("0123456789").Length;
        return digits is > 0 and <= 9 && rest.Length > digits + 1 && rest[digits] is '.' or ')' && rest[digits + 1] is ' ' or '\t'
            ? position + digits + 2
            : position;
    }

    /// <summary>Thematic breaks, setext underlines and the rule line of a table.</summary>
    private static bool IsRule(ReadOnlySpan<char> line) =>
        (line.Length >= 2 && line[0] is '-' or '=' or '*' or '_' && Uniform(line))
        || (line.Contains('|') && line.IndexOfAnyExcept(TableRule) < 0 && line.Contains('-'));

    private static bool Uniform(ReadOnlySpan<char> line)
    {
        var mark = line[0];
        foreach (var c in line)
        {
            if (c != mark && c is not (' ' or '\t'))
            {
                return false;
            }
        }

        return true;
    }
}
