using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>
/// The head whose picture says most about a text. A mean over heads is nearly flat, and the sharpest single heads often look at the token
/// beside them or at a special token, whatever the text says.
/// </summary>
public static class ClearestHead
{
    /// <summary>Rows looked at of each head, evenly spaced: more change the order of heads little and cost a long text seconds.</summary>
    private const int Rows = 64;

    /// <summary>
    /// Clarity of a head, 0..1: the share of its weight that is shown and does not merely go to the query's own position or a neighbour's,
    /// times the mutual information of query and shown key over log(shown keys). The latter is 0 when all queries look alike and 1 when each
    /// looks at one token of its own.
    /// </summary>
    /// <param name="view">The attention; rows sum to 1.</param>
    /// <param name="hiddenQueries">[Queries] True for special tokens, whose rows are no fact about the text.</param>
    /// <param name="hiddenKeys">[Keys] True for special tokens and the attention sink.</param>
    /// <param name="cancellation">Checked per head.</param>
    /// <returns>The clearest; of equal ones the first.</returns>
    public static HeadSelection Of(AttentionView view, ReadOnlySpan<bool> hiddenQueries, ReadOnlySpan<bool> hiddenKeys, CancellationToken cancellation = default)
    {
        var queries = Sample(hiddenQueries);
        var best = new HeadSelection(0, 0);
        var most = float.NegativeInfinity;
        for (var layer = 0; layer < view.Layers; layer++)
        {
            for (var head = 0; head < view.Heads; head++)
            {
                cancellation.ThrowIfCancellationRequested();
                var clarity = Clarity(view, layer, head, queries, hiddenKeys);
                if (clarity > most)
                {
                    (best, most) = (new HeadSelection(layer, head), clarity);
                }
            }
        }

        return best;
    }

    /// <summary>The clarity of one head on some of its queries.</summary>
    internal static float Clarity(AttentionView view, int layer, int head, ReadOnlySpan<int> queries, ReadOnlySpan<bool> hiddenKeys)
    {
        var row = new float[view.Keys];
        var received = new double[view.Keys];
        // In cross-attention the same number on the other side is no neighbour.
        var hasNeighbours = view.Kind != AttentionKind.Cross;
        double told = 0, entropy = 0;
        var rows = 0;
        foreach (var query in queries)
        {
            view.Row(layer, head, query, row);
            double shown = 0, near = 0;
            for (var key = 0; key < row.Length; key++)
            {
                row[key] = hiddenKeys[key] ? 0 : row[key];
                shown += row[key];
                near += hasNeighbours && Math.Abs(key - query) <= 1 ? row[key] : 0;
            }

            told += shown - near;
            if (shown <= 0)
            {
                continue;
            }

            rows++;
            for (var key = 0; key < row.Length; key++)
            {
                var share = row[key] / shown;
                received[key] += share;
                entropy -= share > 0 ? share * Math.Log(share) : 0;
            }
        }

        var visible = hiddenKeys.Count(false);
        if (rows == 0 || visible < 2)
        {
            return 0;
        }

        var spread = 0.0;
        foreach (var sum in received)
        {
            spread -= sum > 0 ? sum / rows * Math.Log(sum / rows) : 0;
        }

        return (float)(told / queries.Length * (spread - (entropy / rows)) / Math.Log(visible));
    }

    private static int[] Sample(ReadOnlySpan<bool> hidden)
    {
        var shown = new List<int>();
        for (var i = 0; i < hidden.Length; i++)
        {
            if (!hidden[i])
            {
                shown.Add(i);
            }
        }

        var count = Math.Min(Rows, shown.Count);
        return [.. Enumerable.Range(0, count).Select(i => shown[(int)((long)i * shown.Count / count)])];
    }
}
