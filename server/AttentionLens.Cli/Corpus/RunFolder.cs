using System.Globalization;
using System.Text.Json;
using AttentionLens.Models;

namespace AttentionLens.Cli.Corpus;

/// <summary>A finished run to read from: its texts in order, with the tensors of each.</summary>
internal sealed class RunFolder
{
    private readonly string folder;

    private RunFolder(string folder, RunIndex index) => (this.folder, Index) = (folder, index);

    public RunIndex Index { get; }

    /// <exception cref="CommandException">There is no run, or it is not finished.</exception>
    public static RunFolder Open(string folder)
    {
        var path = Path.Combine(folder, CorpusRun.IndexFile);
        if (!File.Exists(path))
        {
            throw new CommandException(File.Exists(Path.Combine(folder, CorpusRun.PlanFile))
                ? $"The run in '{folder}' is not finished; the same 'corpus run' command goes on with it."
                : $"'{folder}' holds no run; 'attention-lens corpus run FILES -o {folder}' makes one.");
        }

        try
        {
            return new RunFolder(folder, JsonSerializer.Deserialize(File.ReadAllBytes(path), CorpusJson.Default.RunIndex) ?? throw new JsonException());
        }
        catch (JsonException)
        {
            throw new CommandException($"'{path}' is damaged; delete it, and the 'corpus run' command writes it again.");
        }
    }

    /// <summary>Every text that was read; a shard's file is closed when its texts are through.</summary>
    /// <param name="from">The first shard.</param>
    /// <param name="progress">Share of the shards that are through.</param>
    /// <param name="cancellation">Checked per text.</param>
    public IEnumerable<RunText> Texts(int from, IProgress<double>? progress, CancellationToken cancellation)
    {
        for (var shard = from; shard < Index.Shards.Length; shard++)
        {
            using var tensors = SafetensorsFile.Open(Path.Combine(folder, Index.Shards[shard].File));
            foreach (var line in File.ReadLines(Path.Combine(folder, Index.Shards[shard].Items)))
            {
                cancellation.ThrowIfCancellationRequested();
                yield return new RunText(shard, Item(line, Index.Shards[shard].Items), tensors);
            }

            progress?.Report((shard + 1.0) / Index.Shards.Length);
        }
    }

    private static CorpusItem Item(string line, string file)
    {
        try
        {
            return JsonSerializer.Deserialize(line, CorpusJson.Default.CorpusItem) ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new CommandException($"'{file}' is damaged; delete the shard, and the 'corpus run' command makes it again.");
        }
    }
}

/// <summary>One text of a run.</summary>
internal readonly record struct RunText(int Shard, CorpusItem Item, SafetensorsFile Tensors)
{
    /// <summary>Values and shape of what was kept under a name; null where it was not.</summary>
    public (float[] Values, int[] Shape)? Floats(string name) =>
        Tensors.Entries.TryGetValue(Full(name), out var entry) ? (Tensors.ReadFloats(entry.Name), entry.Shape) : null;

    public int[]? Integers(string name) => Tensors.Entries.ContainsKey(Full(name)) ? Tensors.ReadIntegers(Full(name)) : null;

    /// <summary>The matrices of heads [queries, keys] that were kept, whole or as their strongest edges with 0 elsewhere.</summary>
    public IEnumerable<(int Layer, int Head, float[] Weights, int Queries, int Keys)> Matrices(RunIndex index, string prefix)
    {
        var start = Full(prefix + "attention.");
        var whole = Tensors.Entries.Values.Where(entry => entry.Name.StartsWith(start, StringComparison.Ordinal)).ToArray();
        foreach (var entry in whole)
        {
            var place = entry.Name[start.Length..].Split('.');
            yield return (int.Parse(place[0], CultureInfo.InvariantCulture), int.Parse(place[1], CultureInfo.InvariantCulture), Tensors.ReadFloats(entry.Name), entry.Shape[0], entry.Shape[1]);
        }

        if (whole.Length > 0 || Floats(prefix + "edge_weights") is not { } edges || Integers(prefix + "edge_keys") is not { } positions)
        {
            yield break;
        }

        var (queries, top) = (edges.Shape[1], edges.Shape[2]);
        var keys = prefix == "cross_" ? Integers("input_ids")!.Length : queries; // every text that was read has ids
        var heads = index.HeadsOf(prefix);
        for (var h = 0; h < heads.Length; h++)
        {
            var matrix = new float[queries * keys];
            for (var i = 0; i < queries * top; i++)
            {
                matrix[(i / top * keys) + positions[(h * queries * top) + i]] = edges.Values[(h * queries * top) + i];
            }

            yield return (heads[h].Layer, heads[h].Head, matrix, queries, keys);
        }
    }

    private string Full(string name) => string.Create(CultureInfo.InvariantCulture, $"{Item.Item}.{name}");
}
