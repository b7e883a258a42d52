namespace AttentionLens.Corpora;

/// <summary>Two texts a line, divided by a separator: <c>source ||| target</c>, <c>source&lt;TAB&gt;target</c>, or one of the user's.</summary>
public sealed class ParallelReader(string separator, PairKind kind = PairKind.Translation) : DocumentReader
{
    private static readonly string[] Known = [" ||| ", "\t"];

    public override string Name => "parallel text";

    public override SegmentedDocument Read(string text)
    {
        var segments = new List<Segment>();
        var problems = new Problems();
        foreach (var (start, end) in Lines.Of(text, 0, text.Length))
        {
            var at = text.AsSpan(start, end - start).IndexOf(separator, StringComparison.Ordinal);
            if (at < 0)
            {
                if (Part(text, start, end) is { } alone)
                {
                    problems.Add(alone.Start, alone.End, $"The separator '{Shown(separator)}' is missing in this line.");
                    segments.Add(alone);
                }

                continue;
            }

            var second = start + at + separator.Length;
            if (text.AsSpan(second, end - second).IndexOf(separator, StringComparison.Ordinal) is >= 0 and var more)
            {
                problems.Add(second + more, second + more + separator.Length, $"The separator '{Shown(separator)}' stands twice in this line; the first counts.");
            }

            DelimitedReader.AddPair(Part(text, start, start + at), Part(text, second, end), kind, segments);
        }

        return new SegmentedDocument(text, segments, problems.Found);
    }

    /// <summary>The separator that stands exactly once in every one of the first lines of a text, else null.</summary>
    internal static string? Sniff(string text)
    {
        foreach (var separator in Known)
        {
            var lines = 0;
            var all = true;
            foreach (var (start, end) in Lines.Of(text, 0, text.Length))
            {
                var line = text.AsSpan(start, end - start);
                if (line.IsWhiteSpace())
                {
                    continue;
                }

                var at = line.IndexOf(separator, StringComparison.Ordinal);
                // Both sides must be there: an indented line has its tab in front.
                all = at > 0 && !line[..at].IsWhiteSpace() && !line[(at + separator.Length)..].IsWhiteSpace()
                    && line[(at + separator.Length)..].IndexOf(separator, StringComparison.Ordinal) < 0;
                if (!all || ++lines == 50)
                {
                    break;
                }
            }

            if (all && lines > 0)
            {
                return separator;
            }
        }

        return null;
    }

    private static Segment? Part(string text, int start, int end)
    {
        (start, end) = PlainTextReader.Trim(text, start, end);
        return start == end ? null : new Segment(text, start, end);
    }

    private static string Shown(string separator) => separator == "\t" ? "TAB" : separator.Trim();
}
