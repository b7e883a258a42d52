namespace AttentionLens.Models;

/// <summary>Heads that several architectures share.</summary>
internal static class Heads
{
    /// <summary>Scores over the vocabulary: the stored decoder where there is one, else the token embedding (tied weights), plus a bias where one is stored.</summary>
    public static Head Vocabulary(HeadKind kind, HeadStep[] steps, TokenEmbedding tokens, Weights weights, string decoder, string? bias, bool tied, float scale = 1)
    {
        float[] biases = (bias is null ? null : weights.Optional(bias, tokens.Vocabulary)) ?? weights.Optional($"{decoder}.bias", tokens.Vocabulary) ?? [];
        bool stored = !tied && weights.Has($"{decoder}.weight");
        Weights later = weights.Later();
        int width = steps.Length == 0 ? tokens.Projection?.Outputs ?? tokens.Width : steps[^1].Linear.Outputs;
        if (stored)
        {
            // Checked now, read when first asked for.
            int[] shape = weights.Shape($"{decoder}.weight", 2);
            if (shape[0] != tokens.Vocabulary || shape[1] != width)
            {
                throw new ModelException($"Tensor '{decoder}.weight' has shape {Shapes.Text(shape)}, but config.json calls for [{tokens.Vocabulary}, {width}].");
            }
        }
        else if (width != tokens.Width)
        {
            throw new ModelException($"The checkpoint lacks tensor '{decoder}.weight', and the token embedding of width {tokens.Width} cannot stand in for a width of {width}.");
        }

        Lazy<Linear> output = new(() => stored
            ? later.Linear(decoder, tokens.Vocabulary, width) with { Bias = biases }
            : later.Build(tokens.Table, biases, tokens.Vocabulary, width));
        return new Head(kind, HeadRows.All, steps, output, scale);
    }

    /// <summary>A small output map, read at once.</summary>
    public static Head Labels(HeadKind kind, HeadRows rows, HeadStep[] steps, Weights weights, string name, int inputs)
    {
        int labels = weights.Shape($"{name}.weight", 2)[0];
        Linear output = weights.Linear(name, labels, inputs);
        return new Head(kind, rows, steps, new Lazy<Linear>(output));
    }

    /// <summary>Question answering and token classification, which every encoder names alike; null where neither is stored.</summary>
    public static Head? Tokens(ModelConfig config, Weights weights, int hidden)
    {
        if (weights.Has("qa_outputs.weight"))
        {
            return Labels(HeadKind.QuestionAnswering, HeadRows.All, [], weights, "qa_outputs", hidden);
        }

        return weights.Has("classifier.weight") && config.Architecture.EndsWith("ForTokenClassification", StringComparison.Ordinal)
            ? Labels(HeadKind.TokenClassification, HeadRows.All, [], weights, "classifier", hidden)
            : null;
    }

    /// <summary>The next token, or labels read off the last token, as every decoder names them; null for a body saved without a head.</summary>
    public static Head? Causal(ModelConfig config, Weights weights, TokenEmbedding tokens, int hidden, bool tied, string decoder)
    {
        if (weights.Has("score.weight"))
        {
            return Labels(HeadKind.SequenceClassification, HeadRows.Last, [], weights, "score", hidden);
        }

        // A bare body (LlamaModel) has no head even where its weights are tied.
        bool body = config.Architecture.EndsWith("Model", StringComparison.Ordinal) && !config.Architecture.EndsWith("LMHeadModel", StringComparison.Ordinal);
        return weights.Has($"{decoder}.weight") || (tied && !body)
            ? Vocabulary(HeadKind.CausalLanguage, [], tokens, weights, decoder, null, tied)
            : null;
    }

    /// <summary>Seq2seq scores with <c>final_logits_bias</c> [1, vocabulary] (BART, Marian).</summary>
    public static Head Translation(ModelConfig config, Weights weights, TokenEmbedding tokens)
    {
        Head head = Vocabulary(HeadKind.Sequence2SequenceLanguage, [], tokens, weights, "lm_head", null, config.Flag("tie_word_embeddings", true));
        if (weights.Optional("final_logits_bias", 1, tokens.Vocabulary) is not { } bias)
        {
            return head;
        }

        Lazy<Linear> plain = head.Output;
        return head with { Output = new Lazy<Linear>(() => plain.Value with { Bias = bias }) };
    }
}
