using System.Buffers;
using System.Text;
using AttentionLens.Tokenization.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>Text cleaning of BERT: drops controls, makes white space spaces, sets Han apart, strips accents, lower-cases.</summary>
internal sealed class BertNormalizer(bool cleanText, bool handleChineseChars, bool stripAccents, bool lowercase) : Normalizer
{
    private static readonly SearchValues<char> Unclean =
        SearchValues.Create([.. Enumerable.Range(0, 0x10000).Select(c => (char)c).Where(c => Drops(c) || (IsSpace(c) && c != ' '))]);

    public override AlignedText Normalize(AlignedText text)
    {
        if (cleanText)
            text = Clean(text);
        if (handleChineseChars)
            text = SetHanApart(text);
        if (stripAccents)
            text = new Filter(UnicodeData.NonspacingMark).Normalize(UnicodeNormalizer.Nfd.Normalize(text));
        if (lowercase)
            text = LowercaseNormalizer.Instance.Normalize(text);
        return text;
    }

    private static bool IsSpace(int codePoint) => codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint);

    private static bool Drops(int codePoint) => UnicodeData.Control.Contains(codePoint);

    private static AlignedText Clean(AlignedText text)
    {
        if (text.Span.IndexOfAny(Unclean) < 0 && text.Span.IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return text;
        var result = new AlignedText.Builder(text);
        foreach (var rune in text.Span.EnumerateRunes())
        {
            if (Drops(rune.Value))
                result.Drop(1);
            else
                result.Put(IsSpace(rune.Value) ? new Rune(' ') : rune, 0);
        }
        return result.Build();
    }

    private static AlignedText SetHanApart(AlignedText text)
    {
        if (text.Span.IndexOfAnyInRange('\u3400', '\uFAFF') < 0)
            return text;
        var result = new AlignedText.Builder(text);
        foreach (var rune in text.Span.EnumerateRunes())
        {
            if (!UnicodeData.Han.Contains(rune.Value))
            {
                result.Put(rune, 0);
                continue;
            }
            result.Put(new Rune(' '), 0);
            result.Insert(rune);
            result.Insert(new Rune(' '));
        }
        return result.Build();
    }
}
