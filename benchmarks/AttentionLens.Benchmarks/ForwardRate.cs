using System.Diagnostics;
using System.Globalization;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>
/// What the engine alone does with the texts of a finished run: the same ids in the same batches of like length, attention kept, nothing read, cut
/// into tokens, kept or written. The limit of <c>corpus run</c>.
/// </summary>
internal static class ForwardRate
{
    /// <summary>As in a run.</summary>
    private const int BatchTokens = 2048;

    public static void Measure(string folder, string run)
    {
        using var pool = new WorkerPool(WorkerPool.DefaultThreads);
        using Model model = Model.Load(folder);
        model.Pool = pool;
        long tokens = 0;
        var passes = new Stopwatch();
        foreach (string shard in Directory.EnumerateFiles(run, "shard-*.safetensors").Order(StringComparer.Ordinal))
        {
            foreach (ModelInput[] batch in Batches(shard, model.Info.MaxPositions))
            {
                passes.Start();
                if (batch is [var single] && single.InputIds.Length > model.Info.MaxPositions)
                {
                    model.ForwardLong(single, new Windowing { Prefix = 1, Suffix = 1 });
                }
                else
                {
                    model.ForwardBatch(batch);
                }

                passes.Stop();
                tokens += batch.Sum(static input => (long)input.InputIds.Length);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{{\"tokens\": {tokens}, \"seconds\": {passes.Elapsed.TotalSeconds:F3}}}"));
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
