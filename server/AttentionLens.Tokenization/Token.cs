namespace AttentionLens.Tokenization;

/// <summary>One token of an encoded text.</summary>
/// <param name="Id">The id in the vocabulary.</param>
/// <param name="Text">The vocabulary's own spelling ("##ing", "Ġthe", "▁Haus").</param>
/// <param name="Start">First UTF-16 code unit in the original text of its sequence.</param>
/// <param name="End">One past the last UTF-16 code unit; equal to <paramref name="Start"/> for added special tokens.</param>
/// <param name="Special">Added by the post-processor ([CLS], &lt;/s&gt;), not found in the text.</param>
/// <param name="Sequence">0 = first text, 1 = pair, -1 = special.</param>
/// <param name="TypeId">The token type (segment) id that the model receives.</param>
/// <param name="Word">Index of the pre-token within its sequence, -1 for special tokens.</param>
public readonly record struct Token(int Id, string Text, int Start, int End, bool Special, int Sequence, int TypeId, int Word);

/// <summary>The tokens of one text or one pair of texts, in model order.</summary>
public sealed record TokenizedText(Token[] Tokens)
{
    public int Count => Tokens.Length;

    public int[] Ids() => Array.ConvertAll(Tokens, token => token.Id);

    public int[] TypeIds() => Array.ConvertAll(Tokens, token => token.TypeId);
}

/// <summary>Ids of the tokens with a role in the model; null when the tokenizer has none.</summary>
public sealed record SpecialTokens(int? Cls, int? Sep, int? Mask, int? Pad, int? Unk, int? Bos, int? Eos);
