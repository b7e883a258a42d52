using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AttentionLens.Analysis.Export;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Cli.Text;
using AttentionLens.Models;

namespace AttentionLens.Cli;

/// <summary><c>predict</c>: what the model says about a text: the masked or next token, the class, the answer, the translation; by layer where wanted.</summary>
internal static class PredictCommand
{
    private const int BarWidth = 20;

    public static Command Create(Terminal terminal)
    {
        var input = new TextInput(terminal);
        var pair = new Option<string?>("--pair") { Description = "A second text: the context of a question, the hypothesis of a premise.", HelpName = "TEXT" };
        var target = new Option<string?>("--target") { Description = "What an encoder-decoder has written so far for the text.", HelpName = "TEXT" };
        var model = AttendCommand.ModelOption();
        var at = AtOption();
        var output = new Option<string[]>("--output-token") { Description = "A word or class whose probability is told as well; may be repeated.", HelpName = "WORD", DefaultValueFactory = _ => [] };
        var top = new Option<int>("--top") { Description = "How many outputs are listed.", HelpName = "N", DefaultValueFactory = _ => 10 };
        var layers = new Option<bool>("--layers") { Description = "Also what the model would say after each layer (the logit lens)." };
        var generate = new Option<int>("--generate") { Description = "Also write so many tokens on, or as the target of the source.", HelpName = "N", DefaultValueFactory = _ => 0 };
        var changes = new ChangeOptions();
        var format = AttendCommand.FormatOption(["table", "json"]);
        var file = new Option<string?>("--output", "-o") { Description = "Write the result to a file.", HelpName = "FILE" };
        var command = new Command("predict", "Show what the model predicts: a masked or next token, a class, an answer, a translation.")
        {
            input.Text, input.File, pair, target, model, at, output, top, layers, generate, format, file,
        };
        changes.AddTo(command);
        command.SetWork((parsed, cancellation) =>
        {
            var request = new Request(input.Read(parsed), parsed.GetValue(pair), parsed.GetValue(target), null, null, null, null, null);
            request.Check();
            if (parsed.GetValue(top) is < 1 or > 1000)
            {
                throw new UsageException("--top takes a number from 1 to 1000.");
            }

            using var loaded = AttendCommand.LoadModel(terminal, ModelLocator.Resolve(parsed.GetValue(model)), cancellation);
            var (asIs, sources, targets) = ModelInputs.Make(request, loaded, cancellation);
            var changed = changes.Apply(parsed, loaded, asIs);
            var tokens = targets.Length > 0 ? targets : sources;
            var position = parsed.GetValue(at) is { } place ? Position(place, tokens) : null;
            var prediction = Prediction.Of(loaded, changed, position, parsed.GetValue(top), cancellation);
            var isChanged = changed.Interventions is not null || !changed.InputIds.AsSpan().SequenceEqual(asIs.InputIds);
            var report = new Report(
                loaded.Info,
                prediction,
                prediction.About(prediction.Rows[0] < tokens.Length ? tokens[prediction.Rows[0]].Text : ""),
                [.. parsed.GetRequiredValue(output).Select(name => prediction.Find(loaded, OutputNames.Find(loaded, name)))],
                isChanged && prediction.Kind != HeadKind.QuestionAnswering ? Prediction.Of(loaded, asIs, position, 1, cancellation) : null,
                parsed.GetValue(layers) ? LogitLens.Of(loaded, prediction, 3, cancellation) : [],
                parsed.GetValue(generate) is > 0 and var count ? Generate(terminal, loaded, changed, count, cancellation) : null,
                candidate => candidate.First < 0 ? candidate.Name : SpanText(request, sources, candidate));
            OutputFile.Write(terminal, parsed.GetValue(file), stream =>
            {
                if (parsed.GetRequiredValue(format) == "json")
                {
                    WriteJson(loaded, report, stream);
                }
                else
                {
                    WriteTable(loaded, report, stream, parsed.GetValue(file) is null ? terminal : terminal with { Color = false });
                }
            });
        });
        return command;
    }

    public static Option<string?> AtOption() => new("--at")
    {
        Description = "The token that is asked about: a number from 0 or its text; without it the mask in the text, or what comes next.",
        HelpName = "N|TOKEN",
    };

    /// <summary>The token of a number, or the first with a text.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static int? Position(string place, AttendedToken[] tokens)
    {
        if (int.TryParse(place, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number < tokens.Length ? number : throw new CommandException($"--at: there is no token {number}; there are {tokens.Length}, counted from 0.");
        }

        var found = Array.FindIndex(tokens, t => string.Equals(t.Text.TrimStart('Ġ', '▁', '#'), place, StringComparison.OrdinalIgnoreCase) || t.Text == place);
        return found >= 0 ? found : throw new CommandException($"--at: no token of the text is '{place}'; 'attention-lens tokenize' lists them.");
    }

    /// <param name="Before">Without what was changed; null where nothing was.</param>
    /// <param name="NameOf">A span's name is its text.</param>
    private sealed record Report(
        ModelInfo Model, Prediction Prediction, string About, Candidate[] Asked, Prediction? Before, IReadOnlyList<LogitLens> Layers, string? Generated, Func<Candidate, string> NameOf);

    private static string Generate(Terminal terminal, Model model, ModelInput input, int count, CancellationToken cancellation)
    {
        using var progress = new Progress(terminal, "writing");
        var done = 0;
        var generation = model.Generate(
            input with { DecoderInputIds = null }, Math.Min(count, 4096), progress: new Each(() => progress.Report((double)++done / count)), cancellation: cancellation);
        return model.Tokenizer?.Decode(generation.Tokens) ?? string.Join(' ', generation.Tokens);
    }

    private sealed class Each(Action action) : IProgress<int>
    {
        public void Report(int value) => action();
    }

    private static string SpanText(Request request, AttendedToken[] tokens, Candidate span)
    {
        var text = tokens[span.First].Sequence == 1 ? request.Pair : request.Text;
        return text?[tokens[span.First].Start..Math.Max(tokens[span.First].Start, tokens[span.Last].End)] ?? "";
    }

    private static void WriteTable(Model model, Report report, Stream stream, Terminal terminal)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var prediction = report.Prediction;
        writer.WriteLine(Dim(terminal, DisplayText.Clean(string.Create(
            CultureInfo.InvariantCulture, $"{report.Model.Name} · {report.About} · entropy {prediction.Entropy / Math.Log(2):F2} bits"))));
        Candidate[] listed = [.. prediction.Candidates, .. report.Asked];
        var names = listed.Select(c => DisplayText.Clean(report.NameOf(c).Trim())).ToArray();
        var width = Math.Clamp(names.Select(DisplayText.Width).DefaultIfEmpty(0).Max(), 4, 40);
        for (var i = 0; i < listed.Length; i++)
        {
            var before = report.Before is { } old ? $"  (was {Percent(old.Find(model, listed[i].Index).Probability)})" : "";
            var rank = i < prediction.Candidates.Count ? "" : string.Create(CultureInfo.InvariantCulture, $"  rank {listed[i].Rank}");
            writer.WriteLine($"{DisplayText.Fit(names[i], width)}  {Bar(listed[i].Probability)} {Percent(listed[i].Probability),8}{before}{rank}".TrimEnd());
        }

        if (report.Before is { } unchanged && unchanged.Candidates[0].Index != prediction.Candidates[0].Index)
        {
            writer.WriteLine(DisplayText.Clean($"Without the changes it says {OutputNames.Quoted(model, unchanged.Candidates[0].Index)}, {Percent(unchanged.Candidates[0].Probability)}."));
        }

        if (report.Layers.Count > 0)
        {
            writer.WriteLine();
            writer.WriteLine(Dim(terminal, DisplayText.Clean($"after each layer; the last columns are rank and probability of {OutputNames.Quoted(model, prediction.Candidates[0].Index)}")));
            foreach (var state in report.Layers)
            {
                var name = state.State == 0 ? "embeddings" : string.Create(CultureInfo.InvariantCulture, $"layer {state.State - 1}");
                var says = string.Join("  ", state.Prediction.Candidates.Select(c => DisplayText.Fit(DisplayText.Clean(c.Name.Trim()), 12) + Percent(c.Probability).PadLeft(8)));
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-10}  {says}   {state.FinalRank,6}  {Percent(state.FinalProbability),8}"));
            }
        }

        if (report.Generated is { } text)
        {
            writer.WriteLine();
            writer.WriteLine(DisplayText.Clean(text.Trim()));
        }
    }

    private static void WriteJson(Model model, Report report, Stream stream)
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = true }))
        {
            var prediction = report.Prediction;
            json.WriteStartObject();
            json.WriteNumber("format", 1);
            json.WriteString("model", report.Model.Name);
            json.WriteString("head", JsonNamingPolicy.CamelCase.ConvertName(prediction.Kind.ToString()));
            json.WriteString("about", report.About);
            json.WriteStartArray("rows");
            foreach (var row in prediction.Rows)
            {
                json.WriteNumberValue(row);
            }

            json.WriteEndArray();
            json.WriteNumber("entropy", prediction.Entropy);
            WriteCandidates(json, "candidates", prediction.Candidates, report.NameOf);
            WriteCandidates(json, "asked", report.Asked, report.NameOf);
            if (report.Before is { } before)
            {
                WriteCandidates(json, "before", [.. before.Candidates.Concat(prediction.Candidates.Concat(report.Asked).Select(c => before.Find(model, c.Index))).DistinctBy(c => c.Index)], report.NameOf);
            }

            json.WriteStartArray("layers");
            foreach (var state in report.Layers)
            {
                json.WriteStartObject();
                json.WriteNumber("state", state.State);
                json.WriteNumber("rank", state.FinalRank);
                json.WriteNumber("probability", state.FinalProbability);
                WriteCandidates(json, "candidates", state.Prediction.Candidates, report.NameOf);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (report.Generated is { } text)
            {
                json.WriteString("generated", text);
            }

            json.WriteEndObject();
        }

        stream.Write("\n"u8);
    }

    private static void WriteCandidates(Utf8JsonWriter json, string name, IReadOnlyList<Candidate> candidates, Func<Candidate, string> nameOf)
    {
        json.WriteStartArray(name);
        foreach (var candidate in candidates)
        {
            json.WriteStartObject();
            json.WriteNumber("id", candidate.Index);
            json.WriteString("text", nameOf(candidate));
            json.WriteNumber("logit", candidate.Logit);
            json.WriteNumber("probability", candidate.Probability);
            json.WriteNumber("rank", candidate.Rank);
            if (candidate.First >= 0)
            {
                json.WriteNumber("first", candidate.First);
                json.WriteNumber("last", candidate.Last);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{share * 100:F1} %");

    private static string Bar(double share)
    {
        var eighths = (int)Math.Round(Math.Clamp(share, 0, 1) * BarWidth * 8);
        var partial = eighths % 8 == 0 ? "" : ((char)(0x2590 - (eighths % 8))).ToString();
        return (new string('█', eighths / 8) + partial).PadRight(BarWidth);
    }

    private static string Dim(Terminal terminal, string text) => terminal.Color ? $"\u001b[2m{text}\u001b[0m" : text;
}
