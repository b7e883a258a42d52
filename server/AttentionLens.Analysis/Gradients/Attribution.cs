using AttentionLens.Models;

namespace AttentionLens.Analysis.Gradients;

/// <summary>
/// One score for each input token: what it did for a prediction, by gradients at the embedding output (hidden state 0).
/// </summary>
/// <param name="Scores">[n]: tokens of the text, or of the source of an encoder-decoder.</param>
/// <param name="TargetScores">[m]: tokens of the target of an encoder-decoder, else empty.</param>
/// <param name="Value">The prediction y that is explained.</param>
/// <param name="Gap">Integrated gradients: sum of all scores minus (y - y at the baseline); 0 would be complete. Null for the others.</param>
public sealed record Attribution(float[] Scores, float[] TargetScores, double Value, double? Gap = null)
{
    /// <summary>
    /// Saliency (Simonyan et al. 2014): the length of dy/dx per token. Says where y is sensitive, not which way. Cost: one gradient.
    /// </summary>
    /// <exception cref="ModelException">See <see cref="Model.Gradient"/>.</exception>
    public static Attribution Saliency(Model model, ModelInput input, IReadOnlyList<LogitTerm> target, CancellationToken cancellation = default)
    {
        GradientResult g = model.Gradient(input, target, cancellation: cancellation);
        int hidden = model.Info.HiddenSize;
        return new Attribution(
            PerToken(g.Gradient, g.Gradient, hidden, static sum => Math.Sqrt(sum)),
            PerToken(g.DecoderGradient, g.DecoderGradient, hidden, static sum => Math.Sqrt(sum)),
            g.Value);
    }

    /// <summary>Input x gradient (Shrikumar et al. 2017): x · dy/dx per token, signed. Cost: one gradient.</summary>
    /// <exception cref="ModelException">See <see cref="Model.Gradient"/>.</exception>
    public static Attribution InputTimesGradient(Model model, ModelInput input, IReadOnlyList<LogitTerm> target, CancellationToken cancellation = default)
    {
        GradientResult g = model.Gradient(input, target, cancellation: cancellation);
        int hidden = model.Info.HiddenSize;
        return new Attribution(
            PerToken(g.Gradient, g.Embeddings, hidden, static sum => sum),
            PerToken(g.DecoderGradient, g.DecoderEmbeddings, hidden, static sum => sum),
            g.Value);
    }

    /// <summary>
    /// Integrated gradients (Sundararajan et al. 2017): (x - x') times the mean of dy/dx on the straight way from the baseline x', by the
    /// midpoint rule. Scores sum to y(x) - y(x') up to <see cref="Gap"/>. Cost: <paramref name="steps"/> gradients.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="input">The input that is explained.</param>
    /// <param name="target">The prediction.</param>
    /// <param name="baseline">An input of the same shape that says nothing (tokens masked); null = the zero vector in place of every token.</param>
    /// <param name="steps">Points on the way.</param>
    /// <param name="progress">Share of the way done.</param>
    /// <param name="cancellation">Checked per layer.</param>
    /// <exception cref="ModelException">See <see cref="Model.Gradient"/>.</exception>
    public static Attribution IntegratedGradients(
        Model model,
        ModelInput input,
        IReadOnlyList<LogitTerm> target,
        ModelInput? baseline = null,
        int steps = 50,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(steps);
        GradientResult end = model.Gradient(input, target, cancellation: cancellation);
        (float[] from, float[] decoderFrom) = (new float[end.Embeddings.Length], new float[end.DecoderEmbeddings.Length]);
        if (baseline is not null)
        {
            GradientResult start = model.Gradient(baseline, target, cancellation: cancellation);
            if (start.Embeddings.Length != from.Length || start.DecoderEmbeddings.Length != decoderFrom.Length)
            {
                throw new ArgumentException("The baseline has another number of tokens than the input.", nameof(baseline));
            }

            (from, decoderFrom) = (start.Embeddings, start.DecoderEmbeddings);
        }

        double bottom = model.Gradient(input, target, null, from, decoderFrom, cancellation).Value;
        double[] sum = new double[from.Length], decoderSum = new double[decoderFrom.Length];
        for (int step = 0; step < steps; step++)
        {
            float at = (step + 0.5f) / steps;
            GradientResult g = model.Gradient(input, target, null, Between(from, end.Embeddings, at), Between(decoderFrom, end.DecoderEmbeddings, at), cancellation);
            Add(g.Gradient, sum);
            Add(g.DecoderGradient, decoderSum);
            progress?.Report((step + 1.0) / steps);
        }

        int hidden = model.Info.HiddenSize;
        float[] scores = Integrated(from, end.Embeddings, sum, steps, hidden);
        float[] targetScores = Integrated(decoderFrom, end.DecoderEmbeddings, decoderSum, steps, hidden);
        double total = scores.Sum(static s => (double)s) + targetScores.Sum(static s => (double)s);
        return new Attribution(scores, targetScores, end.Value, total - (end.Value - bottom));
    }

    private static float[] PerToken(float[] gradient, float[] factor, int hidden, Func<double, double> finish)
    {
        float[] scores = new float[gradient.Length / hidden];
        for (int token = 0; token < scores.Length; token++)
        {
            double sum = 0;
            for (int i = token * hidden; i < (token + 1) * hidden; i++)
            {
                sum += (double)gradient[i] * factor[i];
            }

            scores[token] = (float)finish(sum);
        }

        return scores;
    }

    private static float[] Integrated(float[] from, float[] to, double[] gradients, int steps, int hidden)
    {
        float[] scores = new float[from.Length / hidden];
        for (int token = 0; token < scores.Length; token++)
        {
            double sum = 0;
            for (int i = token * hidden; i < (token + 1) * hidden; i++)
            {
                sum += ((double)to[i] - from[i]) * gradients[i] / steps;
            }

            scores[token] = (float)sum;
        }

        return scores;
    }

    private static float[] Between(float[] from, float[] to, float at)
    {
        float[] result = new float[from.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = from[i] + (at * (to[i] - from[i]));
        }

        return result;
    }

    private static void Add(float[] gradient, double[] sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += gradient[i];
        }
    }
}
