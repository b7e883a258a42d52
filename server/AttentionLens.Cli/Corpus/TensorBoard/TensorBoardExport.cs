using System.Globalization;
using System.Text;
using AttentionLens.Cli.Formats;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli.Corpus.TensorBoard;

/// <summary>
/// A run for TensorBoard: the mean profile of every head as scalars, heads of the first texts as images, those texts and the run itself as text, and
/// hidden states for the embedding projector.
/// </summary>
internal sealed class TensorBoardExport(RunFolder run, string folder)
{
    private static readonly string[] Measures =
        ["entropy", "normalized_entropy", "max", "mean_distance", "first_token", "separators", "previous_token", "next_token", "same_token"];

    /// <summary>Of the images and texts that are shown.</summary>
    public int Texts { get; init; } = 4;

    /// <summary>Tokens that go to the projector; it shows no more in a browser.</summary>
    public int Points { get; init; } = 10_000;

    /// <summary>Where on the axis the scalars stand: the training step of the model, say.</summary>
    public long Step { get; init; }

    public void Write(IProgress<double> progress, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        // TensorBoard reads the files of a folder in the order of their names; one step again replaces what was there.
        var name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{Step:D10}.attention-lens");
        OutputFile.Write(Path.Combine(folder, name), stream =>
        {
            var events = new EventFile(stream, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds);
            if (!run.Index.Outputs.Keep.Contains("hidden"))
            {
                Write(events, null, progress, cancellation);
                return;
            }

            OutputFile.Write(Path.Combine(folder, "tensors.tsv"), vectors => OutputFile.Write(Path.Combine(folder, "metadata.tsv"), names =>
            {
                using var points = new Projector(vectors, names, Points);
                Write(events, points, progress, cancellation);
            }));
            OutputFile.Write(Path.Combine(folder, "projector_config.pbtxt"), file => file.Write(
                "embeddings {\n  tensor_name: \"hidden\"\n  tensor_path: \"tensors.tsv\"\n  metadata_path: \"metadata.tsv\"\n}\n"u8));
        });
    }

    private void Write(EventFile events, Projector? points, IProgress<double> progress, CancellationToken cancellation)
    {
        var sums = run.Index.Prefixes.ToDictionary(prefix => prefix, _ => Array.Empty<double>());
        long texts = 0, tokens = 0, failed = 0, shown = 0;
        foreach (var text in run.Texts(0, progress, cancellation))
        {
            texts++;
            if (text.Item.Error is not null)
            {
                failed++;
                continue;
            }

            tokens += text.Item.Tokens.Length;
            foreach (var prefix in run.Index.Prefixes)
            {
                if (text.Floats(prefix + "profiles") is { } profiles)
                {
                    sums[prefix] = sums[prefix].Length == 0 ? new double[profiles.Values.Length] : sums[prefix];
                    for (var i = 0; i < profiles.Values.Length; i++)
                    {
                        sums[prefix][i] += profiles.Values[i];
                    }
                }
            }

            if (shown < Texts)
            {
                Show(events, text, shown++, cancellation);
            }

            points?.Add(text);
        }

        foreach (var (prefix, values) in sums)
        {
            var heads = prefix is "decoder_" or "cross_" ? run.Index.DecoderHeads : run.Index.Heads;
            for (var i = 0; i < values.Length; i++)
            {
                var (head, measure) = (i / Measures.Length, Measures[i % Measures.Length]);
                events.Scalar(Step, F($"{prefix}{measure}/{head / heads}.{head % heads}"), (float)(values[i] / (texts - failed)));
            }
        }

        events.Text(Step, "run", F($"| | |\n|---|---|\n| model | {run.Index.Model} |\n| kept | {string.Join(", ", run.Index.Outputs.Keep)} |\n| texts | {texts:N0} |\n| tokens | {tokens:N0} |\n| could not be read | {failed:N0} |\n"));
    }

    private void Show(EventFile events, RunText text, long number, CancellationToken cancellation)
    {
        events.Text(Step, F($"texts/{number}"), F($"{Code(text.Item.Document)}, {text.Item.Start}\n\n{string.Join(' ', text.Item.Tokens.Select(Code))}"));
        foreach (var prefix in run.Index.Prefixes)
        {
            foreach (var (layer, head, weights, queries, keys) in text.Matrices(run.Index, prefix))
            {
                cancellation.ThrowIfCancellationRequested();
                var cell = Math.Clamp(256 / Math.Max(queries, keys), 1, 16);
                var pixels = Png.Blank(keys * cell, queries * cell);
                Png.Paint(pixels, keys * cell, (weights, queries, keys), weights.Max(), false, 0, 0, cell);
                using var png = new MemoryStream();
                Png.Encode(png, keys * cell, queries * cell, pixels, run.Index.Model);
                events.Image(Step, F($"{prefix}attention {layer}.{head}/{number}"), keys * cell, queries * cell, png.ToArray());
            }
        }
    }

    /// <summary>As code, whatever is in it: the text dashboard reads Markdown.</summary>
    private static string Code(string text)
    {
        var clean = DisplayText.Clean(text);
        var fence = new string('`', 1 + clean.Split(clean.Where(c => c != '`').Distinct().ToArray()).Max(run => run.Length));
        var pad = clean.StartsWith('`') || clean.EndsWith('`') ? " " : "";
        return $"{fence}{pad}{clean}{pad}{fence}";
    }

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The files that TensorBoard's projector reads: vectors, what they are, and where both are.</summary>
    private sealed class Projector : IDisposable
    {
        private readonly int most;
        private readonly StreamWriter vectors;
        private readonly StreamWriter names;
        private int count;

        public Projector(Stream vectors, Stream names, int most)
        {
            this.most = most;
            (this.vectors, this.names) = (Writer(vectors), Writer(names));
            this.names.Write("token\ttext\tdocument\tstart\n");
        }

        public void Add(RunText text)
        {
            var stack = text.Floats("hidden") is null ? "encoder_hidden" : "hidden";
            if (count >= most || text.Floats(stack) is not { } states)
            {
                return;
            }

            var width = states.Shape[1];
            for (var i = 0; i < states.Shape[0] && count < most; i++)
            {
                // Special tokens are the same point again and again, and have no place.
                if (text.Item.Ranges[2 * i] < 0)
                {
                    continue;
                }

                var row = states.Values.AsSpan(i * width, width);
                for (var d = 0; d < width; d++)
                {
                    vectors.Write(row[d].ToString("R", CultureInfo.InvariantCulture));
                    vectors.Write(d == width - 1 ? '\n' : '\t');
                }

                names.Write(F($"{Cell(text.Item.Tokens[i])}\t{text.Shard}:{text.Item.Item}\t{Cell(text.Item.Document)}\t{text.Item.Ranges[2 * i]}\n"));
                count++;
            }
        }

        public void Dispose()
        {
            vectors.Dispose();
            names.Dispose();
        }

        private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);

        private static string Cell(string text) => DisplayText.Clean(text).Replace('\t', ' ').Replace('\n', ' ');
    }
}
