using AttentionLens.Tokenization.Text;

namespace AttentionLens.Tokenization.PreTokenizers;

/// <summary>A non-empty range of a text that becomes tokens by itself.</summary>
/// <param name="AddedToken">The id when the whole piece is an added token, else -1.</param>
internal readonly record struct Piece(int Start, int End, int AddedToken = -1)
{
    public bool IsText => AddedToken < 0;
}

internal delegate bool PieceTest(ReadOnlySpan<char> piece);

/// <summary>Writes what becomes of a piece, reading it from the builder's source.</summary>
internal delegate void PieceRewriter(ReadOnlySpan<char> piece, AlignedText.Builder result);

/// <summary>A text and the pieces it is split into, in order. Most steps replace only the pieces.</summary>
internal sealed record PreTokenizedText(AlignedText Text, List<Piece> Pieces)
{
    /// <summary>Rewrites the pieces of text that need it; everything between pieces goes.</summary>
    public PreTokenizedText Rewrite(PieceTest needed, PieceRewriter rewrite)
    {
        var span = Text.Span;
        var any = false;
        foreach (var piece in Pieces)
            any |= piece.IsText && needed(span[piece.Start..piece.End]);
        if (!any)
            return this;
        var result = new AlignedText.Builder(Text);
        var pieces = new List<Piece>(Pieces.Count);
        foreach (var piece in Pieces)
        {
            result.SkipTo(piece.Start);
            var start = result.Length;
            var part = span[piece.Start..piece.End];
            if (piece.IsText && needed(part))
                rewrite(part, result);
            else
                result.Copy(part.Length);
            pieces.Add(piece with { Start = start, End = result.Length });
        }
        return new PreTokenizedText(result.Build(), pieces);
    }
}
