namespace AttentionLens.Corpora;

/// <summary>The names that data sets give to their texts, for JSON fields and table columns alike.</summary>
internal static class FieldNames
{
    private static readonly (string First, string Second, PairKind Kind)[] Pairs =
    [
        ("premise", "hypothesis", PairKind.Sentences), ("sentence1", "sentence2", PairKind.Sentences),
        ("sentence_a", "sentence_b", PairKind.Sentences), ("sentence_A", "sentence_B", PairKind.Sentences),
        ("question1", "question2", PairKind.Sentences), ("text_a", "text_b", PairKind.Sentences),
        ("text1", "text2", PairKind.Sentences), ("question", "context", PairKind.Sentences), ("question", "passage", PairKind.Sentences),
        ("query", "passage", PairKind.Sentences), ("query", "document", PairKind.Sentences), ("question", "sentence", PairKind.Sentences),
        ("question", "answer", PairKind.Sentences), ("claim", "evidence", PairKind.Sentences), ("source", "target", PairKind.Translation),
        ("src", "tgt", PairKind.Translation), ("src", "trg", PairKind.Translation), ("article", "summary", PairKind.Translation),
        ("document", "summary", PairKind.Translation), ("article", "highlights", PairKind.Translation),
        ("input", "output", PairKind.Translation), ("prompt", "completion", PairKind.Translation),
    ];

    private static readonly HashSet<string> Texts = new(StringComparer.OrdinalIgnoreCase)
    {
        "text", "content", "contents", "sentence", "body", "document", "abstract", "title", "utterance", "comment", "review", "tweet",
        "message", "passage", "context", "paragraph", "question", "answer", "premise", "hypothesis", "summary", "article", "description",
        "prompt", "source", "target", "src", "tgt", "input", "output", "query",
    };

    /// <summary>Arrays of strings that are the tokens of one text.</summary>
    public static bool IsTokens(string? name) => name is "tokens" or "words" or "token";

    /// <summary>
    /// Which of the names hold text: indices of one pair (Second &gt;= 0) or of single texts. What the user named comes
    /// first (two names make a pair), then a known pair, then known names.
    /// </summary>
    public static (List<int> Texts, int Second, PairKind Kind) Choose(IReadOnlyList<string> names, ReaderOptions options)
    {
        if (options.Fields.Count > 0)
        {
            var wanted = options.Fields.Select(f => Find(names, f)).Where(i => i >= 0).ToList();
            return options.Fields.Count == 2 && wanted.Count == 2
                ? ([wanted[0]], wanted[1], options.PairKind)
                : (wanted, -1, PairKind.Sentences);
        }

        foreach (var (first, second, kind) in Pairs)
        {
            int a = Find(names, first), b = Find(names, second);
            if (a >= 0 && b >= 0)
            {
                return ([a], b, kind);
            }
        }

        return ([.. Enumerable.Range(0, names.Count).Where(i => Texts.Contains(names[i]))], -1, PairKind.Sentences);
    }

    private static int Find(IReadOnlyList<string> names, string name)
    {
        for (var i = 0; i < names.Count; i++)
        {
            if (string.Equals(names[i], name, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }

        return -1;
    }
}
