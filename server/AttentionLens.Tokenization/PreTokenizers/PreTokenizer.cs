using AttentionLens.Tokenization.Patterns;

namespace AttentionLens.Tokenization.PreTokenizers;

/// <summary>Splits pieces into smaller ones. Added tokens pass through untouched.</summary>
internal abstract class PreTokenizer
{
    public abstract PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation);
}

/// <summary>Pre-tokenizers one after the other.</summary>
internal sealed class PreTokenizerSequence(PreTokenizer[] steps) : PreTokenizer
{
    public PreTokenizer[] Steps { get; } = steps;

    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        foreach (var step in Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            input = step.Apply(input, cancellation);
        }
        return input;
    }
}

/// <summary>What becomes of a delimiter.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Splits at the matches of a pattern.</summary>
/// <param name="invert">The matches are what is kept, the rest is the delimiter.</param>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool invert = false) : PreTokenizer
{
    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        var splitter = new Splitter(pattern, behavior, invert, cancellation);
        foreach (var piece in input.Pieces)
            splitter.Split(input.Text.Span, piece);
        return input with { Pieces = splitter.Pieces };
    }
}

/// <summary>Splits piece after piece, reusing its lists.</summary>
internal sealed class Splitter(TextPattern pattern, SplitBehavior behavior, bool invert, CancellationToken cancellation)
{
    private readonly List<Match> matches = [];
    private int last;
    private bool lastIsMatch;
    private int pieceStart;

    public List<Piece> Pieces { get; } = [];

    public void Split(ReadOnlySpan<char> text, Piece piece)
    {
        if (!piece.IsText)
        {
            Pieces.Add(piece);
            return;
        }
        matches.Clear();
        var span = text[piece.Start..piece.End];
        pattern.Find(span, matches, cancellation);
        pieceStart = piece.Start;
        last = Pieces.Count;
        lastIsMatch = false;
        var previous = 0;
        foreach (var match in matches)
        {
            if (match.Start != previous)
                Add(previous, match.Start, invert);
            Add(match.Start, match.End, !invert);
            previous = match.End;
        }
        if (previous != span.Length)
            Add(previous, span.Length, invert);
    }

    private void Add(int start, int end, bool isMatch)
    {
        if (start == end) // a match of nothing still separates what stands before and after it
        {
            if (behavior != SplitBehavior.Contiguous)
                lastIsMatch = isMatch;
            return;
        }
        var hasPrevious = Pieces.Count > last;
        var joins = hasPrevious && behavior switch
        {
            SplitBehavior.Contiguous => isMatch == lastIsMatch,
            SplitBehavior.MergedWithPrevious => isMatch && !lastIsMatch,
            SplitBehavior.MergedWithNext => !isMatch && lastIsMatch,
            _ => false,
        };
        lastIsMatch = isMatch;
        if (joins)
            Pieces[^1] = Pieces[^1] with { End = pieceStart + end };
        else if (!isMatch || behavior != SplitBehavior.Removed)
            Pieces.Add(new Piece(pieceStart + start, pieceStart + end));
    }
}

/// <summary>White space removed, every punctuation mark by itself.</summary>
internal sealed class BertPreTokenizer : PreTokenizer
{
    private readonly PreTokenizerSequence steps = new(
    [
        new SplitPreTokenizer(CharacterPattern.WhiteSpace, SplitBehavior.Removed),
        new SplitPreTokenizer(CharacterPattern.Punctuation, SplitBehavior.Isolated),
    ]);

    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation) => steps.Apply(input, cancellation);
}

/// <summary>Pieces of a fixed number of code points.</summary>
internal sealed class FixedLengthPreTokenizer(int length) : PreTokenizer
{
    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        var pieces = new List<Piece>();
        foreach (var piece in input.Pieces)
        {
            if (!piece.IsText)
            {
                pieces.Add(piece);
                continue;
            }
            var count = 0;
            var start = piece.Start;
            for (var at = piece.Start; at < piece.End;)
            {
                at += char.IsHighSurrogate(input.Text.Span[at]) ? 2 : 1;
                if (++count % length != 0 && at < piece.End)
                    continue;
                pieces.Add(new Piece(start, at));
                start = at;
            }
        }
        return input with { Pieces = pieces };
    }
}
