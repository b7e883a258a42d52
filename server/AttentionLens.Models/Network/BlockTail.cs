using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>What a block does after its self-attention has mixed the values: projection, residual, norms, feed-forward. Row by row.</summary>
internal static class BlockTail
{
    /// <param name="stack">The stack.</param>
    /// <param name="block">One without cross-attention.</param>
    /// <param name="x">The block's input [rows, hidden].</param>
    /// <param name="context">Mixed values [rows, heads * head size].</param>
    /// <param name="pool">Threads.</param>
    /// <returns>The block's output [rows, hidden].</returns>
    public static float[] Run(StackDescription stack, Block block, ReadOnlySpan<float> x, ReadOnlySpan<float> context, WorkerPool pool)
    {
        int rows = x.Length / stack.Hidden;
        float[] state = new float[x.Length], normed = new float[x.Length];
        Add(block.Self.Output, context, rows, x, state, pool);
        if (stack.Norms == NormPlace.After)
        {
            StackRunner.Apply(block.SelfNorm, state, rows, state, pool);
        }

        ReadOnlySpan<float> input = state;
        if (stack.Norms != NormPlace.After)
        {
            StackRunner.Apply(block.FeedForwardNorm, stack.Norms == NormPlace.Parallel ? x : state, rows, normed, pool);
            input = normed;
        }

        FeedForward map = block.FeedForward;
        float[] inner = new float[rows * map.Up.Outputs];
        if (map.Gate is { } gateMap)
        {
            float[] gate = new float[inner.Length];
            StackRunner.Apply(gateMap, input, rows, Activation.None, gate, pool);
            StackRunner.Apply(map.Up, input, rows, Activation.None, inner, pool);
            Activations.ApplyGated(map.Activation, gate, inner, inner);
        }
        else
        {
            StackRunner.Apply(map.Up, input, rows, map.Activation, inner, pool);
        }

        float[] output = new float[x.Length];
        Add(map.Down, inner, rows, state, output, pool);
        if (stack.Norms == NormPlace.After)
        {
            StackRunner.Apply(block.FeedForwardNorm, output, rows, output, pool);
        }

        return output;
    }

    private static void Add(Linear map, ReadOnlySpan<float> x, int rows, ReadOnlySpan<float> residual, Span<float> result, WorkerPool pool) =>
        MatMul.Multiply(x, rows, map.Inputs, map.Weight, map.Bias, Activation.None, residual, map.Outputs, result, map.Outputs, pool);
}
