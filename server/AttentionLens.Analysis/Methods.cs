using AttentionLens.Analysis.Gradients;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>What is particular about a method.</summary>
[Flags]
public enum MethodTraits
{
    None = 0,

    /// <summary>Not defined for cross-attention, whose two sides are different texts.</summary>
    SelfAttentionOnly = 1,

    /// <summary>A layer's weights are about all layers up to it: the last layer is the whole answer, a mean over layers says little.</summary>
    Accumulates = 2,

    /// <summary>About the whole model: there is one matrix for all layers and heads.</summary>
    JoinsLayers = 4,

    /// <summary>Weights may be negative.</summary>
    HasSigns = 8,

    /// <summary>Costs many passes of the model: worth a progress bar, and a way to stop it.</summary>
    Slow = 16,
}

/// <summary>What a method makes weights from: one stack of a trace that the model made.</summary>
/// <param name="Held">The model that made the trace; null for attention that was computed elsewhere.</param>
/// <param name="Choice">Which output is explained, for methods that explain one; its position is that of the row asked for.</param>
/// <param name="Progress">Share of the work done, where a method does much before it answers.</param>
public sealed record MethodInput(
    Model? Held, AttentionTrace Trace, AttentionStack Stack, OutputChoice Choice = default, IProgress<double>? Progress = null, CancellationToken Cancellation = default)
{
    /// <exception cref="MethodException">There is only the attention.</exception>
    public Model Model => Held ?? throw NoModel();

    /// <summary>Why there is no answer about attention that was computed elsewhere.</summary>
    public static MethodException NoModel() => new MethodException("The method needs the model itself, and attention from a file has none: raw, max, rollout and flow read attention alone.");
}

/// <summary>A way to make weights from a trace.</summary>
/// <param name="Name">The name in settings and on the command line.</param>
/// <param name="Title">What people read.</param>
/// <param name="Summary">One sentence: what the weights mean.</param>
/// <param name="Needs">What the forward pass must keep.</param>
/// <param name="Traits">What is particular about it.</param>
/// <param name="Apply">The weights of one stack. Throws <see cref="MethodException"/>.</param>
public sealed record Method(string Name, string Title, string Summary, Keep Needs, MethodTraits Traits, Func<MethodInput, AttentionView> Apply)
{
    /// <summary>
    /// One score for each token of the input, about one output: set for methods that explain an output instead of a position. <see cref="Apply"/> then
    /// gives an <see cref="ExplainedView"/>, whose row i is about the output at position i.
    /// </summary>
    public Func<Model, OutputTarget, IProgress<double>?, CancellationToken, Attribution>? Explain { get; init; }

    public bool SelfAttentionOnly => Traits.HasFlag(MethodTraits.SelfAttentionOnly);

    public bool Accumulates => Traits.HasFlag(MethodTraits.Accumulates);

    public bool JoinsLayers => Traits.HasFlag(MethodTraits.JoinsLayers);

    public bool IsSlow => Traits.HasFlag(MethodTraits.Slow);

    /// <summary>Whether the method says anything about a stack. Outputs of an encoder-decoder are those of its decoder.</summary>
    public bool AppliesTo(ModelKind model, AttentionKind kind) =>
        (!SelfAttentionOnly || kind != AttentionKind.Cross) && (Explain is null || model != ModelKind.EncoderDecoder || kind != AttentionKind.Encoder);
}

/// <summary>A method cannot answer for this input: one sentence for the user.</summary>
public sealed class MethodException(string message) : Exception(message);

/// <summary>All methods, in the order in which they are offered.</summary>
public static class Methods
{
    public static Method Raw { get; } = new(
        "raw", "Raw attention", "The softmax weights of the model itself.",
        Keep.Attention, MethodTraits.None, static input => AttentionView.Raw(input.Stack));

    public static Method Max { get; } = new(
        "max", "Strongest head", "The largest weight that any head of the layer, or of the chosen heads, gives; rows do not sum to 1.",
        Keep.Attention, MethodTraits.None, static input => new MaxView(AttentionView.Raw(input.Stack)));

    public static Method Rollout { get; } = new(
        "rollout", "Attention rollout", "How much of each input token is mixed into a position, following attention and residual connections through all layers.",
        Keep.Attention, MethodTraits.SelfAttentionOnly | MethodTraits.Accumulates, static input => Analysis.Rollout.Of(AttentionView.Raw(input.Stack), input.Cancellation));

    public static Method Flow { get; } = new(
        "flow", "Attention flow", "How much can flow from each input token to a position when attention weights are the widths of the pipes.",
        Keep.Attention, MethodTraits.SelfAttentionOnly | MethodTraits.Accumulates | MethodTraits.Slow,
        static input => new FlowView(AttentionView.Raw(input.Stack), input.Cancellation));

    public static Method ValueNorm { get; } = new(
        "value-norm", "Value-norm weighted", "Attention weighted by the length of the vector that is read: a strong weight on an empty vector counts little.",
        Keep.Values, MethodTraits.None, static input => new ValueNormView(input.Model, input.Stack, input.Cancellation));

    public static Method Effective { get; } = new(
        "effective", "Effective attention", "The part of attention that can change the output; what the values cancel out is taken away. Weights may be negative.",
        Keep.Values, MethodTraits.HasSigns, static input => new EffectiveView(input.Model, input.Stack));

    public static Method BlockNorm { get; } = new(
        "block-norm", "Block norms (residual and layer norm)", "Each token's share in a position after the attention block, the residual connection and layer norm included.",
        Keep.Values | Keep.HiddenStates, MethodTraits.SelfAttentionOnly, static input => new BlockNormView(input));

    public static Method ValueZeroing { get; } = new(
        "value-zeroing", "Value zeroing", "How far a layer's output at a position moves when a token's values are set to zero in that layer.",
        Keep.Values | Keep.HiddenStates, MethodTraits.SelfAttentionOnly | MethodTraits.Slow, static input => new ValueZeroingView(input));

    public static Method Alti { get; } = new(
        "alti", "ALTI", "How much of each input token is in a position after all layers, by how near each block's parts are to their sum.",
        Keep.Values | Keep.HiddenStates, MethodTraits.SelfAttentionOnly | MethodTraits.Accumulates | MethodTraits.Slow, Analysis.Alti.Of);

    public static Method Relevancy { get; } = Explaining(
        "relevancy", "Gradient × attention relevancy", "How much each token contributed to a prediction through the attention that the prediction depends on.",
        MethodTraits.None, static (model, target, _, cancellation) => Gradients.Relevancy.Explain(model, target, cancellation));

    public static Method Saliency { get; } = Explaining(
        "saliency", "Saliency", "How sensitive a prediction is to each token's embedding; not which way.",
        MethodTraits.None, static (model, target, _, cancellation) => Attribution.Saliency(model, target.Input, target.Terms, cancellation));

    public static Method InputTimesGradient { get; } = Explaining(
        "input-x-gradient", "Input × gradient", "What each token's embedding adds to a prediction, to first order; negative where it speaks against it.",
        MethodTraits.HasSigns, static (model, target, _, cancellation) => Attribution.InputTimesGradient(model, target.Input, target.Terms, cancellation));

    public static Method IntegratedGradients { get; } = Explaining(
        "integrated-gradients", "Integrated gradients", "The prediction's difference to an input of zeros, shared out among the tokens; negative where a token speaks against it.",
        MethodTraits.HasSigns | MethodTraits.Slow,
        static (model, target, progress, cancellation) => Attribution.IntegratedGradients(model, target.Input, target.Terms, progress: progress, cancellation: cancellation));

    public static Method LeaveOneOut { get; } = Explaining(
        "leave-one-out", "Leave one out", "How far the prediction's score falls when a token is masked (or, without a mask token, taken out); negative where it rises.",
        MethodTraits.HasSigns | MethodTraits.Slow, Outputs.LeaveOneOut.Explain);

    public static IReadOnlyList<Method> All { get; } =
    [
        Raw, Max, Rollout, Flow, ValueNorm, BlockNorm, Effective, ValueZeroing, Alti, Relevancy, Saliency, InputTimesGradient, IntegratedGradients, LeaveOneOut,
    ];

    /// <exception cref="MethodException">No method of that name; the message lists them.</exception>
    public static Method Named(string name) => All.FirstOrDefault(m => m.Name == name)
        ?? throw new MethodException($"There is no method '{name}'; there are {string.Join(", ", All.Select(m => m.Name))}.");

    private static Method Explaining(
        string name, string title, string summary, MethodTraits traits, Func<Model, OutputTarget, IProgress<double>?, CancellationToken, Attribution> explain) =>
        new(name, title, summary, Keep.Attention, traits | MethodTraits.JoinsLayers, input => new ExplainedView(Named(name), input)) { Explain = explain };
}

/// <summary>
/// Cell by cell the largest weight of a layer's heads: [layers][1][queries, keys]; of a set of heads the largest of any of them, whatever their layers.
/// Costs as much as all those heads.
/// </summary>
internal sealed class MaxView(AttentionView inner) : AttentionView
{
    public override AttentionKind Kind => inner.Kind;

    public override int Layers => inner.Layers;

    public override int Heads => 1;

    public override int Queries => inner.Queries;

    public override int Keys => inner.Keys;

    public override bool Causal => inner.Causal;

    public override AttentionView Join(HeadSelection selection) => selection.Set is { } set ? Largest(set.Of(inner.Layers, inner.Heads)) : base.Join(selection);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
        OfLayer(layer).Row(0, 0, query, row, cancellation);

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default) =>
        OfLayer(layer).Head(0, 0, weights, cancellation);

    private JoinedView OfLayer(int layer) => Largest([.. Enumerable.Range(0, inner.Heads).Select(head => (layer, head))]);

    private JoinedView Largest(IReadOnlyList<(int, int)> heads) => new(inner, heads, isMax: true);
}
