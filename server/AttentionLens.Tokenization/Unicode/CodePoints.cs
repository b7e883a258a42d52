using System.Globalization;
using System.Text;

namespace AttentionLens.Tokenization.Unicode;

/// <summary>Kinds of code points as Unicode regular expressions define them (UTS 18); .NET 10 holds Unicode 16, as the reference does.</summary>
internal static class CodePoints
{
    /// <summary>White_Space: \s.</summary>
    public static bool IsSpace(int codePoint) => codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint);

    /// <summary>Alphabetic, marks, decimal digits, connector punctuation: \w without the join controls.</summary>
    public static bool IsWord(int codePoint) => Category(codePoint) switch
    {
        <= UnicodeCategory.OtherLetter => true,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => true,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation => true,
        // The circled and squared letters are symbols that are alphabetic.
        UnicodeCategory.OtherSymbol => codePoint is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => false,
    };

    public static bool IsJoinControl(int codePoint) => codePoint is 0x200C or 0x200D;

    public static UnicodeCategory Category(int codePoint) =>
        codePoint is >= 0xD800 and < 0xE000 ? UnicodeCategory.Surrogate : Rune.GetUnicodeCategory(new Rune(codePoint));

    /// <summary>The code point that ends before <paramref name="index"/>.</summary>
    public static int Before(ReadOnlySpan<char> text, int index)
    {
        Rune.DecodeLastFromUtf16(text[..index], out var rune, out _);
        return rune.Value;
    }

    /// <summary>The code point at <paramref name="index"/>.</summary>
    public static int At(ReadOnlySpan<char> text, int index)
    {
        var c = text[index];
        return char.IsHighSurrogate(c) && index + 1 < text.Length ? char.ConvertToUtf32(c, text[index + 1]) : c;
    }
}
