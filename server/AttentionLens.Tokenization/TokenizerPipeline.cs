using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization;

/// <summary>The parts of a tokenizer in the order in which a text passes through them, and back.</summary>
internal sealed record TokenizerPipeline(
    AddedTokens AddedTokens, PreTokenizer? PreTokenizer, SubwordModel Model, PostProcessor? PostProcessor, Decoder? Decoder)
{
    public static TokenizerPipeline Create(
        IReadOnlyList<AddedToken> added, Normalizer? normalizer, PreTokenizer? preTokenizer, SubwordModel model,
        PostProcessor? postProcessor, Decoder? decoder)
    {
        // A byte-level step right before the model need not write the bytes out: the model can read them from the text.
        if (model is BytePairEncoding { CanReadBytes: true } bytePairs && WithoutBytes(preTokenizer) is { } onText)
            (preTokenizer, model) = (onText, bytePairs.OnBytes());
        return new TokenizerPipeline(new AddedTokens(added, normalizer), preTokenizer, model, postProcessor, decoder);
    }

    /// <summary>The pre-tokenizer without its last step's writing of bytes; null when it does not end so.</summary>
    private static PreTokenizer? WithoutBytes(PreTokenizer? preTokenizer) => preTokenizer switch
    {
        ByteLevelPreTokenizer byteLevel => byteLevel.OnText(),
        PreTokenizerSequence { Steps: [.. var before, var last] } when WithoutBytes(last) is { } replaced
            => new PreTokenizerSequence([.. before, replaced]),
        _ => null,
    };
}
