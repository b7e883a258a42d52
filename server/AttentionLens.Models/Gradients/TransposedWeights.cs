using System.Collections.Concurrent;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// The linear maps of a model packed the other way round, for products with gradients; made when first used and kept as long as the model,
/// because integrated gradients go down fifty times. Doubles the memory of the weights that it has met.
/// </summary>
internal sealed class TransposedWeights : IDisposable
{
    private readonly ConcurrentDictionary<PackedMatrix, Lazy<PackedMatrix>> packed = new();

    /// <summary>result [rows, inputs] += gradient [rows, outputs] W.</summary>
    public void AddProduct(Linear map, ReadOnlySpan<float> gradient, Span<float> result, WorkerPool pool)
    {
        PackedMatrix weight = packed.GetOrAdd(map.Weight, static w => new Lazy<PackedMatrix>(w.Transpose)).Value;
        MatMul.Multiply(gradient, gradient.Length / map.Outputs, map.Outputs, weight, [], Activation.None, result, map.Inputs, result, map.Inputs, pool);
    }

    public void Dispose()
    {
        foreach (Lazy<PackedMatrix> weight in packed.Values)
        {
            if (weight.IsValueCreated)
            {
                weight.Value.Dispose();
            }
        }

        packed.Clear();
    }
}
