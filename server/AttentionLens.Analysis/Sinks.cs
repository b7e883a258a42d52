using System.Globalization;
using AttentionLens.Tokenization;

namespace AttentionLens.Analysis;

/// <summary>What happens to weights on special tokens ([CLS], &lt;s&gt;, ...) and on the attention sink.</summary>
public enum SinkHandling
{
    /// <summary>Left as they are.</summary>
    Show,

    /// <summary>Set to 0; the rest keeps its values and sums to less than 1.</summary>
    Hide,

    /// <summary>Set to 0, and the rest scaled to the same sum.</summary>
    Renormalize,
}

/// <summary>What was done to special tokens and how large a share of the weight they had, in 0..1.</summary>
public readonly record struct SinkResult(SinkHandling Handling, float Share)
{
    /// <summary>One clause for the user, always to be shown with the weights.</summary>
    public override string ToString()
    {
        var share = string.Create(CultureInfo.InvariantCulture, $"{MathF.Round(Share * 100)}% of the weight");
        return Handling switch
        {
            SinkHandling.Show => $"special tokens shown ({share})",
            SinkHandling.Hide => $"special tokens hidden ({share})",
            _ => $"special tokens hidden ({share}), the rest renormalized",
        };
    }
}

/// <summary>
/// Special tokens and the attention sink. Trained models park attention they have no use for on [CLS], [SEP] (Clark et al.
/// 2019) or, in decoders, on the first token whatever it is (Xiao et al. 2023); unless this is said, it drowns the rest.
/// </summary>
public static class Sinks
{
    /// <summary>True for each token that is special; in a causal stack also for the first token.</summary>
    public static bool[] Of(IReadOnlyList<Token> tokens, bool causal)
    {
        var sinks = new bool[tokens.Count];
        for (var i = 0; i < sinks.Length; i++)
        {
            sinks[i] = tokens[i].Special || (causal && i == 0);
        }

        return sinks;
    }

    /// <summary>Applies one handling to weights[tokens] in place (shares are those of absolute values, where a method gives signs); with nothing but special tokens they are left as they are.</summary>
    public static SinkResult Apply(Span<float> weights, ReadOnlySpan<bool> sinks, SinkHandling handling)
    {
        double all = 0, hidden = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            all += Math.Abs(weights[i]);
            hidden += sinks[i] ? Math.Abs(weights[i]) : 0;
        }

        var share = all > 0 ? (float)(hidden / all) : 0;
        if (handling == SinkHandling.Show || sinks[..weights.Length].IndexOf(false) < 0)
        {
            return new SinkResult(SinkHandling.Show, share);
        }

        // A remainder of rounding noise would be blown up into a picture of nothing.
        var scale = handling == SinkHandling.Renormalize && all - hidden > 1e-6 * all ? (float)(all / (all - hidden)) : 1;
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = sinks[i] ? 0 : weights[i] * scale;
        }

        return new SinkResult(handling, share);
    }
}
