namespace AttentionLens.Corpora;

/// <summary>
/// Where each UTF-16 code unit of a segment's text stands in the document: runs that are verbatim (same length on both
/// sides), decoded (<c>\u00e9</c> is one code unit of text and six of the document) or inserted (the space that joins two
/// CoNLL tokens: no document text at all). Lookups are O(log runs).
/// </summary>
public sealed class OffsetMap
{
    private readonly Run[] _runs;
    private readonly int _length;

    private OffsetMap(Run[] runs, int length) => (_runs, _length) = (runs, length);

    /// <summary>A run of text that starts at <paramref name="Text"/> and stands at [Document, Document + Length).</summary>
    private readonly record struct Run(int Text, int Document, int Length);

    /// <summary>Length of the text in UTF-16 code units.</summary>
    public int TextLength => _length;

    /// <summary>True when the text is a verbatim slice of the document.</summary>
    public bool IsVerbatim => _runs.Length == 0 || (_runs.Length == 1 && _runs[0].Length == _length);

    /// <summary>The map of a verbatim slice: offset i of the text is offset start + i of the document.</summary>
    public static OffsetMap Verbatim(int start, int length) => new([new Run(0, start, length)], length);

    /// <summary>The map when the document holds <paramref name="by"/> code units more before the text.</summary>
    public OffsetMap Moved(int by) => new(Array.ConvertAll(_runs, run => run with { Document = run.Document + by }), _length);

    /// <summary>
    /// The document range of text[start, end), from its first to its last character that has one. Characters that were
    /// inserted by the reader are left out at both ends; a range of nothing else, or an empty one, gives an empty range.
    /// </summary>
    public (int Start, int End) ToDocument(int start, int end)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, _length);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, start);
        if (_runs.Length == 0)
        {
            return (0, 0);
        }

        if (start == end)
        {
            var at = Boundary(start);
            return (at, at);
        }

        int first = Find(start), last = Find(end - 1);
        while (first < last && _runs[first].Length == 0)
        {
            first++;
        }

        while (last > first && _runs[last].Length == 0)
        {
            last--;
        }

        var from = At(first, Math.Max(start, _runs[first].Text), end: false);
        var to = At(last, Math.Min(end, TextEnd(last)), end: true);
        // Readers append in document order, so only a run of inserted text can make these cross.
        return (from, Math.Max(from, to));
    }

    /// <summary>
    /// The document ranges of text[start, end) without what lies between them in the document (markup, tabs, other
    /// columns), in order; touching runs are merged.
    /// </summary>
    public IEnumerable<(int Start, int End)> Ranges(int start, int end)
    {
        if (start >= end || _runs.Length == 0)
        {
            yield break;
        }

        (int Start, int End)? open = null;
        for (var i = Find(start); i < _runs.Length && _runs[i].Text < end; i++)
        {
            if (_runs[i].Length == 0)
            {
                continue;
            }

            var from = At(i, Math.Max(start, _runs[i].Text), end: false);
            var to = At(i, Math.Min(end, TextEnd(i)), end: true);
            if (open is { } o && o.End == from)
            {
                open = (o.Start, to);
                continue;
            }

            if (open is { } done)
            {
                yield return done;
            }

            open = (from, to);
        }

        if (open is { } lastRange)
        {
            yield return lastRange;
        }
    }

    /// <summary>
    /// The text offset of the character that stands at a document offset; between two runs, the start of the next one;
    /// before the text 0, after it its length.
    /// </summary>
    public int ToText(int document)
    {
        int low = 0, high = _runs.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var run = _runs[middle];
            if (run.Document + run.Length <= document)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        if (low == _runs.Length)
        {
            return _length;
        }

        var found = _runs[low];
        if (document <= found.Document)
        {
            return found.Text;
        }

        return found.Length == TextEnd(low) - found.Text ? found.Text + document - found.Document : found.Text;
    }

    /// <summary>This map for the slice text[start, end).</summary>
    public OffsetMap Slice(int start, int end)
    {
        var builder = new Builder();
        for (var i = start < end ? Find(start) : _runs.Length; i < _runs.Length && _runs[i].Text < end; i++)
        {
            int from = Math.Max(start, _runs[i].Text), to = Math.Min(end, TextEnd(i));
            if (_runs[i].Length == TextEnd(i) - _runs[i].Text)
            {
                builder.Add(to - from, _runs[i].Document + from - _runs[i].Text, to - from);
            }
            else
            {
                builder.Add(to - from, _runs[i].Document, _runs[i].Length);
            }
        }

        return builder.Build();
    }

    private int Boundary(int offset)
    {
        if (offset == _length)
        {
            var last = _runs[^1];
            return last.Document + last.Length;
        }

        return At(Find(offset), offset, end: false);
    }

    private int Find(int offset)
    {
        int low = 0, high = _runs.Length - 1;
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (_runs[middle].Text <= offset)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }

    private int TextEnd(int run) => run + 1 < _runs.Length ? _runs[run + 1].Text : _length;

    private int At(int index, int offset, bool end)
    {
        var run = _runs[index];
        if (run.Length == TextEnd(index) - run.Text)
        {
            return run.Document + offset - run.Text;
        }

        return end ? run.Document + run.Length : run.Document;
    }

    /// <summary>Collects runs in text order; the document side must not go backwards.</summary>
    public sealed class Builder
    {
        private readonly List<Run> _runs = [];
        private int _length;

        /// <summary>Length of the text so far.</summary>
        public int Length => _length;

        /// <summary>
        /// The next <paramref name="textLength"/> code units stand at document[start, start + length); equal lengths mean
        /// verbatim, length 0 means inserted.
        /// </summary>
        public void Add(int textLength, int start, int length)
        {
            if (textLength == 0)
            {
                return;
            }

            if (textLength == length && _runs.Count > 0)
            {
                var last = _runs[^1];
                if (last.Length == _length - last.Text && last.Document + last.Length == start)
                {
                    _runs[^1] = last with { Length = last.Length + length };
                    _length += textLength;
                    return;
                }
            }

            _runs.Add(new Run(_length, start, length));
            _length += textLength;
        }

        public OffsetMap Build() => new([.. _runs], _length);

        public void Clear()
        {
            _runs.Clear();
            _length = 0;
        }
    }
}
