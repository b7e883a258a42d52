using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// Finds a quote in a text strictly: it answers only where the surroundings fit too and no other place fits nearly as well. A
/// scorer without a threshold attaches 95 % of deleted annotations to something.
/// </summary>
internal sealed class QuoteMatcher(string text, PlacementWork? work = null)
{
    private const double OneSide = 0.7;
    private const double BothSides = 1.0;
    private const double Errors = 0.34;
    private const double Margin = 0.03;
    private const int MaxCandidates = 5_000;

    /// <summary>From so many quotes on, one pass over the text for all is cheaper than one for each.</summary>
    private const int Many = 8;

    private readonly PlacementWork _work = work ?? new PlacementWork();
    private Dictionary<string, List<int>>? _places;

    // A text without line ends of its own (CR, CRLF) is searched as it stands.
    private readonly string _text = text;

    public TextRange? Find(string quote, string before, string after, int? expected, int neighbourhood)
    {
        if (quote.Length == 0) return null;
        (TextRange Range, double Score) best = default, second = default;
        var candidates = 0;
        foreach (var at in Places(quote))
        {
            // Too many lookalikes to have seen them all: no margin can be vouched for. Few are always looked at.
            if (candidates++ == MaxCandidates || (candidates > 2 && !_work.Compare())) return null;
            Consider(new TextRange(at, at + quote.Length), 0, before, after, ref best, ref second);
        }

        if (best.Score == 0 && expected is { } centre) Approximate(quote, before, after, centre, neighbourhood, ref best, ref second);
        return best.Score > 0 && best.Score - second.Score >= Margin ? best.Range : null;
    }

    /// <summary>Says which quotes will be asked for. Where they are many, all are looked up in one pass over the text.</summary>
    public void Prepare(IEnumerable<string> quotes)
    {
        var wanted = quotes.Where(q => q.Length > 0).Distinct().ToArray();
        if (wanted.Length < Many) return;
        _places = wanted.ToDictionary(q => q, _ => new List<int>());
        var places = _places.GetAlternateLookup<ReadOnlySpan<char>>();
        const int Longest = 4;
        // The lengths of the quotes that begin alike: thousands of names may begin with one word, but they have few lengths.
        var lengths = new Dictionary<ulong, SortedSet<int>>[Longest + 1];
        var first = new bool[char.MaxValue + 1];
        foreach (var quote in wanted)
        {
            var length = Math.Min(quote.Length, Longest);
            first[quote[0]] = true;
            var starts = lengths[length] ??= [];
            var start = Start(quote, 0, length);
            (starts.TryGetValue(start, out var same) ? same : starts[start] = []).Add(quote.Length);
        }

        _work.Characters += _text.Length;
        for (var i = 0; i < _text.Length; i++)
        {
            if (!first[_text[i]]) continue;
            for (var length = 1; length <= Longest && i + length <= _text.Length; length++)
            {
                if (lengths[length] is not { } starts || !starts.TryGetValue(Start(_text, i, length), out var whole)) continue;
                foreach (var end in whole)
                {
                    if (i + end > _text.Length) break;
                    _work.Lookups++;
                    if (places.TryGetValue(_text.AsSpan(i, end), out var found) && found.Count <= MaxCandidates) found.Add(i);
                }
            }
        }

        static ulong Start(string text, int at, int length)
        {
            ulong start = 0;
            for (var i = 0; i < length; i++) start = start << 16 | text[at + i];
            return start;
        }
    }

    private IEnumerable<int> Places(string quote)
    {
        if (_places is not null && _places.TryGetValue(quote, out var known))
        {
            foreach (var at in known) yield return at;
            yield break;
        }

        _work.Characters += _text.Length;
        for (var at = _text.IndexOf(quote, StringComparison.Ordinal); at >= 0; at = at + 1 < _text.Length ? _text.IndexOf(quote, at + 1, StringComparison.Ordinal) : -1)
            yield return at;
    }

    private void Consider(
        TextRange range, double errors, string before, string after, ref (TextRange Range, double Score) best, ref (TextRange Range, double Score) second)
    {
        var left = Similarity.OfEnds(before, Anchoring.Before(_text, range.Start));
        var right = Similarity.OfStarts(after, Anchoring.After(_text, range.End));
        if (Math.Max(left, right) < OneSide || left + right < BothSides) return;
        var score = left + right - errors;
        if (score > best.Score)
        {
            if (!Overlap(range, best.Range)) second = best;
            best = (range, score);
        }
        else if (score > second.Score && !Overlap(range, best.Range))
        {
            second = (range, score);
        }
    }

    private static bool Overlap(TextRange a, TextRange b) => a.Start < b.End && b.Start < a.End;

    /// <summary>The surroundings of a misspelt quote are exact more often than not: candidates lie between them.</summary>
    private void Approximate(
        string quote, string before, string after, int centre, int neighbourhood, ref (TextRange Range, double Score) best, ref (TextRange Range, double Score) second)
    {
        var from = Math.Clamp(centre - neighbourhood, 0, _text.Length);
        var to = Math.Clamp(centre + neighbourhood, from, _text.Length);
        var slack = Math.Max(1, (int)(quote.Length * Errors));
        var left = before.Length >= 8 ? before[^8..] : before;
        if (left.Length == 0) return;
        _work.Characters += to - from;
        for (var at = _text.IndexOf(left, from, to - from, StringComparison.Ordinal); at >= 0; at = at + 1 < to ? _text.IndexOf(left, at + 1, to - at - 1, StringComparison.Ordinal) : -1)
        {
            var start = at + left.Length;
            for (var length = Math.Max(1, quote.Length - slack); length <= quote.Length + slack && start + length <= _text.Length; length++)
            {
                if (!_work.Compare()) return;
                var errors = 1 - Similarity.Of(quote, _text.AsSpan(start, length));
                if (errors <= Errors) Consider(new TextRange(start, start + length), errors, before, after, ref best, ref second);
            }
        }
    }
}

/// <summary>What placing annotations cost, and its bound: a text full of lookalikes must not hold up its editor.</summary>
internal sealed class PlacementWork
{
    /// <summary>Comparisons of surroundings in one placement, about two seconds' worth. What is still open then stays an orphan.</summary>
    public const long MaxComparisons = 4_000_000;

    public long Comparisons { get; private set; }

    /// <summary>Characters that were searched for quotes.</summary>
    public long Characters { get; set; }

    /// <summary>Stretches of text that were looked up among the quotes.</summary>
    public long Lookups { get; set; }

    /// <summary>Counts a comparison; false when the bound is reached.</summary>
    public bool Compare() => Comparisons < MaxComparisons && ++Comparisons > 0;
}

/// <summary>Likeness of short texts, 0 to 1: one minus the edit distance over the longer length.</summary>
internal static class Similarity
{
    public static double Of(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        var longer = Math.Max(a.Length, b.Length);
        return longer == 0 ? 1 : 1 - (double)Distance(a, b) / longer;
    }

    /// <summary>Contexts before a span are compared at their ends; at the start of a document they are shorter, which is no difference.</summary>
    public static double OfEnds(ReadOnlySpan<char> stored, ReadOnlySpan<char> found) =>
        Of(stored, found.Length > stored.Length ? found[^stored.Length..] : found);

    public static double OfStarts(ReadOnlySpan<char> stored, ReadOnlySpan<char> found) =>
        Of(stored, found.Length > stored.Length ? found[..stored.Length] : found);

    private static int Distance(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        if (a.SequenceEqual(b)) return 0;
        if (a.Length > b.Length) return Distance(b, a);
        if (a.Length == 0) return b.Length;
        return a.Length <= 64 ? ShortDistance(a, b) : LongDistance(a, b);
    }

    /// <summary>
    /// A column of the table in two words (Myers 1999, with Hyyrö's change for whole texts): contexts are compared by the million when many
    /// quotes have lost their line.
    /// </summary>
    private static int ShortDistance(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        Span<ushort> padded = stackalloc ushort[64];
        padded.Clear();
        MemoryMarshal.Cast<char, ushort>(pattern).CopyTo(padded);
        var used = pattern.Length == 64 ? ulong.MaxValue : (1ul << pattern.Length) - 1;
        var last = 1ul << (pattern.Length - 1);
        ulong up = ulong.MaxValue, down = 0;
        var distance = pattern.Length;
        foreach (var c in text)
        {
            var wanted = Vector256.Create((ushort)c);
            ulong equal = 0;
            for (var i = 0; i < pattern.Length; i += Vector256<ushort>.Count)
                equal |= (ulong)Vector256.Equals(Vector256.Create<ushort>(padded.Slice(i, Vector256<ushort>.Count)), wanted).ExtractMostSignificantBits() << i;
            equal &= used;
            var vertical = equal | down;
            var horizontal = (((equal & up) + up) ^ up) | equal;
            var right = down | ~(horizontal | up);
            var left = up & horizontal;
            if ((right & last) != 0) distance++;
            if ((left & last) != 0) distance--;
            right = right << 1 | 1;
            left <<= 1;
            up = left | ~(vertical | right);
            down = right & vertical;
        }

        return distance;
    }

    private static int LongDistance(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        Span<int> row = b.Length < 256 ? stackalloc int[b.Length + 1] : new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++) row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j - 1], above) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
