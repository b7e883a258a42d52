using AttentionLens.Analysis.Gradients;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>What a method says about one output: one score for each token. This is the one question that views, reports and evaluation ask of all methods.</summary>
/// <param name="Method">Who says it.</param>
/// <param name="About">The output, and the input that the tokens are those of.</param>
/// <param name="Source">[n]: tokens of the text, or of the source of an encoder-decoder.</param>
/// <param name="Target">[m]: tokens of the target of an encoder-decoder, else empty.</param>
public sealed record TokenScores(Method Method, OutputTarget About, float[] Source, float[] Target)
{
    /// <summary>
    /// The scores of any method for an output. Methods that explain outputs say it directly. Of the others it is the row of the position whose state the head
    /// reads (the masked token, the last one, [CLS], the mean of an answer's start and end), as Jain and Wallace (2019) and those after them compare attention
    /// with other scores; in an encoder-decoder of its cross-attention for the source and of the decoder's self-attention for the target.
    /// </summary>
    /// <param name="method">A method.</param>
    /// <param name="model">The model.</param>
    /// <param name="target">The output, see <see cref="OutputTarget.Of"/>.</param>
    /// <param name="selection">Layer and head for methods that have them; null = the mean, of methods that accumulate the last layer.</param>
    /// <param name="progress">Share done.</param>
    /// <param name="cancellation">Checked inside.</param>
    /// <exception cref="MethodException">The method is not defined here; one sentence.</exception>
    /// <exception cref="ModelException">The input does not fit, or has no gradient.</exception>
    public static TokenScores Of(
        Method method, Model model, OutputTarget target, HeadSelection? selection = null, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (method.Explain is { } explain)
        {
            Attribution attribution = explain(model, target, progress, cancellation);
            return new TokenScores(method, target, attribution.Scores, attribution.TargetScores);
        }

        AttentionTrace trace = target.Forward(model, method.Needs, cancellation);
        bool crossed = model.Info.Kind == ModelKind.EncoderDecoder;
        AttentionStack own = trace.Stack(crossed ? AttentionKind.Decoder : trace.Stacks[0].Kind)!; // every model has its first stack, an encoder-decoder a decoder
        return new TokenScores(method, target, crossed ? Row(trace.Stack(AttentionKind.Cross)!) : Row(own), crossed ? Row(own) : []); // as above

        float[] Row(AttentionStack stack)
        {
            if (!method.AppliesTo(model.Info.Kind, stack.Kind))
            {
                throw new MethodException($"{method.Title} is not defined for cross-attention, which is where an output of {model.Info.Name} reads its source.");
            }

            float[] row = new float[stack.Keys];
            AttentionView view = method.Apply(new MethodInput(model, trace, stack, default, progress, cancellation));
            Weights.Row(view, selection ?? (method.Accumulates ? new HeadSelection(view.Layers - 1, null) : default), target.Rows, row, cancellation);
            return row;
        }
    }
}
