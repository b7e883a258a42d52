using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Net;

namespace AttentionLens.Corpora;

/// <summary>
/// XML (TEI among it) and HTML: running text between block elements, without tags and comments, references decoded and
/// mapped, white space runs as one space. Which elements are inline is known for HTML and TEI; in other XML an element is
/// inline when it occurs beside text anywhere in the document.
/// </summary>
public sealed class MarkupReader(ReaderOptions options, bool html) : DocumentReader
{
    private static readonly FrozenSet<string> HtmlInline = Set(
        "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rp rt ruby s samp small span strike strong sub sup time tt u var wbr img");

    private static readonly FrozenSet<string> TeiInline = Set(
        "abbr add addname am app c choice cit corr date del desc emph ex expan foreign forename gap geogname gloss hi lb lem m measure mentioned "
        + "milestone name note num orgname orig pb pc persname placename ptr quote rdg ref reg rolename rs s seg sic soCalled space subst supplied surname "
        + "term time title unclear w");

    /// <summary>Elements whose content is no running text.</summary>
    private static readonly FrozenSet<string> Skipped = Set("script style template teiheader svg math noscript");

    /// <summary>HTML elements whose content ends only at their own end tag, whatever stands inside.</summary>
    private static readonly FrozenSet<string> RawText = Set("script style textarea title");

    /// <summary>TEI words are divided by space even where the file has none.</summary>
    private static readonly FrozenSet<string> Words = Set("w");

    private static readonly FrozenSet<string> LineBreaks = Set("br lb");

    private static readonly SearchValues<char> ReferenceEnds = SearchValues.Create(";& \n\r\t");

    public override string Name => html ? "HTML" : "XML";

    public override SegmentedDocument Read(string text) => new Scanner(text, options, html).Run();

    private static FrozenSet<string> Set(string names) => names.Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private enum Piece
    {
        Text,
        CData,
        Start,
        End,
        Empty,
    }

    /// <summary>Text is document[Start, End); tags have a name.</summary>
    private readonly record struct Event(Piece Kind, int Start, int End, string Name);

    private sealed class Scanner(string text, ReaderOptions options, bool html)
    {
        private readonly List<Event> _events = [];
        private readonly List<Segment> _segments = [];
        private readonly Problems _problems = new();

        public SegmentedDocument Run()
        {
            Scan();
            var inline = html ? HtmlInline : Inline();
            var builder = new SegmentBuilder(text);
            var skip = 0;
            string? block = null;
            var afterWord = false;
            foreach (var piece in _events)
            {
                switch (piece.Kind)
                {
                    case Piece.Text or Piece.CData when skip == 0:
                        if (afterWord && builder.Length > 0 && !char.IsWhiteSpace(text[piece.Start]) && builder.Last != ' ')
                        {
                            builder.Inserted(" ", piece.Start);
                        }

                        afterWord = false;
                        Append(builder, piece);
                        break;
                    case Piece.Start when Skipped.Contains(piece.Name):
                        skip++;
                        Close(builder, block);
                        break;
                    case Piece.End when Skipped.Contains(piece.Name):
                        skip = Math.Max(0, skip - 1);
                        break;
                    case Piece.Start or Piece.Empty when LineBreaks.Contains(piece.Name):
                        if (builder.Length > 0 && builder.Last != ' ')
                        {
                            builder.Inserted(" ", piece.Start);
                        }

                        break;
                    case Piece.Start or Piece.End or Piece.Empty when skip == 0:
                        afterWord |= piece.Kind == Piece.End && Words.Contains(piece.Name);
                        if (!inline.Contains(piece.Name))
                        {
                            Close(builder, block);
                            block = piece.Kind == Piece.Start ? piece.Name : null;
                            afterWord = false;
                        }

                        break;
                }
            }

            Close(builder, block);
            return new SegmentedDocument(text, _segments, _problems.Found);
        }

        private void Close(SegmentBuilder builder, string? name)
        {
            if (builder.Length == 0)
            {
                return;
            }

            var (running, map) = builder.Take();
            // White space is already one space, so that there are no paragraphs or lines inside.
            SegmentBuilder.Add(running, map, options.Unit == SegmentUnit.Line ? SegmentUnit.Paragraph : options.Unit, name, _segments);
        }

        private FrozenSet<string> Inline()
        {
            var inline = new HashSet<string>(TeiInline, StringComparer.OrdinalIgnoreCase);
            var open = new Stack<(string Name, bool HasText, List<string> Children)>();
            foreach (var piece in _events)
            {
                switch (piece.Kind)
                {
                    case Piece.Text or Piece.CData when open.Count > 0 && !text.AsSpan(piece.Start, piece.End - piece.Start).IsWhiteSpace():
                        open.Push(open.Pop() with { HasText = true });
                        break;
                    case Piece.Start:
                        open.Push((piece.Name, false, []));
                        break;
                    case Piece.End when open.Count > 0:
                        var closed = open.Pop();
                        if (closed.HasText)
                        {
                            inline.UnionWith(closed.Children);
                        }

                        if (open.Count > 0)
                        {
                            open.Peek().Children.Add(closed.Name);
                        }

                        break;
                }
            }

            // A paragraph is a block even where a file has stray text beside it.
            inline.ExceptWith(["p", "div", "body", "text", "head", "ab", "l", "lg", "u", "sp", "item", "list", "row", "cell", "table", "para", "doc"]);
            return inline.ToFrozenSet(StringComparer.OrdinalIgnoreCase);
        }

        private void Append(SegmentBuilder builder, Event piece)
        {
            var position = piece.Start;
            while (position < piece.End)
            {
                var c = text[position];
                if (char.IsWhiteSpace(c) && c is not ('\u00A0' or '\u202F') || c == '\uFEFF')
                {
                    var stop = position + 1;
                    while (stop < piece.End && char.IsWhiteSpace(text[stop]) && text[stop] is not ('\u00A0' or '\u202F'))
                    {
                        stop++;
                    }

                    if (builder.Length > 0 && builder.Last != ' ')
                    {
                        builder.Decoded(" ", position, stop - position);
                    }

                    position = stop;
                }
                else if (c == '&' && piece.Kind == Piece.Text)
                {
                    position += Reference(builder, position, piece.End);
                }
                else
                {
                    var stop = position + 1;
                    while (stop < piece.End && !char.IsWhiteSpace(text[stop]) && text[stop] is not ('&' or '\uFEFF'))
                    {
                        stop++;
                    }

                    builder.Verbatim(position, stop);
                    position = stop;
                }
            }
        }

        /// <summary>Appends the character reference at an ampersand; returns its length in the document.</summary>
        private int Reference(SegmentBuilder builder, int position, int end)
        {
            // The longest name that HTML has is 31 characters long.
            var semicolon = text.AsSpan(position + 1, Math.Min(end - position, 34) - 1).IndexOfAny(ReferenceEnds) + 1;
            if (semicolon > 1 && text[position + semicolon] == ';')
            {
                var length = semicolon + 1;
                var source = text.Substring(position, length);
                var decoded = source switch
                {
                    "&apos;" => "'",
                    ['&', '#', 'x' or 'X', .. var digits, ';'] => Character(digits, NumberStyles.AllowHexSpecifier),
                    ['&', '#', .. var digits, ';'] => Character(digits, NumberStyles.None),
                    _ => WebUtility.HtmlDecode(source) is var known && known != source ? known : null,
                };
                if (decoded is not null)
                {
                    if (decoded is "\u00A0")
                    {
                        decoded = " "; // &nbsp; is a space to every reader of the text
                    }

                    builder.Decoded(decoded, position, length);
                    return length;
                }
            }

            if (!html)
            {
                _problems.Add(position, position + 1, "This '&' starts no reference that is known; the character itself is written &amp;.");
            }

            builder.Verbatim(position, position + 1);
            return 1;
        }

        private static string? Character(string digits, NumberStyles style) =>
            // .NET's parser takes NULs behind a number for part of it.
            !digits.Contains('\0', StringComparison.Ordinal) && int.TryParse(digits, style, CultureInfo.InvariantCulture, out var value) && value is > 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF)
                ? char.ConvertFromUtf32(value)
                : null;

        private void Scan()
        {
            var open = new Stack<(string Name, int Start, int End)>();
            var position = 0;
            while (position < text.Length)
            {
                var tag = text.AsSpan(position).IndexOf('<');
                var stop = tag < 0 ? text.Length : position + tag;
                if (stop > position)
                {
                    _events.Add(new Event(Piece.Text, position, stop, ""));
                }

                if (tag < 0)
                {
                    break;
                }

                position = Tag(stop, open);
            }

            while (!html && open.TryPop(out var unclosed))
            {
                _problems.Add(unclosed.Start, unclosed.End, $"<{unclosed.Name}> is never closed.");
            }
        }

        /// <summary>Reads what starts with '&lt;'; returns where it ends.</summary>
        private int Tag(int start, Stack<(string Name, int Start, int End)> open)
        {
            var rest = text.AsSpan(start);
            if (rest.StartsWith("<!--"))
            {
                return Until(start, 4, "-->", "This comment is never closed.");
            }

            if (rest.StartsWith("<![CDATA["))
            {
                var end = Until(start, 9, "]]>", "This CDATA section is never closed.");
                var content = end >= start + 12 && text.AsSpan(end - 3, 3) is "]]>" ? end - 3 : end;
                if (content > start + 9)
                {
                    _events.Add(new Event(Piece.CData, start + 9, content, ""));
                }

                return end;
            }

            if (rest.StartsWith("<?"))
            {
                return Until(start, 2, html ? ">" : "?>", "This instruction is never closed.");
            }

            if (rest.StartsWith("<!"))
            {
                return Declaration(start);
            }

            var closing = rest.Length > 1 && rest[1] == '/';
            var nameStart = start + (closing ? 2 : 1);
            var nameEnd = nameStart;
            while (nameEnd < text.Length && IsNameChar(text[nameEnd]))
            {
                nameEnd++;
            }

            if (nameEnd == nameStart || !(char.IsLetter(text[nameStart]) || text[nameStart] is '_' or ':'))
            {
                if (!html)
                {
                    _problems.Add(start, start + 1, "This '<' starts no tag; the character itself is written &lt;.");
                }

                _events.Add(new Event(Piece.Text, start, start + 1, ""));
                return start + 1;
            }

            var close = TagEnd(nameEnd);
            if (close < 0)
            {
                _problems.Add(start, nameEnd, "This tag is never closed with '>'.");
                return nameEnd;
            }

            var name = Local(text[nameStart..nameEnd]);
            if (closing)
            {
                Close(name, start, close, open);
                return close;
            }

            var empty = text[close - 2] == '/';
            _events.Add(new Event(empty && !html ? Piece.Empty : Piece.Start, start, close, name));
            if (html && RawText.Contains(name))
            {
                var end = text.AsSpan(close).IndexOf("</" + name, StringComparison.OrdinalIgnoreCase);
                var content = end < 0 ? text.Length : close + end;
                if (content > close)
                {
                    _events.Add(new Event(Piece.Text, close, content, ""));
                }

                return content;
            }

            if (!empty && !html)
            {
                open.Push((name, start, close));
            }

            return close;
        }

        private void Close(string name, int start, int end, Stack<(string Name, int Start, int End)> open)
        {
            if (!html)
            {
                if (open.TryPeek(out var top) && top.Name == name)
                {
                    open.Pop();
                }
                else
                {
                    var message = open.Count == 0 ? $"</{name}> closes nothing." : $"</{name}> stands where </{open.Peek().Name}> is needed.";
                    _problems.Add(start, end, message);
                    // Forget what was left open inside, when the tag belongs to one of the nearest elements.
                    if (open.Take(16).Any(o => o.Name == name))
                    {
                        while (open.Pop().Name != name)
                        {
                        }
                    }
                }
            }

            _events.Add(new Event(Piece.End, start, end, name));
        }

        /// <summary>The place after the '&gt;' of a tag, outside quoted attribute values; -1 when there is none before the next tag.</summary>
        private int TagEnd(int position)
        {
            var quote = '\0';
            var wild = -1;
            for (; position < text.Length; position++)
            {
                var c = text[position];
                if (quote != '\0')
                {
                    quote = c == quote ? '\0' : quote;
                    // A quote that was never closed must not swallow the document.
                    if (c == '>' && wild < 0)
                    {
                        wild = position + 1;
                    }

                    if (quote != '\0' && c == '<')
                    {
                        return wild;
                    }
                }
                else if (c is '"' or '\'')
                {
                    quote = c;
                }
                else if (c == '>')
                {
                    return position + 1;
                }
                else if (c == '<')
                {
                    return -1;
                }
            }

            return wild;
        }

        private int Until(int start, int skip, string terminator, string message)
        {
            var end = start + skip >= text.Length ? -1 : text.AsSpan(start + skip).IndexOf(terminator);
            if (end >= 0)
            {
                return start + skip + end + terminator.Length;
            }

            _problems.Add(start, Math.Min(text.Length, start + skip), message);
            return text.Length;
        }

        /// <summary>A document type declaration may hold an internal subset in brackets. Its entities are not expanded.</summary>
        private int Declaration(int start)
        {
            var depth = 0;
            for (var position = start; position < text.Length; position++)
            {
                switch (text[position])
                {
                    case '[':
                        depth++;
                        break;
                    case ']':
                        depth--;
                        break;
                    case '>' when depth <= 0:
                        return position + 1;
                }
            }

            _problems.Add(start, Math.Min(text.Length, start + 2), "This declaration is never closed.");
            return text.Length;
        }

        private static bool IsNameChar(char c) => char.IsLetterOrDigit(c) || c is '-' or '_' or ':' or '.' || char.IsSurrogate(c);

        private static string Local(string name) => name[(name.LastIndexOf(':') + 1)..];
    }
}
