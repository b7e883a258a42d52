using System.Globalization;
using System.Text;
using AttentionLens.Corpora;
using AttentionLens.Corpora.Search;

namespace AttentionLens.Cli.Corpus;

/// <summary>From the shards of a run and the documents that it read to an index to search in.</summary>
internal sealed class IndexBuilder(RunFolder run, CorpusRun plan, float least)
{
    /// <returns>Texts in the index.</returns>
    public int Build(string path, IProgress<double> progress, CancellationToken cancellation)
    {
        using var writer = new SearchIndexWriter(path,
        [
            new("model", run.Index.Model), new("fingerprint", run.Index.Fingerprint), new("layers", Number(run.Index.Layers)), new("heads", Number(run.Index.Heads)),
            new("keep", string.Join(',', run.Index.Outputs.Keep)), new("least", least.ToString(CultureInfo.InvariantCulture)),
        ]);
        var prefix = run.Index.Prefixes[0];
        var (shard, blocks) = (-1, Array.Empty<(CorpusBlock Block, string Text)>());
        foreach (var text in run.Texts(0, progress, cancellation))
        {
            if (text.Shard != shard)
            {
                var range = plan.Plan.Shards[shard = text.Shard];
                blocks = [.. plan.Plan.Blocks[range[0]..range[1]].Select(block => (block, CorpusPlan.Read(block)))];
            }

            var item = text.Item;
            if (item.Error is not null)
            {
                continue;
            }

            var (block, source) = blocks.Last(b => b.Block.Document == item.Document && b.Block.FirstChar <= item.Start);
            var tokens = Tokens(item, source, block.FirstChar);
            var edges = text.Matrices(run.Index, prefix)
                .Select(head => (head.Layer, head.Head, Edges(head.Weights, head.Keys))).ToArray();
            writer.Add(item.Document, item.Start, tokens, edges, Predictions(text, tokens), text.Floats(prefix + "hidden")?.Values ?? []);
        }

        writer.Finish();
        return writer.Texts;
    }

    private SearchEdge[] Edges(float[] weights, int keys)
    {
        List<SearchEdge> edges = [];
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] >= least)
            {
                edges.Add(new SearchEdge(i / keys, i % keys, weights[i]));
            }
        }

        return [.. edges];
    }

    /// <summary>Tokens with the words of the document that they are pieces of. Pieces touch, and are letters or digits where they do.</summary>
    private static SearchToken[] Tokens(CorpusItem item, string source, long first)
    {
        var tokens = new SearchToken[item.Tokens.Length];
        var inner = false;
        for (var i = 0; i < tokens.Length;)
        {
            if (item.Ranges[2 * i] < 0)
            {
                tokens[i++] = new SearchToken("", -1, -1, true, false);
                continue;
            }

            var last = i;
            while (last + 1 < tokens.Length && item.Ranges[2 * (last + 1)] == item.Ranges[(2 * last) + 1] && Joins(source, item.Ranges[2 * (last + 1)] - first))
            {
                last++;
            }

            var word = Slice(source, item.Ranges[2 * i] - first, item.Ranges[(2 * last) + 1] - first);
            for (var t = i; t <= last; t++)
            {
                tokens[t] = new SearchToken(word, item.Ranges[2 * t], item.Ranges[(2 * t) + 1], t == i, inner);
            }

            inner = word.Any(char.IsLetterOrDigit) ? true : inner && word is not ("." or "!" or "?" or ":" or "\"" or "“" or "。" or "！" or "？");
            i = last + 1;
        }

        return tokens;
    }

    /// <summary>Chinese and Japanese are written without spaces: their tokens are as near to words as can be had here.</summary>
    private static bool Joins(string source, long at) =>
        at > 0 && at < source.Length && IsPart(source[(int)at - 1]) && IsPart(source[(int)at]);

    private static bool IsPart(char c) => (char.IsLetterOrDigit(c) && c is < '\u2E80' or > '\uD7FF' and < '\uF900') || c == '_' || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.NonSpacingMark;

    private static string Slice(string source, long start, long end) =>
        start >= 0 && end <= source.Length && start < end ? source[(int)start..(int)end].Normalize(NormalizationForm.FormC) : "";

    private static IEnumerable<SearchPrediction> Predictions(RunText text, SearchToken[] tokens)
    {
        if (text.Item.Predicted is not { } predicted || text.Integers("mask_positions") is not { } masks || text.Floats("predicted_probabilities") is not { } probabilities)
        {
            yield break;
        }

        for (var i = 0; i < masks.Length; i++)
        {
            yield return new SearchPrediction(tokens[masks[i]].Start, tokens[masks[i]].End, predicted[i][0], probabilities.Values[i * probabilities.Shape[1]]);
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
