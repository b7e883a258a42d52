using System.Globalization;
using System.Text;
using AttentionLens.Corpora;

namespace AttentionLens.Cli.Text;

/// <summary>
/// Reads a JSON string that may hold escaped lone surrogates. They are text to an editor, and System.Text.Json refuses them.
/// </summary>
internal static class JsonString
{
    /// <exception cref="CommandException">The line is anything else.</exception>
    public static string Read(ReadOnlySpan<char> line, int number)
    {
        line = line.Trim();
        if (line.Length < 2 || line[0] != '"' || line[^1] != '"')
        {
            throw Wrong(number);
        }

        var text = new StringBuilder(line.Length);
        for (var rest = line[1..^1]; !rest.IsEmpty;)
        {
            var plain = rest.IndexOfAny('\\', '"');
            text.Append(plain < 0 ? rest : rest[..plain]);
            if (plain < 0)
            {
                break;
            }

            rest = rest[plain..];
            if (rest[0] == '"' || rest.Length < 2)
            {
                throw Wrong(number);
            }

            var (character, length) = rest[1] switch
            {
                'n' => ('\n', 2),
                't' => ('\t', 2),
                'r' => ('\r', 2),
                'b' => ('\b', 2),
                'f' => ('\f', 2),
                '"' or '\\' or '/' => (rest[1], 2),
                'u' when JsonEscape.Unit(rest) is { } unit => (unit, JsonEscape.Length),
                _ => throw Wrong(number),
            };
            text.Append(character);
            rest = rest[length..];
        }

        return text.ToString();
    }

    private static CommandException Wrong(int number) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Line {number} is not a JSON string; with --lines every line must be one."));
}
