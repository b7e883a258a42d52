using System.Globalization;
using System.Text;

namespace AttentionLens.Analysis.Export;

/// <summary>
/// Text of documents and vocabularies as it may be shown anywhere. Nothing that a terminal would obey or that turns the text around it gets
/// through: control characters (escape sequences), bidirectional overrides and line separators become visible stand-ins.
/// </summary>
public static class VisibleText
{
    /// <summary>One line of safe text of the same meaning.</summary>
    public static string Of(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) // lone surrogates come as U+FFFD
        {
            switch (rune.Value)
            {
                case '\n':
                    clean.Append('⏎');
                    break;
                case '\t':
                    clean.Append('⇥');
                    break;
                case < 0x20:
                    clean.Append((char)(0x2400 + rune.Value)); // control pictures
                    break;
                case 0x7F:
                    clean.Append('␡');
                    break;
                case 0x200C or 0x200D: // joiners are part of words and emoji
                    clean.Append((char)rune.Value);
                    break;
                default:
                    if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse
                        && !IsTag(rune.Value))
                    {
                        clean.Append(CultureInfo.InvariantCulture, $"<U+{rune.Value:X4}>");
                    }
                    else
                    {
                        clean.Append(rune.ToString());
                    }

                    break;
            }
        }

        return clean.ToString();
    }

    /// <summary>Tag characters spell the flags of England, Scotland and Wales.</summary>
    private static bool IsTag(int c) => c is >= 0xE0020 and <= 0xE007F;
}
