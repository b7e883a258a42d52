using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.PreTokenizers;

/// <summary>Splits where the script changes. Japanese counts as one script with Han; a space belongs to what stands before it.</summary>
internal sealed class UnicodeScriptsPreTokenizer : PreTokenizer
{
    private const byte Any = 0;

    /// <summary>A number for the script of each code point, 0 where any script goes on.</summary>
    private static readonly Lazy<byte[]> Scripts = new(() =>
    {
        var scripts = new byte[0x110000];
        byte number = 0;
        foreach (var (name, ranges) in UnicodeData.Properties)
        {
            if (name is "alphabetic" or "lowercase" or "uppercase")
                continue;
            number++;
            Fill(ranges, number);
        }
        var (han, hiragana, katakana) = (scripts['漢'], scripts['あ'], scripts['ア']);
        foreach (ref var script in scripts.AsSpan())
        {
            if (script == hiragana || script == katakana)
                script = han;
        }
        scripts['ー'] = han;
        Fill(UnicodeData.WithoutScript, Any);
        return scripts;

        void Fill(CodePointRanges ranges, byte value)
        {
            var bounds = ranges.ToArray();
            for (var i = 0; i < bounds.Length; i += 2)
                scripts.AsSpan(bounds[i], bounds[i + 1] - bounds[i] + 1).Fill(value);
        }
    });

    public override PreTokenizedText Apply(PreTokenizedText input, CancellationToken cancellation)
    {
        var scripts = Scripts.Value;
        var text = input.Text.Span;
        var pieces = new List<Piece>();
        foreach (var piece in input.Pieces)
        {
            if (!piece.IsText)
            {
                pieces.Add(piece);
                continue;
            }
            var last = Any;
            var start = piece.End; // spaces before the first script go, as in the reference
            for (var at = piece.Start; at < piece.End;)
            {
                var codePoint = CodePoints.At(text, at);
                var script = scripts[codePoint];
                if (script != Any && script != last)
                {
                    if (start < at)
                        pieces.Add(new Piece(start, at));
                    start = at;
                    last = script;
                }
                at += codePoint > 0xFFFF ? 2 : 1;
            }
            if (start < piece.End)
                pieces.Add(new Piece(start, piece.End));
        }
        return input with { Pieces = pieces };
    }
}
