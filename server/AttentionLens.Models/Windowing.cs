namespace AttentionLens.Models;

/// <summary>One window of a long text: tokens [<c>First</c>, <c>End</c>) of the whole, besides the tokens that every window repeats.</summary>
public readonly record struct TextWindow(int First, int End);

/// <summary>How a text longer than the model's window is cut.</summary>
public sealed record Windowing
{
    /// <summary>Tokens at the start that every window repeats ([CLS], BOS).</summary>
    public int Prefix { get; init; }

    /// <summary>Tokens at the end that every window repeats ([SEP]).</summary>
    public int Suffix { get; init; }

    /// <summary>Tokens of one window, repeated ones included; null = all that the model reads.</summary>
    public int? Length { get; init; }

    /// <summary>Tokens from one window's start to the next's; null = half of what a window holds besides the repeated tokens, so that every token has at least a quarter of a window around it.</summary>
    public int? Stride { get; init; }
}

/// <summary>Cuts, runs and joins.</summary>
internal static class Windows
{
    /// <summary>Rows in one pass: enough to keep the matrix products busy, few enough that scratch stays small.</summary>
    private const int BatchRows = 2048;

    public static AttentionTrace Run(Model model, ModelInput input, Windowing windowing, Keep keep, CancellationToken cancellation)
    {
        ModelInfo info = model.Info;
        if (info.Kind is not (ModelKind.Encoder or ModelKind.Decoder))
        {
            throw new ModelException($"The text has {input.InputIds.Length} tokens, but {info.Name} reads at most {info.MaxPositions}; only single-stack text models can read it in windows.");
        }

        int total = input.InputIds.Length;
        (TextWindow[] windows, int[][] globals, int[] owners) = Plan(total, windowing, info.Kind == ModelKind.Decoder);
        ModelInput[] pieces = [.. globals.Select(positions => new ModelInput
        {
            InputIds = Pick(input.InputIds, positions),
            AttentionMask = input.AttentionMask is { } mask ? Pick(mask, positions) : null,
            TokenTypeIds = input.TokenTypeIds is { } types ? Pick(types, positions) : null,
            GlobalAttentionMask = input.GlobalAttentionMask is { } global ? Pick(global, positions) : null,
            Interventions = input.Interventions,
        })];
        List<AttentionTrace> traces = [];
        for (int first = 0; first < pieces.Length;)
        {
            int end = first + 1;
            for (int rows = pieces[first].InputIds.Length; end < pieces.Length && rows + pieces[end].InputIds.Length <= BatchRows; end++)
            {
                rows += pieces[end].InputIds.Length;
            }

            traces.AddRange(model.ForwardBatch(pieces[first..end], keep, cancellation));
            first = end;
        }

        WindowedStack stack = new([.. traces.Select(static trace => (LayerStack)trace.Stacks[0])], globals, owners);
        Dictionary<string, Tensor> outputs = [];
        if (traces[0].Logits is { } logits && info.Head is HeadKind.MaskedLanguage or HeadKind.CausalLanguage or HeadKind.Discriminator or HeadKind.TokenClassification)
        {
            bool flat = info.Head == HeadKind.Discriminator;
            outputs["logits"] = Join(traces, globals, owners, input.LogitPositions, flat ? 1 : logits.Shape[^1], flat);
        }

        return new AttentionTrace(info, input, [stack], outputs) { Windows = windows };
    }

    /// <summary>The windows, where their tokens stand in the whole, and whose row each token shows.</summary>
    internal static (TextWindow[] Windows, int[][] Globals, int[] Owners) Plan(int total, Windowing windowing, bool causal)
    {
        int repeated = windowing.Prefix + windowing.Suffix;
        int length = windowing.Length ?? total;
        ArgumentOutOfRangeException.ThrowIfNegative(windowing.Prefix);
        ArgumentOutOfRangeException.ThrowIfNegative(windowing.Suffix);
        int body = length - repeated;
        int stride = windowing.Stride ?? Math.Max(1, body / 2);
        if (body < 1 || stride < 1 || stride > body || total < repeated)
        {
            throw new ModelException($"Windows of {length} tokens, {repeated} of them repeated, cannot advance by {stride}.");
        }

        List<TextWindow> windows = [];
        int last = total - windowing.Suffix;
        for (int first = windowing.Prefix; ; first += stride)
        {
            // The last window is moved back so that it is full too: a short one would show its tokens with little around them.
            bool final = first + body >= last;
            int start = final ? Math.Max(windowing.Prefix, last - body) : first;
            windows.Add(new TextWindow(start, Math.Min(start + body, last)));
            if (final)
            {
                break;
            }
        }

        int[][] globals = [.. windows.Select(window => (int[])
        [
            .. Enumerable.Range(0, windowing.Prefix),
            .. Enumerable.Range(window.First, window.End - window.First),
            .. Enumerable.Range(last, windowing.Suffix),
        ])];
        int[] owners = new int[total];
        int at = 0;
        for (int i = 0; i < total; i++)
        {
            if (i < windowing.Prefix || i >= last)
            {
                owners[i] = i < windowing.Prefix ? 0 : windows.Count - 1;
                continue;
            }

            // The next window is better once it shows more around the token; a causal row only looks back, so there the first one is best.
            while (at + 1 < windows.Count && windows[at + 1].First <= i && (windows[at].End <= i || (!causal && Room(windows[at + 1], i) > Room(windows[at], i))))
            {
                at++;
            }

            owners[i] = at;
        }

        return ([.. windows], globals, owners);
    }

    private static int Room(TextWindow window, int token) => Math.Min(token - window.First, window.End - 1 - token);

    private static int[] Pick(int[] values, int[] positions) => Array.ConvertAll(positions, position => values[position]);

    private static Tensor Join(List<AttentionTrace> traces, int[][] globals, int[] owners, int[]? wanted, int width, bool flat)
    {
        int[] positions = wanted ?? [.. Enumerable.Range(0, owners.Length)];
        float[] data = new float[positions.Length * width];
        for (int i = 0; i < positions.Length; i++)
        {
            int owner = owners[positions[i]];
            int local = Array.IndexOf(globals[owner], positions[i]);
            traces[owner].Logits!.Data.AsSpan(local * width, width).CopyTo(data.AsSpan(i * width)); // every window ran with the same Keep
        }

        return new Tensor(data, flat ? [positions.Length] : [positions.Length, width]);
    }
}
