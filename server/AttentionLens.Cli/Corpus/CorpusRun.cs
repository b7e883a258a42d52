using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text.Json;
using AttentionLens.Corpora;
using AttentionLens.Models;

namespace AttentionLens.Cli.Corpus;

/// <summary>
/// A run in a folder. Each shard is a job of its own whose bytes follow from the plan alone, and appears by a rename when it is whole: killed at any
/// moment, a run goes on with the shards that are not there; several processes may work in one folder, and a shard that two of them make is the same.
/// </summary>
internal sealed class CorpusRun
{
    public const string PlanFile = "run.json";
    public const string IndexFile = "index.json";

    private readonly string folder;
    private readonly RunPlan plan;

    private CorpusRun(string folder, RunPlan plan) => (this.folder, this.plan) = (folder, plan);

    public RunPlan Plan => plan;

    public string Folder => folder;

    /// <summary>Plans a new run, or goes on with the one that is there.</summary>
    /// <exception cref="CommandException">The folder holds another run, or something that is none.</exception>
    public static CorpusRun Open(string folder, RunSpec spec, CancellationToken cancellation)
    {
        var made = new CorpusRun(folder, Cut(spec, cancellation));
        var bytes = JsonSerializer.SerializeToUtf8Bytes(made.plan, CorpusJson.Default.RunPlan);
        var path = Path.Combine(folder, PlanFile);
        if (!File.Exists(path))
        {
            Store(path, stream => stream.Write(bytes));
            return made;
        }

        return File.ReadAllBytes(path).AsSpan().SequenceEqual(bytes)
            ? made
            : throw new CommandException($"'{folder}' holds another run (other files, another model or other options, see {PlanFile}); choose another folder, or the same options to go on.");
    }

    /// <summary>The run that another process has planned there.</summary>
    /// <exception cref="IOException">There is none, or none that can be read from this machine.</exception>
    public static CorpusRun Load(string folder)
    {
        var path = Path.Combine(folder, PlanFile);
        try
        {
            return new CorpusRun(folder, JsonSerializer.Deserialize(File.ReadAllBytes(path), CorpusJson.Default.RunPlan) ?? throw new JsonException());
        }
        catch (Exception error) when (error is JsonException or FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException($"'{path}' is no plan of a run that is readable here; workers need the folder of the run and its corpus under the same paths.");
        }
    }

    public bool IsThere(int shard) => File.Exists(TensorFile(shard));

    public long Bytes(int shard) => plan.Blocks[plan.Shards[shard][0]..plan.Shards[shard][1]].Sum(block => (long)block.Bytes);

    /// <summary>Computes a shard and stores it, whole or not at all.</summary>
    public ShardResult Make(Model model, int shard, CancellationToken cancellation)
    {
        var result = new CorpusShard(model, plan.Spec.Outputs).Compute(plan.Blocks[plan.Shards[shard][0]..plan.Shards[shard][1]], cancellation);
        Store(ItemFile(shard), result.WriteItems);
        // The tensors come last: where they are, the shard is whole.
        Store(TensorFile(shard), stream => result.WriteTensors(stream, cancellation));
        return result;
    }

    /// <summary>Writes the index once all shards are there.</summary>
    public void Finish(ModelInfo info, CancellationToken cancellation)
    {
        if (Enumerable.Range(0, plan.Shards.Length).All(IsThere))
        {
            WriteIndex(info, cancellation);
        }
    }

    /// <param name="model">The model of the specification.</param>
    /// <param name="part">Only shards index, index + count, ...</param>
    /// <param name="workers">Shards under way at once.</param>
    /// <param name="progress">Share of the text that is done.</param>
    /// <param name="cancellation">Checked per batch; shards that are done stay.</param>
    public RunSummary Execute(Model model, (int Index, int Count) part, int workers, IProgress<double> progress, CancellationToken cancellation)
    {
        var mine = Enumerable.Range(0, plan.Shards.Length).Where(i => i % part.Count == part.Index).ToArray();
        var total = Math.Max(1, mine.Sum(Bytes));
        long texts = 0, tokens = 0, failed = 0, done = 0;
        int written = 0, present = 0;
        try
        {
            Parallel.ForEach(mine, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation }, Work);
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }

        Finish(model.Info, cancellation);
        return new RunSummary(written, present, texts, tokens, failed);

        void Work(int shard)
        {
            if (IsThere(shard))
            {
                Interlocked.Increment(ref present);
            }
            else
            {
                var result = Make(model, shard, cancellation);
                Interlocked.Increment(ref written);
                Interlocked.Add(ref texts, result.Items.Count);
                Interlocked.Add(ref tokens, result.Tokens);
                Interlocked.Add(ref failed, result.Items.Count(item => item.Error is not null));
            }

            progress.Report((double)Interlocked.Add(ref done, Bytes(shard)) / total);
        }
    }

    private static RunPlan Cut(RunSpec spec, CancellationToken cancellation)
    {
        try
        {
            var blocks = spec.Documents.SelectMany(document => CorpusPlan.Blocks(document, spec.ShardBytes, cancellation)).ToArray();
            List<int[]> shards = [];
            for (var from = 0; from < blocks.Length;)
            {
                var to = from;
                for (long bytes = 0; to < blocks.Length && (to == from || bytes + blocks[to].Bytes <= spec.ShardBytes); to++)
                {
                    bytes += blocks[to].Bytes;
                }

                shards.Add([from, to]);
                from = to;
            }

            return new RunPlan(spec, blocks, [.. shards]);
        }
        catch (InvalidDataException error)
        {
            throw new CommandException(error.Message);
        }
    }

    private void WriteIndex(ModelInfo info, CancellationToken cancellation)
    {
        var entries = Enumerable.Range(0, plan.Shards.Length).Select(shard =>
        {
            cancellation.ThrowIfCancellationRequested();
            using var stream = File.OpenRead(TensorFile(shard));
            return new ShardEntry(Path.GetFileName(TensorFile(shard)), Path.GetFileName(ItemFile(shard)), stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
        });
        var index = new RunIndex(plan.Spec.Model, plan.Spec.Fingerprint, info.Layers, info.Heads, info.DecoderLayers, info.DecoderHeads, plan.Spec.Outputs, [.. entries]);
        Store(Path.Combine(folder, IndexFile), stream => JsonSerializer.Serialize(stream, index, CorpusJson.Default.RunIndex));
    }

    private string TensorFile(int shard) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"shard-{shard:D5}.safetensors"));

    private string ItemFile(int shard) => Path.ChangeExtension(TensorFile(shard), ".jsonl");

    /// <summary>On the disk before it has its name: a shard that is there is never made again.</summary>
    private static void Store(string path, Action<Stream> write) => OutputFile.Write(path, stream =>
    {
        write(stream);
        (stream as FileStream)?.Flush(flushToDisk: true);
    });
}
