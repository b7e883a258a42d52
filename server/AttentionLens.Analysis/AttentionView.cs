using System.Buffers;
using System.Numerics.Tensors;
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

    /// <summary>The weights of a selection as a view of one layer and one head: of several heads their mean.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer layers or heads.</exception>
    public virtual AttentionView Join(HeadSelection selection) => new JoinedView(this, Selected(selection), isMax: false);

    /// <summary>The matrices that a selection names. Where heads or layers have been joined, every one named means the joined one.</summary>
    protected IReadOnlyList<(int Layer, int Head)> Selected(HeadSelection selection)
    {
        if (selection.Set is { } set)
        {
            return JoinsLayers ? [(0, 0)] : Heads == 1 ? [.. set.LayersOf(Layers).Select(static layer => (layer, 0))] : set.Of(Layers, Heads);
        }

        var layers = Numbers(JoinsLayers ? 0 : selection.Layer, Layers, nameof(HeadSelection.Layer));
        var heads = Numbers(Heads == 1 ? 0 : selection.Head, Heads, nameof(HeadSelection.Head));
        return [.. layers.SelectMany(layer => heads.Select(head => (layer, head)))];
    }

    private static IEnumerable<int> Numbers(int? one, int count, string name) =>
        one is not { } index ? Enumerable.Range(0, count)
        : (uint)index < (uint)count ? [index]
        : throw new ArgumentOutOfRangeException(name, $"{name} {index} does not exist; the model has {count}, 0 to {count - 1}.");

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

/// <summary>Several matrices of a view as one: their mean, or cell by cell the largest weight, which finds the one head that looks there.</summary>
internal sealed class JoinedView(AttentionView inner, IReadOnlyList<(int Layer, int Head)> heads, bool isMax) : AttentionView
{
    public override AttentionKind Kind => inner.Kind;

    public override int Layers => 1;

    public override int Heads => 1;

    public override int Queries => inner.Queries;

    public override int Keys => inner.Keys;

    public override bool Causal => inner.Causal;

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
        Join(row[..Keys], (matrix, into) => inner.Row(matrix.Layer, matrix.Head, query, into, cancellation), cancellation);

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default) =>
        Join(weights[..(Queries * Keys)], (matrix, into) => inner.Head(matrix.Layer, matrix.Head, into, cancellation), cancellation);

    private delegate void Read((int Layer, int Head) matrix, Span<float> into);

    private void Join(Span<float> weights, Read read, CancellationToken cancellation)
    {
        read(heads[0], weights);
        if (heads.Count == 1)
        {
            return;
        }

        var rented = ArrayPool<float>.Shared.Rent(weights.Length);
        var part = rented.AsSpan(0, weights.Length);
        foreach (var matrix in heads.Skip(1))
        {
            cancellation.ThrowIfCancellationRequested();
            read(matrix, part);
            if (isMax)
            {
                TensorPrimitives.Max(weights, part, weights);
            }
            else
            {
                TensorPrimitives.Add(weights, part, weights);
            }
        }

        ArrayPool<float>.Shared.Return(rented);
        if (!isMax)
        {
            TensorPrimitives.Divide(weights, heads.Count, weights);
        }
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
