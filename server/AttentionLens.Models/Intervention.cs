namespace AttentionLens.Models;

/// <summary>What a head's attention matrix A is replaced by. Rows still see only what they may see.</summary>
public enum HeadEffect
{
    /// <summary>A = 0: the head adds nothing (ablation).</summary>
    Zero,

    /// <summary>Every visible key has the same weight: the head no longer chooses.</summary>
    Uniform,

    /// <summary>Every row is the mean of the head's rows: what it does whatever the query. Under a causal mask the mean of the rows up to it.</summary>
    Mean,
}

/// <summary>
/// One head forced for one forward pass, as data of its <see cref="ModelInput"/>. The trace shows the matrix that the pass used; profiles are those of the
/// head as it would have been. A pass without interventions costs nothing more.
/// </summary>
public sealed record HeadIntervention(AttentionKind Kind, int Layer, int Head, HeadEffect Effect);
