using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using AttentionLens.Tokenization.Text;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>SentencePiece's compiled character map: a Darts double array from UTF-8 to places in a pool of replacements.</summary>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private readonly uint[] units;
    private readonly byte[] pool;

    /// <exception cref="TokenizerException">The map is malformed.</exception>
    public PrecompiledNormalizer(ReadOnlySpan<byte> map)
    {
        if (map.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(map) is var size && (size % 4 != 0 || size > map.Length - 4))
            throw new TokenizerException("The precompiled character map is malformed.");
        units = new uint[size / 4];
        for (var i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + 4 * i)..]);
        pool = map[(4 + (int)size)..].ToArray();
    }

    public override AlignedText Normalize(AlignedText text)
    {
        var result = new AlignedText.Builder(text);
        var changed = false;
        var utf8 = new byte[8];
        // A cluster of less than 6 bytes is looked up whole, then each character by itself, as in the reference.
        for (var start = 0; start < text.Length;)
        {
            var cluster = text.Span.Slice(start, StringInfo.GetNextTextElementLength(text.Span[start..]));
            start += cluster.Length;
            if (cluster.Length < 6 && Encoding.UTF8.GetByteCount(cluster) < 6 && Replacement(cluster, utf8) is { } whole)
            {
                changed = true;
                Replace(result, cluster, whole);
                continue;
            }
            foreach (var rune in cluster.EnumerateRunes())
            {
                var length = rune.Utf16SequenceLength;
                var part = text.Span.Slice(result.Position, length);
                if (Replacement(part, utf8) is { } replacement)
                {
                    changed = true;
                    Replace(result, part, replacement);
                }
                else
                {
                    result.Put(rune, 0);
                }
            }
        }
        return changed ? result.Build() : text;
    }

    private static void Replace(AlignedText.Builder result, ReadOnlySpan<char> old, string replacement)
    {
        var oldCount = 0;
        foreach (var _ in old.EnumerateRunes())
            oldCount++;
        var newCount = replacement.EnumerateRunes().Count();
        var index = 0;
        foreach (var rune in replacement.EnumerateRunes())
        {
            index++;
            var change = index > oldCount ? 1 : index == newCount ? newCount - oldCount : 0;
            result.Put(rune, change);
        }
        if (newCount == 0)
            result.Drop(oldCount);
    }

    /// <summary>What the shortest known beginning of <paramref name="text"/> maps to.</summary>
    private string? Replacement(ReadOnlySpan<char> text, Span<byte> utf8)
    {
        var bytes = utf8[..Encoding.UTF8.GetBytes(text, utf8)];
        var position = 0u;
        if (units.Length == 0)
            return null;
        var unit = units[0];
        position ^= Offset(unit);
        foreach (var b in bytes)
        {
            if (b == 0)
                return null;
            position ^= b;
            if (position >= units.Length || (units[position] & 0x8000_00FFu) != b)
                return null;
            unit = units[position];
            position ^= Offset(unit);
            if ((unit >> 8 & 1) == 0 || position >= units.Length)
                continue;
            var at = (int)(units[position] & 0x7FFF_FFFF);
            if (at > pool.Length)
                return null;
            var end = pool.AsSpan(at).IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? pool.AsSpan(at) : pool.AsSpan(at, end));
        }
        return null;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 1u << 9) >> 6);
}
