using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>BERT (Devlin et al. 2019): post-norm encoder with learned positions and segment types.</summary>
internal static class BertArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.word_embeddings.weight", "bert.", "");
        int hidden = config.Size("hidden_size", 768);
        int heads = config.Size("num_attention_heads", 12);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        TokenEmbedding tokens = Embedding(config, body.Under("embeddings."), hidden, epsilon, types: 2);
        return new Network
        {
            Kind = ModelKind.Encoder,
            Tokens = tokens,
            Text = Encoder(config, body.Under("encoder."), hidden, heads, epsilon, activation),
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.Integer("pad_token_id", 0),
            Head = Head(config, weights, body, tokens, hidden, epsilon, activation),
        };
    }

    /// <summary>Word, position and type embeddings and their norm, as BERT, ELECTRA, ALBERT and RoBERTa name them.</summary>
    public static TokenEmbedding Embedding(ModelConfig config, Weights weights, int width, float epsilon, int types, int vocabulary = 30522)
    {
        string positions = config.Text("position_embedding_type", "absolute");
        config.Demand(positions == "absolute", $"position_embedding_type '{positions}'");
        config.Demand(!config.Flag("is_decoder", false), "is_decoder");
        vocabulary = config.Size("vocab_size", vocabulary);
        int typeCount = config.Size("type_vocab_size", types);
        return new TokenEmbedding
        {
            Vocabulary = vocabulary,
            Width = width,
            Table = weights.Tensor("word_embeddings.weight", vocabulary, width),
            Positions = weights.Tensor("position_embeddings.weight", config.Size("max_position_embeddings", 512), width),
            Types = weights.Tensor("token_type_embeddings.weight", typeCount, width),
            Norm = weights.LayerNorm("LayerNorm", width, epsilon),
        };
    }

    /// <summary>The layers <c>layer.N</c> as BERT, ELECTRA and RoBERTa name them.</summary>
    public static StackDescription Encoder(ModelConfig config, Weights weights, int hidden, int heads, float epsilon, Activation activation, int defaultInner = 3072)
    {
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", defaultInner);
        return new StackDescription
        {
            Kind = AttentionKind.Encoder,
            Hidden = hidden,
            Heads = heads,
            KeyHeads = heads,
            HeadSize = headSize,
            Norms = NormPlace.After,
            Blocks = Architecture.Layers(config.Size("num_hidden_layers", 12), i =>
            {
                Weights layer = weights.Under($"layer.{i}.");
                return new Block
                {
                    Self = new Attention
                    {
                        Query = layer.Stacked(hidden, ("attention.self.query", hidden), ("attention.self.key", hidden)),
                        Value = layer.Linear("attention.self.value", hidden, hidden),
                        Output = layer.Linear("attention.output.dense", hidden, hidden),
                        Scale = Architecture.Scale(headSize),
                    },
                    SelfNorm = layer.LayerNorm("attention.output.LayerNorm", hidden, epsilon),
                    FeedForward = new FeedForward(layer.Linear("intermediate.dense", inner, hidden), null, layer.Linear("output.dense", hidden, inner), activation),
                    FeedForwardNorm = layer.LayerNorm("output.LayerNorm", hidden, epsilon),
                };
            }),
        };
    }

    /// <summary>Pooler and classifier on the class token (BERT, ALBERT).</summary>
    public static Head? PooledClassifier(Weights weights, Weights body, string pooler, int hidden) =>
        weights.Has("classifier.weight") && body.Has($"{pooler}.weight")
            ? Heads.Labels(HeadKind.SequenceClassification, HeadRows.First, [new HeadStep(body.Linear(pooler, hidden, hidden), Activation.Tanh)], weights, "classifier", hidden)
            : null;

    private static Head? Head(ModelConfig config, Weights weights, Weights body, TokenEmbedding tokens, int hidden, float epsilon, Activation activation)
    {
        if (!weights.Has("cls.predictions.transform.dense.weight"))
        {
            return Heads.Tokens(config, weights, hidden) ?? PooledClassifier(weights, body, "pooler.dense", hidden);
        }

        Weights predictions = weights.Under("cls.predictions.");
        HeadStep transform = new(predictions.Linear("transform.dense", hidden, hidden), activation, predictions.LayerNorm("transform.LayerNorm", hidden, epsilon));
        return Heads.Vocabulary(HeadKind.MaskedLanguage, [transform], tokens, predictions, "decoder", "bias", config.Flag("tie_word_embeddings", true));
    }
}
