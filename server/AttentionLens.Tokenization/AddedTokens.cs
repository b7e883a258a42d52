using System.Buffers;
using AttentionLens.Tokenization.Normalizers;
using AttentionLens.Tokenization.PreTokenizers;
using AttentionLens.Tokenization.Text;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization;

/// <summary>A token found in the text as it stands, before the model sees it.</summary>
/// <param name="SingleWord">Only between non-word characters.</param>
/// <param name="LeftStrip">Takes the white space before it.</param>
/// <param name="RightStrip">Takes the white space after it.</param>
/// <param name="Normalized">Searched for in the normalized text (itself normalized), else in the original.</param>
/// <param name="Special">Left out by Decode when special tokens are skipped.</param>
internal sealed record AddedToken(
    int Id, string Content, bool SingleWord, bool LeftStrip, bool RightStrip, bool Normalized, bool Special);

/// <summary>Cuts the added tokens out of a text and normalizes what stands between them.</summary>
internal sealed class AddedTokens
{
    private readonly Normalizer? normalizer;
    private readonly Matcher inOriginal;
    private readonly Matcher inNormalized;

    public AddedTokens(IReadOnlyList<AddedToken> tokens, Normalizer? normalizer)
    {
        this.normalizer = normalizer;
        All = tokens;
        // Where two spellings are equal the first wins, and special tokens come first.
        var ordered = tokens.Where(token => token.Special).Concat(tokens.Where(token => !token.Special)).ToArray();
        inOriginal = new Matcher([.. ordered.Where(token => !token.Normalized).Select(token => (token.Content, token))]);
        inNormalized = new Matcher([.. ordered.Where(token => token.Normalized).Select(token => (Normalize(token.Content), token))]);
    }

    public IReadOnlyList<AddedToken> All { get; }

    /// <summary>These and others, which replace those of the same spelling.</summary>
    public AddedTokens With(IReadOnlyList<AddedToken> others) =>
        others.Count == 0 ? this : new([.. All.ExceptBy(others.Select(token => token.Content), token => token.Content), .. others], normalizer);

    public PreTokenizedText Split(AlignedText text)
    {
        var first = new List<Piece>();
        inOriginal.Split(text.Span, 0, text.Length, first);
        if (normalizer is null)
        {
            var pieces = new List<Piece>();
            SplitNormalized(text, first, pieces);
            return new PreTokenizedText(text, pieces);
        }
        var parts = new List<AlignedText>();
        var result = new List<Piece>();
        var length = 0;
        foreach (var piece in first)
        {
            var part = text.Slice(piece.Start, piece.End);
            if (piece.IsText)
            {
                part = normalizer.Normalize(part);
                inNormalized.Split(part.Span, length, part.Length, result);
            }
            else
            {
                result.Add(new Piece(length, length + part.Length, piece.AddedToken));
            }
            parts.Add(part);
            length += part.Length;
        }
        return new PreTokenizedText(AlignedText.Join(parts), result);
    }

    private void SplitNormalized(AlignedText text, List<Piece> pieces, List<Piece> result)
    {
        foreach (var piece in pieces)
        {
            if (piece.IsText)
                inNormalized.Split(text.Span[piece.Start..piece.End], piece.Start, piece.End - piece.Start, result);
            else
                result.Add(piece);
        }
    }

    private string Normalize(string content) =>
        normalizer is null ? content : normalizer.Normalize(AlignedText.FromText(content)).Span.ToString();

    /// <summary>Finds the leftmost, then longest of many strings, by a trie.</summary>
    private sealed class Matcher
    {
        private readonly Dictionary<(int Node, char Next), int> edges = [];
        private readonly List<AddedToken?> ends = [null];
        private readonly SearchValues<char> firsts;

        public Matcher((string Text, AddedToken Token)[] tokens)
        {
            foreach (var (text, token) in tokens)
            {
                if (text.Length == 0)
                    continue;
                var node = 0;
                foreach (var c in text)
                {
                    if (!edges.TryGetValue((node, c), out var next))
                    {
                        next = ends.Count;
                        edges.Add((node, c), next);
                        ends.Add(null);
                    }
                    node = next;
                }
                ends[node] ??= token;
            }
            firsts = SearchValues.Create([.. edges.Keys.Where(key => key.Node == 0).Select(key => key.Next)]);
        }

        /// <summary>Adds the pieces of a text that begins at <paramref name="origin"/>.</summary>
        public void Split(ReadOnlySpan<char> text, int origin, int length, List<Piece> pieces)
        {
            var done = 0;
            for (var at = 0; at < length;)
            {
                var skip = text[at..length].IndexOfAny(firsts);
                if (skip < 0)
                    break;
                at += skip;
                var token = Longest(text[..length], at, out var end);
                if (token is null)
                {
                    at++;
                    continue;
                }
                var start = at;
                at = end;
                if (token.SingleWord && (JoinsBefore(text, start) || JoinsAfter(text[..length], end)))
                    continue;
                if (token.LeftStrip)
                {
                    while (start > done && CodePoints.IsSpace(text[start - 1]))
                        start--;
                }
                if (token.RightStrip)
                {
                    while (end < length && CodePoints.IsSpace(text[end]))
                        end++;
                    at = Math.Max(at, end);
                }
                if (done < start)
                    pieces.Add(new Piece(origin + done, origin + start));
                pieces.Add(new Piece(origin + start, origin + end, token.Id));
                done = end;
            }
            if (done < length)
                pieces.Add(new Piece(origin + done, origin + length));
        }

        private AddedToken? Longest(ReadOnlySpan<char> text, int start, out int end)
        {
            AddedToken? found = null;
            end = start;
            var node = 0;
            for (var i = start; i < text.Length && edges.TryGetValue((node, text[i]), out node); i++)
            {
                if (ends[node] is { } token)
                    (found, end) = (token, i + 1);
            }
            return found;
        }

        private static bool JoinsBefore(ReadOnlySpan<char> text, int start) =>
            start > 0 && IsWordOrJoiner(CodePoints.Before(text, start));

        private static bool JoinsAfter(ReadOnlySpan<char> text, int end) =>
            end < text.Length && IsWordOrJoiner(CodePoints.At(text, end));

        private static bool IsWordOrJoiner(int codePoint) => CodePoints.IsWord(codePoint) || CodePoints.IsJoinControl(codePoint);
    }
}
