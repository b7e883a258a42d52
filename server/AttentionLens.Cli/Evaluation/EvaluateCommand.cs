using System.CommandLine;
using System.Globalization;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Corpora;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Models;

namespace AttentionLens.Cli.Evaluation;

/// <summary><c>evaluate</c>: how far the pictures of several methods can be trusted, over a corpus.</summary>
internal static class EvaluateCommand
{
    /// <summary>More reasons than this are a list of texts, not a message.</summary>
    private const int ShownProblems = 5;

    public static Command Create(Terminal terminal)
    {
        var input = new TextInput(terminal);
        var model = AttendCommand.ModelOption();
        var methods = MethodsOption("quick");
        var measures = new Option<string>("--measures")
        {
            Description = "clarity, faithfulness, plausibility, robustness, with commas between.",
            DefaultValueFactory = _ => "all",
            HelpName = "NAMES",
        };
        var (outputs, typos, seed) = (OutputsOption(), TyposOption(), SeedOption());
        var limit = Whole("--limit", "Only the first N texts.", int.MaxValue, 1, int.MaxValue);
        var synonyms = new Option<string?>("--synonyms") { Description = "Also measure robustness under synonyms from a file: word TAB synonym ... on each line, or JSON {\"word\": [\"synonym\"]}.", HelpName = "FILE" };
        var replacements = Whole("--replacements", "How many variants of a text with one synonym are tried.", 3, 1, 100);
        var label = new Option<string?>("--label") { Description = "Only spans with this label are reasons; in annotations beside a document 'rationale' when absent.", HelpName = "NAME" };
        var by = Annotate.AnnotateCommand.AnnotatorOption("Whose annotations beside the documents hold the reasons, where there are several annotators.");
        var fields = new Option<string?>("--fields") { Description = "Fields or columns to read, with a comma between; two make a pair.", HelpName = "NAMES" };
        var format = AttendCommand.FormatOption(["md", "json", "html"]);
        format.DefaultValueFactory = _ => "md";
        var output = new Option<string?>("--output", "-o") { Description = "Write the report to a file; a run that is stopped goes on from there.", HelpName = "FILE" };
        var command = new Command("evaluate", "Measure how far pictures of attention can be trusted.")
        {
            input.File, model, methods, measures, outputs, typos, synonyms, replacements, seed, limit, label, by, fields, format, output,
        };
        command.SetWork((parsed, cancellation) =>
        {
            var path = parsed.GetValue(input.File) ?? throw new UsageException("Which texts? Give a corpus with -f FILE.");
            var chosen = Chosen(parsed.GetRequiredValue(methods));
            var families = Families(parsed.GetRequiredValue(measures));
            var problems = new List<string>();
            var words = parsed.GetValue(synonyms) is { } list ? SynonymFile.Read(list, TextInput.ReadText(list), problems.Add) : null;
            var reasons = new RationaleSource(parsed.GetValue(label), Annotate.AnnotateCommand.Annotator(parsed.GetValue(by)));
            var texts = Texts(terminal, input, parsed, path, parsed.GetValue(fields), reasons, parsed.GetValue(limit), problems);
            var target = parsed.GetValue(output);
            var folder = ModelLocator.Resolve(parsed.GetValue(model));
            using var loaded = AttendCommand.LoadModel(terminal, folder, cancellation);
            var options = new EvaluatorOptions(parsed.GetValue(outputs), parsed.GetValue(typos), parsed.GetValue(seed), null, families, words, parsed.GetValue(replacements));
            var plain = new Evaluator(loaded, chosen, options);
            double[] shares = [.. texts.Select(t => plain.MarkedShare(t, cancellation)).OfType<double>()];
            options = options with { RationaleShare = shares.Length > 0 ? shares.Average() : null };
            var (results, skipped) = Run(terminal, loaded, chosen, options, texts, target, cancellation);
            var report = EvaluationReport.Of(loaded.Info.Name, loaded.Info.Fingerprint, path == "-" ? "standard input" : Path.GetFileName(Path.TrimEndingDirectorySeparator(path)), chosen, options, texts.Count(t => t.Rationale is { Count: > 0 }), results, skipped);
            OutputFile.Write(terminal, target, stream => report.Write(stream, parsed.GetRequiredValue(format)));
            if (target is not null)
            {
                EvaluationJournal.Delete(target);
            }
        });
        return command;
    }

    public static Option<string> MethodsOption(string standard, string of = "") => new("--methods")
    {
        Description = $"Methods{of} with commas between; 'quick' = all that do not cost many passes; 'all'.",
        DefaultValueFactory = _ => standard,
        HelpName = "NAMES",
    };

    public static Option<int> OutputsOption() => Whole("--outputs", "How many outputs of a text are explained, where the model has one for each token.", 3, 1, 1000);

    public static Option<int> TyposOption() => Whole("--typos", "How many mistyped variants of a text are tried.", 3, 1, 100);

    public static Option<int> SeedOption() => Whole("--seed", "Of everything that is drawn.", 0, 0, int.MaxValue);

    /// <summary>The methods that <see cref="MethodsOption"/> names.</summary>
    public static Method[] Chosen(string names)
    {
        try
        {
            return names switch
            {
                "all" => [.. Methods.All],
                "quick" => [.. Methods.All.Where(m => !m.IsSlow)],
                _ => [.. names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Methods.Named).Distinct()],
            };
        }
        catch (MethodException unknown)
        {
            throw new UsageException(unknown.Message);
        }
    }

    private static (List<TextScores> Results, List<string> Skipped) Run(
        Terminal terminal, Model model, Method[] methods, EvaluatorOptions options, List<EvaluatedText> texts, string? output, CancellationToken cancellation)
    {
        var evaluator = new Evaluator(model, methods, options);
        using var journal = output is null or "-" ? null : EvaluationJournal.Open(output, model.Info, methods, options);
        var results = new List<TextScores>();
        var skipped = new List<string>();
        if (journal is { Count: > 0 })
        {
            terminal.Error.WriteLine($"{journal.Count} texts were measured by a run that was stopped; going on from there.");
        }

        using var progress = new Progress(terminal, $"evaluating {texts.Count} texts");
        try
        {
            for (var i = 0; i < texts.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var done = i;
                try
                {
                    var scores = journal?.Find(texts[i]) ?? evaluator.Evaluate(texts[i], new Part(share => progress.Report((done + share) / texts.Count)), cancellation);
                    journal?.Add(texts[i], scores);
                    results.Add(scores);
                }
                catch (Exception reason) when (reason is MethodException or ModelException or Tokenization.TokenizerException)
                {
                    skipped.Add(reason.Message);
                }
            }
        }
        catch (OperationCanceledException) when (journal is not null)
        {
            throw new CommandException($"Stopped after {results.Count} of {texts.Count} texts; the same command goes on from there.");
        }

        return results.Count > 0 ? (results, skipped) : throw new CommandException($"No text could be measured: {skipped[0]}");
    }

    private static List<EvaluatedText> Texts(
        Terminal terminal, TextInput input, ParseResult parsed, string path, string? fields, RationaleSource reasons, int limit, List<string> problems)
    {
        IReadOnlyList<CorpusText> read;
        try
        {
            var options = new ReaderOptions { Fields = fields?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [] };
            read = RationaleCorpus.Read(path == "-" ? "stdin.txt" : path, Directory.Exists(path) ? "" : input.Read(parsed) ?? "", options, reasons, problems.Add);
        }
        catch (SidecarException unreadable)
        {
            throw new CommandException(unreadable.Message);
        }

        foreach (var problem in problems.Take(ShownProblems))
        {
            terminal.Error.WriteLine(Text.DisplayText.Clean(problem));
        }

        if (problems.Count > ShownProblems)
        {
            terminal.Error.WriteLine($"... and {problems.Count - ShownProblems} more.");
        }

        return read.Count == 0
            ? throw new CommandException($"There are no texts in '{path}'.")
            : [.. read.Take(limit).Select(t => new EvaluatedText(t.Text, t.Pair, t.Rationale is { } r ? [.. r.Select(s => (s.Sequence, s.Start, s.End))] : null))];
    }

    /// <summary>Null = all.</summary>
    public static HashSet<MetricFamily>? Families(string names) => names == "all"
        ? null
        : [.. names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(name =>
            Enum.GetValues<MetricFamily>().Cast<MetricFamily?>().FirstOrDefault(f => string.Equals($"{f}", name, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"--measures knows {string.Join(", ", Enum.GetValues<MetricFamily>()).ToLowerInvariant()}; not '{name}'."))];

    private static Option<int> Whole(string name, string description, int standard, int least, int most)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => standard, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most))
            {
                result.AddError(most == int.MaxValue ? $"{name} takes a whole number from {least}, not '{token.Value}'." : $"{name} takes a whole number from {least} to {most}, not '{token.Value}'.");
            }
        });
        return option;
    }

    private sealed class Part(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
