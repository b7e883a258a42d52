using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// What a value vector becomes after the output projection is O v, for the head's columns O [hidden, head size]. Its length (Kobayashi et al. 2020,
/// "Attention is not only a weight") is sqrt(v' G v) with G = O' O [head size, head size]: computed by the first pass that keeps values, it spares
/// multiplying every value with O, and a trace can answer after its model is gone.
/// </summary>
internal sealed class OutputGram(Linear output)
{
    private readonly Lock computing = new();
    private volatile float[]? heads;

    /// <summary>|O v| for the value vectors of one head, after <see cref="Prepare"/>.</summary>
    /// <param name="values">From the first value on.</param>
    /// <param name="stride">Floats from one value to the next.</param>
    public void Norms(int head, int headSize, ReadOnlySpan<float> values, int stride, Span<float> norms)
    {
        ReadOnlySpan<float> gram = heads.AsSpan(head * headSize * headSize, headSize * headSize);
        for (int key = 0; key < norms.Length; key++)
        {
            ReadOnlySpan<float> value = values.Slice(key * stride, headSize);
            float square = 0;
            for (int i = 0; i < headSize; i++)
            {
                square += value[i] * Vectors.Dot(value, gram.Slice(i * headSize, headSize));
            }

            norms[key] = MathF.Sqrt(Math.Max(0, square)); // rounding may leave a tiny negative
        }
    }

    /// <summary>Computes G of every head, once.</summary>
    public void Prepare(int headSize, WorkerPool pool)
    {
        if (heads is not null)
        {
            return;
        }

        lock (computing)
        {
            heads ??= Compute(headSize, pool);
        }
    }

    private float[] Compute(int headSize, WorkerPool pool)
    {
        int count = output.Inputs / headSize;
        float[] result = new float[count * headSize * headSize];
        float[] row = new float[output.Inputs];
        float[] transposed = new float[output.Inputs * output.Outputs];
        for (int o = 0; o < output.Outputs; o++)
        {
            output.Weight.CopyRow(o, row);
            for (int i = 0; i < row.Length; i++)
            {
                transposed[(i * output.Outputs) + o] = row[i];
            }
        }

        for (int head = 0; head < count; head++)
        {
            ReadOnlySpan<float> columns = transposed.AsSpan(head * headSize * output.Outputs, headSize * output.Outputs);
            using PackedMatrix packed = PackedMatrix.Pack(columns, headSize, output.Outputs);
            MatMul.Multiply(columns, headSize, output.Outputs, packed, [], Activation.None, [], 0, result.AsSpan(head * headSize * headSize), headSize, pool);
        }

        return result;
    }
}
