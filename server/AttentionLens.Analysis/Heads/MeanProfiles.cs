using AttentionLens.Models;

namespace AttentionLens.Analysis.Heads;

/// <summary>Profiles of heads over many texts: the mean over all queries, so that a long text counts for more than a short one.</summary>
public sealed class MeanProfiles
{
    private double[][][]? _sums;
    private long _queries;

    public int Texts { get; private set; }

    /// <summary>Adds one text.</summary>
    /// <exception cref="ArgumentException">Another model's stack.</exception>
    public void Add(AttentionStack stack)
    {
        _sums ??= [.. Enumerable.Range(0, stack.Layers).Select(_ => Enumerable.Range(0, stack.Heads).Select(_ => new double[9]).ToArray())];
        if (_sums.Length != stack.Layers || _sums[0].Length != stack.Heads)
        {
            throw new ArgumentException("Texts of one model are needed.", nameof(stack));
        }

        Texts++;
        _queries += stack.Queries;
        for (var layer = 0; layer < stack.Layers; layer++)
        {
            for (var head = 0; head < stack.Heads; head++)
            {
                var p = stack.Profile(layer, head);
                float[] values = [p.Entropy, p.NormalizedEntropy, p.Max, p.MeanDistance, p.First, p.Separators, p.Previous, p.Next, p.Same];
                for (var i = 0; i < values.Length; i++)
                {
                    _sums[layer][head][i] += (double)values[i] * stack.Queries;
                }
            }
        }
    }

    /// <summary>[layers][heads]; empty before the first text.</summary>
    public HeadProfile[][] Profiles()
    {
        return [.. (_sums ?? []).Select(heads => heads.Select(s => new HeadProfile(
            Mean(s[0]), Mean(s[1]), Mean(s[2]), Mean(s[3]), Mean(s[4]), Mean(s[5]), Mean(s[6]), Mean(s[7]), Mean(s[8]))).ToArray())];

        float Mean(double sum) => (float)(sum / _queries);
    }
}
