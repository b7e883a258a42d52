using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>
/// The logit lens (nostalgebraist, "interpreting GPT: the logit lens", 2020): after every block, what the head would say if the model ended there. Early
/// states live in other coordinates than the head reads, so early answers are often noise; where the final answer first leads, and stays, is what to look
/// for. Shape: layers + 1 predictions. Cost: one forward pass and a head a layer.
/// </summary>
/// <param name="State">0 = the embeddings, i = after block i - 1.</param>
/// <param name="Prediction">The most likely outputs there.</param>
/// <param name="FinalRank">Rank, from 0, of what the whole model says.</param>
/// <param name="FinalProbability">Its probability there.</param>
public sealed record LogitLens(int State, Prediction Prediction, int FinalRank, double FinalProbability)
{
    /// <summary>All states of a prediction, first to last.</summary>
    /// <exception cref="MethodException">The answer of a question is a span: it has no rank among words.</exception>
    public static IReadOnlyList<LogitLens> Of(Model model, Prediction prediction, int top = 3, CancellationToken cancellation = default)
    {
        if (prediction.Kind is HeadKind.QuestionAnswering)
        {
            throw new MethodException("The logit lens reads one score a word or class; an answer is a span of the text.");
        }

        int final = prediction.Candidates[0].Index;
        AttentionTrace trace = model.Forward(prediction.Input, Keep.HiddenStates, cancellation);
        AttentionStack stack = trace.Stack(AttentionKind.Decoder) ?? trace.Stacks[0];
        List<LogitLens> states = [];
        for (int state = 0; state < stack.HiddenStates; state++)
        {
            cancellation.ThrowIfCancellationRequested();
            float[] logits = model.Lens(trace, state, prediction.Rows);
            Prediction there = Prediction.Read(model, prediction.Input, prediction.Kind, prediction.Rows, logits, top);
            states.Add(prediction.Kind == HeadKind.Discriminator
                ? new LogitLens(state, there, there.Candidates[0].Index == final ? 0 : 1, there.Candidates.FirstOrDefault(c => c.Index == final).Probability)
                : new LogitLens(state, there, logits.Count(l => l > logits[final]), Prediction.Softmax(logits)[final]));
        }

        return states;
    }
}
