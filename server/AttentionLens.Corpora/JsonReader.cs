using System.Globalization;

namespace AttentionLens.Corpora;

/// <summary>
/// JSON and JSON Lines: the strings of each object that hold text, alone or as a pair, and arrays of tokens as one text.
/// Escapes are decoded and mapped one by one. Reads on after every mistake, since a file that is being edited has one most
/// of the time: a string ends at the line end at the latest, and in JSON Lines every line starts afresh.
/// </summary>
public sealed class JsonReader(ReaderOptions options, bool lines) : DocumentReader
{
    /// <summary>Deeper brackets are counted but not looked into; no data set comes near.</summary>
    private const int MaxDepth = 200;

    public override string Name => lines ? "JSON Lines" : "JSON";

    public override Seam Seam => lines ? Seam.Line : Seam.None;

    public override SegmentedDocument Read(string text)
    {
        var parser = new Parser(text, options);
        if (lines)
        {
            foreach (var (start, end) in Lines.Of(text, 0, text.Length))
            {
                parser.Parse(start, end, oneProblem: true);
            }
        }
        else
        {
            parser.Parse(0, text.Length, oneProblem: false);
        }

        parser.Segments.Sort((a, b) => a.Start.CompareTo(b.Start));
        return new SegmentedDocument(text, parser.Segments, parser.Problems.Found);
    }

    private enum Expect
    {
        Key,
        Colon,
        Value,
        CommaOrEnd,
    }

    /// <summary>A string of the document without its quotes.</summary>
    private readonly record struct Literal(int Start, int End, bool Escaped);

    private sealed class Frame(bool isObject, string? name)
    {
        public bool IsObject => isObject;

        /// <summary>The key under which the object or array stands.</summary>
        public string? Name => name;

        public Expect Expect { get; set; } = isObject ? Expect.Key : Expect.Value;

        public string? Key { get; set; }

        /// <summary>Nothing but strings so far: may be a list of tokens.</summary>
        public bool OnlyStrings { get; set; } = true;

        public List<string> Names { get; } = [];

        public List<Literal> Strings { get; } = [];
    }

    private sealed class Parser(string text, ReaderOptions options)
    {
        private readonly List<Frame> _frames = [];
        private int _tooDeep;
        private bool _oneProblem, _hadProblem;

        public List<Segment> Segments { get; } = [];

        public Problems Problems { get; } = new();

        public void Parse(int start, int end, bool oneProblem)
        {
            (_oneProblem, _hadProblem) = (oneProblem, false);
            var position = start;
            var values = 0;
            while (position < end)
            {
                var c = text[position];
                if (char.IsWhiteSpace(c) || c == '\uFEFF')
                {
                    position++;
                    continue;
                }

                if (c == '/' && position + 1 < end && text[position + 1] is '/' or '*')
                {
                    position = SkipComment(position, end);
                    continue;
                }

                if (_frames.Count == 0 && _tooDeep == 0 && c is not (',' or ':' or '}' or ']') && values++ == 1)
                {
                    Report(position, position + 1, "There is more after the end of the JSON value.");
                }

                position = Token(c, position, end);
            }

            if (_frames.Count > 0)
            {
                Report(Math.Max(start, end - 1), end, $"A '{(_frames[^1].IsObject ? '}' : ']')}' is missing at the end.");
            }

            while (_frames.Count > 0)
            {
                Close();
            }

            _tooDeep = 0;
        }

        private int Token(char c, int position, int end)
        {
            switch (c)
            {
                case '{' or '[':
                    BeforeValue(position);
                    if (_frames.Count >= MaxDepth)
                    {
                        if (_tooDeep++ == 0)
                        {
                            Report(position, position + 1, $"Brackets are nested more than {MaxDepth} deep; what is inside is not read.");
                        }
                    }
                    else
                    {
                        var name = _frames.Count == 0 ? null : _frames[^1].IsObject ? _frames[^1].Key : _frames[^1].Name;
                        _frames.Add(new Frame(c == '{', name));
                    }

                    return position + 1;
                case '}' or ']':
                    if (_tooDeep > 0)
                    {
                        _tooDeep--;
                    }
                    else if (_frames.Count == 0 || _frames[^1].IsObject != (c == '}'))
                    {
                        Report(position, position + 1, $"This '{c}' closes nothing.");
                    }
                    else
                    {
                        Close();
                        AfterValue();
                    }

                    return position + 1;
                case ',':
                    if (Top is { } list)
                    {
                        if (list.Expect != Expect.CommaOrEnd)
                        {
                            Report(position, position + 1, "A value is missing before this ','.");
                        }

                        list.Expect = list.IsObject ? Expect.Key : Expect.Value;
                    }

                    return position + 1;
                case ':':
                    if (Top is { } entry)
                    {
                        if (entry.Expect != Expect.Colon)
                        {
                            Report(position, position + 1, "A ':' does not belong here.");
                        }

                        entry.Expect = entry.IsObject ? Expect.Value : entry.Expect;
                    }

                    return position + 1;
                case '"':
                    return String(position, end);
                default:
                    return Word(position, end);
            }
        }

        private Frame? Top => _tooDeep > 0 || _frames.Count == 0 ? null : _frames[^1];

        private void BeforeValue(int position)
        {
            if (Top is not { } frame)
            {
                return;
            }

            if (frame.Expect != Expect.Value)
            {
                Report(position, position + 1, frame.Expect switch
                {
                    Expect.Key => "A name in quotes is needed here.",
                    Expect.Colon => "A ':' is missing before this value.",
                    _ => "A ',' is missing before this value.",
                });
            }

            frame.OnlyStrings &= text[position] == '"';
        }

        private void AfterValue()
        {
            if (Top is { } frame)
            {
                frame.Expect = Expect.CommaOrEnd;
            }
        }

        private int String(int position, int end)
        {
            var escaped = false;
            var stop = position + 1;
            while (stop < end && text[stop] is not ('"' or '\n' or '\r'))
            {
                if (text[stop] == '\\')
                {
                    escaped = true;
                    stop++;
                    if (stop >= end || text[stop] is '\n' or '\r')
                    {
                        break;
                    }
                }

                stop++;
            }

            stop = Math.Min(stop, end);
            var closed = stop < end && text[stop] == '"';
            if (!closed)
            {
                Report(position, stop, "This string has no closing '\"'.");
            }

            var literal = new Literal(position + 1, stop, escaped);
            if (Top is not { } frame)
            {
                if (_tooDeep == 0)
                {
                    Emit(literal, null);
                }
            }
            else if (frame.IsObject && frame.Expect is Expect.Key or Expect.CommaOrEnd && NextIsColon(closed ? stop + 1 : stop, end))
            {
                if (frame.Expect == Expect.CommaOrEnd)
                {
                    Report(position, position + 1, "A ',' is missing before this name.");
                }

                frame.Key = Decode(literal).Text;
                frame.Expect = Expect.Colon;
                return closed ? stop + 1 : stop;
            }
            else
            {
                BeforeValue(position);
                frame.Names.Add(frame.IsObject ? frame.Key ?? "" : "");
                frame.Strings.Add(literal);
            }

            AfterValue();
            return closed ? stop + 1 : stop;
        }

        private bool NextIsColon(int position, int end)
        {
            while (position < end && char.IsWhiteSpace(text[position]))
            {
                position++;
            }

            // A name that is still being typed has no colon yet; at the end of the line it is a name, not a value.
            return position >= end || text[position] == ':';
        }

        private int Word(int position, int end)
        {
            BeforeValue(position);
            var stop = position;
            while (stop < end && !char.IsWhiteSpace(text[stop]) && text[stop] is not ('{' or '}' or '[' or ']' or ',' or ':' or '"' or '/'))
            {
                stop++;
            }

            stop = Math.Max(stop, position + 1);
            var word = text.AsSpan(position, stop - position);
            if (word is not ("true" or "false" or "null" or "NaN" or "Infinity" or "-Infinity")
                && !double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            {
                Report(position, stop, "This is neither a string nor a number, true, false or null.");
            }

            AfterValue();
            return stop;
        }

        private int SkipComment(int position, int end)
        {
            if (text[position + 1] == '/')
            {
                var line = text.AsSpan(position, end - position).IndexOfAny('\r', '\n');
                return line < 0 ? end : position + line;
            }

            var close = text.AsSpan(position + 2, end - position - 2).IndexOf("*/");
            return close < 0 ? end : position + 2 + close + 2;
        }

        private void Close()
        {
            var frame = _frames[^1];
            _frames.RemoveAt(_frames.Count - 1);
            if (!frame.IsObject)
            {
                if (frame.OnlyStrings && FieldNames.IsTokens(frame.Name))
                {
                    EmitTokens(frame);
                }
                else if (frame.OnlyStrings && (options.Fields.Count == 0 || options.Fields.Contains(frame.Name ?? "", StringComparer.OrdinalIgnoreCase)))
                {
                    frame.Strings.ForEach(s => Emit(s, frame.Name));
                }

                return;
            }

            // {"translation": {"en": ..., "de": ...}}: the two languages are a pair whatever they are called.
            if (frame.Name == "translation" && frame.Strings.Count == 2 && options.Fields.Count == 0)
            {
                EmitPair(frame, 0, 1, PairKind.Translation);
                return;
            }

            var (texts, second, kind) = FieldNames.Choose(frame.Names, options);
            if (second >= 0)
            {
                EmitPair(frame, texts[0], second, kind);
                return;
            }

            if (texts.Count == 0 && options.Fields.Count == 0 && _frames.Count <= 1)
            {
                // Nothing that is known by name: every string with more than one word.
                texts = [.. Enumerable.Range(0, frame.Strings.Count).Where(i => text.AsSpan(frame.Strings[i].Start, frame.Strings[i].End - frame.Strings[i].Start).Contains(' '))];
            }

            foreach (var index in texts)
            {
                Emit(frame.Strings[index], frame.Names[index]);
            }
        }

        private void Emit(Literal literal, string? name)
        {
            var (decoded, map) = Decode(literal);
            SegmentBuilder.Add(decoded, map, options.Unit, name, Segments);
        }

        private void EmitPair(Frame frame, int first, int second, PairKind kind)
        {
            var a = Whole(first);
            var b = Whole(second);
            if (a is not null && b is not null)
            {
                Segments.Add(new Segment(a.Text, a.Start, a.End, a.Map) { Name = a.Name, Pair = b, PairKind = kind });
            }
            else if ((a ?? b) is { } one)
            {
                Segments.Add(one);
            }

            Segment? Whole(int index)
            {
                var (decoded, map) = Decode(frame.Strings[index]);
                return SegmentBuilder.Whole(decoded, map, frame.Names[index]);
            }
        }

        private void EmitTokens(Frame frame)
        {
            var builder = new SegmentBuilder(text);
            foreach (var literal in frame.Strings)
            {
                if (builder.Length > 0)
                {
                    builder.Inserted(" ", literal.Start - 1);
                }

                Decode(literal, builder);
            }

            var (joined, map) = builder.Take();
            if (SegmentBuilder.Whole(joined, map, frame.Name) is { } segment)
            {
                Segments.Add(segment);
            }
        }

        private (string Text, OffsetMap Map) Decode(Literal literal)
        {
            if (!literal.Escaped)
            {
                return (text[literal.Start..literal.End], OffsetMap.Verbatim(literal.Start, literal.End - literal.Start));
            }

            var builder = new SegmentBuilder(text);
            Decode(literal, builder);
            return builder.Take();
        }

        private void Decode(Literal literal, SegmentBuilder builder)
        {
            var position = literal.Start;
            while (position < literal.End)
            {
                var next = text.AsSpan(position, literal.End - position).IndexOf('\\');
                if (next != 0)
                {
                    var stop = next < 0 ? literal.End : position + next;
                    builder.Verbatim(position, stop);
                    position = stop;
                    continue;
                }

                var length = Escape(position, literal.End, out var decoded);
                if (length == 0)
                {
                    Report(position, Math.Min(position + 2, literal.End), "This escape is not one of JSON's; a backslash itself is written \\\\.");
                    builder.Verbatim(position, ++position);
                    continue;
                }

                builder.Decoded([decoded], position, length);
                position += length;
            }
        }

        /// <summary>Length of the escape at a backslash; 0 when it is none.</summary>
        private int Escape(int position, int end, out char decoded)
        {
            decoded = default;
            if (position + 1 >= end)
            {
                return 0;
            }

            switch (text[position + 1])
            {
                case '"' or '\\' or '/':
                    decoded = text[position + 1];
                    return 2;
                case 'b':
                    decoded = '\b';
                    return 2;
                case 'f':
                    decoded = '\f';
                    return 2;
                case 'n':
                    decoded = '\n';
                    return 2;
                case 'r':
                    decoded = '\r';
                    return 2;
                case 't':
                    decoded = '\t';
                    return 2;
                case 'u' when JsonEscape.Unit(text.AsSpan(position, end - position)) is { } unit:
                    decoded = unit;
                    return JsonEscape.Length;
                default:
                    return 0;
            }
        }

        private void Report(int start, int end, string message)
        {
            if (!_oneProblem || !_hadProblem)
            {
                Problems.Add(start, end, message);
            }

            _hadProblem = true;
        }
    }
}
