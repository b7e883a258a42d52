namespace AttentionLens.Tokenization.Decoders;

/// <summary>Turns the spellings of tokens back into text, piece by piece; the pieces are joined at the end.</summary>
internal abstract class Decoder
{
    public abstract List<string> Decode(List<string> tokens);
}
