using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using AttentionLens.Benchmarks;
using AttentionLens.Kernels;
using AttentionLens.Models;

// Speed of the kernels against this machine's own limits.
//   dotnet run -c Release --project benchmarks/AttentionLens.Benchmarks -- [threads] [matmul|attention|trace|elementwise|model]
//   dotnet run -c Release --project benchmarks/AttentionLens.Benchmarks -- make bert-base|minilm-l6|bert-mini|bert-tiny|gpt2|gpt2-4096 FOLDER
//   ... -- memory FOLDER TOKENS THREADS: the peak of a process, rows and thumbnails of a long text
//   ... -- methods FOLDER [TOKENS ...]: what each method of docs/methods.md costs
//   ... -- forward FOLDER RUN [received]: the engine alone over the texts of a run of a corpus; one side of benchmarks/corpus/throughput.mjs
//   ... -- reading: what reading a document of five megabytes costs by format
//   ... -- standoff FOLDER RUNS: one side of benchmarks/annotations/brat.mjs
//   ... -- peer FOLDER THREADS: one side of benchmarks/compare/compare.mjs
// benchmarks/engine.mjs runs what docs/engine.md shows.
// Medians, and the best in brackets; the peak is taken again beside each figure, because on a shared machine it moves.
if (args is ["make", string modelName, string folder])
{
    RandomModel.Write(modelName, folder);
    return;
}

if (args is ["methods", string methodsFolder, .. string[] tokens])
{
    MethodCost.Run(methodsFolder, tokens.Length == 0 ? [128, 512] : Array.ConvertAll(tokens, static n => int.Parse(n, CultureInfo.InvariantCulture)));
    return;
}

if (args is ["reading"])
{
    Reading.Run();
    return;
}

if (args is ["standoff", string standoffFolder, string standoffRuns])
{
    Standoff.Run(standoffFolder, int.Parse(standoffRuns, CultureInfo.InvariantCulture));
    return;
}

if (args is ["peer", string peerFolder, string peerThreads])
{
    Peer.Serve(peerFolder, int.Parse(peerThreads, CultureInfo.InvariantCulture));
    return;
}

if (args is ["forward", string forwardFolder, string run, .. string[] kept])
{
    ForwardRate.Measure(forwardFolder, run, kept.Contains("received") ? Keep.Received : Keep.Attention);
    return;
}

if (args is ["memory", string memoryFolder, string memoryTokens, string memoryThreads])
{
    Memory.Measure(memoryFolder, int.Parse(memoryTokens, CultureInfo.InvariantCulture), int.Parse(memoryThreads, CultureInfo.InvariantCulture));
    return;
}

int threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : WorkerPool.DefaultThreads;
string section = args.Length > 1 ? args[1] : "";
using var pool = new WorkerPool(threads);
Console.WriteLine($"{threads} threads, {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)} bits, .NET {Environment.Version}");
Console.WriteLine($"FMA peak {Peak.GigaFlops(pool):F0} GFLOP/s, memory {Peak.GigaBytes(pool):F1} GB/s, empty hand-off {Peak.HandOff(pool):F2} us");

if (section is "" or "matmul")
{
    Console.WriteLine();
    Console.WriteLine("matmul   rows   outputs x inputs      ms   (best)   GFLOP/s (best)   GB/s of weights   of FMA peak (best)");
    foreach ((int outputs, int inputs) in new[] { (2304, 768), (768, 768), (3072, 768), (768, 3072), (1536, 384) })
    {
        float[] weight = Random(outputs * inputs, 1);

        // Enough copies that the weights come from memory, as they do in a forward pass.
        PackedMatrix[] copies = [.. Enumerable.Range(0, Math.Max(1, 256_000_000 / (outputs * inputs * 4))).Select(_ => PackedMatrix.Pack(weight, outputs, inputs))];
        float[] bias = Random(outputs, 2);
        foreach (int rows in new[] { 1, 4, 16, 18, 64, 128, 132, 256, 510, 512 })
        {
            float[] x = Random(rows * inputs, 3), result = new float[rows * outputs];
            int next = 0;
            (double seconds, double best) = Median(
                () => MatMul.Multiply(x, rows, inputs, copies[next++ % copies.Length], bias, outputs == 3072 ? Activation.Gelu : Activation.None, [], 0, result, outputs, pool), 0.15);
            double flops = 2.0 * rows * outputs * inputs;
            Console.WriteLine(
                $"        {rows,5}   {outputs,7} x {inputs,-6} {seconds * 1e3,8:F3} ({best * 1e3:F3}) {flops / seconds / 1e9,9:F0} ({flops / best / 1e9:F0}) {outputs * (double)inputs * 4 / seconds / 1e9,12:F1} {flops / seconds / 1e9 / Peak.GigaFlops(pool),13:P0} ({flops / best / 1e9 / Peak.Best:P0})");
        }

        Array.ForEach(copies, c => c.Dispose());
    }
}

if (section is "" or "attention")
{
    Console.WriteLine();
    Console.WriteLine("attention, 12 heads of 64            ms   (best)   GFLOP/s (best)");
    AttentionPattern Whole(int n) => new() { Queries = n, Keys = n, Heads = 12, HeadSize = 64, Scale = 0.125f };
    AttentionPattern longformer = Whole(4096) with { Before = 256, After = 256 };
    foreach ((string name, AttentionPattern pattern, double seen) in new[]
    {
        ("full", Whole(16), 16.0), ("full", Whole(64), 64), ("full", Whole(128), 128), ("full", Whole(256), 256), ("full", Whole(512), 512),
        ("causal", Whole(1024) with { After = 0 }, 512), ("causal", Whole(4096) with { After = 0 }, 2048),
        ("window", longformer, 513), ("1 global", longformer with { GlobalKeys = [0] }, 514), ("64 global", longformer with { GlobalKeys = [.. Enumerable.Range(0, 64)] }, 577),
    })
    {
        int n = pattern.Queries;
        float[] qkv = Random(n * 2304, 4), result = new float[n * 768];
        (double seconds, double best) = Median(
            () => AttentionKernel.Attend(
                pattern, new(qkv, 2304), new(qkv.AsSpan(768), 2304), new(qkv.AsSpan(1536), 2304), result, 768, new NoObserver(), pool), 0.2);
        double flops = 4.0 * n * seen * 768;
        Console.WriteLine($"{name,10} {n,6} {seconds * 1e3,20:F3} ({best * 1e3:F3}) {flops / seconds / 1e9,9:F0} ({flops / best / 1e9:F0})");
    }
}

if (section is "" or "trace")
{
    const int n = 4096;
    float[] q = Random(n * 768, 5), k = Random(n * 768, 6), row = new float[n], tile = new float[64 * 64];
    var pattern = new AttentionPattern { Queries = n, Keys = n, Heads = 12, HeadSize = 64, Scale = 0.125f };
    int query = 0;
    var scales = new RowScale[n];
    Console.WriteLine();
    Console.WriteLine($"one row of 4,096 keys            {Median(() => AttentionKernel.Row(pattern, new(q, 768), new(k, 768), 5, query++ % n, row), 0.1).Median * 1e6,8:F0} us");
    foreach (bool causal in new[] { false, true })
    {
        foreach (Pooling pooling in Enum.GetValues<Pooling>())
        {
            AttentionPattern shown = causal ? pattern with { After = 0 } : pattern;
            for (int i = 0; i < n; i++)
            {
                scales[i] = AttentionKernel.Row(shown, new(q, 768), new(k, 768), 5, i, row).Scale; // as the pass keeps them
            }

            (double seconds, double best) = Median(
                () => AttentionKernel.Tile(shown, new(q, 768), new(k, 768), 5, Range.All, Range.All, 64, 64, pooling, scales, tile, pool), 0.2);
            Console.WriteLine($"64 x 64 {pooling,-4} of 4,096 x 4,096 {(causal ? "causal" : "full"),-6}{seconds * 1e3,8:F2} ({best * 1e3:F2}) ms");
        }
    }
}

if (section is "" or "elementwise")
{
    Console.WriteLine();
    Console.WriteLine("elementwise, one thread, 98,304 floats      ns per float, best");
    float[] x = Random(98_304, 7), y = new float[98_304], w = Random(768, 8);
    foreach (Activation activation in Enum.GetValues<Activation>())
    {
        Console.WriteLine($"{activation,20} {Median(() => { x.CopyTo(y, 0); Activations.Apply(activation, y); }, 0.03).Best / x.Length * 1e9,20:F3}");
    }

    Console.WriteLine($"{"softmax of 512",20} {Median(() => { x.CopyTo(y, 0); for (int i = 0; i < y.Length; i += 512) { Softmax.InPlace(y.AsSpan(i, 512)); } }, 0.03).Best / x.Length * 1e9,20:F3}");
    Console.WriteLine($"{"layer norm of 768",20} {Median(() => Norms.LayerNorm(x, 128, 768, w, w, 1e-5f, y, pool), 0.03).Best / x.Length * 1e9,20:F3}");
    Console.WriteLine($"{"rms norm of 768",20} {Median(() => Norms.RmsNorm(x, 128, 768, w, 1e-5f, 0, y, pool), 0.03).Best / x.Length * 1e9,20:F3}");
}

if (section == "model")
{
    using Model model = Model.Load(args[2]);
    model.Pool = pool;
    Console.WriteLine($"{model.Info.Name}: tokens      ms (best)");
    int[] lengths = [16, 64, 128, 256, 512, 1024];
    foreach (int n in lengths.Where(n => n <= model.Info.MaxPositions && (args.Length < 4 || args[3] == n.ToString(CultureInfo.InvariantCulture))))
    {
        var input = new ModelInput { InputIds = [.. Enumerable.Range(0, n).Select(i => 1000 + i * 37 % 20000)] };
        (double seconds, double best) = Median(() => model.Forward(input), 1);
        Console.WriteLine($"{n,10} {seconds * 1e3,8:F2} ({best * 1e3:F2})");
    }
}

static float[] Random(int count, int seed)
{
    var random = new Random(seed);
    var values = new float[count];
    for (int i = 0; i < count; i++)
    {
        values[i] = (float)(random.NextDouble() * 2 - 1);
    }

    return values;
}

// At least 5 runs and about `budget` seconds.
static (double Median, double Best) Median(Action action, double budget)
{
    for (int i = 0; i < 3; i++)
    {
        action();
    }

    var times = new List<double>();
    long start = Stopwatch.GetTimestamp();
    while (times.Count < 5 || Stopwatch.GetElapsedTime(start).TotalSeconds < budget)
    {
        long from = Stopwatch.GetTimestamp();
        action();
        times.Add(Stopwatch.GetElapsedTime(from).TotalSeconds);
    }

    times.Sort();
    return (times[times.Count / 2], times[0]);
}
