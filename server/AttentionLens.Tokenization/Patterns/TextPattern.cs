using System.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

internal readonly record struct Match(int Start, int End);

/// <summary>Finds delimiters in a text.</summary>
internal abstract class TextPattern
{
    /// <summary>Adds the matches from left to right, none overlapping.</summary>
    public abstract void Find(ReadOnlySpan<char> text, List<Match> matches, CancellationToken cancellation);
}

/// <summary>Every code point of a kind, one by one.</summary>
internal sealed class CharacterPattern(Func<int, bool> contains) : TextPattern
{
    private readonly CodePointTable members = new(contains);

    public static CharacterPattern WhiteSpace { get; } = new(c => c < 0x10000 && char.IsWhiteSpace((char)c));

    public static CharacterPattern Punctuation { get; } = new(UnicodeData.Punctuation.Contains);

    public static CharacterPattern Number { get; } = new(c => c is not (>= 0xD800 and < 0xE000) && Rune.IsNumber(new Rune(c)));

    public override void Find(ReadOnlySpan<char> text, List<Match> matches, CancellationToken cancellation)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (!char.IsHighSurrogate(c))
            {
                if (members.Contains(c))
                    matches.Add(new Match(i, i + 1));
            }
            else
            {
                if (members.Contains(char.ConvertToUtf32(c, text[i + 1])))
                    matches.Add(new Match(i, i + 2));
                i++;
            }
        }
    }
}

/// <summary>A predicate on code points, tabulated for the BMP when first needed.</summary>
internal sealed class CodePointTable(Func<int, bool> contains)
{
    private readonly Lazy<uint[]> bitmap = new(() =>
    {
        var bits = new uint[0x10000 / 32];
        for (var c = 0; c < 0x10000; c++)
        {
            if (contains(c))
                bits[c >> 5] |= 1u << (c & 31);
        }
        return bits;
    });

    public bool Contains(char c) => (bitmap.Value[c >> 5] >> (c & 31) & 1) != 0;

    public bool Contains(int codePoint) => codePoint < 0x10000 ? Contains((char)codePoint) : contains(codePoint);
}

/// <summary>An exact string.</summary>
internal sealed class LiteralPattern(string literal) : TextPattern
{
    public override void Find(ReadOnlySpan<char> text, List<Match> matches, CancellationToken cancellation)
    {
        if (literal.Length == 0)
            return;
        for (var from = 0; ;)
        {
            var at = text[from..].IndexOf(literal, StringComparison.Ordinal);
            if (at < 0)
                return;
            matches.Add(new Match(from + at, from + at + literal.Length));
            from += at + literal.Length;
        }
    }
}
