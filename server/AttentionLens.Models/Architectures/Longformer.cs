using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>Longformer (Beltagy et al. 2020): RoBERTa with a sliding window in each layer, and tokens that attend globally through projections of their own.</summary>
internal static class LongformerArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "longformer.", "");
        int hidden = config.Size("hidden_size", 768);
        int heads = config.Size("num_attention_heads", 12);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        TokenEmbedding tokens = RobertaArchitecture.Embedding(config, body.Under("embeddings."), hidden, epsilon);
        StackDescription encoder = BertArchitecture.Encoder(config, body.Under("encoder."), hidden, heads, epsilon, activation);
        IReadOnlyList<int> windows = config.Integers("attention_window");
        if (windows.Count > 1 && windows.Count != encoder.Blocks.Length)
        {
            throw new ModelException($"config.json: attention_window has {windows.Count} entries for {encoder.Blocks.Length} layers.");
        }

        Block[] blocks = [.. encoder.Blocks.Select((block, i) =>
        {
            int window = windows.Count == 0 ? 512 : windows[windows.Count == 1 ? 0 : i];
            if (window <= 0 || window % 2 != 0)
            {
                throw new ModelException($"config.json: an attention_window of {window} is not a positive even number.");
            }

            Weights attention = body.Under($"encoder.layer.{i}.attention.self.");
            return block with
            {
                Self = block.Self with
                {
                    Before = window / 2,
                    After = window / 2,
                    Global = new GlobalAttention(
                        attention.Linear("query_global", hidden, hidden),
                        attention.Linear("key_global", hidden, hidden),
                        attention.Linear("value_global", hidden, hidden)),
                },
            };
        })];
        return new Network
        {
            Kind = ModelKind.Encoder,
            Tokens = tokens,
            Text = encoder with { Blocks = blocks },
            MaxPositions = tokens.MaxTokens,
            PaddingId = tokens.PaddingId,
            EndTokens = [config.Integer("eos_token_id", 2)],
            Head = RobertaArchitecture.Head(config, weights, tokens, hidden, epsilon),
        };
    }
}
