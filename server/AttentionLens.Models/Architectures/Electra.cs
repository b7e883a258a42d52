using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>ELECTRA (Clark et al. 2020): BERT with a narrower embedding, and a head that tells replaced tokens.</summary>
internal static class ElectraArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "electra.", "");
        int hidden = config.Size("hidden_size", 256);
        int width = config.Size("embedding_size", 128);
        int heads = config.Size("num_attention_heads", 4);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        TokenEmbedding tokens = BertArchitecture.Embedding(config, body.Under("embeddings."), width, epsilon, types: 2) with
        {
            Projection = width == hidden ? null : body.Linear("embeddings_project", hidden, width),
        };
        return new Network
        {
            Kind = ModelKind.Encoder,
            Tokens = tokens,
            Text = BertArchitecture.Encoder(config, body.Under("encoder."), hidden, heads, epsilon, activation, defaultInner: 1024),
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.Integer("pad_token_id", 0),
            Head = Head(config, weights, tokens, hidden, epsilon, activation),
        };
    }

    private static Head? Head(ModelConfig config, Weights weights, TokenEmbedding tokens, int hidden, float epsilon, Activation activation)
    {
        if (weights.Has("discriminator_predictions.dense.weight"))
        {
            Weights head = weights.Under("discriminator_predictions.");
            return Heads.Labels(HeadKind.Discriminator, HeadRows.All, [new HeadStep(head.Linear("dense", hidden, hidden), activation)], head, "dense_prediction", hidden);
        }

        if (weights.Has("generator_predictions.dense.weight"))
        {
            // The generator's head says gelu itself.
            Weights head = weights.Under("generator_predictions.");
            HeadStep step = new(head.Linear("dense", tokens.Width, hidden), Activation.Gelu, head.LayerNorm("LayerNorm", tokens.Width, epsilon));
            return Heads.Vocabulary(HeadKind.MaskedLanguage, [step], tokens, weights, "generator_lm_head", "generator_lm_head.bias", config.Flag("tie_word_embeddings", true));
        }

        return Heads.Tokens(config, weights, hidden)
            ?? (weights.Has("classifier.out_proj.weight")
                ? Heads.Labels(
                    HeadKind.SequenceClassification,
                    HeadRows.First,
                    [new HeadStep(weights.Linear("classifier.dense", hidden, hidden), Activation.Gelu)],
                    weights,
                    "classifier.out_proj",
                    hidden)
                : null);
    }
}
