using AttentionLens.Models;

namespace AttentionLens.Analysis.Heads;

/// <summary>Which heads look where another one looks, on one text.</summary>
public static class HeadSimilarity
{
    /// <summary>
    /// For every head of a stack [layers][heads] the share of its weight that lies on the same cells as the given head's: mean over queries of the sum of
    /// the smaller weight; 1 = the same matrix. Cost: all heads of the stack, one matrix of memory each for two.
    /// </summary>
    public static float[][] To(AttentionStack stack, int layer, int head, CancellationToken cancellation = default)
    {
        float[] wanted = new float[stack.Queries * stack.Keys], other = new float[wanted.Length];
        stack.Head(layer, head, wanted);
        var similar = new float[stack.Layers][];
        for (var l = 0; l < similar.Length; l++)
        {
            similar[l] = new float[stack.Heads];
            for (var h = 0; h < similar[l].Length; h++)
            {
                cancellation.ThrowIfCancellationRequested();
                stack.Head(l, h, other);
                similar[l][h] = (float)(HeadProbe.Overlap(wanted, other) / stack.Queries);
            }
        }

        return similar;
    }
}
