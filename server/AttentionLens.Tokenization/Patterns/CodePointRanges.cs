using System.Globalization;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

/// <summary>A set of code points under construction: sorted, disjoint ranges, with the algebra of character classes.</summary>
internal sealed class CodePointRanges
{
    private const int Last = 0x10FFFF;

    /// <summary>Categories by code point, one pass for all properties.</summary>
    private static readonly Lazy<byte[]> Categories = new(() =>
    {
        var categories = new byte[Last + 1];
        for (var c = 0; c <= Last; c++)
            categories[c] = (byte)CodePoints.Category(c);
        return categories;
    });

    private static readonly Lazy<Dictionary<int, int[]>> CaseVariants = new(BuildCaseVariants);

    private readonly List<int> bounds;

    private CodePointRanges(List<int> bounds) => this.bounds = bounds;

    public static CodePointRanges Empty { get; } = new([]);

    public static CodePointRanges All { get; } = new([0, Last]);

    public static CodePointRanges Space { get; } = Where(CodePoints.IsSpace, 0xFFFF);

    public static CodePointRanges Word { get; } = Where(CodePoints.IsWord);

    /// <summary>\w outside a class and for \b, where Oniguruma also counts the superscripts and fractions of Latin-1.</summary>
    public static CodePointRanges WordOutsideClass { get; } = Word.Union(new([0xB2, 0xB3, 0xB9, 0xB9, 0xBC, 0xBE]));

    public static CodePointRanges Digit { get; } = InCategories(category => category == UnicodeCategory.DecimalDigitNumber);

    public static CodePointRanges HexDigit { get; } = new(['0', '9', 'A', 'F', 'a', 'f']);

    public int[] ToArray() => [.. bounds];

    public bool IsEmpty => bounds.Count == 0;

    public bool IsSingle(out int codePoint)
    {
        codePoint = bounds.Count > 0 ? bounds[0] : 0;
        return bounds.Count == 2 && bounds[0] == bounds[1];
    }

    public static CodePointRanges Of(int first, int last) => new([first, last]);

    public static CodePointRanges FromRanges(IEnumerable<int> ranges) => new([.. ranges]);

    public static CodePointRanges InCategories(Func<UnicodeCategory, bool> contains)
    {
        var chosen = new bool[30];
        for (var category = 0; category < chosen.Length; category++)
            chosen[category] = contains((UnicodeCategory)category);
        var categories = Categories.Value;
        return Where(c => chosen[categories[c]]);
    }

    public CodePointRanges Union(CodePointRanges other)
    {
        if (IsEmpty)
            return other;
        if (other.IsEmpty)
            return this;
        var result = new List<int>(bounds.Count + other.bounds.Count);
        for (int i = 0, j = 0; i < bounds.Count || j < other.bounds.Count;)
        {
            var mine = j >= other.bounds.Count || (i < bounds.Count && bounds[i] <= other.bounds[j]);
            var (first, last) = mine ? (bounds[i], bounds[i + 1]) : (other.bounds[j], other.bounds[j + 1]);
            if (mine)
                i += 2;
            else
                j += 2;
            if (result.Count > 0 && first <= result[^1] + 1)
            {
                result[^1] = Math.Max(result[^1], last);
                continue;
            }
            result.Add(first);
            result.Add(last);
        }
        return new CodePointRanges(result);
    }

    public CodePointRanges Negate()
    {
        var result = new List<int>(bounds.Count + 2);
        var next = 0;
        for (var i = 0; i < bounds.Count; i += 2)
        {
            if (bounds[i] > next)
            {
                result.Add(next);
                result.Add(bounds[i] - 1);
            }
            next = bounds[i + 1] + 1;
        }
        if (next <= Last)
        {
            result.Add(next);
            result.Add(Last);
        }
        return new CodePointRanges(result);
    }

    public CodePointRanges Intersect(CodePointRanges other) => Negate().Union(other.Negate()).Negate();

    /// <summary>Adds every code point that differs from a member only in case (simple case folding).</summary>
    public CodePointRanges IgnoreCase()
    {
        var result = this;
        foreach (var (codePoint, variants) in CaseVariants.Value)
        {
            if (!Contains(codePoint))
                continue;
            foreach (var variant in variants)
                result = result.Contains(variant) ? result : result.Union(Of(variant, variant));
        }
        return result;
    }

    public bool Contains(int codePoint)
    {
        var at = bounds.BinarySearch(codePoint);
        return at >= 0 || (~at & 1) == 1;
    }

    private static CodePointRanges Where(Func<int, bool> contains, int last = Last)
    {
        var result = new List<int>();
        for (var c = 0; c <= last; c++)
        {
            if (!contains(c))
                continue;
            if (result.Count > 0 && result[^1] == c - 1)
                result[^1] = c;
            else
                result.AddRange([c, c]);
        }
        return new CodePointRanges(result);
    }

    private static Dictionary<int, int[]> BuildCaseVariants()
    {
        var groups = new Dictionary<int, List<int>>();
        for (var c = 0; c <= Last; c++)
        {
            if (c is >= 0xD800 and < 0xE000)
                continue;
            var rune = new System.Text.Rune(c);
            var folded = c switch
            {
                0x17F => 's', // ſ, K and Å fold across scripts, which invariant casing leaves alone
                0x212A => 'k',
                0x212B => 0xE5,
                0x2126 => 0x3C9,
                0x1E9E => 0xDF,
                _ => System.Text.Rune.ToLowerInvariant(System.Text.Rune.ToUpperInvariant(rune)).Value,
            };
            if (!groups.TryGetValue(folded, out var group))
                groups.Add(folded, group = []);
            group.Add(c);
        }
        var variants = new Dictionary<int, int[]>();
        foreach (var group in groups.Values.Where(group => group.Count > 1))
        {
            foreach (var c in group)
                variants.Add(c, [.. group.Where(other => other != c)]);
        }
        return variants;
    }
}
