using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>A way to make weights from a trace.</summary>
/// <param name="Name">The name in settings and on the command line.</param>
/// <param name="Title">What people read.</param>
/// <param name="Summary">One sentence: what the weights mean.</param>
/// <param name="Needs">What the forward pass must keep.</param>
/// <param name="SelfAttentionOnly">Not defined for cross-attention, whose two sides are different texts.</param>
/// <param name="Accumulates">A layer's weights are about all layers up to it: the last layer is the whole answer, a mean over layers says little.</param>
/// <param name="Apply">The weights of one stack of a trace that the model made. Throws <see cref="MethodException"/>.</param>
public sealed record Method(
    string Name,
    string Title,
    string Summary,
    Keep Needs,
    bool SelfAttentionOnly,
    bool Accumulates,
    Func<Model, AttentionTrace, AttentionStack, CancellationToken, AttentionView> Apply)
{
    /// <summary>Whether the method says anything about a stack.</summary>
    public bool AppliesTo(AttentionKind kind) => !SelfAttentionOnly || kind != AttentionKind.Cross;
}

/// <summary>A method cannot answer for this input: one sentence for the user.</summary>
public sealed class MethodException(string message) : Exception(message);

/// <summary>All methods, in the order in which they are offered.</summary>
public static class Methods
{
    public static Method Raw { get; } = new(
        "raw", "Raw attention", "The softmax weights of the model itself.",
        Keep.Attention, false, false, static (_, _, stack, _) => AttentionView.Raw(stack));

    public static Method Max { get; } = new(
        "max", "Strongest head", "The largest weight that any head of the layer gives; rows do not sum to 1.",
        Keep.Attention, false, false, static (_, _, stack, _) => new MaxView(AttentionView.Raw(stack)));

    public static Method Rollout { get; } = new(
        "rollout", "Attention rollout", "How much of each input token is mixed into a position, following attention and residual connections through all layers.",
        Keep.Attention, true, true, static (_, _, stack, cancellation) => Analysis.Rollout.Of(AttentionView.Raw(stack), cancellation));

    public static Method Flow { get; } = new(
        "flow", "Attention flow", "How much can flow from each input token to a position when attention weights are the widths of the pipes.",
        Keep.Attention, true, true, static (_, _, stack, cancellation) => new FlowView(AttentionView.Raw(stack), cancellation));

    public static Method ValueNorm { get; } = new(
        "value-norm", "Value-norm weighted", "Attention weighted by the length of the vector that is read: a strong weight on an empty vector counts little.",
        Keep.Values, false, false, static (model, _, stack, cancellation) => new ValueNormView(model, stack, cancellation));

    public static Method Effective { get; } = new(
        "effective", "Effective attention", "The part of attention that can change the output; what the values cancel out is taken away. Weights may be negative.",
        Keep.Values, false, false, static (model, _, stack, _) => new EffectiveView(model, stack));

    public static IReadOnlyList<Method> All { get; } = [Raw, Max, Rollout, Flow, ValueNorm, Effective];

    /// <exception cref="MethodException">No method of that name; the message lists them.</exception>
    public static Method Named(string name) => All.FirstOrDefault(m => m.Name == name)
        ?? throw new MethodException($"There is no method '{name}'; there are {string.Join(", ", All.Select(m => m.Name))}.");
}

/// <summary>Cell by cell the largest weight of a layer's heads: [layers][1][queries, keys]. Costs as much as all heads of the layer.</summary>
internal sealed class MaxView(AttentionView inner) : AttentionView
{
    public override AttentionKind Kind => inner.Kind;

    public override int Layers => inner.Layers;

    public override int Heads => 1;

    public override int Queries => inner.Queries;

    public override int Keys => inner.Keys;

    public override bool Causal => inner.Causal;

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
        Weights.MaxRow(inner, new HeadSelection(layer, null), query, row);
}
