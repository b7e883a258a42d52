namespace AttentionLens.Models;

/// <summary>
/// How self-attention joins the residual stream: y = x + (sum over heads of mixed values times their output map) + <paramref name="OutputBias"/>, then, where
/// <paramref name="Scale"/> is set (post-norm blocks), LayerNorm, or RMSNorm where <paramref name="Shift"/> is null.
/// </summary>
/// <param name="OutputBias">[hidden].</param>
/// <param name="Scale">Weights of the norm [hidden]; null = no norm follows.</param>
/// <param name="Shift">Biases of the norm [hidden].</param>
/// <param name="Epsilon">Of the norm.</param>
public sealed record ResidualMap(float[] OutputBias, float[]? Scale, float[]? Shift, float Epsilon);
