using System.Globalization;
using System.Text;
using AttentionLens.Tokenization.Patterns;
using AttentionLens.Tokenization.Subwords;

namespace AttentionLens.Tokenization.Decoders;

/// <summary>Decoders one after the other.</summary>
internal sealed class DecoderSequence(Decoder[] steps) : Decoder
{
    public override List<string> Decode(List<string> tokens)
    {
        foreach (var step in steps)
            tokens = step.Decode(tokens);
        return tokens;
    }
}

/// <summary>Joins all pieces into one, so that what follows sees the whole text.</summary>
internal sealed class FuseDecoder : Decoder
{
    public override List<string> Decode(List<string> tokens) => [string.Concat(tokens)];
}

/// <summary>Alphabet characters back to bytes, all bytes together to text; what is no UTF-8 becomes U+FFFD.</summary>
internal sealed class ByteLevelDecoder : Decoder
{
    public override List<string> Decode(List<string> tokens)
    {
        var bytes = new List<byte>();
        foreach (var token in tokens)
        {
            // A token with any other character was added as plain text.
            bytes.AddRange(ByteAlphabet.Bytes(token) ?? Encoding.UTF8.GetBytes(token));
        }
        return [Encoding.UTF8.GetString([.. bytes])];
    }
}

/// <summary>Runs of &lt;0x0A&gt; back to characters; a run that is no UTF-8 becomes one U+FFFD a byte.</summary>
internal sealed class ByteFallbackDecoder : Decoder
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public override List<string> Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        var bytes = new List<byte>();
        foreach (var token in tokens)
        {
            // Digits asked for first: .NET's parser also takes spaces and NULs.
            if (token is ['<', '0', 'x', var high, var low, '>'] && char.IsAsciiHexDigit(high) && char.IsAsciiHexDigit(low)
                && byte.TryParse(token.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                continue;
            }
            Flush();
            result.Add(token);
        }
        Flush();
        return result;

        void Flush()
        {
            if (bytes.Count == 0)
                return;
            try
            {
                result.Add(Strict.GetString([.. bytes]));
            }
            catch (DecoderFallbackException)
            {
                result.AddRange(Enumerable.Repeat("\uFFFD", bytes.Count));
            }
            bytes.Clear();
        }
    }
}

/// <summary>Visible spaces back to spaces; the one that was put in front of the text goes.</summary>
internal sealed class MetaspaceDecoder(char replacement, bool dropsFirst) : Decoder
{
    public override List<string> Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        foreach (var token in tokens)
        {
            var text = result.Count == 0 && dropsFirst ? token.Replace(replacement.ToString(), "", StringComparison.Ordinal) : token;
            result.Add(text.Replace(replacement, ' '));
        }
        return result;
    }
}

/// <summary>The suffix of a word's last token becomes the space after it.</summary>
internal sealed class BytePairDecoder(string suffix) : Decoder
{
    public override List<string> Decode(List<string> tokens) =>
        suffix.Length == 0 ? tokens : [.. tokens.Select((token, index) =>
            token.Replace(suffix, index == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal))];
}

/// <summary>Connectionist temporal classification: repetitions fold, padding goes.</summary>
internal sealed class CtcDecoder(string padding, string wordDelimiter, bool cleanup) : Decoder
{
    public override List<string> Decode(List<string> tokens)
    {
        var result = new List<string>();
        for (var i = 0; i < tokens.Count; i++)
        {
            if (i > 0 && tokens[i] == tokens[i - 1])
                continue;
            var text = padding.Length > 0 ? tokens[i].Replace(padding, "", StringComparison.Ordinal) : tokens[i];
            if (cleanup)
            {
                text = WordPieceDecoder.Clean(text);
                if (wordDelimiter.Length > 0)
                    text = text.Replace(wordDelimiter, " ", StringComparison.Ordinal);
            }
            if (text.Length > 0)
                result.Add(text);
        }
        return result;
    }
}

/// <summary>Replaces the matches of a pattern in each piece.</summary>
internal sealed class ReplaceDecoder(TextPattern pattern, string content) : Decoder
{
    public override List<string> Decode(List<string> tokens) => tokens.ConvertAll(token =>
    {
        var matches = new List<Match>();
        pattern.Find(token, matches, CancellationToken.None);
        var text = new StringBuilder();
        var done = 0;
        foreach (var match in matches)
        {
            text.Append(token, done, match.Start - done).Append(content);
            done = match.End;
        }
        return text.Append(token, done, token.Length - done).ToString();
    });
}

/// <summary>Takes up to some leading and trailing occurrences of a character off each piece.</summary>
internal sealed class StripDecoder(string content, int leading, int trailing) : Decoder
{
    public override List<string> Decode(List<string> tokens) => content.Length == 0 ? tokens : tokens.ConvertAll(token =>
    {
        for (var i = 0; i < leading && token.StartsWith(content, StringComparison.Ordinal); i++)
            token = token[content.Length..];
        for (var i = 0; i < trailing && token.EndsWith(content, StringComparison.Ordinal); i++)
            token = token[..^content.Length];
        return token;
    });
}
