using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>GPT-2 (Radford et al. 2019): pre-norm decoder with learned positions; its linear maps are stored [inputs, outputs] (Conv1D).</summary>
internal static class Gpt2Architecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("wte.weight", "transformer.", "");
        int hidden = config.Size("n_embd", 768);
        int heads = config.Size("n_head", 12);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.OptionalSize("n_inner") ?? 4 * hidden;
        int vocabulary = config.Size("vocab_size", 50257);
        float epsilon = config.Number("layer_norm_epsilon", 1e-5f);
        bool scaled = config.Flag("scale_attn_weights", true);
        bool byLayer = config.Flag("scale_attn_by_inverse_layer_idx", false);
        Activation activation = Architecture.Activation(config.Text("activation_function", "gelu_new"));
        config.Demand(!config.Flag("add_cross_attention", false), "add_cross_attention");
        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = body.Tensor("wte.weight", vocabulary, hidden),
            Positions = body.Tensor("wpe.weight", config.Size("n_positions", 1024), hidden),
        };
        return new Network
        {
            Kind = ModelKind.Decoder,
            Tokens = tokens,
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.OptionalInteger("pad_token_id"),
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [50256],
            Text = new StackDescription
            {
                Kind = AttentionKind.Decoder,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = heads,
                HeadSize = headSize,
                Norms = NormPlace.Before,
                FinalNorm = body.LayerNorm("ln_f", hidden, epsilon),
                Blocks = Architecture.Layers(config.Size("n_layer", 12), i =>
                {
                    Weights layer = body.Under($"h.{i}.");
                    Linear[] fused = layer.Split("attn.c_attn", 3 * hidden, hidden, transposed: true, [.. Enumerable.Range(0, 2 * hidden)], [.. Enumerable.Range(2 * hidden, hidden)]);
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = fused[0],
                            Value = fused[1],
                            Output = layer.Transposed("attn.c_proj", hidden, hidden),
                            Scale = (scaled ? Architecture.Scale(headSize) : 1) / (byLayer ? i + 1 : 1),
                            After = 0,
                        },
                        SelfNorm = layer.LayerNorm("ln_1", hidden, epsilon),
                        FeedForward = new FeedForward(
                            layer.Transposed("mlp.c_fc", inner, hidden),
                            null,
                            layer.Transposed("mlp.c_proj", hidden, inner),
                            activation),
                        FeedForwardNorm = layer.LayerNorm("ln_2", hidden, epsilon),
                    };
                }),
            },
            Head = Heads.Causal(config, weights, tokens, hidden, tied: config.Flag("tie_word_embeddings", true), "lm_head"),
        };
    }
}
