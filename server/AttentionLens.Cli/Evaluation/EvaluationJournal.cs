using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Models;

namespace AttentionLens.Cli.Evaluation;

/// <summary>
/// What a run has measured so far, beside the report that it is going to write (<c>REPORT.partial.jsonl</c>): a first line that says what was asked, then a
/// line a text, flushed at once. A run that is killed loses the text it was at. The journal of another question is begun anew.
/// </summary>
internal sealed class EvaluationJournal : IDisposable
{
    private readonly FileStream _stream;
    private readonly Dictionary<string, TextScores> _known;

    private EvaluationJournal(FileStream stream, Dictionary<string, TextScores> known) => (_stream, _known) = (stream, known);

    /// <summary>Texts that an earlier run has measured.</summary>
    public int Count => _known.Count;

    /// <exception cref="CommandException">Another run is writing it, or the folder is not there.</exception>
    public static EvaluationJournal Open(string output, ModelInfo model, IReadOnlyList<Method> methods, EvaluatorOptions options)
    {
        var header = new JournalHeader(
            1, model.Fingerprint, [.. methods.Select(m => m.Name)],
            [.. Enum.GetValues<MetricFamily>().Where(options.Measures).Select(f => $"{f}")], options.Outputs, options.Typos, options.Seed, options.RationaleShare,
            options.Synonyms is { } list ? Hash(string.Join('\n', list.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key}\t{string.Join('\t', e.Value)}"))) : null, options.Replacements);
        var path = PathOf(output);
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (DirectoryNotFoundException)
        {
            throw new CommandException($"The folder of '{output}' does not exist.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"'{path}', which makes the run resumable, cannot be written; is another run writing the same report? {error.Message.TrimEnd('.')}.");
        }

        var first = JsonSerializer.Serialize(header, EvaluationJson.Default.JournalHeader);
        var (known, end) = Read(stream, first);
        stream.SetLength(end); // a line that was cut off by a kill goes
        stream.Position = end;
        var journal = new EvaluationJournal(stream, known);
        if (end == 0)
        {
            journal.WriteLine(first);
        }

        return journal;
    }

    public TextScores? Find(EvaluatedText text) => _known.GetValueOrDefault(Key(text));

    public void Add(EvaluatedText text, TextScores scores)
    {
        if (_known.TryAdd(Key(text), scores))
        {
            WriteLine(JsonSerializer.Serialize(new JournalLine(Key(text), scores), EvaluationJson.Default.JournalLine));
        }
    }

    public static void Delete(string output) => File.Delete(PathOf(output));

    public void Dispose() => _stream.Dispose();

    private static string PathOf(string output) => $"{output}.partial.jsonl";

    /// <summary>Lines of the same question, and the offset behind the last whole one.</summary>
    private static (Dictionary<string, TextScores> Known, long End) Read(FileStream stream, string header)
    {
        var known = new Dictionary<string, TextScores>();
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        long end = 0;
        for (var start = 0; bytes.AsSpan(start).IndexOf((byte)'\n') is >= 0 and var length; start += length + 1)
        {
            var line = bytes.AsSpan(start, length);
            if (start == 0)
            {
                if (Encoding.UTF8.GetString(line) != header)
                {
                    return ([], 0);
                }
            }
            else
            {
                try
                {
                    if (JsonSerializer.Deserialize(line, EvaluationJson.Default.JournalLine) is { } entry)
                    {
                        known[entry.Text] = entry.Scores;
                    }
                }
                catch (JsonException)
                {
                    return (known, end);
                }
            }

            end = start + length + 1;
        }

        return (known, end);
    }

    /// <summary>Equal for equal texts with equal marks: their scores are equal too.</summary>
    private static string Key(EvaluatedText text)
    {
        var all = string.Create(
            CultureInfo.InvariantCulture,
            $"{text.Text.Length}:{text.Text}|{text.Pair?.Length ?? -1}:{text.Pair}|{(text.Rationale is null ? "-" : string.Join(';', text.Rationale))}");
        return Hash(all);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(text)));

    private void WriteLine(string line)
    {
        _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _stream.Flush(flushToDisk: true);
    }
}

internal sealed record JournalHeader(
    int Evaluation, string Model, string[] Methods, string[] Families, int Outputs, int Typos, int Seed, double? RationaleShare, string? Synonyms, int Replacements);

internal sealed record JournalLine(string Text, TextScores Scores);
