using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>ALBERT (Lan et al. 2020): a factorised embedding, and groups of layers whose weights are shared: one block object stands in several places.</summary>
internal static class AlbertArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "albert.", "");
        int hidden = config.Size("hidden_size", 4096);
        int width = config.Size("embedding_size", 128);
        int heads = config.Size("num_attention_heads", 64);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", 16384);
        int layers = config.Size("num_hidden_layers", 12);
        int groups = config.Size("num_hidden_groups", 1);
        int inside = config.Size("inner_group_num", 1);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu_new"));
        config.Demand(inside == 1, $"inner_group_num {inside}");
        config.Demand(layers <= 1024 && groups <= layers, $"num_hidden_groups {groups} for {layers} layers");
        Block[] shared = Architecture.Layers(groups, i =>
        {
            Weights layer = body.Under($"encoder.albert_layer_groups.{i}.albert_layers.0.");
            return new Block
            {
                Self = new Attention
                {
                    Query = layer.Stacked(hidden, ("attention.query", hidden), ("attention.key", hidden)),
                    Value = layer.Linear("attention.value", hidden, hidden),
                    Output = layer.Linear("attention.dense", hidden, hidden),
                    Scale = Architecture.Scale(headSize),
                },
                SelfNorm = layer.LayerNorm("attention.LayerNorm", hidden, epsilon),
                FeedForward = new FeedForward(layer.Linear("ffn", inner, hidden), null, layer.Linear("ffn_output", hidden, inner), activation),
                FeedForwardNorm = layer.LayerNorm("full_layer_layer_norm", hidden, epsilon),
            };
        });
        TokenEmbedding tokens = BertArchitecture.Embedding(config, body.Under("embeddings."), width, epsilon, types: 2, vocabulary: 30000) with
        {
            Projection = body.Linear("encoder.embedding_hidden_mapping_in", hidden, width),
        };
        return new Network
        {
            Kind = ModelKind.Encoder,
            Tokens = tokens,
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.Integer("pad_token_id", 0),
            Text = new StackDescription
            {
                Kind = AttentionKind.Encoder,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = heads,
                HeadSize = headSize,
                Norms = NormPlace.After,
                // Layer i belongs to group i / (layers / groups), as the reference implementation rounds it.
                Blocks = [.. Enumerable.Range(0, layers).Select(i => shared[(int)(i / ((double)layers / groups))])],
            },
            Head = Head(config, weights, body, tokens, hidden, epsilon, activation),
        };
    }

    private static Head? Head(ModelConfig config, Weights weights, Weights body, TokenEmbedding tokens, int hidden, float epsilon, Activation activation)
    {
        if (!weights.Has("predictions.dense.weight"))
        {
            return Heads.Tokens(config, weights, hidden) ?? BertArchitecture.PooledClassifier(weights, body, "pooler", hidden);
        }

        Weights head = weights.Under("predictions.");
        HeadStep step = new(head.Linear("dense", tokens.Width, hidden), activation, head.LayerNorm("LayerNorm", tokens.Width, epsilon));
        return Heads.Vocabulary(HeadKind.MaskedLanguage, [step], tokens, head, "decoder", "bias", config.Flag("tie_word_embeddings", true));
    }
}
