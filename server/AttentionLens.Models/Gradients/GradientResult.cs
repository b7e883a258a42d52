namespace AttentionLens.Models;

/// <summary>
/// One term of the scalar that is differentiated: <paramref name="Weight"/> times the logit <paramref name="Index"/> at position
/// <paramref name="Row"/> (ignored by heads that score the whole input). "is rather than are" is two terms, 1 and -1.
/// </summary>
public readonly record struct LogitTerm(int Row, int Index, float Weight = 1);

/// <summary>Sees one head's weights [queries * keys] and the derivative of the target by each of them. The spans live during the call only.</summary>
public delegate void AttentionGradientSink(AttentionKind kind, int layer, int head, int keys, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradient);

/// <summary>
/// The target's value and its derivative by the embedding output (hidden state 0).
/// </summary>
/// <param name="Value">y = sum of the terms.</param>
/// <param name="Embeddings">Hidden state 0 that went in, [n, hidden]: of the text (the source of an encoder-decoder) or of the image.</param>
/// <param name="Gradient">dy / dEmbeddings.</param>
/// <param name="DecoderEmbeddings">Hidden state 0 of the decoder of an encoder-decoder, else empty.</param>
/// <param name="DecoderGradient">dy / dDecoderEmbeddings.</param>
public sealed record GradientResult(double Value, float[] Embeddings, float[] Gradient, float[] DecoderEmbeddings, float[] DecoderGradient);
