using AttentionLens.Kernels;

namespace AttentionLens.Analysis;

/// <summary>
/// Attention rollout (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3).
/// With A_l the mean over heads of layer l and A'_l = (A_l + I) / 2 for the residual connection,
/// <c>rollout_l = A'_l · A'_(l-1) · ... · A'_0</c>: row i says how much of each input token is in position i after layer l, if every
/// layer only mixed. Shape: one [n, n] matrix per layer, rows sum to 1. Cost: layers · n³ multiplications, layers · n² floats.
/// </summary>
public static class Rollout
{
    /// <summary>The matrices of all layers of a self-attention view.</summary>
    /// <exception cref="MethodException">Not self-attention.</exception>
    public static DenseView Of(AttentionView view, CancellationToken cancellation = default)
    {
        var n = view.Queries;
        var matrices = new float[view.Layers][];
        for (var layer = 0; layer < view.Layers; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            var mixed = new float[n * n];
            WithResidual(view, layer, mixed, cancellation);
            if (layer == 0)
            {
                matrices[0] = mixed;
                continue;
            }

            matrices[layer] = Product(mixed, matrices[layer - 1], n);
        }

        return new DenseView(view.Kind, view.Layers, 1, n, n, view.Causal, matrices);
    }

    /// <summary>left · right, both [n, n].</summary>
    internal static float[] Product(float[] left, float[] right, int n)
    {
        var product = new float[n * n];
        using var packed = PackedMatrix.Pack(right, n, n, transposed: true);
        MatMul.Multiply(left, n, n, packed, [], Activation.None, [], 0, product, n, WorkerPool.Shared);
        return product;
    }

    /// <summary>(A + I) / 2 of one layer. A row without weights (padding) only keeps itself.</summary>
    internal static void WithResidual(AttentionView view, int layer, Span<float> matrix, CancellationToken cancellation)
    {
        if (view.Queries != view.Keys)
        {
            throw new MethodException("Rollout and flow follow one text through its layers; they are not defined for cross-attention.");
        }

        Weights.Matrix(view, new HeadSelection(layer, null), matrix, cancellation);
        var n = view.Queries;
        for (var i = 0; i < n; i++)
        {
            var row = matrix.Slice(i * n, n);
            var sum = 0f;
            foreach (ref var weight in row)
            {
                sum += weight;
                weight /= 2;
            }

            row[i] += sum > 0 ? 0.5f : 1;
        }
    }
}
