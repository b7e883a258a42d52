using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Heads;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora;
using AttentionLens.Models;

namespace AttentionLens.Cli;

/// <summary><c>heads</c>: what every head of a model does, over a text or a corpus, and which heads do what is looked for.</summary>
internal static class HeadsCommand
{
    /// <summary>Where no text is given. Heads look at words, so some have to be there.</summary>
    private const string Sample = "The keeper of the lighthouse lit the lamp before the storm came, because the ships that were late could not see the rocks.";

    public static Command Create(Terminal terminal)
    {
        var input = new TextInput(terminal);
        var model = AttendCommand.ModelOption();
        var find = new Option<string>("--find")
        {
            Description = $"What to look for: {string.Join(", ", HeadFinder.Measures.SkipLast(1).Select(m => m.Name))}; 'layer N'; 'like LAYER.HEAD'.",
            DefaultValueFactory = _ => "",
            HelpName = "WORDS",
        };
        var stack = new Option<string?>("--stack") { Description = "encoder, decoder or cross; the first one when absent.", HelpName = "NAME" };
        var top = new Option<int?>("--top") { Description = "Show only the first N.", HelpName = "N" };
        var format = AttendCommand.FormatOption(["table", "md", "json"]);
        var output = new Option<string?>("--output", "-o") { Description = "Write the result to a file.", HelpName = "FILE" };
        top.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value > 0))
            {
                result.AddError($"--top takes a number from 1, not '{token.Value}'.");
            }
        });
        var command = new Command("heads", "Say what each attention head does, and find heads by what they do.") { input.Text, input.File, model, find, stack, top, format, output };
        command.SetWork((parsed, cancellation) =>
        {
            var wanted = Parse(parsed.GetRequiredValue(find));
            var texts = Texts(input.Read(parsed), parsed.GetValue(input.File));
            var folder = ModelLocator.Resolve(parsed.GetValue(model));
            using var loaded = AttendCommand.LoadModel(terminal, folder, cancellation);
            var heads = Heads(terminal, loaded, texts, parsed.GetValue(stack), wanted, cancellation);
            var found = HeadFinder.Find(heads.Known, wanted).Take(parsed.GetValue(top) ?? int.MaxValue).ToArray();
            OutputFile.Write(terminal, parsed.GetValue(output), stream =>
            {
                if (parsed.GetValue(format) == "json")
                {
                    WriteJson(stream, loaded.Info, heads, found);
                }
                else
                {
                    WriteTable(stream, loaded.Info, heads, found, wanted, markdown: parsed.GetValue(format) == "md");
                }
            });
        });
        return command;
    }

    private sealed record Result(KnownHead[] Known, AttentionKind Kind, int Texts, string? Note);

    private static HeadFinder.Wanted Parse(string words)
    {
        try
        {
            return HeadFinder.Parse(words);
        }
        catch (MethodException unknown)
        {
            throw new UsageException(unknown.Message);
        }
    }

    /// <summary>The segments of a corpus, or the one text.</summary>
    private static List<(string Text, string? Pair)> Texts(string? text, string? path) => (text, path) switch
    {
        (null, _) => [(Sample, null)],
        (_, null or "-") => [(text, null)],
        _ => [.. DocumentFormats.For(null, path).Read(text).Segments.Where(s => !string.IsNullOrWhiteSpace(s.Text)).Select(s => (s.Text, s.Pair?.Text))],
    };

    private static Result Heads(
        Terminal terminal, Model model, List<(string Text, string? Pair)> texts, string? stackName, HeadFinder.Wanted wanted, CancellationToken cancellation)
    {
        if (texts.Count == 0)
        {
            throw new CommandException("There is no text in it.");
        }

        var kind = stackName switch
        {
            null => model.Info.Kind == ModelKind.Decoder ? AttentionKind.Decoder : AttentionKind.Encoder,
            "encoder" => AttentionKind.Encoder,
            "decoder" => AttentionKind.Decoder,
            "cross" => AttentionKind.Cross,
            _ => throw new UsageException($"--stack can be encoder, decoder, cross; not '{stackName}'."),
        };
        var means = new MeanProfiles();
        var likeness = new List<(float[][] Likeness, int Queries)>();
        var skipped = 0;
        using (var progress = new Progress(terminal, string.Create(CultureInfo.InvariantCulture, $"reading {texts.Count} text(s)")))
        {
            for (var i = 0; i < texts.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var crossed = model.Info.Kind == ModelKind.EncoderDecoder;
                var request = new Request(texts[i].Text, crossed ? null : texts[i].Pair, crossed ? texts[i].Pair : null, null, null, null, null, null);
                var (modelInput, sources, _) = ModelInputs.Make(request, model, cancellation);
                if (crossed && modelInput.InputIds.Length > model.Info.MaxPositions)
                {
                    skipped++;
                    continue;
                }

                var trace = model.ForwardLong(modelInput, ModelInputs.Windows(sources), cancellation: cancellation);
                var stack = trace.Stack(kind) ?? throw new CommandException($"{model.Info.Name} has no {kind.ToString().ToLowerInvariant()} attention.");
                means.Add(stack);
                if (wanted.Like is { } like)
                {
                    if (like.Layer >= stack.Layers || like.Head >= stack.Heads)
                    {
                        throw new CommandException($"There is no head {like.Layer}.{like.Head}: layers are 0 to {stack.Layers - 1}, heads 0 to {stack.Heads - 1}.");
                    }

                    likeness.Add((HeadSimilarity.To(stack, like.Layer, like.Head, cancellation), stack.Queries));
                }

                progress.Report((i + 1.0) / texts.Count);
            }
        }

        if (means.Texts == 0)
        {
            throw new CommandException($"No text fits {model.Info.Name}; give shorter ones.");
        }

        HeadTraits[][]? traits = null;
        string? note = skipped > 0 ? string.Create(CultureInfo.InvariantCulture, $"{skipped} text(s) were longer than the model reads and left out.") : null;
        try
        {
            traits = HeadProbe.Of(model, kind, cancellation: cancellation);
        }
        catch (MethodException unmeasured)
        {
            note = note is null ? unmeasured.Message : $"{note} {unmeasured.Message}";
        }

        var profiles = means.Profiles();
        var queries = likeness.Sum(l => l.Queries);
        return new Result(
            [
                .. profiles.SelectMany((heads, l) => heads.Select((profile, h) => new KnownHead(
                    l, h, profile, traits?[l][h], likeness.Count == 0 ? null : (float)(likeness.Sum(x => (double)x.Likeness[l][h] * x.Queries) / queries)))),
            ],
            kind, means.Texts, note);
    }

    private static void WriteJson(Stream stream, ModelInfo info, Result result, KnownHead[] found)
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("format", 1);
            json.WriteString("model", info.Name);
            json.WriteString("fingerprint", info.Fingerprint);
            json.WriteString("stack", result.Kind.ToString().ToLowerInvariant());
            json.WriteNumber("texts", result.Texts);
            json.WriteStartArray("heads");
            foreach (var head in found)
            {
                json.WriteStartObject();
                json.WriteNumber("layer", head.Layer);
                json.WriteNumber("head", head.Head);
                foreach (var measure in HeadFinder.Measures)
                {
                    if (measure.Of(head) is { } value)
                    {
                        json.WriteNumber(measure.Name, value);
                    }
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
    }

    private static void WriteTable(Stream stream, ModelInfo info, Result result, KnownHead[] found, HeadFinder.Wanted wanted, bool markdown)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        // What was looked for comes first; what was not measured is no column.
        HeadMeasure[] columns = [.. wanted.By.Concat(HeadFinder.Measures).Distinct().Where(m => found.Any(h => m.Of(h) is not null))];
        writer.WriteLine(DisplayText.Clean(string.Create(
            CultureInfo.InvariantCulture,
            $"{info.Name} · {result.Kind.ToString().ToLowerInvariant()} · {found.Length} of {result.Known.Length} heads · {result.Texts} text{(result.Texts == 1 ? "" : "s")}")));
        if (markdown)
        {
            writer.WriteLine();
            writer.WriteLine($"| head | {string.Join(" | ", columns.Select(c => c.Name))} |");
            writer.WriteLine($"|---|{string.Concat(columns.Select(_ => "--:|"))}");
        }
        else
        {
            writer.WriteLine($"{"head",-6}{string.Concat(columns.Select(c => c.Name.PadLeft(c.Name.Length + 2)))}");
        }

        foreach (var head in found)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{head.Layer}.{head.Head}");
            var cells = columns.Select(c => c.Of(head) is { } value ? value.ToString(c.IsShare ? "F2" : "F1", CultureInfo.InvariantCulture) : "-");
            writer.WriteLine(markdown
                ? $"| {name} | {string.Join(" | ", cells)} |"
                : $"{name,-6}{string.Concat(cells.Zip(columns, (cell, c) => cell.PadLeft(c.Name.Length + 2)))}");
        }

        writer.WriteLine();
        foreach (var column in columns)
        {
            writer.WriteLine(markdown ? $"- `{column.Name}`: {column.Means}" : $"{column.Name,-11} {column.Means}");
        }

        if (result.Note is not null)
        {
            writer.WriteLine();
            writer.WriteLine(DisplayText.Clean(result.Note));
        }
    }
}
