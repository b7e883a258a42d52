using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>RoBERTa (Liu et al. 2019), XLM-RoBERTa, CamemBERT: BERT with positions that skip padding and another head.</summary>
internal static class RobertaArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "roberta.", "");
        int hidden = config.Size("hidden_size", 768);
        int heads = config.Size("num_attention_heads", 12);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        TokenEmbedding tokens = Embedding(config, body.Under("embeddings."), hidden, epsilon);
        return new Network
        {
            Kind = ModelKind.Encoder,
            Tokens = tokens,
            Text = BertArchitecture.Encoder(config, body.Under("encoder."), hidden, heads, epsilon, activation),
            MaxPositions = tokens.MaxTokens,
            PaddingId = tokens.PaddingId,
            EndTokens = [config.Integer("eos_token_id", 2)],
            Head = Head(config, weights, tokens, hidden, epsilon),
        };
    }

    public static TokenEmbedding Embedding(ModelConfig config, Weights weights, int hidden, float epsilon) =>
        BertArchitecture.Embedding(config, weights, hidden, epsilon, types: 2) with { PaddingId = config.Integer("pad_token_id", 1) };

    /// <summary>The heads under <c>lm_head</c> and <c>classifier</c>, which Longformer shares. Their activation is gelu whatever hidden_act says.</summary>
    public static Head? Head(ModelConfig config, Weights weights, TokenEmbedding tokens, int hidden, float epsilon)
    {
        if (weights.Has("lm_head.dense.weight"))
        {
            Weights head = weights.Under("lm_head.");
            HeadStep transform = new(head.Linear("dense", hidden, hidden), Activation.Gelu, head.LayerNorm("layer_norm", hidden, epsilon));
            return Heads.Vocabulary(HeadKind.MaskedLanguage, [transform], tokens, head, "decoder", "bias", config.Flag("tie_word_embeddings", true));
        }

        return Heads.Tokens(config, weights, hidden)
            ?? (weights.Has("classifier.out_proj.weight")
                ? Heads.Labels(
                    HeadKind.SequenceClassification,
                    HeadRows.First,
                    [new HeadStep(weights.Linear("classifier.dense", hidden, hidden), Activation.Tanh)],
                    weights,
                    "classifier.out_proj",
                    hidden)
                : null);
    }
}
