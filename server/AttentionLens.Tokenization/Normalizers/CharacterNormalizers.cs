using System.Text;
using AttentionLens.Tokenization.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>Unicode lower case of every code point by itself (no final sigma), as the reference does.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    public static LowercaseNormalizer Instance { get; } = new();

    public override AlignedText Normalize(AlignedText text)
    {
        // The one code point whose lower case is two.
        if (text.Span.Contains('İ'))
            return NormalizeWithDottedI(text);
        char[]? lowered = null;
        var span = text.Span;
        for (var i = 0; i < span.Length; i++)
        {
            var c = span[i];
            var lower = c;
            if (c < 0x80)
            {
                if (c is >= 'A' and <= 'Z')
                    lower = (char)(c | 0x20);
            }
            else if (char.IsHighSurrogate(c))
            {
                var rune = new Rune(c, span[++i]); // lone surrogates were replaced when the text came in
                var low = Rune.ToLowerInvariant(rune);
                if (low != rune)
                {
                    lowered ??= span.ToArray();
                    low.EncodeToUtf16(lowered.AsSpan(i - 1));
                }
                continue;
            }
            else
            {
                lower = char.ToLowerInvariant(c);
            }
            if (lower != c)
            {
                lowered ??= span.ToArray();
                lowered[i] = lower;
            }
        }
        return lowered is null ? text : text.WithChars(lowered);
    }

    private static AlignedText NormalizeWithDottedI(AlignedText text)
    {
        var result = new AlignedText.Builder(text);
        foreach (var rune in text.Span.EnumerateRunes())
        {
            if (rune.Value == 'İ')
            {
                result.Put(new Rune('i'), 0);
                result.Insert(new Rune('\u0307'));
            }
            else
            {
                result.Put(Rune.ToLowerInvariant(rune), 0);
            }
        }
        return result.Build();
    }
}

/// <summary>Drops the code points of a set.</summary>
internal sealed class Filter(CodePointSet dropped) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        if (text.Span.IndexOfAnyExceptInRange('\0', '\u02FF') < 0) // no mark is below U+0300
            return text;
        var result = new AlignedText.Builder(text);
        foreach (var rune in text.Span.EnumerateRunes())
        {
            if (dropped.Contains(rune.Value))
                result.Drop(1);
            else
                result.Put(rune, 0);
        }
        return result.Build();
    }
}
