using System.Buffers.Binary;
using System.Collections.Frozen;
using AttentionLens.Tokenization.Patterns;

namespace AttentionLens.Tokenization.Unicode;

/// <summary>
/// Unicode facts that .NET lacks under InvariantGlobalization (there, string.Normalize returns its input) or knows in another
/// Unicode version than the reference tokenizer. Written by generate.mjs.
/// </summary>
internal static class UnicodeData
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Trails = 28;

    private static readonly FrozenDictionary<int, int[]> Canonical;
    private static readonly FrozenDictionary<int, int[]> Compatible;
    private static readonly FrozenDictionary<long, int> Compositions;
    private static readonly FrozenDictionary<int, byte> CombiningClasses;

    static UnicodeData()
    {
        using var stream = typeof(UnicodeData).Assembly.GetManifestResourceStream("unicode.bin")
            ?? throw new InvalidOperationException("The assembly was built without unicode.bin.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var next = 0;
        int Read() => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(4 * next++));
        int[] Section()
        {
            var values = new int[Read()];
            for (var i = 0; i < values.Length; i++)
                values[i] = Read();
            return values;
        }
        Canonical = Decompositions(Section());
        Compatible = Decompositions(Section());
        Compositions = Section().Chunk(3).ToFrozenDictionary(c => (long)c[0] << 32 | (uint)c[1], c => c[2]);
        CombiningClasses = Section().Chunk(2).ToFrozenDictionary(c => c[0], c => (byte)c[1]);
        Punctuation = new CodePointSet(Section());
        Control = new CodePointSet(Section());
        NonspacingMark = new CodePointSet(Section());
        Mark = new CodePointSet(Section());
        Han = new CodePointSet(Section());
        var named = Section();
        for (var at = 0; at < named.Length;)
        {
            var name = string.Concat(named.AsSpan(at + 1, named[at]).ToArray().Where(c => c != '_').Select(c => char.ToLowerInvariant((char)c)));
            at += 1 + named[at];
            Properties.Add(name, CodePointRanges.FromRanges(named[(at + 1)..(at + 1 + named[at])]));
            at += 1 + named[at];
        }
        WithoutScript = CodePointRanges.FromRanges(Section());
    }

    /// <summary>Scripts, Alphabetic, Lowercase and Uppercase, by their names in lower case without '_'.</summary>
    public static Dictionary<string, CodePointRanges> Properties { get; } = [];

    /// <summary>Punctuation (P) and the ASCII symbols.</summary>
    public static CodePointSet Punctuation { get; }

    /// <summary>What BERT's text cleaning drops: controls except \t \n \r, formats, private use, U+0000, U+FFFD.</summary>
    public static CodePointSet Control { get; }

    public static CodePointSet NonspacingMark { get; }

    public static CodePointSet Mark { get; }

    /// <summary>What BERT sets apart by spaces.</summary>
    public static CodePointSet Han { get; }

    /// <summary>What goes on in any script, to the UnicodeScripts pre-tokenizer.</summary>
    public static CodePointRanges WithoutScript { get; }

    public static int CombiningClass(int codePoint) =>
        codePoint < 0x300 ? 0 : CombiningClasses.GetValueOrDefault(codePoint);

    /// <summary>Writes the full decomposition and returns its length (at most 18).</summary>
    public static int Decompose(int codePoint, bool compatible, Span<int> result)
    {
        if (codePoint < 0xA0)
        {
            result[0] = codePoint;
            return 1;
        }
        var syllable = codePoint - HangulBase;
        if ((uint)syllable < Leads * Vowels * Trails)
        {
            result[0] = LeadBase + syllable / (Vowels * Trails);
            result[1] = VowelBase + syllable % (Vowels * Trails) / Trails;
            result[2] = TrailBase + syllable % Trails;
            return syllable % Trails == 0 ? 2 : 3;
        }
        if ((compatible && Compatible.TryGetValue(codePoint, out var parts)) || Canonical.TryGetValue(codePoint, out parts))
        {
            parts.CopyTo(result);
            return parts.Length;
        }
        result[0] = codePoint;
        return 1;
    }

    public static bool TryCompose(int first, int second, out int composed)
    {
        var lead = first - LeadBase;
        var vowel = second - VowelBase;
        if ((uint)lead < Leads && (uint)vowel < Vowels)
        {
            composed = HangulBase + (lead * Vowels + vowel) * Trails;
            return true;
        }
        var syllable = first - HangulBase;
        var trail = second - TrailBase;
        if ((uint)syllable < Leads * Vowels * Trails && syllable % Trails == 0 && trail is > 0 and < Trails)
        {
            composed = first + trail;
            return true;
        }
        return Compositions.TryGetValue((long)first << 32 | (uint)second, out composed);
    }

    private static FrozenDictionary<int, int[]> Decompositions(int[] section)
    {
        var entries = new Dictionary<int, int[]>();
        for (var i = 0; i < section.Length; i += 2 + section[i + 1])
            entries.Add(section[i], section[(i + 2)..(i + 2 + section[i + 1])]);
        return entries.ToFrozenDictionary();
    }
}

/// <summary>A set of code points: a bitmap for the BMP, sorted ranges above.</summary>
internal sealed class CodePointSet
{
    private readonly uint[] bitmap = new uint[0x10000 / 32];
    private readonly int[] ranges;

    /// <param name="ranges">Sorted, disjoint: first, last, first, last, ...</param>
    public CodePointSet(int[] ranges)
    {
        this.ranges = ranges;
        for (var i = 0; i < ranges.Length; i += 2)
        {
            for (var c = ranges[i]; c <= Math.Min(ranges[i + 1], 0xFFFF); c++)
                bitmap[c >> 5] |= 1u << (c & 31);
        }
    }

    public bool Contains(char c) => (bitmap[c >> 5] >> (c & 31) & 1) != 0;

    public bool Contains(int codePoint)
    {
        if (codePoint < 0x10000)
            return Contains((char)codePoint);
        var at = Array.BinarySearch(ranges, codePoint);
        return at >= 0 || (~at & 1) == 1;
    }
}
