using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Search;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus search</c>: questions to an index.</summary>
internal static class SearchCommand
{
    private static readonly string[] Formats = ["table", "json", "jsonl"];

    public static Command Create(Terminal terminal)
    {
        var run = new Argument<string>("RUN") { Description = "The folder of a run that was indexed." };
        var head = new Option<string?>("--head") { Description = "Where this head attends from one word (--from) to another (--to).", HelpName = "LAYER.HEAD" };
        var words = $"a word, /a regular expression/, or {string.Join(", ", WordPattern.ClassNames)}";
        var from = new Option<string>("--from") { Description = $"What attends: {words}.", DefaultValueFactory = _ => "any", HelpName = "WORD" };
        var to = new Option<string>("--to") { Description = "What is attended to, written as --from.", DefaultValueFactory = _ => "any", HelpName = "WORD" };
        var least = new Option<float>("--least") { Description = "The smallest weight.", DefaultValueFactory = _ => 0.3f };
        var changed = new Option<string?>("--changed") { Description = "Masks in whose place this other indexed run, of another model, predicts another word.", HelpName = "RUN" };
        var near = new Option<string?>("--near") { Description = "The places whose hidden state is most like that of this word.", HelpName = "WORD" };
        var at = new Option<string?>("--at") { Description = "Where the word of --near stands; its first place when absent.", HelpName = "FILE:OFFSET" };
        var limit = new Option<int>("--limit") { Description = "Hits at most.", DefaultValueFactory = _ => 50 };
        var format = AttendCommand.FormatOption(Formats);
        var command = new Command("search", "Search a run: attention between words, predictions that differ, contexts that are alike.")
        {
            run, head, from, to, least, changed, near, at, limit, format,
        };
        command.SetWork((parsed, cancellation) =>
        {
            if (new[] { parsed.GetValue(head), parsed.GetValue(changed), parsed.GetValue(near) }.Count(value => value is not null) != 1)
            {
                throw new UsageException("Say what is searched for: --head LAYER.HEAD, --changed RUN or --near WORD, one of them.");
            }

            var most = CorpusCommand.Positive(parsed.GetValue(limit), "--limit");
            try
            {
                using var index = SearchIndex.Open(parsed.GetRequiredValue(run));
                IEnumerable<SearchHit> hits;
                if (parsed.GetValue(head) is { } name)
                {
                    var (layer, number) = Head(name, index);
                    hits = index.Attention(layer, number, Pattern(parsed.GetRequiredValue(from)), Pattern(parsed.GetRequiredValue(to)), parsed.GetValue(least), null, cancellation);
                }
                else if (parsed.GetValue(changed) is { } other)
                {
                    hits = index.Changed(other, cancellation);
                }
                else
                {
                    var (file, offset) = Place(parsed.GetValue(at));
                    // One of the three is given.
                    hits = index.Nearest(index.Find(Pattern(parsed.GetRequiredValue(near)!), file, offset, false, cancellation), most, null, cancellation);
                }

                Write(terminal, parsed.GetRequiredValue(format), [.. hits.Take(most)]);
            }
            catch (SearchException error)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }

    private static WordPattern Pattern(string text)
    {
        try
        {
            return WordPattern.Parse(text);
        }
        catch (SearchException error)
        {
            throw new UsageException(error.Message);
        }
    }

    private static (int Layer, int Head) Head(string text, SearchIndex index)
    {
        return text.Split('.') is [var layer, var head]
            && int.TryParse(layer, NumberStyles.None, CultureInfo.InvariantCulture, out var l) && int.TryParse(head, NumberStyles.None, CultureInfo.InvariantCulture, out var h)
            && l < index.Layers && h < index.Heads
                ? (l, h)
                : throw new UsageException($"--head takes LAYER.HEAD from 0.0 to {index.Layers - 1}.{index.Heads - 1}, not '{text}'.");
    }

    private static (string? File, long? Offset) Place(string? text)
    {
        if (text is null)
        {
            return (null, null);
        }

        var colon = text.LastIndexOf(':');
        return colon > 0 && long.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            ? (text[..colon], offset)
            : throw new UsageException($"--at takes FILE:OFFSET, such as notes.txt:120, not '{text}'.");
    }

    private static void Write(Terminal terminal, string format, SearchHit[] hits) => OutputFile.Write(terminal, null, stream =>
    {
        if (format == "table")
        {
            using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
            foreach (var hit in hits)
            {
                var what = hit.Other is null ? hit.Word : $"{hit.Word} → {hit.Other}";
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{hit.Score:0.00}  {DisplayText.Fit(DisplayText.Clean(what), 28)}  {DisplayText.Clean($"{hit.Document}:{hit.Start}")}  {DisplayText.Clean(hit.Context)}"));
            }

            return;
        }

        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = format == "jsonl" });
        if (format == "json")
        {
            json.WriteStartArray();
        }

        foreach (var hit in hits)
        {
            JsonSerializer.Serialize(json, hit, CorpusJson.Default.SearchHit);
            if (format == "jsonl")
            {
                json.Flush();
                stream.Write("\n"u8);
                json.Reset();
            }
        }

        if (format == "json")
        {
            json.WriteEndArray();
            json.Flush();
            stream.Write("\n"u8);
        }
    });
}
