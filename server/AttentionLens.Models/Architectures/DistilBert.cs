using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>DistilBERT (Sanh et al. 2019): BERT without segment types, under other names.</summary>
internal static class DistilBertArchitecture
{
    private const float Epsilon = 1e-12f;

    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "distilbert.", "");
        int hidden = config.Size("dim", 768);
        int inner = config.Size("hidden_dim", 3072);
        int heads = config.Size("n_heads", 12);
        int headSize = Architecture.HeadSize(hidden, heads);
        int vocabulary = config.Size("vocab_size", 30522);
        Activation activation = Architecture.Activation(config.Text("activation", "gelu"));
        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = body.Tensor("embeddings.word_embeddings.weight", vocabulary, hidden),
            // Sinusoidal positions are stored like learned ones.
            Positions = body.Tensor("embeddings.position_embeddings.weight", config.Size("max_position_embeddings", 512), hidden),
            Norm = body.LayerNorm("embeddings.LayerNorm", hidden, Epsilon),
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
                Blocks = Architecture.Layers(config.Size("n_layers", 6), i =>
                {
                    Weights layer = body.Under($"transformer.layer.{i}.");
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = layer.Stacked(hidden, ("attention.q_lin", hidden), ("attention.k_lin", hidden)),
                            Value = layer.Linear("attention.v_lin", hidden, hidden),
                            Output = layer.Linear("attention.out_lin", hidden, hidden),
                            Scale = Architecture.Scale(headSize),
                        },
                        SelfNorm = layer.LayerNorm("sa_layer_norm", hidden, Epsilon),
                        FeedForward = new FeedForward(layer.Linear("ffn.lin1", inner, hidden), null, layer.Linear("ffn.lin2", hidden, inner), activation),
                        FeedForwardNorm = layer.LayerNorm("output_layer_norm", hidden, Epsilon),
                    };
                }),
            },
            Head = Head(config, weights, tokens, hidden, activation),
        };
    }

    private static Head? Head(ModelConfig config, Weights weights, TokenEmbedding tokens, int hidden, Activation activation)
    {
        if (weights.Has("vocab_transform.weight"))
        {
            HeadStep transform = new(weights.Linear("vocab_transform", hidden, hidden), activation, weights.LayerNorm("vocab_layer_norm", hidden, Epsilon));
            return Heads.Vocabulary(HeadKind.MaskedLanguage, [transform], tokens, weights, "vocab_projector", "vocab_projector.bias", config.Flag("tie_word_embeddings", true));
        }

        return Heads.Tokens(config, weights, hidden)
            ?? (weights.Has("pre_classifier.weight")
                ? Heads.Labels(HeadKind.SequenceClassification, HeadRows.First, [new HeadStep(weights.Linear("pre_classifier", hidden, hidden), Activation.Relu)], weights, "classifier", hidden)
                : null);
    }
}
