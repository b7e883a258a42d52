namespace AttentionLens.Tokenization.Decoders;

/// <summary>Joins all pieces into one, so that what follows sees the whole text.</summary>
internal sealed class FuseDecoder : Decoder
{
    public override List<string> Decode(List<string> tokens) => [string.Concat(tokens)];
}
