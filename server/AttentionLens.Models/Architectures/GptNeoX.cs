using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>GPT-NeoX (Black et al. 2022) and Pythia: attention and feed-forward side by side, rotary positions on part of each head.</summary>
internal static class GptNeoXArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embed_in.weight", "gpt_neox.", "");
        int hidden = config.Size("hidden_size", 6144);
        int heads = config.Size("num_attention_heads", 64);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", 24576);
        int vocabulary = config.Size("vocab_size", 50432);
        float epsilon = config.Number("layer_norm_eps", 1e-5f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        TokenEmbedding tokens = new() { Vocabulary = vocabulary, Width = hidden, Table = body.Tensor("embed_in.weight", vocabulary, hidden) };

        // The fused map is stored head by head: query, key, value of head 0, then of head 1, ...
        int[] Part(int part) => [.. Enumerable.Range(0, heads).SelectMany(h => Enumerable.Range((((h * 3) + part) * headSize), headSize))];
        return new Network
        {
            Kind = ModelKind.Decoder,
            Tokens = tokens,
            MaxPositions = config.Size("max_position_embeddings", 2048),
            PaddingId = config.OptionalInteger("pad_token_id"),
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [2],
            Text = new StackDescription
            {
                Kind = AttentionKind.Decoder,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = heads,
                HeadSize = headSize,
                Norms = config.Flag("use_parallel_residual", true) ? NormPlace.Parallel : NormPlace.Before,
                FinalNorm = body.LayerNorm("final_layer_norm", hidden, epsilon),
                Rotary = RotaryPositions.Read(
                    config,
                    config.Number("rotary_emb_base", config.Number("rope_theta", 10000)),
                    (int)(headSize * config.Number("rotary_pct", (config.Section("rope_parameters") ?? config).Number("partial_rotary_factor", 0.25f))),
                    headSize),
                Blocks = Architecture.Layers(config.Size("num_hidden_layers", 44), i =>
                {
                    Weights layer = body.Under($"layers.{i}.");
                    Linear[] fused = layer.Split("attention.query_key_value", 3 * hidden, hidden, transposed: false, [.. Part(0), .. Part(1)], Part(2));
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = fused[0],
                            Value = fused[1],
                            Output = layer.Linear("attention.dense", hidden, hidden),
                            Scale = Architecture.Scale(headSize),
                            After = 0,
                        },
                        SelfNorm = layer.LayerNorm("input_layernorm", hidden, epsilon),
                        FeedForward = new FeedForward(
                            layer.Linear("mlp.dense_h_to_4h", inner, hidden), null, layer.Linear("mlp.dense_4h_to_h", hidden, inner), activation),
                        FeedForwardNorm = layer.LayerNorm("post_attention_layernorm", hidden, epsilon),
                    };
                }),
            },
            Head = Heads.Causal(config, weights, tokens, hidden, tied: config.Flag("tie_word_embeddings", false), "embed_out"),
        };
    }
}
