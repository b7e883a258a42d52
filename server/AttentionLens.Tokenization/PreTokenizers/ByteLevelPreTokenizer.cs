using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.Patterns;

namespace AttentionLens.Tokenization.PreTokenizers;

/// <summary>GPT-2: splits by its expression and writes the bytes as characters.</summary>
/// <param name="useRegex">Whether to split; newer tokenizers split in a step of their own.</param>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private static readonly Lazy<RegexPattern> Words = new(() =>
        new RegexPattern(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"));

    /// <summary>Off when the model reads the bytes of the text by itself.</summary>
    public bool WritesBytes { get; init; } = true;

    public ByteLevelPreTokenizer OnText() => new(addPrefixSpace, useRegex) { WritesBytes = false };

    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        if (addPrefixSpace)
            input = input.Rewrite(NeedsPrefix, static (piece, builder) =>
            {
                builder.Prepend(" ");
                builder.Copy(piece.Length);
            });
        if (useRegex)
            input = new SplitPreTokenizer(Words.Value, SplitBehavior.Isolated).Apply(input, cancellation);
        return WritesBytes ? input.Rewrite(static _ => true, ByteLevelNormalizer.Write) : input;
    }

    private static bool NeedsPrefix(ReadOnlySpan<char> piece) => piece[0] != ' ';
}
