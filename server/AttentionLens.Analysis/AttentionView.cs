using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>
/// What a method makes of one attention stack: for every layer and head a matrix [Queries, Keys] of weights that are not
/// negative. Methods that join heads have <see cref="Heads"/> 1; those that join layers still have one matrix per layer,
/// each about the layers up to it.
/// </summary>
public abstract class AttentionView
{
    public abstract AttentionKind Kind { get; }

    public abstract int Layers { get; }

    public abstract int Heads { get; }

    public abstract int Queries { get; }

    public abstract int Keys { get; }

    /// <summary>No query sees a key after it.</summary>
    public abstract bool Causal { get; }

    /// <summary>The view is about the whole model: there is one layer and one head, whichever are asked for.</summary>
    public virtual bool JoinsLayers => false;

    /// <summary>Bytes the view holds beyond the trace it was made from.</summary>
    public virtual long Bytes => 0;

    /// <summary>The weights of one query over all keys into row[Keys].</summary>
    public abstract void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default);

    /// <summary>The whole matrix of a head into weights[Queries * Keys], row-major.</summary>
    public virtual void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default)
    {
        for (var query = 0; query < Queries; query++)
        {
            cancellation.ThrowIfCancellationRequested();
            Row(layer, head, query, weights.Slice(query * Keys, Keys), cancellation);
        }
    }

    /// <summary>The softmax weights themselves.</summary>
    public static AttentionView Raw(AttentionStack stack) => new RawView(stack);

    private sealed class RawView(AttentionStack stack) : AttentionView
    {
        public override AttentionKind Kind => stack.Kind;

        public override int Layers => stack.Layers;

        public override int Heads => stack.Heads;

        public override int Queries => stack.Queries;

        public override int Keys => stack.Keys;

        public override bool Causal => stack.Causal;

        public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
            stack.Row(layer, head, query, row);

        public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default) =>
            stack.Head(layer, head, weights);
    }
}

/// <summary>A view that holds its matrices: matrices[layer * heads + head] is [queries, keys], row-major.</summary>
public sealed class DenseView : AttentionView
{
    private readonly float[][] _matrices;

    public DenseView(AttentionKind kind, int layers, int heads, int queries, int keys, bool causal, float[][] matrices)
    {
        if (matrices.Length != layers * heads || matrices.Any(m => m.Length != queries * keys))
        {
            throw new ArgumentException($"Expected {layers * heads} matrices of {queries} x {keys}.", nameof(matrices));
        }

        (Kind, Layers, Heads, Queries, Keys, Causal, _matrices) = (kind, layers, heads, queries, keys, causal, matrices);
    }

    public override AttentionKind Kind { get; }

    public override int Layers { get; }

    public override int Heads { get; }

    public override int Queries { get; }

    public override int Keys { get; }

    public override bool Causal { get; }

    public override long Bytes => (long)_matrices.Length * Queries * Keys * sizeof(float);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
        _matrices[(layer * Heads) + head].AsSpan(query * Keys, Keys).CopyTo(row);

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default) =>
        _matrices[(layer * Heads) + head].CopyTo(weights);
}
