namespace AttentionLens.Analysis.Evaluation;

/// <summary>Which values of a measure speak for a picture.</summary>
public enum Direction
{
    /// <summary>Neither end is good by itself.</summary>
    None,
    Higher,
    Lower,
}

/// <summary>What is asked of a picture.</summary>
public enum MetricFamily
{
    /// <summary>Is it sharp?</summary>
    Clarity,

    /// <summary>Does it agree with what the model does?</summary>
    Faithfulness,

    /// <summary>Does it agree with people?</summary>
    Plausibility,

    /// <summary>Does it stay when nothing that matters changes?</summary>
    Robustness,
}

/// <summary>A measure as it is shown to people.</summary>
/// <param name="Name">In files and protocols.</param>
/// <param name="Title">What people read.</param>
/// <param name="Means">One sentence: what it says.</param>
/// <param name="DoesNotMean">One sentence: what it does not say.</param>
public sealed record Metric(string Name, string Title, MetricFamily Family, Direction Better, string Means, string DoesNotMean);

/// <summary>All measures, in the order in which they are shown.</summary>
public static class Metrics
{
    public static IReadOnlyList<Metric> All { get; } =
    [
        new("entropy", "Normalised entropy", MetricFamily.Clarity, Direction.None,
            "How evenly the weight is spread: 0 is all on one token, 1 the same on every token.",
            "A sharp picture is easy to read and can still point at the wrong token."),
        new("gini", "Gini coefficient", MetricFamily.Clarity, Direction.None,
            "How unequal the weights are: 0 is all equal, near 1 is few tokens with nearly everything.",
            "Inequality is no sign of importance."),
        new("effectiveTokens", "Effective number of tokens", MetricFamily.Clarity, Direction.None,
            "As many equally strong tokens would be as spread out.",
            "It counts tokens that are pointed at, not tokens that matter."),
        new("comprehensiveness", "Comprehensiveness", MetricFamily.Faithfulness, Direction.Higher,
            "How far the probability of the output falls when what the picture points at most is taken away.",
            "A text with holes is unlike what the model was trained on, so part of the fall may be surprise."),
        new("sufficiency", "Sufficiency", MetricFamily.Faithfulness, Direction.Lower,
            "How far the probability falls when only what the picture points at most is left.",
            "Two words that say the same are each enough, and the picture may show only one."),
        new("deletion", "Deletion area", MetricFamily.Faithfulness, Direction.Lower,
            "The probability left on average while tokens are taken away, strongest first.",
            "It depends on how sure the model was; compare it with chance on the same text only."),
        new("insertion", "Insertion area", MetricFamily.Faithfulness, Direction.Higher,
            "The probability on average while tokens are put back, strongest first.",
            "It depends on how sure the model was; compare it with chance on the same text only."),
        new("kendall", "Kendall’s tau with leave-one-out", MetricFamily.Faithfulness, Direction.Higher,
            "Whether tokens rank as they do when each is taken away alone: 1 the same order, 0 none in common.",
            "Leave-one-out misses words that stand in for each other, so it is no ground truth."),
        new("spearman", "Spearman’s rho with leave-one-out", MetricFamily.Faithfulness, Direction.Higher,
            "The same, with large differences of rank counting for more.",
            "Leave-one-out misses words that stand in for each other, so it is no ground truth."),
        new("auprc", "Area under precision and recall", MetricFamily.Plausibility, Direction.Higher,
            "Whether tokens that people marked come before the others.",
            "Agreeing with people does not show that the model works as people do."),
        new("tokenF1", "Token F1", MetricFamily.Plausibility, Direction.Higher,
            "How many of the strongest tokens people marked, and how many of the marked are among the strongest.",
            "Agreeing with people does not show that the model works as people do."),
        new("spanF1", "Span F1 (IoU)", MetricFamily.Plausibility, Direction.Higher,
            "How many runs of strong tokens overlap a marked span by at least half, one to one.",
            "Where the strongest tokens stand apart it is low, even if each of them is right."),
        new("robustness", "Rank correlation under typos", MetricFamily.Robustness, Direction.Higher,
            "Whether words rank as before when letters in a few other words change places: 1 the same order, 0 none in common.",
            "A picture that never changes is robust too, and says nothing about the text."),
        new("synonyms", "Rank correlation under synonyms", MetricFamily.Robustness, Direction.Higher,
            "Whether words rank as before when one other word gives way to one of its meaning: 1 the same order, 0 none in common.",
            "No two words mean the same everywhere, and a rare one may be new to the model."),
    ];

    public static Metric Named(string name) => All.First(m => m.Name == name);
}
