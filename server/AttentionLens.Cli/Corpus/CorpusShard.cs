using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Corpora;
using AttentionLens.Kernels;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Cli.Corpus;

/// <summary>The texts of one shard and what was kept of each.</summary>
internal sealed class ShardResult(IReadOnlyList<CorpusItem> items, IReadOnlyList<Action<SafetensorsWriter>?> tensors)
{
    public IReadOnlyList<CorpusItem> Items => items;

    public long Tokens => items.Sum(item => (long)item.Tokens.Length);

    public void WriteItems(Stream stream)
    {
        foreach (var item in items)
        {
            JsonSerializer.Serialize(stream, item, CorpusJson.Default.CorpusItem);
            stream.Write("\n"u8);
        }
    }

    public void WriteTensors(Stream stream, CancellationToken cancellation)
    {
        var writer = new SafetensorsWriter();
        foreach (var add in tensors)
        {
            add?.Invoke(writer);
        }

        writer.WriteTo(stream, cancellation);
    }
}

/// <summary>
/// Computes a shard: reads its blocks, runs texts of like length in one pass, and keeps of each pass only what was asked for. A text that cannot be
/// read becomes an item with an error; the rest goes on.
/// </summary>
internal sealed class CorpusShard(Model model, CorpusOutputs outputs)
{
    /// <summary>Rows of one pass: enough to keep the matrix products busy, few enough that scratch and traces stay small.</summary>
    private const int BatchTokens = 2048;

    /// <summary>Weights of a head that are computed at once: 16 MB.</summary>
    private const int LargestMatrix = 1 << 22;

    /// <summary>Kept for each mask.</summary>
    private const int TopPredictions = 5;

    /// <summary>Passes of this process at once, whatever the number of shards under way.</summary>
    private static readonly TaskScheduler Passes = new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, WorkerPool.DefaultThreads).ConcurrentScheduler;

    private readonly Method[] methods = [.. outputs.Methods.Select(Methods.Named)];
    private readonly Evaluator? evaluator = outputs.Evaluation is { } settings ? new Evaluator(model, [.. outputs.Methods.Select(Methods.Named)], settings.Options) : null;
    private readonly (int Layer, int Head)[] heads = Parse(outputs.Heads, model.Info);
    private readonly SegmentUnit unit = Enum.Parse<SegmentUnit>(outputs.Unit, ignoreCase: true);

    public ShardResult Compute(IEnumerable<CorpusBlock> blocks, CancellationToken cancellation)
    {
        List<CorpusItem> read = [];
        List<EvaluatedText> texts = [];
        List<ModelInput?> inputs = [];
        foreach (var block in blocks)
        {
            cancellation.ThrowIfCancellationRequested();
            var document = DocumentFormats.For(null, block.Document, ReaderOptions.Default with { Unit = unit }).Read(CorpusPlan.Read(block));
            foreach (var segment in document.Segments)
            {
                var (item, input) = Encode(read.Count, block, segment, cancellation);
                read.Add(item);
                texts.Add(new EvaluatedText(segment.Text, segment.Pair?.Text));
                inputs.Add(input);
            }
        }

        CorpusItem[] items = [.. read];
        var tensors = new Action<SafetensorsWriter>?[items.Length];
        Each(Batches(inputs), batch => Run(batch, items, inputs, tensors, cancellation), cancellation);
        if (methods.Length > 0)
        {
            Each(Enumerable.Range(0, items.Length).Where(i => items[i].Error is null), i => items[i] = Explained(items[i], texts[i], inputs[i]!, cancellation), cancellation); // no error: there is an input
        }

        return new ShardResult(items, tensors);
    }

    /// <summary>Passes side by side, a thread each: no kernel waits for its slowest part, and what is kept is put away meanwhile.</summary>
    private static void Each<T>(IEnumerable<T> work, Action<T> pass, CancellationToken cancellation)
    {
        try
        {
            Parallel.ForEach(
                Partitioner.Create(work, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { TaskScheduler = Passes, CancellationToken = cancellation }, pass);
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.Flatten().InnerExceptions[0]);
        }
    }

    private Keep Needs => (outputs.Keep.Contains("hidden") ? Keep.HiddenStates : Keep.Attention)
        | (outputs.Keep.Contains("received") ? Keep.Received : Keep.Attention)
        | (Predicts ? Keep.Logits : Keep.Attention);

    private bool Predicts => outputs.Keep.Contains("predictions");

    private void Run(int[] batch, CorpusItem[] items, List<ModelInput?> inputs, Action<SafetensorsWriter>?[] tensors, CancellationToken cancellation)
    {
        ModelInput[] texts = [.. batch.Select(i => inputs[i]!)]; // only texts with an input are in batches
        try
        {
            // A text longer than the window is read in overlapping windows, alone.
            IReadOnlyList<AttentionTrace> traces = texts is [var single] && single.InputIds.Length > model.Info.MaxPositions
                ? [model.ForwardLong(single, Windows(items[batch[0]]), Needs, cancellation)]
                : model.ForwardBatch(texts, Needs, cancellation);
            for (var i = 0; i < batch.Length; i++)
            {
                tensors[batch[i]] = Kept(items, batch[i], traces[i], cancellation);
            }
        }
        catch (Exception error) when (error is ModelException or MethodException)
        {
            if (batch.Length > 1)
            {
                // One of them is to blame; the others must not suffer.
                foreach (var one in batch)
                {
                    Run([one], items, inputs, tensors, cancellation);
                }

                return;
            }

            items[batch[0]] = items[batch[0]] with { Error = error.Message };
        }
    }

    /// <summary>What is kept of a pass, as arrays: the trace itself goes.</summary>
    private Action<SafetensorsWriter> Kept(CorpusItem[] items, int item, AttentionTrace trace, CancellationToken cancellation)
    {
        List<(string Name, int[] Shape, float[] Values)> floats = [];
        List<(string Name, int[] Values)> integers = [("input_ids", trace.Input.InputIds)];
        if (trace.Input.DecoderInputIds is { } decoder)
        {
            integers.Add(("decoder_input_ids", decoder));
        }

        foreach (var stack in trace.Stacks)
        {
            cancellation.ThrowIfCancellationRequested();
            var prefix = trace.Stacks.Count == 1 ? "" : stack.Kind.ToString().ToLowerInvariant() + "_";
            if (outputs.Keep.Contains("profiles"))
            {
                floats.Add((prefix + "profiles", [stack.Layers, stack.Heads, 9], Profiles(stack)));
            }

            Weights(stack, prefix, floats, integers);

            if (outputs.Keep.Contains("hidden"))
            {
                var state = stack.HiddenState(stack.HiddenStates - 1);
                floats.Add((prefix + "hidden", [stack.Queries, state.Length / stack.Queries], state.ToArray()));
            }
        }

        // A text that is read in windows has logits of no one pass.
        if (Predicts && trace is { Logits: { } logits, Input.LogitPositions: { } rows, Windows.Count: 0 } && model.Tokenizer?.Special.Mask is { } mask && trace.Input.InputIds.Contains(mask))
        {
            Predictions(items, item, logits, rows, floats, integers);
        }

        return writer =>
        {
            foreach (var (name, values) in integers)
            {
                writer.Add(string.Create(CultureInfo.InvariantCulture, $"{item}.{name}"), values);
            }

            foreach (var (name, shape, values) in floats)
            {
                writer.Add(string.Create(CultureInfo.InvariantCulture, $"{item}.{name}"), shape, span => values.CopyTo(span));
            }
        };
    }

    /// <summary>The item with what methods say of its output, and how far that can be trusted; what cannot be said has its reason.</summary>
    private CorpusItem Explained(CorpusItem item, EvaluatedText text, ModelInput input, CancellationToken cancellation)
    {
        List<string> problems = [];
        OutputScores? scores = null;
        TextScores? measured = null;
        if (outputs.Keep.Contains("scores"))
        {
            Try(() =>
            {
                var target = OutputTarget.Of(model, input, default, cancellation);
                scores = new OutputScores(target.Name, new(StringComparer.Ordinal), model.Info.Kind == ModelKind.EncoderDecoder ? new(StringComparer.Ordinal) : null);
                foreach (var method in methods)
                {
                    Try(() =>
                    {
                        var said = TokenScores.Of(method, model, target, null, null, cancellation);
                        scores.Methods[method.Name] = said.Source;
                        scores.Target?.Add(method.Name, said.Target);
                    });
                }
            });
        }

        if (evaluator is not null)
        {
            Try(() => measured = evaluator.Evaluate(text, null, cancellation));
        }

        return item with { Scores = scores, Evaluation = measured, Problems = problems.Count > 0 ? [.. problems.Distinct()] : null };

        void Try(Action say)
        {
            try
            {
                say();
            }
            catch (Exception error) when (error is ModelException or MethodException or TokenizerException)
            {
                problems.Add(error.Message);
            }
        }
    }

    /// <summary>The most likely words in place of each mask.</summary>
    private void Predictions(
        CorpusItem[] items, int item, Tensor logits, int[] rows, List<(string Name, int[] Shape, float[] Values)> floats, List<(string Name, int[] Values)> integers)
    {
        var words = logits.Data.Length / rows.Length;
        var best = rows.Select((_, row) => Prediction.Read(model, new ModelInput(), HeadKind.MaskedLanguage, [rows[row]], logits.Data.AsSpan(row * words, words).ToArray(), TopPredictions).Candidates).ToArray();
        integers.Add(("mask_positions", rows));
        integers.Add(("predicted_ids", [.. best.SelectMany(candidates => candidates.Select(candidate => candidate.Index))]));
        floats.Add(("predicted_probabilities", [rows.Length, best[0].Count], [.. best.SelectMany(candidates => candidates.Select(candidate => (float)candidate.Probability))]));
        items[item] = items[item] with { Predicted = [.. best.Select(candidates => candidates.Select(candidate => candidate.Name).ToArray())] };
    }

    private static float[] Profiles(AttentionStack stack)
    {
        List<float> values = [];
        for (var layer = 0; layer < stack.Layers; layer++)
        {
            for (var head = 0; head < stack.Heads; head++)
            {
                var p = stack.Profile(layer, head);
                values.AddRange([p.Entropy, p.NormalizedEntropy, p.Max, p.MeanDistance, p.First, p.Separators, p.Previous, p.Next, p.Same]);
            }
        }

        return [.. values];
    }

    private void Weights(AttentionStack stack, string prefix, List<(string Name, int[] Shape, float[] Values)> floats, List<(string Name, int[] Values)> integers)
    {
        var (queries, keys) = (stack.Queries, stack.Keys);
        if (outputs.Keep.Contains("received"))
        {
            var received = new float[stack.Layers * stack.Heads * keys];
            for (var i = 0; i < stack.Layers * stack.Heads; i++)
            {
                stack.Received(i / stack.Heads, i % stack.Heads, received.AsSpan(i * keys, keys));
            }

            floats.Add((prefix + "received", [stack.Layers, stack.Heads, keys], received));
        }

        var chosen = heads.Where(h => h.Layer < stack.Layers && h.Head < stack.Heads).ToArray();
        if (outputs.Keep.Contains("edges"))
        {
            var top = Math.Min(outputs.TopK, keys);
            var edgeKeys = new int[chosen.Length * queries * top];
            var edgeWeights = new float[edgeKeys.Length];
            Edges(stack, chosen, top, edgeKeys, edgeWeights);
            integers.Add((prefix + "edge_keys", edgeKeys));
            floats.Add((prefix + "edge_weights", [chosen.Length, queries, top], edgeWeights));
        }

        if (outputs.Keep.Contains("heads"))
        {
            foreach (var (layer, head) in chosen)
            {
                var matrix = new float[queries * keys];
                stack.Head(layer, head, matrix);
                floats.Add((string.Create(CultureInfo.InvariantCulture, $"{prefix}attention.{layer}.{head}"), [queries, keys], matrix));
            }
        }
    }

    /// <summary>The strongest keys of every row of the chosen heads: a head at once where it is small, else row by row, which is slower and needs no n² weights.</summary>
    private static void Edges(AttentionStack stack, (int Layer, int Head)[] chosen, int top, Span<int> keys, Span<float> weights)
    {
        var isSmall = (long)stack.Queries * stack.Keys <= LargestMatrix;
        var rows = new float[isSmall ? stack.Queries * stack.Keys : stack.Keys];
        var at = 0;
        foreach (var (layer, head) in chosen)
        {
            if (isSmall)
            {
                stack.Head(layer, head, rows);
            }

            for (var query = 0; query < stack.Queries; query++, at += top)
            {
                if (!isSmall)
                {
                    stack.Row(layer, head, query, rows);
                }

                Top(rows.AsSpan(isSmall ? query * stack.Keys : 0, stack.Keys), keys.Slice(at, top), weights.Slice(at, top));
            }
        }
    }

    /// <summary>The largest weights, largest first, equal ones by position; as many as there is room for, which is no more than the row is long.</summary>
    private static void Top(ReadOnlySpan<float> row, Span<int> keys, Span<float> weights)
    {
        var count = 0;
        for (var key = 0; key < row.Length; key++)
        {
            if (count == keys.Length && row[key] <= weights[^1])
            {
                continue;
            }

            var at = count < keys.Length ? count++ : count - 1;
            for (; at > 0 && weights[at - 1] < row[key]; at--)
            {
                (keys[at], weights[at]) = (keys[at - 1], weights[at - 1]);
            }

            (keys[at], weights[at]) = (key, row[key]);
        }
    }

    private (CorpusItem Item, ModelInput? Input) Encode(int number, CorpusBlock block, Segment segment, CancellationToken cancellation)
    {
        var item = new CorpusItem(
            number, block.Document, block.FirstChar + segment.Start, block.FirstChar + segment.End, segment.Pair is not null, [], [], segment.Name);
        try
        {
            var tokenizer = model.Tokenizer ?? throw new ModelException(model.TokenizerProblem ?? $"{model.Info.Name} reads no text.");
            var crossed = model.Info.Kind == ModelKind.EncoderDecoder;
            var source = tokenizer.Encode(segment.Text, crossed ? null : segment.Pair?.Text, cancellation: cancellation);
            if (!source.Tokens.Any(token => !token.Special))
            {
                return (item with { Error = "There is no text here that the model reads as tokens." }, null);
            }

            int[]? target = null;
            if (crossed)
            {
                int[] start = model.Info.DecoderStartToken is { } first ? [first] : [];
                target = segment.Pair is { } pair ? [.. start, .. tokenizer.Encode(pair.Text, cancellation: cancellation).Ids()] : start;
            }

            var types = source.TypeIds();
            item = item with
            {
                Tokens = [.. source.Tokens.Select(token => token.Text)],
                Ranges = Ranges(source.Tokens, segment.Map, block.FirstChar),
            };
            var ids = source.Ids();
            int[] masks = Predicts && tokenizer.Special.Mask is { } mask ? [.. Enumerable.Range(0, ids.Length).Where(i => ids[i] == mask)] : [];
            return (item, new ModelInput
            {
                InputIds = ids,
                TokenTypeIds = types.Any(type => type != 0) ? types : null,
                DecoderInputIds = target,
                // Without a mask one row, which is thrown away: all of them would cost a vocabulary each.
                LogitPositions = !Predicts ? null : masks.Length > 0 ? masks : [0],
            });
        }
        catch (Exception error) when (error is ModelException or TokenizerException)
        {
            return (item with { Error = error.Message }, null);
        }
    }

    /// <summary>Start and end of each token in its document; -1 for what stands in no document or in the other text of a pair.</summary>
    private static long[] Ranges(Token[] tokens, OffsetMap map, long first)
    {
        var ranges = new long[2 * tokens.Length];
        for (var i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] is { Special: false, Sequence: 0 } token)
            {
                var (start, end) = map.ToDocument(token.Start, token.End);
                (ranges[2 * i], ranges[(2 * i) + 1]) = (first + start, first + end);
            }
            else
            {
                (ranges[2 * i], ranges[(2 * i) + 1]) = (-1, -1);
            }
        }

        return ranges;
    }

    /// <summary>Texts of like length together, the longest first; the batches follow from the lengths alone.</summary>
    private IEnumerable<int[]> Batches(List<ModelInput?> inputs)
    {
        var order = Enumerable.Range(0, inputs.Count).Where(i => inputs[i] is not null).OrderByDescending(Length).ThenBy(i => i).ToArray();
        for (var from = 0; from < order.Length;)
        {
            var to = from + 1;
            for (var tokens = Length(order[from]); to < order.Length && tokens + Length(order[to]) <= BatchTokens && Length(order[from]) <= model.Info.MaxPositions; to++)
            {
                tokens += Length(order[to]);
            }

            yield return order[from..to];
            from = to;
        }

        int Length(int i) => inputs[i]!.InputIds.Length + (inputs[i]!.DecoderInputIds?.Length ?? 0); // filtered above
    }

    private static Windowing Windows(CorpusItem item)
    {
        var prefix = 0;
        while (prefix < item.Tokens.Length && item.Ranges[2 * prefix] < 0)
        {
            prefix++;
        }

        var suffix = 0;
        while (suffix < item.Tokens.Length - prefix && item.Ranges[2 * (item.Tokens.Length - 1 - suffix)] < 0)
        {
            suffix++;
        }

        return new Windowing { Prefix = prefix, Suffix = suffix };
    }

    private static (int Layer, int Head)[] Parse(string[] names, ModelInfo info) => names.Length == 0
        ? [.. Enumerable.Range(0, Math.Max(info.Layers, info.DecoderLayers)).SelectMany(layer => Enumerable.Range(0, Math.Max(info.Heads, info.DecoderHeads)).Select(head => (layer, head)))]
        : [.. names.Select(name => name.Split('.')).Select(parts => (int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture)))];
}
