using AttentionLens.Tokenization.Text;

namespace AttentionLens.Tokenization.Normalizers;

/// <summary>Rewrites a text before it is split, keeping the way back to the original.</summary>
internal abstract class Normalizer
{
    public abstract AlignedText Normalize(AlignedText text);
}

/// <summary>Normalizers one after the other.</summary>
internal sealed class NormalizerSequence(Normalizer[] normalizers) : Normalizer
{
    public override AlignedText Normalize(AlignedText text)
    {
        foreach (var normalizer in normalizers)
            text = normalizer.Normalize(text);
        return text;
    }
}
