using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>Attention made by hand.</summary>
internal static class Views
{
    /// <summary>Random rows that sum to 1; under a causal mask exactly 0 after the diagonal.</summary>
    public static DenseView Random(int layers, int heads, int queries, int keys, bool causal = false, int seed = 1)
    {
        var random = new Random(seed);
        var matrices = new float[layers * heads][];
        for (var m = 0; m < matrices.Length; m++)
        {
            matrices[m] = new float[queries * keys];
            for (var q = 0; q < queries; q++)
            {
                var seen = causal ? Math.Min(keys, q + 1) : keys;
                var row = Enumerable.Range(0, seen).Select(_ => Math.Exp(2 * random.NextDouble())).ToArray();
                for (var k = 0; k < seen; k++)
                {
                    matrices[m][(q * keys) + k] = (float)(row[k] / row.Sum());
                }
            }
        }

        return new DenseView(causal ? AttentionKind.Decoder : AttentionKind.Encoder, layers, heads, queries, keys, causal, matrices);
    }

    public static float At(this AttentionView view, int layer, int head, int query, int key)
    {
        var row = new float[view.Keys];
        view.Row(layer, head, query, row);
        return row[key];
    }
}
