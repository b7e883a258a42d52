using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>T5 (Raffel et al. 2020) and T5 1.1: RMSNorm before each part, a learned bias by distance, no scaling of the dot product.</summary>
internal static class T5Architecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        int hidden = config.Size("d_model", 512);
        int headSize = config.Size("d_kv", 64);
        int heads = config.Size("num_heads", 8);
        int inner = config.Size("d_ff", 2048);
        int vocabulary = config.Size("vocab_size", 32128);
        int layers = config.Size("num_layers", 6);
        int decoderLayers = config.OptionalSize("num_decoder_layers") ?? layers;
        float epsilon = config.Number("layer_norm_epsilon", 1e-6f);
        string projection = config.Text("feed_forward_proj", "relu");
        bool gated = projection.StartsWith("gated-", StringComparison.Ordinal);
        // "gated-gelu" means the tanh form: the reference implementation sets it so for the published checkpoints.
        Activation activation = projection == "gated-gelu" ? Activation.GeluTanh : Architecture.Activation(gated ? projection["gated-".Length..] : projection);
        bool tied = config.Flag("tie_word_embeddings", true);

        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = weights.Tensor(weights.Has("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight", vocabulary, hidden),
        };
        bool hasDecoder = weights.Has("decoder.final_layer_norm.weight");
        StackDescription encoder = Stack(weights.Under("encoder."), AttentionKind.Encoder, layers);
        return new Network
        {
            Kind = hasDecoder ? ModelKind.EncoderDecoder : ModelKind.Encoder,
            Tokens = tokens,
            Text = encoder,
            DecoderTokens = hasDecoder ? tokens : null,
            Decoder = hasDecoder ? Stack(weights.Under("decoder."), AttentionKind.Decoder, decoderLayers) : null,
            MaxPositions = int.MaxValue,
            PaddingId = config.Integer("pad_token_id", 0),
            DecoderStart = hasDecoder ? config.Integer("decoder_start_token_id", config.Integer("pad_token_id", 0)) : null,
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [1],
            Head = hasDecoder
                ? Heads.Vocabulary(HeadKind.Sequence2SequenceLanguage, [], tokens, weights, "lm_head", null, tied, tied ? (float)(1 / Math.Sqrt(hidden)) : 1)
                : null,
        };

        StackDescription Stack(Weights scope, AttentionKind kind, int count)
        {
            bool decoder = kind == AttentionKind.Decoder;
            int buckets = config.Size("relative_attention_num_buckets", 32);
            return new StackDescription
            {
                Kind = kind,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = heads,
                HeadSize = headSize,
                Norms = NormPlace.Before,
                FinalNorm = scope.RmsNorm("final_layer_norm", hidden, epsilon),
                Relative = new RelativeBias(
                    scope.Tensor("block.0.layer.0.SelfAttention.relative_attention_bias.weight", buckets, heads),
                    heads,
                    buckets,
                    config.Size("relative_attention_max_distance", 128),
                    Bidirectional: !decoder),
                Blocks = Architecture.Layers(count, i =>
                {
                    Weights self = scope.Under($"block.{i}.layer.0.");
                    Weights cross = scope.Under($"block.{i}.layer.1.");
                    Weights feedForward = scope.Under($"block.{i}.layer.{(decoder ? 2 : 1)}.");
                    int width = heads * headSize;
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = self.Stacked(hidden, ("SelfAttention.q", width), ("SelfAttention.k", width)),
                            Value = self.Linear("SelfAttention.v", width, hidden),
                            Output = self.Linear("SelfAttention.o", hidden, width),
                            Scale = 1,
                            After = decoder ? 0 : int.MaxValue,
                        },
                        SelfNorm = self.RmsNorm("layer_norm", hidden, epsilon),
                        Cross = !decoder ? null : new Attention
                        {
                            Query = cross.Linear("EncDecAttention.q", width, hidden),
                            Key = cross.Linear("EncDecAttention.k", width, hidden),
                            Value = cross.Linear("EncDecAttention.v", width, hidden),
                            Output = cross.Linear("EncDecAttention.o", hidden, width),
                            Scale = 1,
                        },
                        CrossNorm = decoder ? cross.RmsNorm("layer_norm", hidden, epsilon) : null,
                        FeedForward = new FeedForward(
                            feedForward.Linear(gated ? "DenseReluDense.wi_1" : "DenseReluDense.wi", inner, hidden),
                            gated ? feedForward.Linear("DenseReluDense.wi_0", inner, hidden) : null,
                            feedForward.Linear("DenseReluDense.wo", hidden, inner),
                            activation),
                        FeedForwardNorm = feedForward.RmsNorm("layer_norm", hidden, epsilon),
                    };
                }),
            };
        }
    }
}
