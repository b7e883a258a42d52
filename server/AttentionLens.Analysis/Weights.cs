using System.Numerics.Tensors;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>Which weights are meant; null is the mean over all layers or all heads.</summary>
public readonly record struct HeadSelection(int? Layer, int? Head)
{
    public override string ToString() => (Layer, Head) switch
    {
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
        row.Clear();
        var part = new float[view.Keys];
        var heads = Heads(view, selection);
        foreach (var (layer, head) in heads)
        {
            foreach (var query in queries)
            {
                view.Row(layer, head, query, part, cancellation);
                TensorPrimitives.Add(row, part, row);
            }
        }

        if (heads.Count * queries.Length > 1)
        {
            TensorPrimitives.Divide(row, heads.Count * queries.Length, row);
        }
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
        var heads = Heads(view, selection);
        foreach (var (layer, head) in heads)
        {
            cancellation.ThrowIfCancellationRequested();
            view.Head(layer, head, matrix, cancellation);
            for (var query = 0; query < view.Queries; query++)
            {
                TensorPrimitives.Add(received, matrix.AsSpan(query * view.Keys, view.Keys), received);
            }
        }

        for (var key = 0; key < received.Length; key++)
        {
            var seen = view.Causal ? Math.Max(1, view.Queries - key) : view.Queries;
            received[key] /= heads.Count * seen;
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
        column.Clear();
        var row = new float[view.Keys];
        var heads = Heads(view, selection);
        foreach (var (layer, head) in heads)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var query = 0; query < view.Queries; query++)
            {
                view.Row(layer, head, query, row, cancellation);
                column[query] += row[key];
            }
        }

        TensorPrimitives.Divide(column, heads.Count, column);
    }

    /// <inheritdoc cref="Column(AttentionView, HeadSelection, int, Span{float}, CancellationToken)"/>
    public static void Column(AttentionStack stack, HeadSelection selection, int key, Span<float> column, CancellationToken cancellation = default) =>
        Column(AttentionView.Raw(stack), selection, key, column, cancellation);

    /// <summary>The matrix [Queries, Keys] of a selection into matrix, row-major.</summary>
    public static void Matrix(AttentionView view, HeadSelection selection, Span<float> matrix, CancellationToken cancellation = default)
    {
        matrix = matrix[..(view.Queries * view.Keys)];
        var heads = Heads(view, selection);
        view.Head(heads[0].Layer, heads[0].Head, matrix, cancellation);
        if (heads.Count == 1)
        {
            return;
        }

        var part = new float[matrix.Length];
        foreach (var (layer, head) in heads.Skip(1))
        {
            cancellation.ThrowIfCancellationRequested();
            view.Head(layer, head, part, cancellation);
            TensorPrimitives.Add(matrix, part, matrix);
        }

        TensorPrimitives.Divide(matrix, heads.Count, matrix);
    }

    /// <summary>The largest weight of any head at each cell of one row, into row[Keys]: finds the one head that looks there.</summary>
    public static void MaxRow(AttentionView view, HeadSelection selection, int query, Span<float> row)
    {
        row = row[..view.Keys];
        row.Clear();
        var part = new float[view.Keys];
        foreach (var (layer, head) in Heads(view, selection))
        {
            view.Row(layer, head, query, part);
            TensorPrimitives.Max(row, part, row);
        }
    }

    private static List<(int Layer, int Head)> Heads(AttentionView view, HeadSelection selection)
    {
        // A method that joins heads has one: every head of the model then means that one.
        var head = view.Heads == 1 && selection.Head is not null ? 0 : selection.Head;
        var layer = view.JoinsLayers ? 0 : selection.Layer;
        Check(layer, view.Layers, nameof(HeadSelection.Layer));
        Check(head, view.Heads, nameof(HeadSelection.Head));
        var heads = new List<(int, int)>();
        for (var l = layer ?? 0; l <= (layer ?? view.Layers - 1); l++)
        {
            for (var h = head ?? 0; h <= (head ?? view.Heads - 1); h++)
            {
                heads.Add((l, h));
            }
        }

        return heads;
    }

    private static void Check(int? index, int count, string name)
    {
        if (index is { } i && (uint)i >= (uint)count)
        {
            throw new ArgumentOutOfRangeException(name, $"{name} {i} does not exist; the model has {count}, 0 to {count - 1}.");
        }
    }
}
