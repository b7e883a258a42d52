namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>Labels as one tag a token: IOB1 (of CoNLL-2003 as published), IOB2, IOBES and BILOU read; IOB2 written.</summary>
internal static class TokenTags
{
    /// <summary>Spans of token indices, half-open. A tag is <c>O</c>, or a prefix letter, a hyphen and the label.</summary>
    public static IEnumerable<(int Start, int End, string Label)> Spans(IReadOnlyList<string> tags)
    {
        var start = -1;
        var label = "";
        for (var i = 0; i <= tags.Count; i++)
        {
            var (prefix, current) = i < tags.Count ? Split(tags[i]) : ('O', "");
            // IOB1 begins a span with I unless one of the same label ends just before; IOB2 then never sees an I after O: one rule reads both.
            var continues = start >= 0 && prefix is 'I' or 'E' or 'L' or 'M' && current == label;
            if (start >= 0 && !continues)
            {
                yield return (start, i, label);
                start = -1;
            }

            if (prefix == 'O') continue;
            if (start < 0) (start, label) = (i, current);
            if (prefix is not ('S' or 'U' or 'E' or 'L')) continue;
            yield return (start, i + 1, label);
            start = -1;
        }
    }

    private static (char Prefix, string Label) Split(string tag) =>
        tag.Length == 0 || tag is "O" or "_" or "-" ? ('O', "")
        : tag.Length > 2 && tag[1] is '-' or '_' && tag[0] is 'B' or 'I' or 'E' or 'S' or 'L' or 'U' or 'M' ? (tag[0], tag[2..])
        : ('I', tag);

    /// <summary>
    /// Tokens of <paramref name="text"/> (words and single marks, cut at span borders so that no label has to be moved) with IOB2 tags. Of
    /// overlapping spans the first and longest is kept; the number of others is returned.
    /// </summary>
    public static (List<(TextRange Token, string Tag)> Tokens, int Dropped) Tag(string text, IEnumerable<(TextRange Range, string Label)> spans)
    {
        var kept = new List<(TextRange Range, string Label)>();
        var dropped = 0;
        foreach (var span in spans.OrderBy(s => s.Range.Start).ThenByDescending(s => s.Range.End))
        {
            if (span.Range.Length == 0 || (kept.Count > 0 && span.Range.Start < kept[^1].Range.End)) dropped++;
            else kept.Add(span);
        }

        var tokens = new List<(TextRange, string)>();
        var next = 0;
        foreach (var token in Tokens(text, kept.Select(s => s.Range)))
        {
            while (next < kept.Count && kept[next].Range.End <= token.Start) next++;
            var inside = next < kept.Count && kept[next].Range.Start <= token.Start;
            tokens.Add((token, inside ? (kept[next].Range.Start == token.Start ? "B-" : "I-") + kept[next].Label : "O"));
        }

        return (tokens, dropped);
    }

    /// <summary>Words, single marks and white space, which cover the text, cut at the borders of <paramref name="spans"/>.</summary>
    public static IEnumerable<TextRange> Tokens(string text, IEnumerable<TextRange> spans)
    {
        var borders = spans.SelectMany(s => new[] { s.Start, s.End }).ToHashSet();
        foreach (var word in Pieces.Words(text, new TextRange(0, text.Length)))
        {
            var start = word.Start;
            for (var end = word.Start + 1; end <= word.End; end++)
            {
                if (end < word.End && !borders.Contains(end)) continue;
                yield return new TextRange(start, end);
                start = end;
            }
        }
    }

    /// <summary>The index of the first of ordered tokens that reaches beyond <paramref name="offset"/>; their number where none does.</summary>
    public static int FirstEndingAfter(IReadOnlyList<TextRange> tokens, int offset)
    {
        int lo = 0, hi = tokens.Count;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (tokens[mid].End <= offset) lo = mid + 1;
            else hi = mid;
        }

        return lo;
    }
}
