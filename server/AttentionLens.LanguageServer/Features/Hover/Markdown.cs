using System.Globalization;
using System.Text;

namespace AttentionLens.LanguageServer.Features.Hover;

/// <summary>Document text inside Markdown: always text, never markup.</summary>
internal static class Markdown
{
    private const int MaxLength = 40;

    /// <summary>A code span that is safe in a table cell: in a code span nothing but backticks and (in tables) pipes means anything.</summary>
    public static string Code(string text)
    {
        string plain = Plain(text);
        int longest = 0, current = 0;
        foreach (char c in plain)
        {
            current = c == '`' ? current + 1 : 0;
            longest = Math.Max(longest, current);
        }
        string fence = new('`', longest + 1);
        // One space inside the fence on each side is taken off again by Markdown; needed where the text begins or ends with a backtick or space.
        string pad = plain.StartsWith('`') || plain.EndsWith('`') || (plain.Length > 1 && plain.StartsWith(' ') && plain.EndsWith(' ')) ? " " : "";
        // Readers of tables differ on a backslash before an escaped pipe, and one reading ends the cell, and the span with it: a lookalike stands for it.
        string cell = plain.Replace("\\|", "⧵|", StringComparison.Ordinal).Replace("|", "\\|", StringComparison.Ordinal);
        return $"{fence}{pad}{cell}{pad}{fence}";
    }

    /// <summary>For text inside a line; what only means something at its start (#, -, +) stays, because some editors show Markdown as it is.</summary>
    public static string Escape(string text)
    {
        var safe = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            // The last two lines: bare addresses become links in GitHub's Markdown.
            if (c is '\\' or '`' or '*' or '_' or '[' or ']' or '<' or '>' or '&' or '|' or '~' or '$' or '@'
                || (c == ':' && text.AsSpan(i).StartsWith("://"))
                || (c == '.' && text.AsSpan(0, i).EndsWith("www", StringComparison.OrdinalIgnoreCase)))
                safe.Append('\\');
            bool obeyed = char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format && c != '\u200d';
            safe.Append(obeyed ? ' ' : c);
        }
        return safe.ToString();
    }

    /// <summary>One line: white space and characters that change how others look are made visible, long text is shortened.</summary>
    public static string Plain(string text)
    {
        var safe = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (safe.Length >= MaxLength)
            {
                safe.Append('…');
                break;
            }
            switch (rune.Value)
            {
                case '\n' or 0x2028 or 0x2029:
                    safe.Append('⏎');
                    break;
                case '\r':
                    break;
                case '\t':
                    safe.Append('⇥');
                    break;
                default:
                    if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format && rune.Value != 0x200D)
                        safe.Append(CultureInfo.InvariantCulture, $"U+{rune.Value:X4}");
                    else
                        safe.Append(rune.ToString());
                    break;
            }
        }
        return safe.Length == 0 ? " " : safe.ToString();
    }
}
