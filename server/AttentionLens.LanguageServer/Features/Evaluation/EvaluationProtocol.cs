using AttentionLens.LanguageServer.Features.Attention;

namespace AttentionLens.LanguageServer.Features.Evaluation;

/// <param name="View">The picture: layer, head and method.</param>
/// <param name="Query">Index of the token that the picture is about; absent = none is chosen.</param>
/// <param name="Measures">"clarity", "plausibility", "faithfulness", "robustness".</param>
/// <param name="Rationale">Indices of the tokens that somebody would give as the reason, for plausibility.</param>
internal sealed record EvaluationParams(Scope Scope, string[] Measures, View? View = null, int? Query = null, int[]? Rationale = null);

/// <summary>What can be said for and against a picture.</summary>
internal sealed record EvaluationResult : AttentionResult
{
    /// <summary>The output that the picture is held against; absent where the model has none.</summary>
    public string? Output { get; init; }

    /// <summary>What the model gives it.</summary>
    public double? Probability { get; init; }

    /// <summary>True: the picture is that of the text with the query masked.</summary>
    public bool? IsMasked { get; init; }

    /// <summary>Indices of the tokens that have a score.</summary>
    public int[]? Items { get; init; }

    /// <summary>One per item.</summary>
    public float[]? Scores { get; init; }

    public MetricItem[]? Metrics { get; init; }

    /// <summary>With faithfulness.</summary>
    public CurveItem? Curve { get; init; }

    /// <summary>Why something that was asked for is missing; one sentence each.</summary>
    public string[]? Problems { get; init; }
}

/// <param name="Name">As in the report of <c>attention-lens evaluate</c>.</param>
/// <param name="Chance">What random numbers get on this text; for clarity, what the same weight everywhere gets.</param>
/// <param name="Beaten">How many random pictures of this text do worse; one that does as well counts half.</param>
/// <param name="Draws">Of how many.</param>
internal sealed record MetricItem(string Name, string Family, string Better, double Value, double? Chance = null, double? Beaten = null, int? Draws = null);

/// <summary>Probabilities of the output while tokens are taken away, strongest first.</summary>
/// <param name="Shares">Of the tokens, 0 to 1.</param>
/// <param name="Without">Without the strongest.</param>
/// <param name="Only">With only the strongest.</param>
/// <param name="ChanceWithout">The mean of random orders.</param>
internal sealed record CurveItem(double[] Shares, double[] Without, double[] Only, double[] ChanceWithout, double[] ChanceOnly);
