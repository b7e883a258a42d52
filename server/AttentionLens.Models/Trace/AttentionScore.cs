namespace AttentionLens.Models;

/// <summary>One weight, taken apart: weight = exp(score - LogSumExp), score = Scale * query . key + Bias.</summary>
/// <param name="Query">Copy of the query vector [head size] as it enters the product, rotation included.</param>
/// <param name="Key">Copy of the key vector [head size].</param>
/// <param name="Scale">Usually 1/sqrt(head size).</param>
/// <param name="Bias">Relative position and padding; -∞ where the query does not see the key.</param>
/// <param name="LogSumExp">Over all scores of the query.</param>
/// <param name="Weight">The entry of the row, as <see cref="AttentionStack.Row"/> gives it.</param>
public sealed record AttentionScore(float[] Query, float[] Key, float Scale, float Bias, float LogSumExp, float Weight);
