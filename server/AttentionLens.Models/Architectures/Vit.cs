using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>ViT (Dosovitskiy et al. 2021): pre-norm encoder over image patches and a class token.</summary>
internal static class VitArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("embeddings.cls_token", "vit.", "");
        int hidden = config.Size("hidden_size", 768);
        int heads = config.Size("num_attention_heads", 12);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", 3072);
        float epsilon = config.Number("layer_norm_eps", 1e-12f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "gelu"));
        ImageEmbedding image = Image(
            config,
            body.Under("embeddings."),
            "patch_embeddings.projection",
            hidden,
            defaultPatch: 16,
            static (w, width) => w.Tensor("cls_token", 1, 1, width),
            static (w, tokens, width) => w.Tensor("position_embeddings", 1, tokens, width),
            norm: null);
        return new Network
        {
            Kind = ModelKind.Vision,
            Image = image,
            MaxPositions = image.Tokens,
            Vision = new StackDescription
            {
                Kind = AttentionKind.Vision,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = heads,
                HeadSize = headSize,
                Norms = NormPlace.Before,
                FinalNorm = body.LayerNorm("layernorm", hidden, epsilon),
                FinalNormInHidden = false,
                Blocks = Architecture.Layers(config.Size("num_hidden_layers", 12), i =>
                {
                    Weights layer = body.Under($"encoder.layer.{i}.");
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = layer.Stacked(hidden, ("attention.attention.query", hidden), ("attention.attention.key", hidden)),
                            Value = layer.Linear("attention.attention.value", hidden, hidden),
                            Output = layer.Linear("attention.output.dense", hidden, hidden),
                            Scale = Architecture.Scale(headSize),
                        },
                        SelfNorm = layer.LayerNorm("layernorm_before", hidden, epsilon),
                        FeedForward = new FeedForward(layer.Linear("intermediate.dense", inner, hidden), null, layer.Linear("output.dense", hidden, inner), activation),
                        FeedForwardNorm = layer.LayerNorm("layernorm_after", hidden, epsilon),
                    };
                }),
            },
            Head = weights.Has("classifier.weight") ? Heads.Labels(HeadKind.SequenceClassification, HeadRows.First, [], weights, "classifier", hidden) : null,
        };
    }

    /// <summary>Patch projection [hidden, channels, size, size] as one linear map, class token and positions, whose names differ.</summary>
    public static ImageEmbedding Image(
        ModelConfig config,
        Weights weights,
        string projection,
        int hidden,
        int defaultPatch,
        Func<Weights, int, float[]> classToken,
        Func<Weights, int, int, float[]> positions,
        Norm? norm)
    {
        int size = config.Size("image_size", 224);
        int patch = config.Size("patch_size", defaultPatch);
        int channels = config.Size("num_channels", 3);
        if (size > 1 << 14 || patch > size || channels > 64)
        {
            throw new ModelException($"config.json: patches of {patch} on {channels} channels of an image of {size} make no sense.");
        }

        float[] kernel = weights.Tensor($"{projection}.weight", hidden, channels, patch, patch);
        Linear map = weights.Build(kernel, weights.Optional($"{projection}.bias", hidden) ?? [], hidden, channels * patch * patch);
        int side = size / patch;
        return new ImageEmbedding(map, classToken(weights, hidden), positions(weights, (side * side) + 1, hidden), norm, channels, size, patch);
    }
}
