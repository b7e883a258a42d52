using AttentionLens.Tokenization;

namespace AttentionLens.Analysis;

/// <summary>A run of tokens [First, Last] that is one word; Start and End are offsets of its sequence's text.</summary>
public readonly record struct Word(int First, int Last, int Start, int End, int Sequence, bool Special);

/// <summary>
/// Sub-word pieces merged into words after Clark et al. 2019 (section 4.1): attention to a word is the sum over its
/// pieces, attention from a word the mean, so that a row still sums to 1.
/// </summary>
public static class Words
{
    /// <summary>The words of a token list in order; every special token is one of its own.</summary>
    public static Word[] Of(IReadOnlyList<Token> tokens)
    {
        var words = new List<Word>();
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            if (words.Count > 0 && !token.Special && words[^1] is { Special: false } last && last.Sequence == token.Sequence
                && tokens[i - 1].Word == token.Word)
            {
                words[^1] = last with { Last = i, End = Math.Max(last.End, token.End) };
            }
            else
            {
                words.Add(new Word(i, i, token.Start, token.End, token.Sequence, token.Special));
            }
        }

        return [.. words];
    }

    /// <summary>weights[tokens] into merged[words]: sums, for what is attended to.</summary>
    public static void Sum(ReadOnlySpan<float> weights, ReadOnlySpan<Word> words, Span<float> merged) => Merge(weights, words, merged, mean: false);

    /// <summary>weights[tokens] into merged[words]: means, for what attends.</summary>
    public static void Mean(ReadOnlySpan<float> weights, ReadOnlySpan<Word> words, Span<float> merged) => Merge(weights, words, merged, mean: true);

    /// <summary>A matrix [queries, keys] into merged [queryWords, keyWords]: mean over query pieces, sum over key pieces.</summary>
    public static void Merge(ReadOnlySpan<float> matrix, ReadOnlySpan<Word> queryWords, ReadOnlySpan<Word> keyWords, Span<float> merged)
    {
        var keys = keyWords.IsEmpty ? 0 : keyWords[^1].Last + 1;
        var row = new float[keyWords.Length];
        merged[..(queryWords.Length * keyWords.Length)].Clear();
        for (var w = 0; w < queryWords.Length; w++)
        {
            var target = merged.Slice(w * keyWords.Length, keyWords.Length);
            var count = queryWords[w].Last - queryWords[w].First + 1;
            for (var query = queryWords[w].First; query <= queryWords[w].Last; query++)
            {
                Sum(matrix.Slice(query * keys, keys), keyWords, row);
                for (var k = 0; k < row.Length; k++)
                {
                    target[k] += row[k] / count;
                }
            }
        }
    }

    private static void Merge(ReadOnlySpan<float> weights, ReadOnlySpan<Word> words, Span<float> merged, bool mean)
    {
        for (var w = 0; w < words.Length; w++)
        {
            var sum = 0f;
            for (var i = words[w].First; i <= words[w].Last; i++)
            {
                sum += weights[i];
            }

            merged[w] = mean ? sum / (words[w].Last - words[w].First + 1) : sum;
        }
    }
}
