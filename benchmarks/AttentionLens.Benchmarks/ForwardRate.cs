using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>
/// What the engine alone does with the texts of a finished run: the same ids in the same batches of like length, side by side as there, attention kept, nothing read, cut
/// into tokens, kept or written. The limit of <c>corpus run</c>.
/// </summary>
internal static class ForwardRate
{
    /// <summary>As in a run.</summary>
    private const int BatchTokens = 2048;

    public static void Measure(string folder, string run, Keep keep)
    {
        using Model model = Model.Load(folder);
        model.Pool = WorkerPool.PerCaller;
        long tokens = 0;
        var passes = new Stopwatch();
        foreach (string shard in Directory.EnumerateFiles(run, "shard-*.safetensors").Order(StringComparer.Ordinal))
        {
            ModelInput[][] batches = [.. Batches(shard, model.Info.MaxPositions)];
            tokens += batches.Sum(static batch => batch.Sum(static input => (long)input.InputIds.Length));
            passes.Start();
            Parallel.ForEach(
                Partitioner.Create(batches, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { MaxDegreeOfParallelism = WorkerPool.DefaultThreads }, Pass);
            passes.Stop();
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{{\"tokens\": {tokens}, \"seconds\": {passes.Elapsed.TotalSeconds:F3}}}"));

        void Pass(ModelInput[] batch)
        {
            if (batch is [var single] && single.InputIds.Length > model.Info.MaxPositions)
            {
                model.ForwardLong(single, new Windowing { Prefix = 1, Suffix = 1 }, keep);
            }
            else
            {
                model.ForwardBatch(batch, keep);
            }
        }
    }

    private static IEnumerable<ModelInput[]> Batches(string shard, int window)
    {
        using SafetensorsFile file = SafetensorsFile.Open(shard);
        ModelInput[] inputs = [.. file.Entries.Values.Where(static entry => entry.Name.EndsWith(".input_ids", StringComparison.Ordinal))
            .Select(entry => new ModelInput { InputIds = file.ReadIntegers(entry.Name) }).OrderByDescending(static input => input.InputIds.Length)];
        for (int from = 0; from < inputs.Length;)
        {
            int to = from + 1;
            for (int rows = inputs[from].InputIds.Length; to < inputs.Length && rows + inputs[to].InputIds.Length <= BatchTokens && inputs[from].InputIds.Length <= window; to++)
            {
                rows += inputs[to].InputIds.Length;
            }

            yield return inputs[from..to];
            from = to;
        }
    }
}
