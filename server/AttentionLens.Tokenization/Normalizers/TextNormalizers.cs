using System.Text;
using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.Subwords;
using AttentionLens.Tokenization.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>Puts text in front of a text that is not empty; it stands where the first character stands.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        if (text.Length == 0 || prefix.Length == 0)
            return text;
        var result = new AlignedText.Builder(text);
        result.Prepend(prefix);
        result.Copy(text.Length);
        return result.Build();
    }
}

/// <summary>Replaces every match; the replacement stands where the last character of the match stands.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        var matches = new List<Match>();
        pattern.Find(text.Span, matches, CancellationToken.None);
        if (matches.Count == 0)
            return text;
        var result = new AlignedText.Builder(text);
        foreach (var match in matches)
        {
            result.Copy(match.Start - result.Position);
            result.SkipTo(match.End);
            foreach (var rune in content.EnumerateRunes())
                result.Insert(rune);
        }
        result.Copy(text.Length - result.Position);
        return result.Build();
    }
}

/// <summary>Replaces one character by another, the commonest case, without a new alignment.</summary>
internal sealed class ReplaceCharNormalizer(char from, char to) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        if (!text.Span.Contains(from))
            return text;
        var replaced = text.Span.ToArray();
        replaced.AsSpan().Replace(from, to);
        return text.WithChars(replaced);
    }
}

/// <summary>Takes white space off the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        var (start, end) = (0, text.Length);
        while (left && start < end && CodePoints.IsSpace(text.Span[start]))
            start++;
        while (right && end > start && CodePoints.IsSpace(text.Span[end - 1]))
            end--;
        return text.Slice(start, end);
    }
}

/// <summary>SentencePiece's "nmt" rules: controls go, exotic spaces become spaces.</summary>
internal sealed class NmtNormalizer : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        var result = new AlignedText.Builder(text);
        foreach (var rune in text.Span.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F:
                    result.Drop(1);
                    break;
                case 0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD:
                    result.Put(new Rune(' '), 0);
                    break;
                default:
                    result.Put(rune, 0);
                    break;
            }
        }
        return result.Build();
    }
}

/// <summary>Writes each byte of the text as its alphabet character.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        var result = new AlignedText.Builder(text);
        Write(text.Span, result);
        return result.Build();
    }

    /// <summary>Replaces the next code points of the builder's source, which are <paramref name="text"/>.</summary>
    public static void Write(ReadOnlySpan<char> text, AlignedText.Builder result)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            var count = rune.EncodeToUtf8(bytes);
            result.Put(new Rune(ByteAlphabet.Character(bytes[0])), 0);
            for (var i = 1; i < count; i++)
                result.Insert(new Rune(ByteAlphabet.Character(bytes[i])));
        }
    }
}
