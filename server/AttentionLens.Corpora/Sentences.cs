using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace AttentionLens.Corpora;

/// <summary>
/// Sentence boundaries after Unicode Standard Annex #29 (rules SB6 to SB11), with two changes that running text needs: a
/// single line end counts as a space, because the text of a paragraph is often wrapped, and a full stop after a known
/// abbreviation or an initial does not end a sentence.
/// </summary>
public static class Sentences
{
    // Abbreviations that are followed by a capital in the middle of a sentence, in the languages most often annotated.
    private static readonly FrozenSet<string> Abbreviations = new[]
    {
        "mr", "mrs", "ms", "mx", "dr", "prof", "st", "sr", "jr", "rev", "hon", "gen", "col", "capt", "lt", "sgt", "maj", "gov",
        "sen", "rep", "pres", "messrs", "mme", "mlle", "vs", "viz", "cf", "fig", "figs", "eq", "eqs", "sec", "ch", "vol", "vols",
        "no", "nos", "pp", "ed", "eds", "al", "ca", "approx", "dept", "univ", "inc", "ltd", "corp", "co", "bros", "mt", "ft",
        "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "e.g", "i.e", "u.s", "u.k", "p.m",
        "a.m", "ph.d", "z.b", "d.h", "u.a", "bzw", "nr", "hr", "fr", "str", "abs", "art", "bd", "vgl", "sra", "srta", "dra", "ud",
        "uds", "pág", "núm", "sig", "dott", "ing", "г", "гг", "ул", "им", "стр", "рис", "проф", "т.е", "т.д",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // UAX #29 Sentence_Break=STerm, the part of it in living scripts.
    private static readonly FrozenSet<int> Terminators = new[]
    {
        '!', '?', 0x0589, 0x061D, 0x061E, 0x061F, 0x06D4, 0x0700, 0x0701, 0x0702, 0x07F9, 0x0964, 0x0965, 0x104A, 0x104B, 0x1362,
        0x1367, 0x1368, 0x166E, 0x17D4, 0x17D5, 0x1803, 0x1809, 0x1944, 0x1945, 0x203C, 0x203D, 0x2047, 0x2048, 0x2049, 0x2CF9,
        0x3002, 0xA4FF, 0xA60E, 0xA876, 0xA877, 0xAAF0, 0xABEB, 0xFE56, 0xFE57, 0xFF01, 0xFF1F, 0xFF61,
    }.ToFrozenSet();

    private enum Kind : byte
    {
        Other, Space, Line, Lower, Upper, OtherLetter, Numeric, FullStop, Terminator, Close, Continue, Extend,
    }

    /// <summary>
    /// The sentences of text[start, end) in order, without the white space between them. Linear in the text; never
    /// inside a surrogate pair.
    /// </summary>
    public static IEnumerable<(int Start, int End)> Of(string text, int start, int end)
    {
        var sentence = start;
        var position = start;
        while (position < end)
        {
            var kind = Classify(text, position, end, out var length);
            if (kind is not (Kind.FullStop or Kind.Terminator))
            {
                position += length;
                continue;
            }

            var stop = position;
            position += length;
            // Further terminators ("?!", "..."), then closing quotes and brackets, belong to the sentence.
            var single = true;
            while (position < end && Classify(text, position, end, out length) is Kind.FullStop or Kind.Terminator or Kind.Extend)
            {
                single &= Classify(text, position, end, out _) == Kind.Extend;
                kind = Classify(text, position, end, out _) is Kind.Terminator ? Kind.Terminator : kind;
                position += length;
            }

            var closed = position;
            while (closed < end && Classify(text, closed, end, out length) is Kind.Close or Kind.Extend)
            {
                closed += length;
            }

            var next = closed;
            while (next < end && Classify(text, next, end, out length) is Kind.Space or Kind.Line or Kind.Extend)
            {
                next += length;
            }

            if (next < end && !Ends(text, sentence, stop, closed, next, end, kind, single))
            {
                position = closed;
                continue;
            }

            // An opening quote directly after a CJK stop starts the next sentence: Close* must not swallow it.
            if (closed == next && closed < end)
            {
                closed = next = position + Closers(text, position, closed);
            }

            yield return (sentence, closed);
            sentence = position = next;
        }

        var (first, last) = PlainTextReader.Trim(text, sentence, end);
        if (first < last)
        {
            yield return (first, last);
        }
    }

    private static bool Ends(string text, int sentence, int stop, int closed, int next, int end, Kind kind, bool single)
    {
        var following = Classify(text, next, end, out _);
        if (following is Kind.Continue) // SB8a
        {
            return false;
        }

        if (kind == Kind.Terminator) // SB9-SB11
        {
            return true;
        }

        if (next == closed) // no space after the full stop: SB6, SB7, and "example.com", "3.5", "a.b"
        {
            return following is not (Kind.Numeric or Kind.Lower or Kind.Upper or Kind.OtherLetter or Kind.Other)
                || text[stop] is '\uFF0E';
        }

        if (FirstLetter(text, next, end) == Kind.Lower) // SB8
        {
            return false;
        }

        return !single || !EndsInAbbreviation(text, sentence, stop);
    }

    /// <summary>The kind of the first letter after quotes, brackets and the like; Other when there is none near.</summary>
    private static Kind FirstLetter(string text, int position, int end)
    {
        for (var steps = 0; position < end && steps < 64; steps++)
        {
            var kind = Classify(text, position, end, out var length);
            if (kind is Kind.Lower or Kind.Upper or Kind.OtherLetter or Kind.Numeric or Kind.FullStop or Kind.Terminator)
            {
                return kind;
            }

            position += length;
        }

        return Kind.Other;
    }

    private static bool EndsInAbbreviation(string text, int sentence, int stop)
    {
        var start = stop;
        while (start > sentence && stop - start < 12 && (char.IsLetter(text[start - 1]) || text[start - 1] == '.'))
        {
            start--;
        }

        // "J. Smith": one capital is an initial, except the pronoun.
        var word = text[start..stop];
        return word.Length == 1 ? char.IsUpper(word[0]) && word[0] != 'I' : word.Length > 0 && Abbreviations.Contains(word);
    }

    private static int Closers(string text, int start, int end)
    {
        var position = start;
        while (position < end && Rune.TryGetRuneAt(text, position, out var rune)
            && Rune.GetUnicodeCategory(rune) is UnicodeCategory.ClosePunctuation or UnicodeCategory.FinalQuotePunctuation
                or UnicodeCategory.NonSpacingMark or UnicodeCategory.Format
            || (position < end && text[position] is '"' or '\''))
        {
            position += char.IsSurrogatePair(text, position) ? 2 : 1;
        }

        return position - start;
    }

    private static Kind Classify(string text, int position, int end, out int length)
    {
        var c = text[position];
        length = char.IsHighSurrogate(c) && position + 1 < end && char.IsLowSurrogate(text[position + 1]) ? 2 : 1;
        switch (c)
        {
            case '.' or '\u2024' or '\u2026' or '\uFE52' or '\uFF0E':
                return Kind.FullStop;
            case '\r' or '\n' or '\u0085' or '\u2028' or '\u2029':
                return Kind.Line;
            case ',' or ';' or ':' or '-' or '\u2013' or '\u2014' or '\u3001' or '\uFF0C' or '\uFF1A' or '\uFF1B' or '\u060C':
                return Kind.Continue;
            case '"' or '\'':
                return Kind.Close;
        }

        if (Terminators.Contains(c))
        {
            return Kind.Terminator;
        }

        var category = length == 2 ? CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[position + 1])) : char.GetUnicodeCategory(c);
        return category switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => Kind.Upper,
            UnicodeCategory.LowercaseLetter => Kind.Lower,
            UnicodeCategory.OtherLetter or UnicodeCategory.ModifierLetter => Kind.OtherLetter,
            UnicodeCategory.DecimalDigitNumber => Kind.Numeric,
            UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
                or UnicodeCategory.FinalQuotePunctuation => Kind.Close,
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
                or UnicodeCategory.Format => Kind.Extend,
            UnicodeCategory.SpaceSeparator => Kind.Space,
            _ => char.IsWhiteSpace(c) ? Kind.Space : Kind.Other,
        };
    }
}
