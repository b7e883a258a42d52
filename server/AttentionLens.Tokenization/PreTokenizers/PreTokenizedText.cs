using AttentionLens.Tokenization.Text;

namespace AttentionLens.Tokenization.PreTokenizers;

/// <summary>A non-empty range of a text that becomes tokens by itself.</summary>
/// <param name="AddedToken">The id when the whole piece is an added token, else -1.</param>
internal readonly record struct Piece(int Start, int End, int AddedToken = -1)
{
    public bool IsText => AddedToken < 0;
}

/// <summary>A text and the pieces it is split into, in order. Most steps replace only the pieces.</summary>
internal sealed record PreTokenizedText(AlignedText Text, List<Piece> Pieces);
