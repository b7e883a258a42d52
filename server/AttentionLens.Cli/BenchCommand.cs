using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Cli;

/// <summary><c>bench</c>: how long a forward pass takes on this machine, and a row or a thumbnail of its trace.</summary>
internal static class BenchCommand
{
    private const int ThumbnailSide = 64;

    public static Command Create(Terminal terminal)
    {
        var model = AttendCommand.ModelOption();
        var tokens = new Option<int>("--tokens", "-n") { Description = "How many tokens a pass reads.", DefaultValueFactory = _ => 128, HelpName = "N" };
        var threads = new Option<int>("--threads", "-t")
        {
            Description = "How many threads work on a pass.",
            DefaultValueFactory = _ => WorkerPool.DefaultThreads,
            HelpName = "T",
        };
        var seconds = new Option<double>("--seconds") { Description = "How long to measure, after a warm-up.", DefaultValueFactory = _ => 3, HelpName = "S" };
        var json = new Option<bool>("--json") { Description = "Write a JSON object." };
        tokens.Validators.Add(result => Within(result, tokens, 1, 1_000_000));
        threads.Validators.Add(result => Within(result, threads, 1, 1024));
        seconds.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !(result.GetValue(seconds) is > 0 and <= 3600))
            {
                result.AddError("--seconds takes a number above 0, up to 3600.");
            }
        });
        var command = new Command("bench", "Measure how long a forward pass takes.") { model, tokens, threads, seconds, json };
        command.SetWork((parsed, cancellation) =>
        {
            var folder = ModelLocator.Resolve(parsed.GetValue(model));
            var loading = Stopwatch.GetTimestamp();
            using var loaded = AttendCommand.LoadModel(terminal, folder, cancellation);
            var loadTime = Stopwatch.GetElapsedTime(loading);
            using var pool = new WorkerPool(parsed.GetValue(threads));
            loaded.Pool = pool;
            var result = Measure(loaded, parsed.GetValue(tokens), TimeSpan.FromSeconds(parsed.GetValue(seconds)), loadTime, cancellation);
            OutputFile.Write(terminal, null, stream =>
            {
                if (parsed.GetValue(json))
                {
                    result.WriteJson(stream);
                }
                else
                {
                    result.WriteText(stream);
                }
            });
        });
        return command;
    }

    private static Result Measure(Model model, int tokens, TimeSpan budget, TimeSpan load, CancellationToken cancellation)
    {
        var input = Input(model.Info, tokens);
        var trace = model.Forward(input, cancellation: cancellation);
        var passes = Repeat(() => trace = model.Forward(input, cancellation: cancellation), budget);
        var stack = trace.Stacks[^1];
        var row = new float[stack.Keys];
        var thumbnail = new float[ThumbnailSide * ThumbnailSide];
        var query = 0;
        var rows = Repeat(() => stack.Row(stack.Layers / 2, query % stack.Heads, query++ % stack.Queries, row), budget / 10);
        var tiles = Repeat(
            () => stack.Tile(stack.Layers / 2, query++ % stack.Heads, Range.All, Range.All, ThumbnailSide, ThumbnailSide, Pooling.Max, thumbnail), budget / 10);
        return new Result(model.Info, model.Pool.Threads, stack.Queries, stack.Keys, load, passes, rows, tiles, trace.Bytes);

        double[] Repeat(Action action, TimeSpan time)
        {
            // The first runs compile the code and fill the scratch buffers.
            action();
            action();
            var times = new List<double>();
            var start = Stopwatch.GetTimestamp();
            while (times.Count < 5 || Stopwatch.GetElapsedTime(start) < time)
            {
                cancellation.ThrowIfCancellationRequested();
                var from = Stopwatch.GetTimestamp();
                action();
                times.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            }

            times.Sort();
            return [.. times];
        }
    }

    /// <summary>Ids spread over the vocabulary, the same at every run; a vision model gets a gradient.</summary>
    private static ModelInput Input(ModelInfo info, int tokens)
    {
        if (info is { Kind: ModelKind.Vision, Patches: { } grid })
        {
            int height = grid.Rows * grid.PatchSize, width = grid.Columns * grid.PatchSize;
            return new ModelInput { Pixels = new PixelValues([.. Enumerable.Range(0, 3 * height * width).Select(i => (i % 255 / 127.5f) - 1)], 3, height, width) };
        }

        int[] ids = [.. Enumerable.Range(0, tokens).Select(i => (int)((5 + (i * 7919L)) % info.VocabularySize))];
        return new ModelInput { InputIds = ids, DecoderInputIds = info.Kind == ModelKind.EncoderDecoder ? ids : null };
    }

    private static void Within(System.CommandLine.Parsing.OptionResult result, Option<int> option, int least, int most)
    {
        if (result.Tokens is [var token] && !(int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most))
        {
            result.AddError($"{option.Name} takes a whole number from {least} to {most}, not '{token.Value}'.");
        }
    }

    /// <summary>Times in milliseconds, ascending.</summary>
    private sealed record Result(
        ModelInfo Model, int Threads, int Queries, int Keys, TimeSpan Load, double[] Passes, double[] Rows, double[] Tiles, long TraceBytes)
    {
        public void WriteJson(Stream stream)
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteString("model", Model.Name);
            json.WriteNumber("tokens", Queries);
            json.WriteNumber("threads", Threads);
            json.WriteNumber("load_ms", Math.Round(Load.TotalMilliseconds, 1));
            json.WriteNumber("runs", Passes.Length);
            json.WriteNumber("median_ms", Math.Round(Median(Passes), 3));
            json.WriteNumber("best_ms", Math.Round(Passes[0], 3));
            json.WriteNumber("tokens_per_second", Math.Round(Queries / Median(Passes) * 1000, 1));
            json.WriteNumber("row_median_us", Math.Round(Median(Rows) * 1000, 2));
            json.WriteNumber("thumbnail_median_ms", Math.Round(Median(Tiles), 3));
            json.WriteNumber("trace_bytes", TraceBytes);
            json.WriteEndObject();
            json.Flush();
            stream.WriteByte((byte)'\n');
        }

        public void WriteText(Stream stream)
        {
            using var writer = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
            writer.WriteLine(Line($"{Text.DisplayText.Clean(Model.Name)}: {Queries} tokens, {Threads} {(Threads == 1 ? "thread" : "threads")}, {Passes.Length} runs"));
            writer.WriteLine(Line($"forward pass  median {Median(Passes):F2} ms, best {Passes[0]:F2} ms ({Queries / Median(Passes) * 1000:F0} tokens a second)"));
            writer.WriteLine(Line($"one row       median {Median(Rows) * 1000:F1} us of {Keys} keys"));
            writer.WriteLine(Line($"thumbnail     median {Median(Tiles):F2} ms, {ThumbnailSide} x {ThumbnailSide}"));
            writer.WriteLine(Line($"trace         {TraceBytes / 1e6:F1} MB; loading took {Load.TotalMilliseconds:F0} ms"));
        }

        private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

        private static double Median(double[] sorted) => sorted[sorted.Length / 2];
    }
}
