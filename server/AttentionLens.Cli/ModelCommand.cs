using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AttentionLens.Cli.Text;
using AttentionLens.Models;
using AttentionLens.Models.Hub;
using AttentionLens.Tokenization;

namespace AttentionLens.Cli;

/// <summary><c>model list|show|pull|check|remove</c>: which models there are, getting one, whether it works, and letting it go.</summary>
internal static class ModelCommand
{
    public static Command Create(Terminal terminal) => new("model", "List, describe, download, check and remove models.")
    {
        List(terminal),
        Show(terminal),
        Pull(terminal),
        Check(terminal),
        Remove(terminal),
    };

    private static Command List(Terminal terminal)
    {
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("list", "List the models on this machine: embedded, in the Hugging Face cache, of Ollama and of llama.cpp.") { format };
        command.SetWork((parsed, _) =>
        {
            var models = ModelCatalog.List().Select(ListedModel.Of).ToArray();
            OutputFile.Write(terminal, null, stream =>
            {
                if (parsed.GetValue(format) == "json")
                {
                    JsonSerializer.Serialize(stream, models, CliJson.Default.ListedModelArray);
                    stream.Write("\n"u8);
                    return;
                }

                using var writer = Writer(stream);
                var width = models.Length == 0 ? 0 : models.Max(m => DisplayText.Width(m.Name));
                foreach (var model in models)
                {
                    writer.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{DisplayText.Fit(DisplayText.Clean(model.Name), width)}  {model.Source,-8}  {model.Bytes / 1e6,10:N1} MB  {DisplayText.Clean(model.Folder)}"));
                }
            });
            if (models.Length == 0)
            {
                terminal.Error.WriteLine("No models are installed; give a model folder with --model.");
            }
        });
        return command;
    }

    private static Command Show(Terminal terminal)
    {
        var name = NameArgument();
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("show", "Describe a model.") { name, format };
        command.SetWork((parsed, cancellation) =>
        {
            var folder = ModelLocator.Resolve(parsed.GetValue(name));
            using var model = AttendCommand.LoadModel(terminal, folder, cancellation);
            var info = ModelSummary.Of(model.Info, model.Tokenizer);
            OutputFile.Write(terminal, null, stream =>
            {
                if (parsed.GetValue(format) == "json")
                {
                    JsonSerializer.Serialize(stream, info, CliJson.Default.ModelSummary);
                    stream.Write("\n"u8);
                    return;
                }

                using var writer = Writer(stream);
                Line("name", info.Name);
                Line("folder", info.Folder);
                Line("type", $"{info.Type} ({info.Kind})");
                Line("layers", info.DecoderLayers > 0 ? $"{info.Layers} + {info.DecoderLayers}" : Number(info.Layers));
                Line("heads", info.DecoderHeads > 0 ? $"{info.Heads} + {info.DecoderHeads}" : Number(info.Heads));
                Line("hidden size", Number(info.HiddenSize));
                Line("longest text", info.MaxPositions is { } longest ? $"{Number(longest)} tokens" : "any");
                Line("vocabulary", Number(info.VocabularySize));
                Line("parameters", Number(info.Parameters));
                Line("weights", string.Create(CultureInfo.InvariantCulture, $"{info.WeightBytes / 1e6:N1} MB"));
                Line("predicts", info.Head);
                if (model.Info.Patches is { } grid)
                {
                    Line("images", $"{grid.Rows} x {grid.Columns} patches of {grid.PatchSize} x {grid.PatchSize} pixels{(model.ImageProblem is { } problem ? $" (give --input: {problem})" : "")}");
                }

                if (info.VocabularySize > 0)
                {
                    Line("tokenizer", info.Tokenizer is { } size ? $"{Number(size)} tokens" : "none (give --ids)");
                }

                Line("fingerprint", info.Fingerprint);

                void Line(string label, string value) => writer.WriteLine(DisplayText.Clean($"{label,-14}{value}"));
            });
        });
        return command;
    }

    private static Command Pull(Terminal terminal)
    {
        var id = new Argument<string>("ORG/NAME") { Description = "The model's name on the Hub." };
        var revision = new Option<string>("--revision") { Description = "A branch, tag or commit.", DefaultValueFactory = _ => "main", HelpName = "NAME" };
        var command = new Command("pull", "Download a model from the Hub into the Hugging Face cache and print its folder.") { id, revision };
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetRequiredValue(id);
            using var client = new HubClient(HubOptions.FromEnvironment());
            string folder;
            using (var bar = new Progress(terminal, $"downloading {name}"))
            {
                var progress = new Relay(p => bar.Report(p.Total > 0 ? (double)p.Done / p.Total : 0));
                folder = await client.PullAsync(name, parsed.GetRequiredValue(revision), progress, cancellation).ConfigureAwait(false);
            }

            OutputFile.Write(terminal, null, stream =>
            {
                using var writer = Writer(stream);
                writer.WriteLine(folder);
            });
        });
        return command;
    }

    /// <summary>Reports at once; Progress of the framework would post to the thread pool and arrive after the end.</summary>
    private sealed class Relay(Action<PullProgress> report) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => report(value);
    }

    private static Command Remove(Terminal terminal)
    {
        var name = new Argument<string>("ORG/NAME") { Description = "A model in the Hugging Face cache." };
        var command = new Command("remove", "Delete a model, every revision of it, from the Hugging Face cache.") { name };
        command.SetWork((parsed, _) =>
        {
            var removed = parsed.GetRequiredValue(name);
            var bytes = ModelCatalog.Remove(removed);
            OutputFile.Write(terminal, null, stream =>
            {
                using var writer = Writer(stream);
                writer.WriteLine(DisplayText.Clean(string.Create(CultureInfo.InvariantCulture, $"{removed} is removed; {bytes / 1e6:N1} MB are free again.")));
            });
        });
        return command;
    }

    private static Command Check(Terminal terminal)
    {
        var name = NameArgument();
        var command = new Command("check", "Does a model work here? Reads every value, runs it once, and tries its tokenizer.") { name };
        command.SetWork((parsed, cancellation) =>
        {
            var folder = ModelLocator.Resolve(parsed.GetValue(name));
            using var model = AttendCommand.LoadModel(terminal, folder, cancellation);
            var info = model.Info;
            using (var bar = new Progress(terminal, $"checking {info.Name}"))
            {
                ModelCheck.Run(model, bar, cancellation);
            }

            OutputFile.Write(terminal, null, stream =>
            {
                using var writer = Writer(stream);
                var without = model.Tokenizer is null ? ", no tokenizer" : "";
                writer.WriteLine(DisplayText.Clean(string.Create(CultureInfo.InvariantCulture,
                    $"{info.Name} works: {info.ModelType}, {info.Layers + info.DecoderLayers} layers, {info.Parameters:N0} parameters{without}.")));
            });
        });
        return command;
    }

    private static Argument<string?> NameArgument() => new("MODEL")
    {
        Description = "A model folder or GGUF file, the name of an embedded model, ORG/NAME in the Hugging Face cache, ollama:NAME or llama.cpp:FILE.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}

internal sealed record ListedModel(string Name, string Source, string Folder, long Bytes)
{
    public static ListedModel Of(InstalledModel model) => new(model.Name, JsonNamingPolicy.CamelCase.ConvertName(model.Place.ToString()), model.Path, model.Bytes);
}

internal sealed record ModelSummary(
    string Name, string Folder, string Type, string Kind, int Layers, int DecoderLayers, int Heads, int DecoderHeads, int HiddenSize,
    int? MaxPositions, int VocabularySize, long Parameters, long WeightBytes, string Head, int? Tokenizer, string Fingerprint)
{
    public static ModelSummary Of(ModelInfo info, Tokenizer? tokenizer) => new(
        info.Name, info.Folder, info.ModelType, JsonNamingPolicy.CamelCase.ConvertName(info.Kind.ToString()), info.Layers, info.DecoderLayers,
        info.Heads, info.DecoderHeads, info.HiddenSize, info.MaxPositions == int.MaxValue ? null : info.MaxPositions, info.VocabularySize,
        info.Parameters, info.WeightBytes, JsonNamingPolicy.CamelCase.ConvertName(info.Head.ToString()), tokenizer?.VocabularySize, info.Fingerprint);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ListedModel[]))]
[JsonSerializable(typeof(ModelSummary))]
internal sealed partial class CliJson : JsonSerializerContext;
