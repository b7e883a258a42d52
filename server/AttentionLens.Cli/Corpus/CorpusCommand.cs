using System.CommandLine;
using System.Globalization;
using System.Text;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Cli.Corpus.Broker;
using AttentionLens.Cli.Evaluation;
using AttentionLens.Cli.Text;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus run</c>: whole corpora through a model, into a folder of shards.</summary>
internal static class CorpusCommand
{
    private const int StandardBytes = 1 << 16;

    /// <summary>A text is measured in hundreds of passes: what a broken-off run computes again, and a worker waits for, stays below a minute.</summary>
    private const int EvaluatedBytes = 1 << 12;

    public static Command Create(Terminal terminal) => new("corpus", "Run whole corpora through a model.") { Run(terminal), WorkerCommand.Create(terminal), TensorBoardCommand.Create(terminal), ReportCommand.Create(terminal), IndexCommand.Create(terminal), SearchCommand.Create(terminal) };

    private static Command Run(Terminal terminal)
    {
        var files = new Argument<string[]>("FILES") { Description = "Corpus files, folders, or patterns with * and **; - is standard input.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out", "-o") { Description = "The folder of the run; a run that was broken off goes on there.", HelpName = "FOLDER", Required = true };
        var model = AttendCommand.ModelOption();
        var keep = new Option<string>("--keep")
        {
            Description = $"What to keep of each text, with commas between: {string.Join(", ", CorpusOutputs.Names)}.",
            DefaultValueFactory = _ => "profiles,received",
            HelpName = "NAMES",
        };
        var top = new Option<int>("--top-k") { Description = "Keys kept of each query with --keep edges.", DefaultValueFactory = _ => 8 };
        var heads = new Option<string?>("--heads") { Description = "Heads whose edges or whole matrices are kept, such as \"3.5,4.*\"; all when left out.", HelpName = "LAYER.HEAD,..." };
        var methods = EvaluateCommand.MethodsOption("raw", " of --keep scores and evaluation,");
        var measures = new Option<string>("--measures") { Description = "Of --keep evaluation: clarity, faithfulness, robustness, with commas between.", DefaultValueFactory = _ => "all", HelpName = "NAMES" };
        var (explained, typos, seed) = (EvaluateCommand.OutputsOption(), EvaluateCommand.TyposOption(), EvaluateCommand.SeedOption());
        var unit = new Option<string>("--unit") { Description = "The piece of running text that goes through the model as one.", DefaultValueFactory = _ => "paragraph" };
        unit.OneOf(["paragraph", "sentence", "line"]);
        var bytes = new Option<int?>("--shard-bytes") { Description = $"Text of one shard, in bytes; {StandardBytes}, with evaluation {EvaluatedBytes}.", HelpName = "N" };
        var shard = new Option<string?>("--shard") { Description = "Only the shards i, i + n, i + 2n, ...: one of n machines.", HelpName = "i/n" };
        var workers = new Option<int>("--workers") { Description = "Shards under way at once.", DefaultValueFactory = _ => 3 };
        var broker = new Option<string?>("--broker") { Description = "Hand the shards to the workers of a RabbitMQ broker instead of computing them here.", HelpName = "amqp://..." };
        var command = new Command("run", "Run a corpus through a model into a folder of safetensors and JSON Lines.")
        {
            files, output, model, keep, top, heads, methods, measures, explained, typos, seed, unit, bytes, shard, workers, broker,
        };
        command.SetWork((parsed, cancellation) =>
        {
            var names = parsed.GetRequiredValue(keep).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (names.FirstOrDefault(name => !CorpusOutputs.Names.Contains(name)) is { } unknown)
            {
                throw new UsageException($"--keep takes {string.Join(", ", CorpusOutputs.Names)}; not '{unknown}'.");
            }

            var folder = Path.GetFullPath(parsed.GetRequiredValue(output));
            using var loaded = AttendCommand.LoadModel(terminal, ModelLocator.Resolve(parsed.GetValue(model)), cancellation);
            if (names.Contains("scores") && loaded.Info.Head is (HeadKind.None or HeadKind.MaskedLanguage or HeadKind.Discriminator or HeadKind.TokenClassification))
            {
                throw new CommandException(
                    $"--keep scores explains the one output of each text: the next token, a class, an answer; {loaded.Info.Name} has no such output. --keep received says what its tokens attend to.");
            }

            var evaluates = names.Contains("evaluation");
            if (evaluates && loaded.Info.Head == HeadKind.None)
            {
                throw new CommandException($"--keep evaluation asks whether pictures agree with what the model predicts; {loaded.Info.Name} predicts nothing.");
            }

            if (names.Contains("predictions") && (loaded.Info.Head != HeadKind.MaskedLanguage || loaded.Tokenizer?.Special.Mask is null))
            {
                throw new CommandException($"--keep predictions says what stands in place of masks; {loaded.Info.Name} is no masked language model.");
            }

            var outputs = new CorpusOutputs
            {
                Keep = [.. CorpusOutputs.Names.Where(names.Contains)],
                TopK = Positive(parsed.GetValue(top), "--top-k"),
                Heads = Heads(parsed.GetValue(heads), loaded.Info),
                Methods = evaluates || names.Contains("scores") ? [.. EvaluateCommand.Chosen(parsed.GetRequiredValue(methods)).Select(m => m.Name)] : [],
                Evaluation = evaluates ? new EvaluationSettings(Measures(parsed.GetRequiredValue(measures)), parsed.GetValue(explained), parsed.GetValue(typos), parsed.GetValue(seed)) : null,
                Unit = parsed.GetRequiredValue(unit),
            };
            CorpusFiles.Prepare(folder);
            var spec = new RunSpec
            {
                Model = loaded.Info.Name,
                Fingerprint = loaded.Info.Fingerprint,
                Outputs = outputs,
                ShardBytes = Positive(parsed.GetValue(bytes) ?? (evaluates ? EvaluatedBytes : StandardBytes), "--shard-bytes"),
                Documents = CorpusFiles.Find(parsed.GetRequiredValue(files), terminal, folder),
            };
            var run = CorpusRun.Open(folder, spec, cancellation);
            var count = run.Plan.Shards.Length;
            if (parsed.GetValue(broker) is { } address)
            {
                if (parsed.GetResult(shard) is not null || parsed.GetResult(workers) is { Implicit: false })
                {
                    throw new UsageException("--shard and --workers are for a run without a broker; with --broker 'corpus worker' says how many shards are under way.");
                }

                using var progress = new Progress(terminal, $"{count} shards");
                new BrokerRun(run, loaded, BrokerAddress.Parse(address), terminal).ExecuteAsync(progress, cancellation).GetAwaiter().GetResult();
                Say(string.Create(CultureInfo.InvariantCulture, $"All {count} shards are in {folder}\n"));
                return;
            }

            RunSummary done;
            loaded.Pool = WorkerPool.PerCaller;
            using (var bar = new Progress(terminal, $"{count} shards"))
            {
                done = run.Execute(loaded, Part(parsed.GetValue(shard)), Positive(parsed.GetValue(workers), "--workers"), bar, cancellation);
            }

            Say(string.Create(CultureInfo.InvariantCulture,
                $"{done.Written} shards written, {done.Present} were there: {done.Texts:N0} texts, {done.Tokens:N0} tokens, {done.Failed:N0} that could not be read, in {folder}\n"));

            void Say(string summary) => OutputFile.Write(terminal, null, stream => stream.Write(Encoding.UTF8.GetBytes(DisplayText.Clean(summary.TrimEnd()) + "\n")));
        });
        return command;
    }

    /// <summary>All but plausibility, for which a run would have to know what people marked.</summary>
    private static MetricFamily[] Measures(string names) => EvaluateCommand.Families(names) switch
    {
        null => [MetricFamily.Clarity, MetricFamily.Faithfulness, MetricFamily.Robustness],
        var named when named.Contains(MetricFamily.Plausibility) => throw new UsageException(
            "--measures: plausibility compares with what people marked, which 'attention-lens evaluate' reads; a run measures clarity, faithfulness and robustness."),
        var named => [.. named.Order()],
    };

    public static int Positive(int value, string option) => value > 0 ? value : throw new UsageException($"{option} must be at least 1, not {value}.");

    private static (int Index, int Count) Part(string? text)
    {
        if (text is null)
        {
            return (0, 1);
        }

        return text.Split('/') is [var index, var count]
            && int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var i) && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && i < n
                ? (i, n)
                : throw new UsageException($"--shard takes i/n with i from 0 to n - 1, such as 0/4; not '{text}'.");
    }

    private static string[] Heads(string? text, ModelInfo model) => HeadOptions.Parse(text, "--heads") is not { } set ? []
        : set.Missing(Math.Max(model.Layers, model.DecoderLayers), Math.Max(model.Heads, model.DecoderHeads)) is { } missing
            ? throw new UsageException($"--heads: {model.Name} has no {missing}.")
        : [.. set.Of(Math.Max(model.Layers, model.DecoderLayers), Math.Max(model.Heads, model.DecoderHeads)).Select(h => string.Create(CultureInfo.InvariantCulture, $"{h.Layer}.{h.Head}"))];
}
