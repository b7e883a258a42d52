using System.Diagnostics;
using System.Globalization;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>
/// A long text through a model: what the process holds at most beyond the weights, and how fast any row and any 64 x 64 thumbnail comes back from
/// the trace. A process of its own, because the peak is the operating system's figure for the whole process.
/// </summary>
internal static class Memory
{
    public static void Measure(string folder, int tokens, int threads)
    {
        using var pool = new WorkerPool(threads);
        long before = Resident();
        using Model model = Model.Load(folder);
        model.Pool = pool;
        GC.Collect();
        long weights = Resident() - before;
        ResetPeak();
        var input = new ModelInput { InputIds = [.. Enumerable.Range(0, tokens).Select(i => (int)((5 + i * 7919L) % model.Info.VocabularySize))] };
        AttentionTrace trace = model.Forward(input);
        long peak = Peak();
        AttentionStack stack = trace.Stacks[0];

        var random = new Random(1);
        var row = new float[stack.Keys];
        var tile = new float[64 * 64];
        List<double> rows = [], tiles = [];
        TimeSpan start = Used();
        for (int i = 0; i < 2000; i++)
        {
            (int layer, int head, int query) = (random.Next(stack.Layers), random.Next(stack.Heads), random.Next(stack.Queries));
            rows.Add(Milliseconds(() => stack.Row(layer, head, query, row)));
        }

        double rowUsed = (Used() - start).TotalMilliseconds / rows.Count;
        start = Used();
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            for (int head = 0; head < stack.Heads; head++)
            {
                foreach (Pooling pooling in Enum.GetValues<Pooling>())
                {
                    tiles.Add(Milliseconds(() => stack.Tile(layer, head, Range.All, Range.All, 64, 64, pooling, tile)));
                }
            }
        }

        double tileUsed = (Used() - start).TotalMilliseconds / tiles.Count;
        double dense = 4.0 * stack.Layers * stack.Heads * stack.Queries * stack.Keys;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"""
            {model.Info.Name}: {stack.Layers} layers, {stack.Heads} heads, {model.Info.HiddenSize} wide, {tokens:N0} tokens, {threads} threads

            | | measured | goal |
            |---|---:|---:|
            | weights on disk | {model.Info.WeightBytes / 1e6:N0} MB | |
            | grown by, when the model was loaded | {weights / 1e6:N0} MB | |
            | peak of the process beyond that | {(peak - weights) / 1e6:N0} MB | |
            | peak of the process beyond the weights on disk | {(peak - model.Info.WeightBytes) / 1e6:N0} MB | 1,200 MB |
            | of which the trace | {trace.Bytes / 1e6:N0} MB | |
            | the n² weights it stands for | {dense / 1e6:N0} MB | |
            | one row: median (99 of 100 below), processor time | {At(rows, 0.5):F3} ({At(rows, 0.99):F3}), {rowUsed:F3} ms | 1 ms |
            | one 64 x 64 thumbnail: the same | {At(tiles, 0.5):F2} ({At(tiles, 0.99):F2}), {tileUsed:F2} ms | 10 ms |
            """));
    }

    /// <summary>What all threads have used, the mean of which a busy machine changes less than the time on the wall.</summary>
    private static TimeSpan Used()
    {
        using Process process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }

    private static double Milliseconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double At(List<double> times, double share)
    {
        times.Sort();
        return times[(int)(share * (times.Count - 1))];
    }

    private static long Resident()
    {
        using Process process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static long Peak()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Linux forgets its peak when asked to (proc(5), clear_refs); elsewhere the peak of loading counts too, which makes the figure no smaller.</summary>
    private static void ResetPeak()
    {
        if (OperatingSystem.IsLinux())
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
    }
}
