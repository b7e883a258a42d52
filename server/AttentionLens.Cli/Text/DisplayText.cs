using System.Buffers;
using System.Globalization;
using System.Text;
using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Text;

/// <summary>
/// Text of documents and vocabularies as a terminal may show it. Nothing that a terminal would obey gets through: control
/// characters (escape sequences), bidirectional overrides and line separators become visible stand-ins.
/// </summary>
internal static class DisplayText
{
    /// <summary>One line of safe text of the same meaning.</summary>
    public static string Clean(string text) => VisibleText.Of(text);

    /// <summary>Columns that clean text takes in a terminal: 2 for wide characters and emoji, 0 for marks.</summary>
    public static int Width(string text)
    {
        var width = 0;
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var length = StringInfo.GetNextTextElementLength(rest);
            width += ElementWidth(rest[..length]);
            rest = rest[length..];
        }

        return width;
    }

    /// <summary>The text cut (with an ellipsis) or padded to exactly <paramref name="columns"/> columns.</summary>
    public static string Fit(string text, int columns, bool right = false)
    {
        var width = Width(text);
        if (width > columns)
        {
            var kept = 0;
            width = 0;
            while (kept < text.Length)
            {
                var length = StringInfo.GetNextTextElementLength(text.AsSpan(kept));
                var element = ElementWidth(text.AsSpan(kept, length));
                if (width + element > columns - 1)
                {
                    break;
                }

                width += element;
                kept += length;
            }

            text = text[..kept] + '…';
            width++;
        }

        // A right-to-left token must not carry the numbers beside it away: a left-to-right mark ends its run.
        if (HasRightToLeft(text))
        {
            text += '\u200E';
        }

        var padding = new string(' ', Math.Max(0, columns - width));
        return right ? padding + text : text + padding;
    }

    private static int ElementWidth(ReadOnlySpan<char> element)
    {
        var width = 0;
        var rest = element;
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var length) != OperationStatus.Done)
            {
                rune = Rune.ReplacementChar;
            }

            rest = rest[length..];
            width = Math.Max(width, rune.Value == 0xFE0F ? 2 : RuneWidth(rune)); // FE0F asks for the emoji form
        }

        return width;
    }

    private static int RuneWidth(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format => 0,
        _ => IsWide(rune.Value) ? 2 : 1,
    };

    /// <summary>East Asian Wide and Fullwidth (UAX #11) in ranges, and the emoji that are shown as pictures.</summary>
    private static bool IsWide(int c) => c >= 0x1100 && (
        c is <= 0x115F or 0x231A or 0x231B or 0x2329 or 0x232A
        || (c is >= 0x23E9 and <= 0x23EC) || c is 0x23F0 or 0x23F3 or 0x25FD or 0x25FE or 0x2614 or 0x2615
        || (c is >= 0x2648 and <= 0x2653) || c is 0x267F or 0x2693 or 0x26A1 or 0x26AA or 0x26AB or 0x26BD or 0x26BE
            or 0x26C4 or 0x26C5 or 0x26CE or 0x26D4 or 0x26EA or 0x26F2 or 0x26F3 or 0x26F5 or 0x26FA or 0x26FD or 0x2705
            or 0x270A or 0x270B or 0x2728 or 0x274C or 0x274E or 0x2753 or 0x2754 or 0x2755 or 0x2757 or 0x2795 or 0x2796
            or 0x2797 or 0x27B0 or 0x27BF or 0x2B1B or 0x2B1C or 0x2B50 or 0x2B55
        || (c is >= 0x2E80 and <= 0x303E) || (c is >= 0x3041 and <= 0xA4CF) || (c is >= 0xA960 and <= 0xA97C)
        || (c is >= 0xAC00 and <= 0xD7A3) || (c is >= 0xF900 and <= 0xFAFF) || (c is >= 0xFE10 and <= 0xFE19)
        || (c is >= 0xFE30 and <= 0xFE6F) || (c is >= 0xFF00 and <= 0xFF60) || (c is >= 0xFFE0 and <= 0xFFE6)
        || (c is >= 0x16FE0 and <= 0x18DFF) || (c is >= 0x1AFF0 and <= 0x1B2FF) || c is 0x1F004 or 0x1F0CF or 0x1F18E
        || (c is >= 0x1F191 and <= 0x1F19A) || (c is >= 0x1F1E6 and <= 0x1F202) || (c is >= 0x1F210 and <= 0x1F23B)
        || (c is >= 0x1F240 and <= 0x1F265) || (c is >= 0x1F300 and <= 0x1F64F) || (c is >= 0x1F680 and <= 0x1F6FF)
        || (c is >= 0x1F7E0 and <= 0x1F7EB) || (c is >= 0x1F900 and <= 0x1FAFF) || (c is >= 0x20000 and <= 0x3FFFD));

    private static bool HasRightToLeft(string text)
    {
        foreach (var c in text)
        {
            // Hebrew to Arabic Extended, presentation forms, and the surrogates of the right-to-left planes (U+10800..U+10FFF).
            if (c is (>= '\u0590' and <= '\u08FF') or (>= '\uFB1D' and <= '\uFDFF') or (>= '\uFE70' and <= '\uFEFC') or '\uD802' or '\uD803')
            {
                return true;
            }
        }

        return false;
    }
}
