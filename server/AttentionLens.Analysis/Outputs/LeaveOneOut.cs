using AttentionLens.Analysis.Gradients;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>
/// Leave-one-out (Li, Monroe and Jurafsky 2016, "Understanding Neural Networks through Representation Erasure", here with the difference of the scores
/// before the softmax): score_j = y(x) - y(x without token j), see <see cref="Erasure"/>. Tokens of the model's template ([CLS], [SEP], BOS, ...) have
/// score 0: without them the input is none the model knows. It sees single tokens only: of two that say the same, neither matters. Shape: one score a
/// token. Cost: one forward pass a token.
/// </summary>
public static class LeaveOneOut
{
    /// <summary>Rows in one batched pass: enough to keep the matrix products busy, few enough that cancelling takes effect soon.</summary>
    private const int BatchRows = 1024;

    /// <exception cref="MethodException">An image has no tokens to leave out.</exception>
    public static Attribution Explain(Model model, OutputTarget target, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (!Erasure.AppliesTo(target.Input))
        {
            throw new MethodException("Leaving tokens out is defined for texts; choose a gradient method for an image.");
        }

        double y = target.Value(target.Forward(model, cancellation: cancellation));
        int[] ids = target.Input.InputIds;
        int[] decoder = model.Info.Kind == ModelKind.EncoderDecoder ? target.Input.DecoderInputIds ?? [] : [];
        float[] scores = new float[ids.Length], targetScores = new float[decoder.Length];
        List<(float[] Into, int At, OutputTarget Without)> work = [];
        for (int i = 0; i < ids.Length; i++)
        {
            if (!Erasure.IsTemplate(model, ids[i]) && Erasure.Without(model, target, [i]) is { } without)
            {
                work.Add((scores, i, without));
            }
        }

        for (int i = 1; i < decoder.Length; i++) // the first is the start token
        {
            if (!Erasure.IsTemplate(model, decoder[i]) && Erasure.Without(model, target, [], [i]) is { } without)
            {
                work.Add((targetScores, i, without));
            }
        }

        int size = Math.Max(1, BatchRows / (ids.Length + decoder.Length));
        for (int first = 0; first < work.Count; first += size)
        {
            List<(float[] Into, int At, OutputTarget Without)> batch = work.GetRange(first, Math.Min(size, work.Count - first));
            IReadOnlyList<AttentionTrace> traces = model.ForwardBatch([.. batch.Select(static w => w.Without.Asked)], Keep.Logits, cancellation);
            foreach (((float[] into, int at, OutputTarget without), AttentionTrace trace) in batch.Zip(traces))
            {
                into[at] = (float)(y - without.Value(trace));
            }

            progress?.Report((double)(first + batch.Count) / work.Count);
        }

        return new Attribution(scores, targetScores, y);
    }
}
