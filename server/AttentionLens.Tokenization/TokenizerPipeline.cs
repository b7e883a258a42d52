using AttentionLens.Tokenization.Decoders;
using AttentionLens.Tokenization.PostProcessors;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization;

/// <summary>The parts of a tokenizer in the order in which a text passes through them, and back.</summary>
internal sealed record TokenizerPipeline(
    AddedTokens AddedTokens, PreTokenizer? PreTokenizer, SubwordModel Model, PostProcessor? PostProcessor, Decoder? Decoder);
