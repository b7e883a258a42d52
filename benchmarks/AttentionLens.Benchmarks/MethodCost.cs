using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Kernels;
using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>
/// What the scores of one output cost by each method, beside a forward pass in the same run, in processor time: on a machine that does other work besides, the time on
/// the clock says little, and the ratio of the two hardly moves.
/// </summary>
internal static class MethodCost
{
    public static void Run(string folder, int[] lengths)
    {
        using Model model = Model.Load(folder);
        // Workers that wait for each other wait actively, which is processor time without work.
        using var pool = new WorkerPool(1);
        model.Pool = pool;
        foreach (int n in lengths)
        {
            var input = new ModelInput { InputIds = [.. Enumerable.Range(0, n).Select(i => (int)((5 + (i * 7919L)) % model.Info.VocabularySize))] };
            OutputTarget target = OutputTarget.Of(model, input, new OutputChoice(n / 2));
            double pass = Least(() => target.Forward(model), 5);
            Console.WriteLine();
            Console.WriteLine($"{model.Info.Name}, {n} tokens: a forward pass with its scores takes {pass * 1e3:F1} ms of processor time");
            Console.WriteLine("method                         ms   passes");
            foreach (Method method in Methods.All)
            {
                try
                {
                    double time = Least(() => TokenScores.Of(method, model, target), method.IsSlow ? 1 : 3);
                    Console.WriteLine($"{method.Name,-22} {time * 1e3,10:F1} {time / pass,10:F1}");
                }
                catch (MethodException refused)
                {
                    Console.WriteLine($"{method.Name,-22} {refused.Message}");
                }
            }
        }
    }

    /// <summary>The least of some runs, after one to warm up.</summary>
    private static double Least(Action action, int runs)
    {
        double least = double.PositiveInfinity;
        for (int i = 0; i <= runs; i++)
        {
            TimeSpan from = Environment.CpuUsage.TotalTime;
            action();
            least = i == 0 && runs > 1 ? least : Math.Min(least, (Environment.CpuUsage.TotalTime - from).TotalSeconds);
            if (runs == 1)
            {
                break;
            }
        }

        return least;
    }
}
