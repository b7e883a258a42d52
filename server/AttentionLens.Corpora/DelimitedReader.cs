using System.Buffers;
using System.Globalization;

namespace AttentionLens.Corpora;

/// <summary>
/// CSV and TSV (RFC 4180): the cells of the columns that hold text, alone or as a pair. A quoted cell is decoded ("" is one
/// quote) and mapped. Columns are those the user named, those with a known name, else those with more than one word.
/// </summary>
public sealed class DelimitedReader(ReaderOptions options, char? delimiter = null) : DocumentReader
{
    /// <summary>Rows looked at to tell text columns from others.</summary>
    private const int Sample = 50;

    public override string Name => delimiter == '\t' ? "TSV" : "CSV";

    public override SegmentedDocument Read(string text)
    {
        var problems = new Problems();
        var rows = Rows(text, delimiter ?? Sniff(text), problems);
        var segments = new List<Segment>();
        if (rows.Count == 0)
        {
            return new SegmentedDocument(text, segments, problems.Found);
        }

        var hasHeader = IsHeader(text, rows);
        string[] names = hasHeader
            ? [.. rows[0].Select(c => c.Decode(text).Text.Trim())]
            : [.. Enumerable.Range(1, rows[0].Count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        var (columns, second, kind) = FieldNames.Choose(names, options);
        if (columns.Count == 0 && options.Fields.Count > 0)
        {
            problems.Add(0, rows[0][^1].End, $"None of the chosen columns ({string.Join(", ", options.Fields)}) is here; there are {string.Join(", ", names.Take(20))}.");
        }
        else if (columns.Count == 0)
        {
            columns = TextColumns(text, rows, hasHeader ? 1 : 0, names.Length);
        }

        foreach (var row in rows.Skip(hasHeader ? 1 : 0))
        {
            if (row.Count != names.Length)
            {
                problems.Add(row[0].Start, row[^1].End, $"This row has {row.Count} cells; the first has {names.Length}.");
            }

            if (second >= 0 && columns[0] < row.Count && second < row.Count)
            {
                AddPair(Whole(text, row[columns[0]], names[columns[0]]), Whole(text, row[second], names[second]), kind, segments);
                continue;
            }

            foreach (var column in columns.Where(c => c < row.Count))
            {
                var (decoded, map) = row[column].Decode(text);
                SegmentBuilder.Add(decoded, map, options.Unit, hasHeader ? names[column] : null, segments);
            }
        }

        segments.Sort((a, b) => a.Start.CompareTo(b.Start));
        return new SegmentedDocument(text, segments, problems.Found);
    }

    internal static void AddPair(Segment? first, Segment? second, PairKind kind, List<Segment> segments)
    {
        if (first is not null && second is not null)
        {
            segments.Add(new Segment(first.Text, first.Start, first.End, first.Map) { Name = first.Name, Pair = second, PairKind = kind });
        }
        else if ((first ?? second) is { } one)
        {
            segments.Add(one);
        }
    }

    /// <summary>A cell without its quotes; Doubled says that it holds doubled quotes.</summary>
    private readonly record struct Cell(int Start, int End, bool Doubled)
    {
        public (string Text, OffsetMap Map) Decode(string text)
        {
            if (!Doubled)
            {
                return (text[Start..End], OffsetMap.Verbatim(Start, End - Start));
            }

            var builder = new SegmentBuilder(text);
            for (var position = Start; position < End;)
            {
                var quote = text.AsSpan(position, End - position).IndexOf('"');
                var stop = quote < 0 ? End : position + quote;
                builder.Verbatim(position, stop);
                position = stop;
                if (position < End)
                {
                    var length = position + 1 < End && text[position + 1] == '"' ? 2 : 1;
                    builder.Decoded("\"", position, length);
                    position += length;
                }
            }

            return builder.Take();
        }
    }

    private static Segment? Whole(string text, Cell cell, string name)
    {
        var (decoded, map) = cell.Decode(text);
        return SegmentBuilder.Whole(decoded, map, name);
    }

    private static List<List<Cell>> Rows(string text, char delimiter, Problems problems)
    {
        var rows = new List<List<Cell>>();
        var row = new List<Cell>();
        var ends = SearchValues.Create([delimiter, '\r', '\n']);
        var position = text.StartsWith('\uFEFF') ? 1 : 0;
        while (position <= text.Length)
        {
            int next;
            if (position < text.Length && text[position] == '"')
            {
                next = Quoted(text, position, delimiter, problems, row);
            }
            else
            {
                var length = text.AsSpan(position).IndexOfAny(ends);
                next = length < 0 ? text.Length : position + length;
                row.Add(new Cell(position, next, false));
            }

            if (next < text.Length && text[next] == delimiter)
            {
                position = next + 1;
                continue;
            }

            // A line with nothing on it is no row.
            if (row.Count > 1 || row[0].Start < row[0].End)
            {
                rows.Add(row);
            }

            row = [];
            if (next >= text.Length)
            {
                break;
            }

            position = next + (text[next] == '\r' && next + 1 < text.Length && text[next + 1] == '\n' ? 2 : 1);
        }

        return rows;
    }

    /// <summary>Adds the quoted cell at a position; returns where its delimiter or line end stands.</summary>
    private static int Quoted(string text, int position, char delimiter, Problems problems, List<Cell> row)
    {
        var doubled = false;
        var stop = position + 1;
        while (true)
        {
            var quote = text.AsSpan(stop).IndexOf('"');
            if (quote < 0)
            {
                // Without its end the quote would swallow the rest of the file; it is taken as a plain character.
                var length = text.AsSpan(position).IndexOfAny(delimiter, '\r', '\n');
                var end = length < 0 ? text.Length : position + length;
                problems.Add(position, end, "This quoted cell has no closing '\"'.");
                row.Add(new Cell(position, end, false));
                return end;
            }

            stop += quote;
            if (stop + 1 < text.Length && text[stop + 1] == '"')
            {
                doubled = true;
                stop += 2;
                continue;
            }

            var after = text.AsSpan(stop + 1).IndexOfAny(delimiter, '\r', '\n');
            var next = after < 0 ? text.Length : stop + 1 + after;
            if (!text.AsSpan(stop + 1, next - stop - 1).IsWhiteSpace())
            {
                problems.Add(stop + 1, next, "There is text after the closing '\"' of this cell; a quote inside it is written \"\".");
            }

            row.Add(new Cell(position + 1, stop, doubled));
            return next;
        }
    }

    /// <summary>The delimiter that the first line holds most of, outside quotes.</summary>
    private static char Sniff(string text)
    {
        var best = (Char: ',', Count: 0);
        foreach (var candidate in ",;\t|")
        {
            var count = 0;
            var quoted = false;
            foreach (var c in text.AsSpan(0, Math.Min(text.Length, 4096)))
            {
                quoted ^= c == '"';
                if (!quoted && c is '\r' or '\n')
                {
                    break;
                }

                count += !quoted && c == candidate ? 1 : 0;
            }

            best = count > best.Count ? (candidate, count) : best;
        }

        return best.Char;
    }

    /// <summary>A header has short, different, filled cells; one of them is a known name, or all look like names.</summary>
    private bool IsHeader(string text, List<List<Cell>> rows)
    {
        if (options.Header is { } header)
        {
            return header;
        }

        return rows.Count > 1 && rows[0].All(c => c.End - c.Start is > 0 and <= 40)
            && LooksNamed(text, rows[0]);
    }

    private static bool LooksNamed(string text, List<Cell> row)
    {
        var names = row.Select(c => c.Decode(text).Text.Trim()).ToList();
        if (names.Distinct(StringComparer.OrdinalIgnoreCase).Count() != names.Count)
        {
            return false;
        }

        var (texts, second, _) = FieldNames.Choose(names, ReaderOptions.Default);
        return texts.Count > 0 || second >= 0
            || names.All(n => n.Length > 0 && (char.IsLetter(n[0]) || n[0] == '_') && n.Count(char.IsWhiteSpace) <= 2 && n.IndexOfAny(['.', '!', '?']) < 0);
    }

    private static List<int> TextColumns(string text, List<List<Cell>> rows, int skip, int count)
    {
        var spaces = new double[count];
        var sampled = rows.Skip(skip).Take(Sample).ToList();
        foreach (var row in sampled)
        {
            for (var c = 0; c < Math.Min(count, row.Count); c++)
            {
                spaces[c] += text.AsSpan(row[c].Start, row[c].End - row[c].Start).Count(' ');
            }
        }

        List<int> columns = [.. Enumerable.Range(0, count).Where(c => spaces[c] >= sampled.Count)];
        return columns.Count > 0 || count == 0 ? columns : [Array.IndexOf(spaces, spaces.Max())];
    }
}
