using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>LLaMA (Touvron et al. 2023) and the decoders that share its tensor names: Mistral, Qwen 2, Gemma, Phi-3.</summary>
internal static class LlamaArchitecture
{
    public static Network ReadLlama(ModelConfig config, Weights weights) => Read(config, weights, new Defaults
    {
        Vocabulary = 32000,
        Hidden = 4096,
        Inner = 11008,
        Layers = 32,
        Heads = 32,
        MaxPositions = 2048,
        EndToken = 2,
    });

    public static Network ReadMistral(ModelConfig config, Weights weights)
    {
        // Left out means the class's default, null means no window.
        int? window = config.IsNull("sliding_window") ? null : config.Size("sliding_window", 4096);
        return Read(config, weights, new Defaults
        {
            Vocabulary = 32000,
            Hidden = 4096,
            Inner = 14336,
            Layers = 32,
            Heads = 32,
            KeyHeads = 8,
            MaxPositions = 4096 * 32,
            EndToken = 2,
            Window = _ => window,
        });
    }

    public static Network ReadQwen2(ModelConfig config, Weights weights)
    {
        int? window = config.Flag("use_sliding_window", false) && !config.IsNull("sliding_window") ? config.Size("sliding_window", 4096) : null;
        int full = config.Integer("max_window_layers", 28);
        return Read(config, weights, new Defaults
        {
            Vocabulary = 151936,
            Hidden = 4096,
            Inner = 22016,
            Layers = 32,
            Heads = 32,
            KeyHeads = 32,
            MaxPositions = 32768,
            EndToken = 151643,
            Window = layer => layer >= full ? window : null,
        });
    }

    /// <summary>Gemma (2024): RMSNorm weights stored minus one, embeddings times sqrt(hidden), heads wider than hidden / heads.</summary>
    public static Network ReadGemma(ModelConfig config, Weights weights)
    {
        int hidden = config.Size("hidden_size", 3072);
        return Read(config, weights, new Defaults
        {
            Vocabulary = 256000,
            Hidden = 3072,
            Inner = 24576,
            Layers = 28,
            Heads = 16,
            KeyHeads = 16,
            HeadSize = 256,
            MaxPositions = 8192,
            EndToken = 1,
            Tied = true,
            NormOffset = 1,
            // Early checkpoints say hidden_act "gelu" and mean the tanh form; hidden_activation corrects them.
            Activation = config.Text("hidden_activation", "gelu_pytorch_tanh"),
            EmbeddingScale = MathF.Sqrt(hidden),
        });
    }

    /// <summary>Phi-3 and Phi-4 mini (Abdin et al. 2024): queries, keys and values stored as one map, gate and up as another; LongRoPE; part of a head may stay unturned.</summary>
    public static Network ReadPhi3(ModelConfig config, Weights weights)
    {
        int? window = config.OptionalSize("sliding_window");
        return Read(config, weights, new Defaults
        {
            Vocabulary = 32064,
            Hidden = 3072,
            Inner = 8192,
            Layers = 32,
            Heads = 32,
            MaxPositions = 4096,
            EndToken = 32000,
            Epsilon = 1e-5f,
            Window = _ => window,
            IsPhi = true,
        });
    }

    private static Network Read(ModelConfig config, Weights weights, Defaults defaults)
    {
        // A tied model may store its one matrix under either name.
        bool embedded = weights.Has("model.embed_tokens.weight") || weights.Has("embed_tokens.weight");
        Weights body = embedded || !weights.Has("lm_head.weight") ? weights.Root("embed_tokens.weight", "model.", "") : weights.Under("model.");
        int hidden = config.Size("hidden_size", defaults.Hidden);
        int heads = config.Size("num_attention_heads", defaults.Heads);
        int keyHeads = config.OptionalSize("num_key_value_heads") ?? defaults.KeyHeads ?? heads;
        int headSize = config.OptionalSize("head_dim") ?? defaults.HeadSize ?? Architecture.HeadSize(hidden, heads);
        int inner = config.Size("intermediate_size", defaults.Inner);
        int vocabulary = config.Size("vocab_size", defaults.Vocabulary);
        float epsilon = config.Number("rms_norm_eps", defaults.Epsilon);
        float turning = defaults.IsPhi ? (config.Section("rope_parameters") ?? config).Number("partial_rotary_factor", 1) : 1;
        Activation activation = Architecture.Activation(defaults.Activation ?? config.Text("hidden_act", "silu"));
        if (heads % keyHeads != 0)
        {
            throw new ModelException($"config.json: {heads} attention heads cannot share {keyHeads} key/value heads evenly.");
        }

        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = embedded ? body.Tensor("embed_tokens.weight", vocabulary, hidden) : weights.Tensor("lm_head.weight", vocabulary, hidden),
            Scale = defaults.EmbeddingScale,
        };
        return new Network
        {
            Kind = ModelKind.Decoder,
            Tokens = tokens,
            MaxPositions = config.Size("max_position_embeddings", defaults.MaxPositions),
            PaddingId = config.OptionalInteger("pad_token_id"),
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [defaults.EndToken],
            Text = new StackDescription
            {
                Kind = AttentionKind.Decoder,
                Hidden = hidden,
                Heads = heads,
                KeyHeads = keyHeads,
                HeadSize = headSize,
                Norms = NormPlace.Before,
                FinalNorm = body.RmsNorm("norm", hidden, epsilon, defaults.NormOffset),
                Rotary = RotaryPositions.Read(config, config.Number("rope_theta", 10000), (int)(headSize * turning), headSize, defaults.IsPhi),
                Blocks = Architecture.Layers(config.Size("num_hidden_layers", defaults.Layers), i =>
                {
                    Weights layer = body.Under($"layers.{i}.");
                    (int queryKey, int value) = ((heads + keyHeads) * headSize, keyHeads * headSize);
                    Linear[] attention = defaults.IsPhi
                        ? Fused(layer, "self_attn.qkv_proj", hidden, queryKey, value)
                        : [layer.Stacked(hidden, ("self_attn.q_proj", heads * headSize), ("self_attn.k_proj", value)), layer.Linear("self_attn.v_proj", value, hidden)];
                    Linear[] gated = defaults.IsPhi
                        ? Fused(layer, "mlp.gate_up_proj", hidden, inner, inner)
                        : [layer.Linear("mlp.gate_proj", inner, hidden), layer.Linear("mlp.up_proj", inner, hidden)];
                    return new Block
                    {
                        Self = new Attention
                        {
                            Query = attention[0],
                            Value = attention[1],
                            Output = layer.Linear("self_attn.o_proj", hidden, heads * headSize),
                            Scale = Architecture.Scale(headSize),
                            Before = defaults.Window(i) - 1 ?? int.MaxValue,
                            After = 0,
                        },
                        SelfNorm = layer.RmsNorm("input_layernorm", hidden, epsilon, defaults.NormOffset),
                        FeedForward = new FeedForward(gated[1], gated[0], layer.Linear("mlp.down_proj", hidden, inner), activation),
                        FeedForwardNorm = layer.RmsNorm("post_attention_layernorm", hidden, epsilon, defaults.NormOffset),
                    };
                }),
            },
            Head = Heads.Causal(config, weights, tokens, hidden, tied: config.Flag("tie_word_embeddings", defaults.Tied), "lm_head"),
        };
    }

    /// <summary>Two maps stored one above the other.</summary>
    private static Linear[] Fused(Weights layer, string name, int inputs, int first, int second) => layer.Split(
        name, first + second, inputs, transposed: false, [.. Enumerable.Range(0, first)], [.. Enumerable.Range(first, second)]);

    private sealed record Defaults
    {
        public required int Vocabulary { get; init; }

        public required int Hidden { get; init; }

        public required int Inner { get; init; }

        public required int Layers { get; init; }

        public required int Heads { get; init; }

        public int? KeyHeads { get; init; }

        public int? HeadSize { get; init; }

        public required int MaxPositions { get; init; }

        public required int EndToken { get; init; }

        public bool Tied { get; init; }

        public float Epsilon { get; init; } = 1e-6f;

        /// <summary>Fused maps, rotary positions on part of a head, and Phi-3's own words for their scaling.</summary>
        public bool IsPhi { get; init; }

        public float NormOffset { get; init; }

        public float EmbeddingScale { get; init; } = 1;

        /// <summary>Null = hidden_act.</summary>
        public string? Activation { get; init; }

        /// <summary>The sliding window of a layer; null = none.</summary>
        public Func<int, int?> Window { get; init; } = static _ => null;
    }
}
