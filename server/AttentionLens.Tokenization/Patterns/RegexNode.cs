namespace AttentionLens.Tokenization.Patterns;

/// <summary>A parsed regular expression.</summary>
internal abstract record RegexNode
{
    public sealed record Set(CodePointRanges Ranges) : RegexNode;

    public sealed record Concat(List<RegexNode> Items) : RegexNode;

    public sealed record Alternate(List<RegexNode> Items) : RegexNode;

    /// <param name="Max">-1 = without end.</param>
    public sealed record Repeat(RegexNode Item, int Min, int Max, RepeatKind Kind) : RegexNode;

    public sealed record Look(RegexNode Item, bool Behind, bool Negative) : RegexNode;

    public sealed record Atomic(RegexNode Item) : RegexNode;

    public sealed record Anchor(AnchorKind Kind) : RegexNode;

    public static RegexNode Empty { get; } = new Concat([]);

    /// <summary>Whether it can match without consuming anything.</summary>
    public bool IsNullable => this switch
    {
        Set => false,
        Concat concat => concat.Items.TrueForAll(item => item.IsNullable),
        Alternate alternate => alternate.Items.Exists(item => item.IsNullable),
        Repeat repeat => repeat.Min == 0 || repeat.Item.IsNullable,
        Atomic atomic => atomic.Item.IsNullable,
        _ => true,
    };

    /// <summary>The code points it can begin with; meaningful only when it is not nullable.</summary>
    public CodePointRanges First => this switch
    {
        Set set => set.Ranges,
        Alternate alternate => alternate.Items.Aggregate(CodePointRanges.Empty, (first, item) => first.Union(item.First)),
        Repeat repeat => repeat.Item.First,
        Atomic atomic => atomic.Item.First,
        Concat concat => FirstOf(concat.Items),
        _ => CodePointRanges.Empty,
    };

    /// <summary>Its length in code points when every match has the same, else null.</summary>
    public int? FixedLength
    {
        get
        {
            switch (this)
            {
                case Set:
                    return 1;
                case Concat concat:
                    var sum = 0;
                    foreach (var item in concat.Items)
                    {
                        if (item.FixedLength is not { } length)
                            return null;
                        sum += length;
                    }
                    return sum;
                case Alternate alternate:
                    var lengths = alternate.Items.Select(item => item.FixedLength).Distinct().ToArray();
                    return lengths.Length == 1 ? lengths[0] : null;
                case Repeat repeat:
                    return repeat.Min == repeat.Max ? repeat.Item.FixedLength * repeat.Min : null;
                case Atomic atomic:
                    return atomic.Item.FixedLength;
                default:
                    return 0;
            }
        }
    }

    private static CodePointRanges FirstOf(List<RegexNode> items)
    {
        var first = CodePointRanges.Empty;
        foreach (var item in items)
        {
            first = first.Union(item.First);
            if (!item.IsNullable)
                break;
        }
        return first;
    }
}

internal enum RepeatKind
{
    Greedy,
    Lazy,
    Possessive,
}

internal enum AnchorKind
{
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextEndBeforeNewline,
    WordBoundary,
    NoWordBoundary,
}
