using System.Text.Json;
using AttentionLens.Analysis.Evaluation;

namespace AttentionLens.Cli.Evaluation;

/// <summary>
/// Which words may stand in the place of which: lines of <c>word TAB synonym TAB synonym ...</c> (# begins a comment), or a JSON object
/// <c>{"word": ["synonym", ...]}</c>. One way only, as written; case does not matter, and the capital of the replaced word is kept.
/// </summary>
internal static class SynonymFile
{
    /// <param name="path">For messages.</param>
    /// <param name="text">The file.</param>
    /// <param name="problem">Receives one sentence for each entry that was left out.</param>
    /// <exception cref="CommandException">Neither of the two forms, or nothing in it.</exception>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Read(string path, string text, Action<string> problem)
    {
        var read = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (place, word, others) in text.AsSpan().TrimStart() is ['{', ..] ? FromJson(path, text) : FromLines(path, text))
        {
            foreach (var entry in others.Prepend(word).Where(e => !Robustness.IsWord(e)))
            {
                problem($"{path}, {place}: '{entry}' is not one word and was left out.");
            }

            if (Robustness.IsWord(word) && others.Where(Robustness.IsWord).ToArray() is { Length: > 0 } usable)
            {
                var key = word.ToLowerInvariant();
                read[key] = [.. read.GetValueOrDefault(key, []).Concat(usable).Distinct()];
            }
        }

        return read.Count > 0 ? read : throw new CommandException($"'{path}' holds no synonyms: write a word and its synonyms with tabs between on each line, or {{\"word\": [\"synonym\"]}}.");
    }

    private static IEnumerable<(string Place, string Word, string[] Others)> FromLines(string path, string text)
    {
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            var fields = line.Split('\t', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 0 || fields[0][0] == '#')
            {
                continue;
            }

            yield return fields.Length > 1
                ? ($"line {number}", fields[0], fields[1..])
                : throw new CommandException($"'{path}', line {number}: a word and its synonyms stand on a line with tabs between.");
        }
    }

    private static (string Place, string Word, string[] Others)[] FromJson(string path, string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return [.. json.RootElement.EnumerateObject().Select(entry => ($"'{entry.Name}'", entry.Name, Others(entry)))];
        }
        catch (JsonException error)
        {
            throw new CommandException($"'{path}' is not valid JSON: line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}.");
        }
        catch (InvalidOperationException)
        {
            throw new CommandException($"'{path}' is not valid JSON: it holds an escape of half a character.");
        }

        string[] Others(JsonProperty entry) => entry.Value switch
        {
            { ValueKind: JsonValueKind.String } one => [one.GetString()!],
            { ValueKind: JsonValueKind.Array } many when many.EnumerateArray().All(o => o.ValueKind == JsonValueKind.String) => [.. many.EnumerateArray().Select(o => o.GetString()!)],
            _ => throw new CommandException($"'{path}': the synonyms of '{entry.Name}' are a word or a list of words."),
        };
    }
}
