using System.Diagnostics;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>What the scores of one output cost by each method, beside a forward pass in the same run: times move with the machine, their ratio hardly.</summary>
internal static class MethodCost
{
    public static void Run(string folder, int[] lengths)
    {
        using Model model = Model.Load(folder);
        foreach (int n in lengths)
        {
            var input = new ModelInput { InputIds = [.. Enumerable.Range(0, n).Select(i => (int)((5 + (i * 7919L)) % model.Info.VocabularySize))] };
            OutputTarget target = OutputTarget.Of(model, input, new OutputChoice(n / 2));
            double pass = Best(() => target.Forward(model), 5);
            Console.WriteLine();
            Console.WriteLine($"{model.Info.Name}, {n} tokens, {model.Pool.Threads} threads: a forward pass with its scores {pass * 1e3:F1} ms");
            Console.WriteLine("method                      ms      passes");
            foreach (Method method in Methods.All)
            {
                try
                {
                    double time = Best(() => TokenScores.Of(method, model, target), method.IsSlow ? 1 : 3);
                    Console.WriteLine($"{method.Name,-22} {time * 1e3,10:F1} {time / pass,10:F1}");
                }
                catch (MethodException refused)
                {
                    Console.WriteLine($"{method.Name,-22} {refused.Message}");
                }
            }
        }
    }

    /// <summary>The best of some runs, after one to warm up.</summary>
    private static double Best(Action action, int runs)
    {
        double best = double.PositiveInfinity;
        for (int i = 0; i <= runs; i++)
        {
            long from = Stopwatch.GetTimestamp();
            action();
            best = i == 0 && runs > 1 ? best : Math.Min(best, Stopwatch.GetElapsedTime(from).TotalSeconds);
            if (runs == 1)
            {
                break;
            }
        }

        return best;
    }
}
