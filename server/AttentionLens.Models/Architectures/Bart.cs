using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>BART (Lewis et al. 2020): post-norm encoder-decoder with learned positions, which start at row 2.</summary>
internal static class BartArchitecture
{
    private const float Epsilon = 1e-5f; // fixed in the class

    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("shared.weight", "model.", "");
        int hidden = config.Size("d_model", 1024);
        int vocabulary = config.Size("vocab_size", 50265);
        int positions = config.Size("max_position_embeddings", 1024);
        float[] table = body.Tensor("shared.weight", vocabulary, hidden);
        TokenEmbedding Embedding(string side) => new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = table,
            Scale = config.Flag("scale_embedding", false) ? MathF.Sqrt(hidden) : 1,
            Positions = body.Tensor($"{side}.embed_positions.weight", positions + 2, hidden),
            PositionOffset = 2,
            Norm = body.LayerNorm($"{side}.layernorm_embedding", hidden, Epsilon),
        };
        TokenEmbedding tokens = Embedding("encoder");
        return new Network
        {
            Kind = ModelKind.EncoderDecoder,
            Tokens = tokens,
            Text = Stack(config, body.Under("encoder."), AttentionKind.Encoder, hidden),
            DecoderTokens = Embedding("decoder"),
            Decoder = Stack(config, body.Under("decoder."), AttentionKind.Decoder, hidden),
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.Integer("pad_token_id", 1),
            DecoderStart = config.Integer("decoder_start_token_id", 2),
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [2],
            Head = Head(config, weights, tokens, hidden),
        };
    }

    /// <summary>The layers of BART and Marian.</summary>
    public static StackDescription Stack(ModelConfig config, Weights weights, AttentionKind kind, int hidden)
    {
        bool decoder = kind == AttentionKind.Decoder;
        string side = decoder ? "decoder" : "encoder";
        int heads = config.Size($"{side}_attention_heads", 16);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size($"{side}_ffn_dim", 4096);
        float scale = Architecture.Scale(headSize);
        Activation activation = Architecture.Activation(config.Text("activation_function", "gelu"));
        return new StackDescription
        {
            Kind = kind,
            Hidden = hidden,
            Heads = heads,
            KeyHeads = heads,
            HeadSize = headSize,
            Norms = NormPlace.After,
            Blocks = Architecture.Layers(config.Size($"{side}_layers", 12), i =>
            {
                Weights layer = weights.Under($"layers.{i}.");
                return new Block
                {
                    Self = new Attention
                    {
                        Query = layer.Stacked(hidden, ("self_attn.q_proj", hidden), ("self_attn.k_proj", hidden)),
                        Value = layer.Linear("self_attn.v_proj", hidden, hidden),
                        Output = layer.Linear("self_attn.out_proj", hidden, hidden),
                        Scale = scale,
                        After = decoder ? 0 : int.MaxValue,
                    },
                    SelfNorm = layer.LayerNorm("self_attn_layer_norm", hidden, Epsilon),
                    Cross = !decoder ? null : new Attention
                    {
                        Query = layer.Linear("encoder_attn.q_proj", hidden, hidden),
                        Key = layer.Linear("encoder_attn.k_proj", hidden, hidden),
                        Value = layer.Linear("encoder_attn.v_proj", hidden, hidden),
                        Output = layer.Linear("encoder_attn.out_proj", hidden, hidden),
                        Scale = scale,
                    },
                    CrossNorm = decoder ? layer.LayerNorm("encoder_attn_layer_norm", hidden, Epsilon) : null,
                    FeedForward = new FeedForward(layer.Linear("fc1", inner, hidden), null, layer.Linear("fc2", hidden, inner), activation),
                    FeedForwardNorm = layer.LayerNorm("final_layer_norm", hidden, Epsilon),
                };
            }),
        };
    }

    private static Head? Head(ModelConfig config, Weights weights, TokenEmbedding tokens, int hidden)
    {
        if (weights.Has("classification_head.out_proj.weight"))
        {
            return Heads.Labels(
                HeadKind.SequenceClassification,
                HeadRows.LastEnd,
                [new HeadStep(weights.Linear("classification_head.dense", hidden, hidden), Activation.Tanh)],
                weights,
                "classification_head.out_proj",
                hidden);
        }

        if (weights.Has("qa_outputs.weight"))
        {
            return Heads.Labels(HeadKind.QuestionAnswering, HeadRows.All, [], weights, "qa_outputs", hidden);
        }

        return weights.Has("final_logits_bias") || weights.Has("lm_head.weight")
            ? Heads.Translation(config, weights, tokens)
            : null;
    }
}
