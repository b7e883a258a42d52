using System.Runtime.InteropServices;

namespace AttentionLens.Corpora.Annotations;

/// <summary>A run of equal elements: <c>Old[OldStart..+Length]</c> equals <c>New[NewStart..+Length]</c>.</summary>
public readonly record struct Match(int OldStart, int NewStart, int Length);

/// <summary>
/// Differences of two integer sequences (hashes of lines, of tokens, or characters), as the runs they share, in order.
/// Patience anchors (elements that are unique on both sides) cut long inputs into short ones, Myers' greedy algorithm
/// (Myers 1986, O((n+m)·d)) does the rest. A gap that would cost more than the bound is left unmatched: what follows must then
/// find its text some other way, which is safe; the common libraries have neither anchors nor a bound and take minutes on
/// two unrelated 10 MB texts.
/// </summary>
public static class SequenceDiff
{
    private const int MaxEdits = 1000;

    public static List<Match> Compare(ReadOnlySpan<int> old, ReadOnlySpan<int> @new)
    {
        var matches = new List<Match>();
        Compare(old, 0, @new, 0, matches);
        return matches;
    }

    private static void Compare(ReadOnlySpan<int> old, int oldBase, ReadOnlySpan<int> @new, int newBase, List<Match> matches)
    {
        var prefix = old.CommonPrefixLength(@new);
        Add(matches, oldBase, newBase, prefix);
        old = old[prefix..];
        @new = @new[prefix..];
        oldBase += prefix;
        newBase += prefix;

        var suffix = CommonSuffixLength(old, @new);
        var oldMiddle = old[..^suffix];
        var newMiddle = @new[..^suffix];

        if (!oldMiddle.IsEmpty && !newMiddle.IsEmpty)
        {
            var anchors = UniqueInBoth(oldMiddle, newMiddle);
            if (anchors.Count > 0)
            {
                int lastOld = 0, lastNew = 0;
                foreach (var (o, n) in anchors)
                {
                    Compare(oldMiddle[lastOld..o], oldBase + lastOld, newMiddle[lastNew..n], newBase + lastNew, matches);
                    Add(matches, oldBase + o, newBase + n, 1);
                    (lastOld, lastNew) = (o + 1, n + 1);
                }

                Compare(oldMiddle[lastOld..], oldBase + lastOld, newMiddle[lastNew..], newBase + lastNew, matches);
            }
            else
            {
                Myers(oldMiddle, oldBase, newMiddle, newBase, matches);
            }
        }

        Add(matches, oldBase + oldMiddle.Length, newBase + newMiddle.Length, suffix);
    }

    private static void Add(List<Match> matches, int oldStart, int newStart, int length)
    {
        if (length == 0) return;
        if (matches.Count > 0)
        {
            ref var last = ref CollectionsMarshal.AsSpan(matches)[^1];
            if (last.OldStart + last.Length == oldStart && last.NewStart + last.Length == newStart)
            {
                last = last with { Length = last.Length + length };
                return;
            }
        }

        matches.Add(new Match(oldStart, newStart, length));
    }

    private static int CommonSuffixLength(ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        var n = Math.Min(a.Length, b.Length);
        var i = 0;
        while (i < n && a[a.Length - 1 - i] == b[b.Length - 1 - i]) i++;
        return i;
    }

    /// <summary>Elements that occur once on each side, thinned to the longest increasing run of positions.</summary>
    private static List<(int Old, int New)> UniqueInBoth(ReadOnlySpan<int> old, ReadOnlySpan<int> @new)
    {
        var counts = new Dictionary<int, (int OldCount, int OldAt, int NewCount, int NewAt)>(old.Length);
        for (var i = 0; i < old.Length; i++)
        {
            ref var e = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, old[i], out _);
            e.OldCount++;
            e.OldAt = i;
        }

        for (var i = 0; i < @new.Length; i++)
        {
            ref var e = ref CollectionsMarshal.GetValueRefOrNullRef(counts, @new[i]);
            if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref e)) continue;
            e.NewCount++;
            e.NewAt = i;
        }

        var pairs = new List<(int Old, int New)>();
        for (var i = 0; i < old.Length; i++)
        {
            var e = counts[old[i]];
            if (e is { OldCount: 1, NewCount: 1 }) pairs.Add((i, e.NewAt));
        }

        return LongestIncreasing(pairs);
    }

    private static List<(int Old, int New)> LongestIncreasing(List<(int Old, int New)> pairs)
    {
        var tails = new List<int>();
        var previous = new int[pairs.Count];
        for (var i = 0; i < pairs.Count; i++)
        {
            int lo = 0, hi = tails.Count;
            while (lo < hi)
            {
                var mid = (lo + hi) / 2;
                if (pairs[tails[mid]].New < pairs[i].New) lo = mid + 1;
                else hi = mid;
            }

            previous[i] = lo > 0 ? tails[lo - 1] : -1;
            if (lo == tails.Count) tails.Add(i);
            else tails[lo] = i;
        }

        var result = new List<(int, int)>(tails.Count);
        for (var i = tails.Count > 0 ? tails[^1] : -1; i >= 0; i = previous[i]) result.Add(pairs[i]);
        result.Reverse();
        return result;
    }

    private static void Myers(ReadOnlySpan<int> old, int oldBase, ReadOnlySpan<int> @new, int newBase, List<Match> matches)
    {
        int n = old.Length, m = @new.Length;
        var bound = Math.Min(n + m, MaxEdits);
        var centre = bound + 1;
        var furthest = new int[2 * centre + 1];
        var trace = new List<int[]>();
        for (var d = 0; d <= bound; d++)
        {
            for (var k = -d; k <= d; k += 2)
            {
                var down = k == -d || (k != d && furthest[centre + k - 1] < furthest[centre + k + 1]);
                var x = down ? furthest[centre + k + 1] : furthest[centre + k - 1] + 1;
                var y = x - k;
                while (x < n && y < m && old[x] == @new[y])
                {
                    x++;
                    y++;
                }

                furthest[centre + k] = x;
                if (x < n || y < m) continue;
                Backtrack(trace, d, n, m, oldBase, newBase, matches);
                return;
            }

            trace.Add(furthest[(centre - d)..(centre + d + 1)]);
        }
    }

    /// <summary><paramref name="trace"/>[d] holds the furthest x on diagonals -d..d after d edits.</summary>
    private static void Backtrack(List<int[]> trace, int d, int x, int y, int oldBase, int newBase, List<Match> matches)
    {
        var runs = new Stack<Match>();
        for (; d > 0; d--)
        {
            var v = trace[d - 1];
            var k = x - y;
            var down = k == -d || (k != d && Furthest(v, d - 1, k - 1) < Furthest(v, d - 1, k + 1));
            var previousK = down ? k + 1 : k - 1;
            var previousX = Furthest(v, d - 1, previousK);
            var startX = down ? previousX : previousX + 1;
            if (x > startX) runs.Push(new Match(oldBase + startX, newBase + startX - k, x - startX));
            (x, y) = (previousX, previousX - previousK);
        }

        if (x > 0) runs.Push(new Match(oldBase, newBase, x));
        foreach (var run in runs) Add(matches, run.OldStart, run.NewStart, run.Length);
    }

    private static int Furthest(int[] v, int d, int k) => k < -d || k > d ? -1 : v[k + d];
}
