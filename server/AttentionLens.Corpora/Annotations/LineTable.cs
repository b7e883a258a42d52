using System.Buffers.Text;
using System.Security.Cryptography;
using System.Runtime.InteropServices;

namespace AttentionLens.Corpora.Annotations;

/// <summary>The lines of a text, each known by the hash of its characters and its ordinal among equal lines. Line ends do not count.</summary>
internal sealed class LineTable
{
    private readonly string _text;
    private readonly List<TextRange> _lines;
    private readonly int[] _ordinals;
    private readonly Lazy<Dictionary<string, List<int>>> _byHash;

    public LineTable(string text)
    {
        _text = text;
        _lines = Pieces.Lines(text);
        if (_lines.Count == 0 || _lines[^1] is var last && text[last.End - 1] is '\r' or '\n') _lines.Add(new TextRange(text.Length, text.Length));
        var seen = new Dictionary<string, int>().GetAlternateLookup<ReadOnlySpan<char>>();
        _ordinals = new int[_lines.Count];
        for (var i = 0; i < _ordinals.Length; i++)
        {
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(seen, Content(i), out _);
            _ordinals[i] = count++;
        }

        _byHash = new(() =>
        {
            var map = new Dictionary<string, List<int>>(_lines.Count);
            for (var i = 0; i < _lines.Count; i++)
            {
                ref var list = ref CollectionsMarshal.GetValueRefOrAddDefault(map, Hash(i), out _);
                (list ??= []).Add(i);
            }

            return map;
        });
    }

    public LinePoint Point(int offset)
    {
        var line = LineAt(offset);
        var column = Math.Min(offset - _lines[line].Start, Content(line).Length);
        return new LinePoint(Hash(line), _ordinals[line], CodePoints(Content(line)[..column]));
    }

    /// <summary>Offsets that <paramref name="point"/> may mean: the line of its ordinal, then its equals, the nearest first.</summary>
    public IEnumerable<int> Candidates(LinePoint point)
    {
        if (!_byHash.Value.TryGetValue(point.Line, out var lines)) yield break;
        var middle = Math.Clamp(point.Ordinal, 0, lines.Count - 1);
        yield return Offset(lines[middle], point.Column);
        for (var away = 1; middle - away >= 0 || middle + away < lines.Count; away++)
        {
            if (middle + away < lines.Count) yield return Offset(lines[middle + away], point.Column);
            if (middle - away >= 0) yield return Offset(lines[middle - away], point.Column);
        }
    }

    /// <summary>The first offset at or after <paramref name="from"/> that <paramref name="point"/> may mean, or null.</summary>
    public int? Next(LinePoint point, int from)
    {
        if (!_byHash.Value.TryGetValue(point.Line, out var lines)) return null;
        int lo = 0, hi = lines.Count;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (Offset(lines[mid], point.Column) < from) lo = mid + 1;
            else hi = mid;
        }

        return lo < lines.Count ? Offset(lines[lo], point.Column) : null;
    }

    private int Offset(int line, int column)
    {
        var content = Content(line);
        var i = 0;
        for (; column > 0 && i < content.Length; column--)
            i += i + 1 < content.Length && char.IsSurrogatePair(content[i], content[i + 1]) ? 2 : 1;
        return _lines[line].Start + i;
    }

    private int LineAt(int offset)
    {
        int lo = 0, hi = _lines.Count - 1;
        while (lo < hi)
        {
            var mid = (lo + hi + 1) / 2;
            if (_lines[mid].Start <= offset) lo = mid;
            else hi = mid - 1;
        }

        return lo;
    }

    private ReadOnlySpan<char> Content(int line) => _lines[line].Of(_text).TrimEnd("\r\n");

    /// <summary>72 bits of SHA-256 over UTF-16: two lines of one corpus never share it by chance.</summary>
    private string Hash(int line)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(Content(line)), digest);
        return Base64Url.EncodeToString(digest[..9]);
    }

    public static int CodePoints(ReadOnlySpan<char> text)
    {
        var count = text.Length;
        for (var i = 1; i < text.Length; i++)
            if (char.IsSurrogatePair(text[i - 1], text[i])) count--;
        return count;
    }
}
