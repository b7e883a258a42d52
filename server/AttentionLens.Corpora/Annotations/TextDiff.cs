using System.Globalization;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Where each character of an old text went in a new one. Lines are compared first, then words inside replaced lines, then
/// characters inside replaced words that resemble each other. Offsets are UTF-16 code units.
/// </summary>
/// <remarks>
/// Mapping through a difference was the only method without silent errors when the base text is at hand; transforming by the
/// editor's own change is not enough, because a reload arrives as one replacement that spans every changed line.
/// </remarks>
public sealed class TextDiff
{
    private readonly List<Match> _matches;

    private TextDiff(List<Match> matches) => _matches = matches;

    public static TextDiff Compare(string old, string @new)
    {
        var matches = new List<Match>();
        var oldLines = Pieces.Lines(old);
        var newLines = Pieces.Lines(@new);
        var interned = new Interner();
        CompareGaps(
            interned.Ids(old, oldLines), oldLines, interned.Ids(@new, newLines), newLines, matches,
            (oldRange, newRange) => CompareWords(old, oldRange, @new, newRange, matches));
        return new TextDiff(matches);
    }

    /// <summary>
    /// The place in the new text of <paramref name="range"/> of the old, or null when less than half of it survived or what
    /// survived was torn apart.
    /// </summary>
    public TextRange? Map(TextRange range)
    {
        if (range.Length == 0)
        {
            var at = Locate(range.Start);
            return at is { } p ? new TextRange(p, p) : null;
        }

        int first = -1, last = -1, kept = 0, firstOld = 0, lastOld = 0;
        for (var i = FirstEndingAfter(range.Start); i < _matches.Count && _matches[i].OldStart < range.End; i++)
        {
            var m = _matches[i];
            var from = Math.Max(range.Start, m.OldStart);
            var to = Math.Min(range.End, m.OldStart + m.Length);
            if (first < 0) (first, firstOld) = (m.NewStart + from - m.OldStart, from);
            (last, lastOld) = (m.NewStart + to - m.OldStart, to);
            kept += to - from;
        }

        if (kept * 2 < range.Length) return null;
        // A typo at an edge replaces characters of the span: take their replacement in, as far as as many were lost.
        var start = first - Math.Min(firstOld - range.Start, GapBefore(first));
        var end = last + Math.Min(range.End - lastOld, GapAfter(last));
        return end - start > 2 * range.Length + 8 ? null : new TextRange(start, end);
    }

    private int? Locate(int old)
    {
        var i = FirstEndingAfter(old);
        if (i < _matches.Count && _matches[i].OldStart <= old) return _matches[i].NewStart + old - _matches[i].OldStart;
        // Directly after a kept run is as good a place as inside one.
        return i > 0 && _matches[i - 1].OldStart + _matches[i - 1].Length == old ? _matches[i - 1].NewStart + _matches[i - 1].Length : null;
    }

    private int FirstEndingAfter(int old)
    {
        int lo = 0, hi = _matches.Count;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (_matches[mid].OldStart + _matches[mid].Length <= old) lo = mid + 1;
            else hi = mid;
        }

        return lo;
    }

    /// <summary>Number of new characters without an origin directly before <paramref name="new"/>.</summary>
    private int GapBefore(int @new)
    {
        int lo = 0, hi = _matches.Count;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (_matches[mid].NewStart < @new) lo = mid + 1;
            else hi = mid;
        }

        return lo == 0 ? @new : Math.Max(0, @new - (_matches[lo - 1].NewStart + _matches[lo - 1].Length));
    }

    private int GapAfter(int @new)
    {
        int lo = 0, hi = _matches.Count;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (_matches[mid].NewStart < @new) lo = mid + 1;
            else hi = mid;
        }

        return lo == _matches.Count ? int.MaxValue : _matches[lo].NewStart - @new;
    }

    private static void CompareWords(string old, TextRange oldRange, string @new, TextRange newRange, List<Match> matches)
    {
        var oldWords = Pieces.Words(old, oldRange);
        var newWords = Pieces.Words(@new, newRange);
        var interned = new Interner();
        CompareGaps(
            interned.Ids(old, oldWords), oldWords, interned.Ids(@new, newWords), newWords, matches,
            (o, n) => CompareCharacters(old, o, @new, n, matches));
    }

    private static void CompareCharacters(string old, TextRange oldRange, string @new, TextRange newRange, List<Match> matches)
    {
        // Two unrelated words share letters by chance; only a gap of which at least half survives is a misspelling.
        if (oldRange.Length > 400 || newRange.Length > 400) return;
        var runs = SequenceDiff.Compare(Characters(old, oldRange), Characters(@new, newRange));
        var kept = runs.Sum(r => r.Length);
        if (kept * 2 < Math.Min(oldRange.Length, newRange.Length)) return;
        foreach (var r in runs) matches.Add(new Match(oldRange.Start + r.OldStart, newRange.Start + r.NewStart, r.Length));
    }

    private static int[] Characters(string text, TextRange range)
    {
        var result = new List<int>(range.Length);
        for (var i = range.Start; i < range.End; i++) result.Add(text[i]);
        return [.. result];
    }

    /// <summary>Adds the matches of two sequences of pieces and calls <paramref name="gap"/> for each pair of replaced stretches.</summary>
    private static void CompareGaps(
        int[] oldIds, List<TextRange> oldPieces, int[] newIds, List<TextRange> newPieces, List<Match> matches, Action<TextRange, TextRange> gap)
    {
        int o = 0, n = 0;
        foreach (var run in SequenceDiff.Compare(oldIds, newIds).Append(new Match(oldIds.Length, newIds.Length, 0)))
        {
            if (run.OldStart > o && run.NewStart > n)
                gap(Span(oldPieces, o, run.OldStart), Span(newPieces, n, run.NewStart));
            for (var i = 0; i < run.Length; i++)
            {
                var (a, b) = (oldPieces[run.OldStart + i], newPieces[run.NewStart + i]);
                // Line ends may differ in length (CRLF against LF): only what both have is the same text.
                var length = Math.Min(a.Length, b.Length);
                if (length > 0) matches.Add(new Match(a.Start, b.Start, length));
            }

            (o, n) = (run.OldStart + run.Length, run.NewStart + run.Length);
        }
    }

    private static TextRange Span(List<TextRange> pieces, int from, int to) => new(pieces[from].Start, pieces[to - 1].End);

    /// <summary>Small integers for equal pieces of text; a line end counts as the same whatever its bytes.</summary>
    private sealed class Interner
    {
        private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids =
            new Dictionary<string, int>().GetAlternateLookup<ReadOnlySpan<char>>();

        public int[] Ids(string text, List<TextRange> pieces)
        {
            var ids = new int[pieces.Count];
            for (var i = 0; i < ids.Length; i++)
            {
                var piece = pieces[i].Of(text).TrimEnd("\r\n");
                if (!_ids.TryGetValue(piece, out ids[i])) _ids[piece] = ids[i] = _ids.Dictionary.Count;
            }

            return ids;
        }
    }
}

/// <summary>Cuts of a text that cover it without holes.</summary>
internal static class Pieces
{
    /// <summary>Lines with their ends; LF, CRLF and CR end a line.</summary>
    public static List<TextRange> Lines(string text)
    {
        var lines = new List<TextRange>();
        var start = 0;
        while (start < text.Length)
        {
            var i = text.AsSpan(start).IndexOfAny('\r', '\n');
            var end = i < 0 ? text.Length : start + i + 1;
            if (i >= 0 && text[end - 1] == '\r' && end < text.Length && text[end] == '\n') end++;
            lines.Add(new TextRange(start, end));
            start = end;
        }

        return lines;
    }

    /// <summary>Runs of letters and digits; every other character alone, surrogate pairs whole, CRLF as one.</summary>
    public static List<TextRange> Words(string text, TextRange range)
    {
        var words = new List<TextRange>();
        var i = range.Start;
        while (i < range.End)
        {
            var start = i;
            while (i < range.End && IsWord(text, i)) i++;
            if (i == start)
            {
                i += i + 1 < range.End && (char.IsSurrogatePair(text[i], text[i + 1]) || (text[i] == '\r' && text[i + 1] == '\n')) ? 2 : 1;
            }

            words.Add(new TextRange(start, i));
        }

        return words;
    }

    // CJK is written without spaces: one character is the unit there, or a sentence would be one word.
    private static bool IsWord(string text, int i) =>
        char.GetUnicodeCategory(text[i]) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.DecimalDigitNumber
        || (char.GetUnicodeCategory(text[i]) == UnicodeCategory.OtherLetter && text[i] < '\u2E80');
}
