using System.Globalization;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

/// <summary>
/// Parses the regular expressions of tokenizer.json: the Oniguruma syntax, on code points. What is not regular
/// (back references, subexpression calls) or not used by tokenizers is refused by name.
/// </summary>
internal sealed class RegexParser
{
    private const int LongestPattern = 20_000;
    private const int DeepestGroup = 200;
    private const int MostRepeats = 1_000;

    private readonly string pattern;
    private int at;
    private int depth;
    private bool ignoreCase;
    private bool dotMatchesNewline;

    private RegexParser(string pattern) => this.pattern = pattern;

    /// <exception cref="TokenizerException">The pattern is malformed or beyond what tokenizers use.</exception>
    public static RegexNode Parse(string pattern)
    {
        if (pattern.Length > LongestPattern)
            throw new TokenizerException($"A regular expression has {pattern.Length} characters; at most {LongestPattern} are allowed.");
        var parser = new RegexParser(pattern);
        var node = parser.Alternation();
        return parser.at == pattern.Length ? node : throw parser.Error("an unmatched ')'");
    }

    private TokenizerException Error(string what) =>
        new($"The regular expression '{Subwords.Vocabulary.Shorten(pattern)}' has {what} at character {at + 1}.");

    private bool More => at < pattern.Length;

    private bool Accept(string text)
    {
        if (!pattern.AsSpan(at).StartsWith(text, StringComparison.Ordinal))
            return false;
        at += text.Length;
        return true;
    }

    private RegexNode Alternation()
    {
        if (++depth > DeepestGroup)
            throw Error($"groups nested deeper than {DeepestGroup}");
        var (outerCase, outerDot) = (ignoreCase, dotMatchesNewline);
        var items = new List<RegexNode> { Sequence() };
        while (Accept("|"))
            items.Add(Sequence());
        (ignoreCase, dotMatchesNewline) = (outerCase, outerDot);
        depth--;
        return items.Count == 1 ? items[0] : new RegexNode.Alternate(items);
    }

    private RegexNode Sequence()
    {
        var items = new List<RegexNode>();
        while (More && pattern[at] is not ('|' or ')'))
        {
            var item = Quantified(Atom());
            if (item is RegexNode.Concat { Items.Count: 0 })
                continue;
            items.Add(item);
        }
        return items.Count == 1 ? items[0] : new RegexNode.Concat(items);
    }

    private RegexNode Quantified(RegexNode item)
    {
        for (var count = 0; More; count++)
        {
            if (count > DeepestGroup)
                throw Error($"more than {DeepestGroup} quantifiers in a row");
            int min, max;
            var braces = false;
            if (Accept("*"))
                (min, max) = (0, -1);
            else if (Accept("+"))
                (min, max) = (1, -1);
            else if (Accept("?"))
                (min, max) = (0, 1);
            else if (pattern[at] == '{' && Braces(out min, out max))
                braces = true;
            else
                return item;
            var kind = Accept("?") ? RepeatKind.Lazy : !braces && Accept("+") ? RepeatKind.Possessive : RepeatKind.Greedy;
            item = new RegexNode.Repeat(item, min, max, kind);
        }
        return item;
    }

    /// <summary>{n}, {n,}, {n,m}, {,m}; anything else is a literal brace.</summary>
    private bool Braces(out int min, out int max)
    {
        var start = at++;
        var hasMin = Number(out min);
        max = min;
        var hasMax = hasMin;
        if (Accept(","))
        {
            hasMax = Number(out max);
            if (!hasMax)
                max = -1;
        }
        if (!(hasMin || hasMax) || !Accept("}"))
        {
            at = start;
            return false;
        }
        if (min > MostRepeats || max > MostRepeats)
            throw Error($"a repetition of more than {MostRepeats}");
        return max < 0 || min <= max ? true : throw Error("a repetition whose end is before its start");
    }

    private bool Number(out int value)
    {
        value = 0;
        var start = at;
        for (; More && char.IsAsciiDigit(pattern[at]); at++)
            value = Math.Min(value * 10 + pattern[at] - '0', 1_000_000);
        return at > start;
    }

    private RegexNode Atom()
    {
        var c = CodePoint();
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return new RegexNode.Set(Class());
            case '.':
                return new RegexNode.Set(dotMatchesNewline ? CodePointRanges.All : CodePointRanges.Of('\n', '\n').Negate());
            case '^':
                return new RegexNode.Anchor(AnchorKind.LineStart);
            case '$':
                return new RegexNode.Anchor(AnchorKind.LineEnd);
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                at--;
                throw Error("nothing to repeat");
            default:
                return Literal(c);
        }
    }

    private RegexNode.Set Literal(int codePoint) => new(Fold(CodePointRanges.Of(codePoint, codePoint)));

    private CodePointRanges Fold(CodePointRanges ranges) => ignoreCase ? ranges.IgnoreCase() : ranges;

    private RegexNode Group()
    {
        RegexNode result;
        if (!Accept("?"))
        {
            result = Alternation();
        }
        else if (Accept("#"))
        {
            while (More && pattern[at] != ')')
                at++;
            result = RegexNode.Empty;
        }
        else if (Accept(":"))
        {
            result = Alternation();
        }
        else if (Accept(">"))
        {
            result = new RegexNode.Atomic(Alternation());
        }
        else if (Accept("="))
        {
            result = new RegexNode.Look(Alternation(), Behind: false, Negative: false);
        }
        else if (Accept("!"))
        {
            result = new RegexNode.Look(Alternation(), Behind: false, Negative: true);
        }
        else if (Accept("<="))
        {
            result = new RegexNode.Look(Alternation(), Behind: true, Negative: false);
        }
        else if (Accept("<!"))
        {
            result = new RegexNode.Look(Alternation(), Behind: true, Negative: true);
        }
        else if (Accept("<") || Accept("P<"))
        {
            while (More && (char.IsLetterOrDigit(pattern[at]) || pattern[at] == '_'))
                at++;
            if (!Accept(">"))
                throw Error("an unfinished group name");
            result = Alternation();
        }
        else
        {
            return Options();
        }
        return Accept(")") ? result : throw Error("an unclosed group");
    }

    /// <summary>(?i-m:...), or (?i) for the rest of the group.</summary>
    private RegexNode Options()
    {
        var (outerCase, outerDot) = (ignoreCase, dotMatchesNewline);
        for (var on = true; ; at++)
        {
            switch (More ? pattern[at] : '\0')
            {
                case '-':
                    on = false;
                    continue;
                case 'i':
                    ignoreCase = on;
                    continue;
                case 'm' or 's':
                    dotMatchesNewline = on;
                    continue;
                case ':':
                    at++;
                    var group = Alternation();
                    (ignoreCase, dotMatchesNewline) = (outerCase, outerDot);
                    return Accept(")") ? group : throw Error("an unclosed group");
                case ')':
                    at++;
                    return Alternation(); // Oniguruma: the option holds to the end of the group, alternatives included
                default:
                    throw Error("a group of an unknown kind");
            }
        }
    }

    private RegexNode Escape()
    {
        if (!More)
            throw Error("an unfinished escape");
        switch (pattern[at])
        {
            case 'b':
                at++;
                return new RegexNode.Anchor(AnchorKind.WordBoundary);
            case 'B':
                at++;
                return new RegexNode.Anchor(AnchorKind.NoWordBoundary);
            case 'A':
                at++;
                return new RegexNode.Anchor(AnchorKind.TextStart);
            case 'z':
                at++;
                return new RegexNode.Anchor(AnchorKind.TextEnd);
            case 'Z':
                at++;
                return new RegexNode.Anchor(AnchorKind.TextEndBeforeNewline);
            case 'w':
                at++;
                return new RegexNode.Set(CodePointRanges.WordOutsideClass);
            case 'W':
                at++;
                return new RegexNode.Set(CodePointRanges.WordOutsideClass.Negate());
            case 'R':
                at++;
                return new RegexNode.Atomic(new RegexNode.Alternate(
                [
                    new RegexNode.Concat([new RegexNode.Set(CodePointRanges.Of('\r', '\r')), new RegexNode.Set(CodePointRanges.Of('\n', '\n'))]),
                    new RegexNode.Set(CodePointRanges.FromRanges(['\n', '\r', 0x85, 0x85, 0x2028, 0x2029])),
                ]));
            case (>= '1' and <= '9') or 'k' or 'g' or 'G' or 'K' or 'X' or 'y' or 'Y' or 'N' or 'O' or 'c' or 'C' or 'M':
                throw Error($"the unsupported escape '\\{pattern[at]}'");
            default:
                return new RegexNode.Set(Fold(ClassEscape()));
        }
    }

    /// <summary>An escape that stands for a set, in a class or outside.</summary>
    private CodePointRanges ClassEscape()
    {
        var c = CodePoint();
        switch (c)
        {
            case 'd':
                return CodePointRanges.Digit;
            case 'D':
                return CodePointRanges.Digit.Negate();
            case 's':
                return CodePointRanges.Space;
            case 'S':
                return CodePointRanges.Space.Negate();
            case 'w':
                return CodePointRanges.Word;
            case 'W':
                return CodePointRanges.Word.Negate();
            case 'h':
                return CodePointRanges.HexDigit;
            case 'H':
                return CodePointRanges.HexDigit.Negate();
            case 'p' or 'P':
                return Property(negated: c == 'P');
            default:
                var codePoint = c switch
                {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    'f' => '\f',
                    'v' => '\v',
                    'a' => '\a',
                    'e' => 0x1B,
                    '0' => 0,
                    'x' => Accept("{") ? Hex(8, closed: true) : Hex(2, closed: false),
                    'u' => Hex(4, closed: false),
                    _ when char.IsAsciiLetterOrDigit((char)Math.Min(c, 0xFFFF)) => throw Error($"the unknown escape '\\{(char)c}'"),
                    _ => c,
                };
                return CodePointRanges.Of(codePoint, codePoint);
        }
    }

    private int Hex(int digits, bool closed)
    {
        var start = at;
        while (at < pattern.Length && at - start < digits && char.IsAsciiHexDigit(pattern[at]))
            at++;
        if (at == start || !int.TryParse(pattern.AsSpan(start, at - start), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value)
            || value is < 0 or > 0x10FFFF || (closed && !Accept("}")))
            throw Error("a malformed code point");
        return value;
    }

    private CodePointRanges Property(bool negated)
    {
        int end;
        string name;
        if (More && pattern[at] != '{')
        {
            end = at;
            name = pattern[at].ToString();
        }
        else
        {
            end = pattern.IndexOf('}', at);
            if (end < 0)
                throw Error("an unfinished property");
            name = pattern[(at + 1)..end];
        }
        if (name.StartsWith('^'))
        {
            negated = !negated;
            name = name[1..];
        }
        var ranges = UnicodeProperties.Find(name) ?? throw Error($"the unknown property '{Subwords.Vocabulary.Shorten(name)}'");
        at = end + 1;
        return negated ? ranges.Negate() : ranges;
    }

    /// <summary>[...], after the opening bracket.</summary>
    private CodePointRanges Class()
    {
        if (++depth > DeepestGroup)
            throw Error($"classes nested deeper than {DeepestGroup}");
        var negated = Accept("^");
        CodePointRanges? intersected = null;
        var ranges = CodePointRanges.Empty;
        for (var first = true; ; first = false)
        {
            if (!More)
                throw Error("an unclosed character class");
            if (pattern[at] == ']' && !first)
            {
                at++;
                break;
            }
            if (Accept("&&"))
            {
                intersected = intersected?.Intersect(ranges) ?? ranges;
                ranges = CodePointRanges.Empty;
                continue;
            }
            var item = ClassItem(out var isSet);
            if (!isSet && More && pattern[at] == '-' && at + 1 < pattern.Length && pattern[at + 1] != ']')
            {
                at++;
                var last = ClassItem(out isSet);
                item.IsSingle(out var low);
                if (isSet || !last.IsSingle(out var high) || high < low)
                    throw Error("a character range without order");
                item = CodePointRanges.Of(low, high);
            }
            ranges = ranges.Union(item);
        }
        if (intersected is not null)
            ranges = intersected.Intersect(ranges);
        ranges = Fold(ranges);
        depth--;
        return negated ? ranges.Negate() : ranges;
    }

    private CodePointRanges ClassItem(out bool isSet)
    {
        isSet = true;
        if (pattern.AsSpan(at).StartsWith("[:") && pattern.IndexOf(":]", at, StringComparison.Ordinal) is var end and > 0)
        {
            var name = pattern[(at + 2)..end];
            var negated = name.StartsWith('^');
            var ranges = UnicodeProperties.Posix(negated ? name[1..] : name);
            if (ranges is not null)
            {
                at = end + 2;
                return negated ? ranges.Negate() : ranges;
            }
        }
        var c = CodePoint();
        switch (c)
        {
            case '[':
                return Class();
            case '\\':
                if (!More)
                    throw Error("an unfinished escape");
                if (pattern[at] == 'b')
                {
                    at++;
                    isSet = false;
                    return CodePointRanges.Of('\b', '\b');
                }
                isSet = pattern[at] is 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'h' or 'H' or 'p' or 'P';
                return ClassEscape();
            default:
                isSet = false;
                return CodePointRanges.Of(c, c);
        }
    }

    private int CodePoint()
    {
        var c = CodePoints.At(pattern, at);
        at += c > 0xFFFF ? 2 : 1;
        return c;
    }
}
