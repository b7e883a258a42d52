using AttentionLens.Tokenization.Patterns;

namespace AttentionLens.Tokenization.PreTokenizers;

internal enum PrependScheme
{
    Always,
    First,
    Never,
}

/// <summary>SentencePiece: spaces become visible, a word begins with one.</summary>
/// <param name="split">Whether to split before each, or leave the text in one piece.</param>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    private readonly SplitPreTokenizer splitter = new(new LiteralPattern(replacement.ToString()), SplitBehavior.MergedWithNext);

    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        input = ReplaceSpaces(input);
        if (scheme == PrependScheme.Always)
        {
            var prefix = replacement;
            input = input.Rewrite(piece => piece[0] != prefix, (piece, result) =>
            {
                result.Prepend([prefix]);
                result.Copy(piece.Length);
            });
        }
        else if (scheme == PrependScheme.First && input.Pieces.Count > 0)
        {
            input = PrependFirst(input);
        }
        return split ? splitter.Apply(input, cancellation) : input;
    }

    private PreTokenizedText ReplaceSpaces(PreTokenizedText input)
    {
        char[]? replaced = null;
        foreach (var piece in input.Pieces)
        {
            // An added token keeps its spaces.
            if (!piece.IsText || !input.Text.Span[piece.Start..piece.End].Contains(' '))
                continue;
            replaced ??= input.Text.Span.ToArray();
            replaced.AsSpan(piece.Start, piece.End - piece.Start).Replace(' ', replacement);
        }
        return replaced is null ? input : input with { Text = input.Text.WithChars(replaced) };
    }

    /// <summary>Only the piece that begins the original text gets the prefix.</summary>
    private PreTokenizedText PrependFirst(PreTokenizedText input)
    {
        var first = input.Pieces[0];
        if (!first.IsText || input.Text.OriginalStart(first.Start) != 0 || input.Text.Span[first.Start] == replacement)
            return input;
        var isFirst = true;
        return input.Rewrite(_ => isFirst, (piece, result) =>
        {
            if (isFirst)
                result.Prepend([replacement]);
            isFirst = false;
            result.Copy(piece.Length);
        });
    }
}
