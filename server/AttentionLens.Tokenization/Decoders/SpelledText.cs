using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization.Decoders;

/// <summary>A text for tokens of which only the spellings are known, as in files of other programs: how the vocabulary marks words is told from them.</summary>
public static partial class SpelledText
{
    /// <summary>A line is broken at the first space after this many characters, so that it can be read in an editor.</summary>
    private const int LineLength = 90;

    private enum Marks
    {
        /// <summary>A space between any two, except before "##" (WordPiece).</summary>
        Pieces,

        /// <summary>Spaces are spelled "▁" (SentencePiece).</summary>
        LowBars,

        /// <summary>Bytes are spelled by the alphabet of GPT-2, in which a space is "Ġ".</summary>
        Bytes,

        /// <summary>Spaces are spaces.</summary>
        Spaces,
    }

    /// <param name="spellings">The vocabulary's own.</param>
    /// <param name="special">Which of them stand for nothing in the text.</param>
    /// <param name="sequence">Of the tokens that are no special ones.</param>
    public static (string Text, Token[] Tokens) Of(IReadOnlyList<string> spellings, IReadOnlyList<bool> special, int sequence)
    {
        string[] shown = [.. spellings.Where((_, i) => !special[i])];
        var marks = shown.Any(static s => s.StartsWith('▁')) ? Marks.LowBars
            : shown.Any(static s => s.StartsWith('Ġ') || s == "Ċ") && shown.All(static s => ByteAlphabet.Bytes(s) is not null) ? Marks.Bytes
            : shown.Any(static s => s.Length > 1 && s.StartsWith(' ')) ? Marks.Spaces
            : Marks.Pieces;
        List<byte> bytes = [];
        var ends = new int[spellings.Count];
        for (var i = 0; i < spellings.Count; i++)
        {
            if (!special[i])
            {
                var piece = Piece(spellings[i], marks, bytes.Count == 0);
                bytes.AddRange(bytes.Count > 0 ? piece : piece.SkipWhile(static b => b == (byte)' '));
            }

            ends[i] = bytes.Count;
        }

        var (text, starts) = Decode([.. bytes]);
        Break(text);
        var tokens = new Token[spellings.Count];
        var (from, word, before) = (0, -1, 0);
        for (var i = 0; i < tokens.Length; i++)
        {
            // Of a character in several tokens each has the whole.
            var last = ends[i];
            while (last > from && last < starts.Length - 1 && starts[last] == starts[last - 1])
            {
                last++;
            }

            var (start, end) = (starts[from], starts[last]);
            while (start < end && char.IsWhiteSpace(text[start]))
            {
                start++;
            }

            while (end > start && char.IsWhiteSpace(text[end - 1]))
            {
                end--;
            }

            if (special[i])
            {
                tokens[i] = new Token(-1, spellings[i], start, start, true, -1, 0, -1);
                continue;
            }

            word += word < 0 || start > before || !(start > 0 && Joins(text[start - 1]) && start < text.Length && Joins(text[start])) ? 1 : 0;
            tokens[i] = new Token(-1, spellings[i], start, end, false, sequence, 0, word);
            (from, before) = (ends[i], end);
        }

        return (new string(text), tokens);
    }

    private static byte[] Piece(string spelling, Marks marks, bool isFirst) => marks switch
    {
        Marks.Bytes => ByteAlphabet.Bytes(spelling) ?? [], // all are, or it would not be this kind
        Marks.LowBars when OneByte().Match(spelling) is { Success: true } match => [byte.Parse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)],
        Marks.LowBars => Encoding.UTF8.GetBytes(spelling.Replace('▁', ' ')),
        Marks.Pieces when spelling.Length > 2 && spelling.StartsWith("##", StringComparison.Ordinal) => Encoding.UTF8.GetBytes(spelling[2..]),
        Marks.Pieces when !isFirst => Encoding.UTF8.GetBytes(" " + spelling),
        _ => Encoding.UTF8.GetBytes(spelling),
    };

    /// <returns>The characters, and for each byte, and the end, where its character begins.</returns>
    private static (char[] Text, int[] Starts) Decode(byte[] bytes)
    {
        var text = new StringBuilder();
        var starts = new int[bytes.Length + 1];
        for (var at = 0; at < bytes.Length;)
        {
            Rune.DecodeFromUtf8(bytes.AsSpan(at), out var rune, out var used);
            Array.Fill(starts, text.Length, at, used);
            // An editor would make one line end of two.
            text.Append(rune.Value == '\r' ? "\n" : rune.ToString());
            at += used;
        }

        starts[^1] = text.Length;
        return (text.ToString().ToCharArray(), starts);
    }

    private static void Break(char[] text)
    {
        var column = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == ' ' && column >= LineLength)
            {
                text[i] = '\n';
            }

            column = text[i] == '\n' ? 0 : column + 1;
        }
    }

    /// <summary>Letters of scripts with spaces make words.</summary>
    private static bool Joins(char c) => char.IsLetterOrDigit(c) && c < '\u2E80';

    [GeneratedRegex("^<0x([0-9A-Fa-f]{2})>$")]
    private static partial Regex OneByte();
}
