using System.Numerics.Tensors;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>Which weights are meant; null is the mean over all layers or all heads.</summary>
/// <param name="Set">Some heads of any layers; goes before layer and head. Their mean, or what the method says of several heads.</param>
public readonly record struct HeadSelection(int? Layer, int? Head, HeadSet? Set = null)
{
    /// <summary>One matrix of the model, not several as one.</summary>
    public bool IsOne => this is { Layer: not null, Head: not null, Set: null };

    public override string ToString() => (Layer, Head) switch
    {
        _ when Set is not null => $"heads {Set}",
        (null, null) => "mean of all layers and heads",
        (null, { } head) => $"mean of all layers · head {head}",
        ({ } layer, null) => $"layer {layer} · mean of all heads",
        ({ } layer, { } head) => $"layer {layer} · head {head}",
    };
}

/// <summary>
/// The questions that are asked of attention weights. A mean over L layers and H heads costs L·H times one head; a row
/// costs O(keys · head size), everything that needs columns O(queries · keys · head size).
/// </summary>
public static class Weights
{
    /// <summary>What one query attends to, into row[Keys]; sums to 1 for raw attention.</summary>
    public static void Row(AttentionView view, HeadSelection selection, int query, Span<float> row, CancellationToken cancellation = default) =>
        Row(view, selection, [query], row, cancellation);

    /// <inheritdoc cref="Row(AttentionView, HeadSelection, int, Span{float}, CancellationToken)"/>
    public static void Row(AttentionStack stack, HeadSelection selection, int query, Span<float> row) =>
        Row(AttentionView.Raw(stack), selection, [query], row);

    /// <summary>What several queries attend to together, into row[Keys]: the sum of their rows over their number.</summary>
    public static void Row(AttentionView view, HeadSelection selection, ReadOnlySpan<int> queries, Span<float> row, CancellationToken cancellation = default)
    {
        row = row[..view.Keys];
        var joined = view.Join(selection);
        joined.Row(0, 0, queries[0], row, cancellation);
        if (queries.Length == 1)
        {
            return;
        }

        var part = new float[view.Keys];
        foreach (var query in queries[1..])
        {
            joined.Row(0, 0, query, part, cancellation);
            TensorPrimitives.Add(row, part, row);
        }

        TensorPrimitives.Divide(row, queries.Length, row);
    }

    /// <summary>Attention received, into received[Keys]: the mean of every column over the queries that can see it.</summary>
    /// <remarks>
    /// Under a causal mask key j is seen by queries j, j + 1, ...; dividing by all queries would make every text fade
    /// towards its end, whatever the model does.
    /// </remarks>
    public static void Received(AttentionView view, HeadSelection selection, Span<float> received, CancellationToken cancellation = default)
    {
        received = received[..view.Keys];
        received.Clear();
        var matrix = new float[view.Queries * view.Keys];
        Matrix(view, selection, matrix, cancellation);
        for (var query = 0; query < view.Queries; query++)
        {
            TensorPrimitives.Add(received, matrix.AsSpan(query * view.Keys, view.Keys), received);
        }

        for (var key = 0; key < received.Length; key++)
        {
            received[key] /= view.Causal ? Math.Max(1, view.Queries - key) : view.Queries;
        }
    }

    /// <inheritdoc cref="Received(AttentionView, HeadSelection, Span{float}, CancellationToken)"/>
    public static void Received(AttentionStack stack, HeadSelection selection, Span<float> received, CancellationToken cancellation = default) =>
        Received(AttentionView.Raw(stack), selection, received, cancellation);

    /// <summary>What attends to one key, into column[Queries].</summary>
    public static void Column(AttentionView view, HeadSelection selection, int key, Span<float> column, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(key, view.Keys);
        column = column[..view.Queries];
        var row = new float[view.Keys];
        var joined = view.Join(selection);
        for (var query = 0; query < view.Queries; query++)
        {
            cancellation.ThrowIfCancellationRequested();
            joined.Row(0, 0, query, row, cancellation);
            column[query] = row[key];
        }
    }

    /// <inheritdoc cref="Column(AttentionView, HeadSelection, int, Span{float}, CancellationToken)"/>
    public static void Column(AttentionStack stack, HeadSelection selection, int key, Span<float> column, CancellationToken cancellation = default) =>
        Column(AttentionView.Raw(stack), selection, key, column, cancellation);

    /// <summary>The matrix [Queries, Keys] of a selection into matrix, row-major.</summary>
    public static void Matrix(AttentionView view, HeadSelection selection, Span<float> matrix, CancellationToken cancellation = default)
    {
        matrix = matrix[..(view.Queries * view.Keys)];
        view.Join(selection).Head(0, 0, matrix, cancellation);
    }
}
