using System.Globalization;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>Which output of a model is meant; what is absent is chosen: see <see cref="OutputTarget.Of"/>.</summary>
/// <param name="Position">The token whose prediction it is (of the target text in an encoder-decoder); ignored by heads that score the whole input.</param>
/// <param name="Output">A word of the vocabulary or a class, as people write it; absent = the most likely one.</param>
/// <param name="Contrast">"Why <paramref name="Output"/> rather than this": the difference of the two scores is explained.</param>
public readonly record struct OutputChoice(int? Position = null, string? Output = null, string? Contrast = null);

/// <summary>
/// One number that a model computes for one input, and what is explained: a score before the softmax, or a sum of some
/// (two for an answer's start and end, a difference for a contrast).
/// </summary>
/// <param name="Input">The input whose output it is. Of a masked language model the token in question has been replaced by the mask.</param>
/// <param name="Kind">What the head predicts.</param>
/// <param name="Rows">Rows of the last hidden state that the head reads for it: positions of the text, or of the target of an encoder-decoder.</param>
/// <param name="Terms">y = sum of weighted scores.</param>
/// <param name="Name">What people read: "“is” rather than “are” for the masked token 4".</param>
public sealed record OutputTarget(ModelInput Input, HeadKind Kind, int[] Rows, IReadOnlyList<LogitTerm> Terms, string Name)
{
    /// <summary>
    /// The output that a choice means. Where it names no position: the first mask of the text, the token after the text (or after the target so far),
    /// the class or the answer. Where it names no output: the most likely one. Cost: one forward pass.
    /// </summary>
    /// <exception cref="MethodException">The model predicts nothing, needs a position, or has no such output; one sentence.</exception>
    public static OutputTarget Of(Model model, ModelInput input, OutputChoice choice = default, CancellationToken cancellation = default)
    {
        Prediction prediction = Prediction.Of(model, input, choice.Position, 1, cancellation);
        if (prediction.Kind == HeadKind.QuestionAnswering)
        {
            if (choice.Output is not null || choice.Contrast is not null)
            {
                throw new MethodException("An answer is a span of the text; another output than the most likely one cannot be named.");
            }

            (int start, int end) = prediction.Span;
            return new OutputTarget(prediction.Input, prediction.Kind, [start, end], [new LogitTerm(start, 0), new LogitTerm(end, 1)], prediction.Name);
        }

        int index = choice.Output is { } output ? OutputNames.Find(model, output) : prediction.Candidates[0].Index;
        int row = prediction.Rows[0];
        string name = $"{OutputNames.Quoted(model, index)}{(choice.Contrast is null ? "" : $" rather than {OutputNames.Quoted(model, OutputNames.Find(model, choice.Contrast))}")}";
        LogitTerm[] terms = choice.Contrast is { } contrast
            ? [new LogitTerm(row, index), new LogitTerm(row, OutputNames.Find(model, contrast), -1)]
            : [new LogitTerm(row, index)];
        return terms is [var first, var second] && first.Index == second.Index
            ? throw new MethodException($"Output and contrast are the same, {OutputNames.Quoted(model, index)}.")
            : new OutputTarget(prediction.Input, prediction.Kind, prediction.Rows, terms, $"{name} {Place(prediction)}".TrimEnd());
    }

    /// <summary><see cref="Input"/>, with only those scores kept that <see cref="Value"/> and <see cref="Probability"/> read.</summary>
    public ModelInput Asked => Kind == HeadKind.QuestionAnswering ? Input : Input with { LogitPositions = Rows };

    /// <summary>The pass that <see cref="Value"/> and <see cref="Probability"/> read.</summary>
    public AttentionTrace Forward(Model model, Keep keep = Keep.Logits, CancellationToken cancellation = default) =>
        model.Forward(Asked, keep | Keep.Logits, cancellation);

    /// <summary>y, from a pass over <see cref="Input"/> that kept the scores.</summary>
    public double Value(AttentionTrace trace) => Terms.Sum(term => (double)term.Weight * Scores(trace, term.Row)[Column(term)]);

    /// <summary>
    /// The probability of the output among all outputs: of an answer that of its start times that of its end, of a contrast that of the first among the two.
    /// </summary>
    public double Probability(AttentionTrace trace)
    {
        if (Kind == HeadKind.Discriminator || Terms.Any(static term => term.Weight < 0))
        {
            return 1 / (1 + Math.Exp(-Value(trace)));
        }

        double product = 1;
        foreach (LogitTerm term in Terms)
        {
            float[] scores = Kind == HeadKind.QuestionAnswering ? SpanScores(trace, term.Index) : Scores(trace, term.Row).ToArray();
            product *= Prediction.Softmax(scores)[Kind == HeadKind.QuestionAnswering ? term.Row : term.Index];
        }

        return product;
    }

    private int Column(LogitTerm term) => Kind == HeadKind.Discriminator ? 0 : term.Index;

    private ReadOnlySpan<float> Scores(AttentionTrace trace, int row)
    {
        Tensor logits = trace.Logits ?? throw new ArgumentException("The pass has kept no scores; run it with Keep.Logits.", nameof(trace));
        if (Kind == HeadKind.SequenceClassification)
        {
            return logits.Data;
        }

        int width = Kind == HeadKind.Discriminator ? 1 : logits.Shape[^1];
        int at = trace.Input.LogitPositions is { } kept ? Array.IndexOf(kept, row) : row;
        return at < 0
            ? throw new ArgumentException($"The pass has not kept the scores of position {row}.", nameof(trace))
            : logits.Data.AsSpan(at * width, width);
    }

    /// <summary>All positions' scores as start (0) or end (1).</summary>
    private float[] SpanScores(AttentionTrace trace, int column) => [.. Enumerable.Range(0, Input.InputIds.Length).Select(row => Scores(trace, row)[column])];

    private static string Place(Prediction prediction) => prediction.Kind switch
    {
        HeadKind.MaskedLanguage => string.Create(CultureInfo.InvariantCulture, $"for the masked token {prediction.Rows[0]}"),
        HeadKind.CausalLanguage => string.Create(CultureInfo.InvariantCulture, $"after token {prediction.Rows[0]}"),
        HeadKind.Sequence2SequenceLanguage => string.Create(CultureInfo.InvariantCulture, $"after target token {prediction.Rows[0]}"),
        HeadKind.TokenClassification or HeadKind.Discriminator => string.Create(CultureInfo.InvariantCulture, $"for token {prediction.Rows[0]}"),
        _ => "",
    };
}
