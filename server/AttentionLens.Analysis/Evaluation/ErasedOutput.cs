using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Evaluation;

/// <summary>
/// How sure a model is of one output when tokens are taken away (see <see cref="Erasure"/> for how). Answers that have been computed are kept, so that
/// several methods and orders share them, and work that was interrupted goes on where it stopped. For one thread at a time.
/// </summary>
/// <remarks>
/// Never taken away: tokens of the model's template ([CLS], [SEP], BOS), the position that speaks, the answer to a question; nor what a causal model
/// reads after that position, which cannot matter. Of an encoder-decoder the tokens are those of the source.
/// </remarks>
public sealed class ErasedOutput
{
    /// <summary>Rows of one batch: enough to keep the matrix products busy, few enough to cancel soon.</summary>
    private const int BatchRows = 2048;

    private readonly Model _model;
    private readonly Dictionary<string, double> _known = [];

    /// <param name="model">The model.</param>
    /// <param name="target">The output.</param>
    /// <param name="cancellation">Of the first pass.</param>
    /// <exception cref="MethodException">The input has no tokens that could be taken away.</exception>
    /// <exception cref="ModelException">The input does not fit the model.</exception>
    public ErasedOutput(Model model, OutputTarget target, CancellationToken cancellation = default)
    {
        (_model, Target) = (model, target);
        Items = ItemsOf(model, target);
        Probability = Probabilities([target], cancellation)[0];
        _known[new string('1', Items.Count)] = Probability;
    }

    public OutputTarget Target { get; }

    /// <summary>With the whole text.</summary>
    public double Probability { get; }

    /// <summary>Indices of the tokens that can be taken away, ascending.</summary>
    public IReadOnlyList<int> Items { get; }

    /// <summary>Passes of the model so far.</summary>
    public int Passes { get; private set; }

    /// <summary>Indices of the (source) tokens that can be taken away from an output's input, ascending.</summary>
    /// <exception cref="MethodException">The input has no tokens that could be taken away.</exception>
    public static IReadOnlyList<int> ItemsOf(Model model, OutputTarget target)
    {
        if (!Erasure.AppliesTo(target.Input))
        {
            throw new MethodException("Faithfulness is measured by taking words away; an image has none.");
        }

        var crossed = model.Info.Kind == ModelKind.EncoderDecoder;
        int first = target.Rows.Min(), last = target.Rows.Max();
        var ids = target.Input.InputIds;
        List<int> items = [.. Enumerable.Range(0, ids.Length).Where(i =>
            !Erasure.IsTemplate(model, ids[i])
            && (crossed || ((i < first || i > last) && (target.Kind != HeadKind.CausalLanguage || i < first))))];
        if (items.Count == ids.Length)
        {
            items.RemoveAt(items.Count - 1); // a text of nothing is no input
        }

        return items;
    }

    /// <summary>The scores of the items.</summary>
    public double[] Of(TokenScores scores) => [.. Items.Select(i => (double)scores.Source[i])];

    /// <summary>The probability of the output when only some items are left.</summary>
    /// <param name="kept">[variants][items].</param>
    /// <param name="progress">Share of the variants done.</param>
    /// <param name="cancellation">Checked per batch and per layer.</param>
    public double[] Measure(IReadOnlyList<bool[]> kept, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var names = kept.Select(k => string.Create(k.Length, k, static (name, k) =>
        {
            for (var i = 0; i < name.Length; i++)
            {
                name[i] = k[i] ? '1' : '0';
            }
        })).ToArray();
        var missing = Enumerable.Range(0, names.Length).Where(i => !_known.ContainsKey(names[i])).DistinctBy(i => names[i]).ToArray();
        var perBatch = Math.Max(1, BatchRows / (Target.Input.InputIds.Length + (Target.Input.DecoderInputIds?.Length ?? 0)));
        for (var first = 0; first < missing.Length; first += perBatch)
        {
            cancellation.ThrowIfCancellationRequested();
            var batch = missing[first..Math.Min(missing.Length, first + perBatch)];
            var probabilities = Probabilities([.. batch.Select(i => Without(kept[i]))], cancellation);
            for (var i = 0; i < batch.Length; i++)
            {
                _known[names[batch[i]]] = probabilities[i];
            }

            progress?.Report((double)(first + batch.Length) / missing.Length);
        }

        return Array.ConvertAll(names, name => _known[name]);
    }

    private OutputTarget Without(bool[] kept)
    {
        HashSet<int> gone = [.. Items.Where((_, i) => !kept[i])];
        return Erasure.Without(_model, Target, gone) ?? throw new InvalidOperationException("The position that speaks is never taken away.");
    }

    private double[] Probabilities(OutputTarget[] targets, CancellationToken cancellation)
    {
        Passes += targets.Length;
        var traces = _model.ForwardBatch([.. targets.Select(t => t.Asked)], Keep.Logits, cancellation);
        return [.. targets.Zip(traces, (target, trace) => target.Probability(trace))];
    }
}
