using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>CLIP (Radford et al. 2021): a causal text tower and an image tower, compared.</summary>
internal static class ClipArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        ModelConfig text = config.Section("text_config_dict") ?? config.Section("text_config") ?? throw new ModelException("config.json lacks text_config.");
        ModelConfig vision = config.Section("vision_config_dict") ?? config.Section("vision_config") ?? throw new ModelException("config.json lacks vision_config.");
        int textHidden = text.Size("hidden_size", 512);
        int visionHidden = vision.Size("hidden_size", 768);
        int projection = config.Size("projection_dim", 512);
        int vocabulary = text.Size("vocab_size", 49408);
        Weights textBody = weights.Under("text_model.");
        Weights visionBody = weights.Under("vision_model.");
        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = textHidden,
            Table = textBody.Tensor("embeddings.token_embedding.weight", vocabulary, textHidden),
            Positions = textBody.Tensor("embeddings.position_embedding.weight", text.Size("max_position_embeddings", 77), textHidden),
        };
        return new Network
        {
            Kind = ModelKind.TextVision,
            Tokens = tokens,
            Text = Tower(text, textBody, AttentionKind.Encoder, textHidden, "final_layer_norm", defaultHeads: 8, defaultInner: 2048),
            Image = VitArchitecture.Image(
                vision,
                visionBody.Under("embeddings."),
                "patch_embedding",
                visionHidden,
                defaultPatch: 32,
                static (w, width) => w.Tensor("class_embedding", width),
                static (w, count, width) => w.Tensor("position_embedding.weight", count, width),
                visionBody.LayerNorm("pre_layrnorm", visionHidden, vision.Number("layer_norm_eps", 1e-5f))), // so spelt in the checkpoints
            Vision = Tower(vision, visionBody, AttentionKind.Vision, visionHidden, "post_layernorm", defaultHeads: 12, defaultInner: 3072),
            Contrast = new Contrast(
                weights.Linear("text_projection", projection, textHidden),
                weights.Linear("visual_projection", projection, visionHidden),
                weights.Tensor("logit_scale")[0],
                text.Integer("eos_token_id", 49407)),
            MaxPositions = tokens.MaxTokens,
            EndTokens = [text.Integer("eos_token_id", 49407)],
        };
    }

    private static StackDescription Tower(ModelConfig config, Weights weights, AttentionKind kind, int hidden, string finalNorm, int defaultHeads, int defaultInner)
    {
        int heads = config.Size("num_attention_heads", defaultHeads);
        int headSize = Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", defaultInner);
        float epsilon = config.Number("layer_norm_eps", 1e-5f);
        Activation activation = Architecture.Activation(config.Text("hidden_act", "quick_gelu"));
        return new StackDescription
        {
            Kind = kind,
            Hidden = hidden,
            Heads = heads,
            KeyHeads = heads,
            HeadSize = headSize,
            Norms = NormPlace.Before,
            FinalNorm = weights.LayerNorm(finalNorm, hidden, epsilon),
            FinalNormInHidden = false,
            Blocks = Architecture.Layers(config.Size("num_hidden_layers", 12), i =>
            {
                Weights layer = weights.Under($"encoder.layers.{i}.");
                return new Block
                {
                    Self = new Attention
                    {
                        Query = layer.Stacked(hidden, ("self_attn.q_proj", hidden), ("self_attn.k_proj", hidden)),
                        Value = layer.Linear("self_attn.v_proj", hidden, hidden),
                        Output = layer.Linear("self_attn.out_proj", hidden, hidden),
                        Scale = Architecture.Scale(headSize),
                        After = kind == AttentionKind.Encoder ? 0 : int.MaxValue,
                    },
                    SelfNorm = layer.LayerNorm("layer_norm1", hidden, epsilon),
                    FeedForward = new FeedForward(layer.Linear("mlp.fc1", inner, hidden), null, layer.Linear("mlp.fc2", hidden, inner), activation),
                    FeedForwardNorm = layer.LayerNorm("layer_norm2", hidden, epsilon),
                };
            }),
        };
    }
}
