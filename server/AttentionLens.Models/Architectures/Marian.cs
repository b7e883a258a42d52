namespace AttentionLens.Models;

/// <summary>Marian (Junczys-Dowmunt et al. 2018), the OPUS-MT translation models: BART's layers with sinusoidal positions and no embedding norm.</summary>
internal static class MarianArchitecture
{
    public static Network Read(ModelConfig config, Weights weights)
    {
        Weights body = weights.Root("shared.weight", "model.", "");
        int hidden = config.Size("d_model", 1024);
        int vocabulary = config.Size("vocab_size", 58101);
        config.Demand(config.Flag("share_encoder_decoder_embeddings", true), "share_encoder_decoder_embeddings false");
        config.Demand(config.Integer("decoder_vocab_size", vocabulary) == vocabulary, "a decoder_vocab_size other than vocab_size");
        TokenEmbedding tokens = new()
        {
            Vocabulary = vocabulary,
            Width = hidden,
            Table = body.Tensor("shared.weight", vocabulary, hidden),
            Scale = config.Flag("scale_embedding", false) ? MathF.Sqrt(hidden) : 1,
            Positions = Sinusoids(config.Size("max_position_embeddings", 1024), hidden),
        };
        return new Network
        {
            Kind = ModelKind.EncoderDecoder,
            Tokens = tokens,
            Text = BartArchitecture.Stack(config, body.Under("encoder."), AttentionKind.Encoder, hidden),
            DecoderTokens = tokens,
            Decoder = BartArchitecture.Stack(config, body.Under("decoder."), AttentionKind.Decoder, hidden),
            MaxPositions = tokens.MaxTokens,
            PaddingId = config.Integer("pad_token_id", 58100),
            DecoderStart = config.Integer("decoder_start_token_id", 58100),
            EndTokens = config.Integers("eos_token_id") is { Count: > 0 } ends ? ends : [0],
            Head = Heads.Translation(config, weights, tokens),
        };
    }

    /// <summary>Sines in the first half of a row, cosines in the second.</summary>
    private static float[] Sinusoids(int positions, int width)
    {
        if ((long)positions * width > 1 << 28)
        {
            throw new ModelException($"config.json: {positions} positions of width {width} make no sense.");
        }

        float[] table = new float[positions * width];
        int sines = (width + 1) / 2;
        for (int p = 0; p < positions; p++)
        {
            for (int j = 0; j < width; j++)
            {
                double angle = p / Math.Pow(10000, 2.0 * (j / 2) / width);
                // Entry j of the interleaved table goes to j / 2 of its half.
                table[(p * width) + (j % 2 == 0 ? j / 2 : sines + (j / 2))] = (float)(j % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle));
            }
        }

        return table;
    }
}
