using System.Text;
using AttentionLens.Tokenization.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>NFC, NFD, NFKC and NFKD (Unicode Standard Annex 15), with the alignment of every code point.</summary>
internal sealed class UnicodeNormalizer(bool compatible, bool compose) : Normalizer
{
    /// <summary>Below it every code point is its own normal form and a starter.</summary>
    private readonly int firstAffected = compose ? compatible ? 0xA0 : 0x300 : compatible ? 0xA0 : 0xC0;

    public static UnicodeNormalizer Nfd { get; } = new(compatible: false, compose: false);

    public override AlignedText Normalize(AlignedText text)
    {
        if (text.Span.IndexOfAnyExceptInRange('\0', (char)(firstAffected - 1)) < 0)
            return text;
        var run = new Run(new AlignedText.Builder(text), compose);
        Span<int> parts = stackalloc int[18];
        foreach (var rune in text.Span.EnumerateRunes())
        {
            var count = UnicodeData.Decompose(rune.Value, compatible, parts);
            for (var i = 0; i < count; i++)
                run.Add(parts[i], i == 0 ? 0 : 1);
        }
        run.Flush();
        return run.Result.Build();
    }

    /// <summary>One starter and the marks after it, sorted by combining class, then composed.</summary>
    private sealed class Run(AlignedText.Builder result, bool compose)
    {
        private readonly List<(int Class, int CodePoint, int Change)> marks = [];
        private (int CodePoint, int Change)? starter;

        public AlignedText.Builder Result => result;

        public void Add(int codePoint, int change)
        {
            var combining = UnicodeData.CombiningClass(codePoint);
            if (combining != 0)
            {
                marks.Add((combining, codePoint, change));
                return;
            }
            SortAndCompose();
            // A starter right after a starter composes too (Hangul jamo, some Indic vowels).
            if (compose && starter is var (first, firstChange) && marks.Count == 0
                && UnicodeData.TryCompose(first, codePoint, out var composed))
            {
                starter = (composed, firstChange + change - 1);
                return;
            }
            Emit();
            starter = (codePoint, change);
        }

        public void Flush()
        {
            SortAndCompose();
            Emit();
        }

        private void SortAndCompose()
        {
            if (marks.Count == 0)
                return;
            if (marks.Count > 1)
            {
                // Stable, as the standard asks; a hostile run of a million marks stays n log n.
                var sorted = marks.OrderBy(mark => mark.Class).ToArray();
                marks.Clear();
                marks.AddRange(sorted);
            }
            if (!compose || starter is not var (first, change))
                return;
            var kept = 0;
            var lastClass = 0;
            foreach (var mark in marks.ToArray())
            {
                if (lastClass < mark.Class && UnicodeData.TryCompose(first, mark.CodePoint, out var composed))
                {
                    first = composed;
                    change += mark.Change - 1;
                }
                else
                {
                    lastClass = mark.Class;
                    marks[kept++] = mark;
                }
            }
            marks.RemoveRange(kept, marks.Count - kept);
            starter = (first, change);
        }

        private void Emit()
        {
            if (starter is var (codePoint, change))
                result.Put(new Rune(codePoint), change);
            foreach (var mark in marks)
                result.Put(new Rune(mark.CodePoint), mark.Change);
            starter = null;
            marks.Clear();
        }
    }
}
