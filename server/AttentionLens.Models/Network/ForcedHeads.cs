using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>The interventions on one stack of one input, by layer and head.</summary>
internal sealed class ForcedHeads
{
    private readonly HeadEffect?[][] effects;

    private ForcedHeads(HeadEffect?[][] effects) => this.effects = effects;

    /// <summary>Those on a stack; null when there are none.</summary>
    /// <exception cref="ModelException">No such layer or head.</exception>
    public static ForcedHeads? Of(StackDescription stack, AttentionKind kind, IReadOnlyList<HeadIntervention>? interventions)
    {
        HeadEffect?[][]? effects = null;
        foreach (HeadIntervention intervention in interventions ?? [])
        {
            if (intervention.Kind != kind)
            {
                continue;
            }

            if ((uint)intervention.Layer >= (uint)stack.Blocks.Length || (uint)intervention.Head >= (uint)stack.Heads)
            {
                throw new ModelException($"There is no layer {intervention.Layer}, head {intervention.Head} to change: this attention has {stack.Blocks.Length} layers of {stack.Heads} heads, counted from 0.");
            }

            if (stack.Blocks[intervention.Layer].Self.Global is not null && intervention.Effect != HeadEffect.Zero)
            {
                throw new ModelException("Heads with global attention (Longformer) can be set to zero, but not to uniform or mean attention.");
            }

            effects ??= [.. stack.Blocks.Select(_ => new HeadEffect?[stack.Heads])];
            effects[intervention.Layer][intervention.Head] = intervention.Effect;
        }

        return effects is null ? null : new ForcedHeads(effects);
    }

    /// <summary>By head; null where the layer is as the model has it.</summary>
    public HeadEffect?[]? Layer(int layer) => Array.TrueForAll(effects[layer], static e => e is null) ? null : effects[layer];

    public bool Any(HeadEffect effect) => effects.Any(layer => layer.Contains(effect));

    /// <summary>Replaces the heads' parts of context [queries, heads * head size], which attention has just filled.</summary>
    public void Apply(int layer, AttentionPattern pattern, StridedRows values, Span<float> context)
    {
        for (int head = 0; head < effects[layer].Length; head++)
        {
            switch (effects[layer][head])
            {
                case HeadEffect.Zero:
                    for (int i = 0; i < pattern.Queries; i++)
                    {
                        Part(context, pattern, i, head).Clear();
                    }

                    break;
                case HeadEffect.Uniform:
                    Uniform(pattern, values, head, context);
                    break;
                case HeadEffect.Mean:
                    Mean(pattern, head, context);
                    break;
            }
        }
    }

    /// <summary>The row of weights that a forced head used; <paramref name="own"/> are all rows that it would have used, [queries * keys].</summary>
    public static void Row(HeadEffect effect, AttentionPattern pattern, int query, Func<float[]> own, Span<float> row)
    {
        row = row[..pattern.Keys];
        row.Clear();
        if (effect == HeadEffect.Uniform)
        {
            int count = 0;
            for (int key = pattern.FirstKey(query); key < pattern.EndKey(query); key++)
            {
                count += IsHidden(pattern, key) ? 0 : 1;
            }

            for (int key = pattern.FirstKey(query); key < pattern.EndKey(query); key++)
            {
                row[key] = IsHidden(pattern, key) ? 0 : 1f / count;
            }
        }
        else if (effect == HeadEffect.Mean)
        {
            float[] rows = own();
            int count = 0;
            for (int i = 0; i < (IsCausal(pattern) ? query + 1 : pattern.Queries); i++)
            {
                if (IsMeant(pattern, i))
                {
                    count++;
                    Vectors.AddScaled(rows.AsSpan(i * pattern.Keys, pattern.Keys), 1, row);
                }
            }

            foreach (ref float weight in row)
            {
                weight /= Math.Max(1, count);
            }
        }
    }

    private static bool IsCausal(AttentionPattern pattern) => pattern.After == 0;

    private static bool IsHidden(AttentionPattern pattern, int key) => pattern.KeyBias is { } bias && float.IsNegativeInfinity(bias[key]);

    /// <summary>Rows of padding are no rows of the text.</summary>
    private static bool IsMeant(AttentionPattern pattern, int query) => pattern.Queries != pattern.Keys || !IsHidden(pattern, query);

    private static Span<float> Part(Span<float> context, AttentionPattern pattern, int query, int head) =>
        context.Slice(((query * pattern.Heads) + head) * pattern.HeadSize, pattern.HeadSize);

    /// <summary>By running sums over the keys: every row is the mean of a range of values.</summary>
    private static void Uniform(AttentionPattern pattern, StridedRows values, int head, Span<float> context)
    {
        int size = pattern.HeadSize, keyHead = head / (pattern.Heads / (pattern.KeyValueHeads == 0 ? pattern.Heads : pattern.KeyValueHeads));
        double[] sums = new double[(pattern.Keys + 1) * size];
        int[] counts = new int[pattern.Keys + 1];
        for (int key = 0; key < pattern.Keys; key++)
        {
            bool hidden = IsHidden(pattern, key);
            ReadOnlySpan<float> value = values.Values.Slice((key * values.Stride) + (keyHead * size), size);
            counts[key + 1] = counts[key] + (hidden ? 0 : 1);
            for (int c = 0; c < size; c++)
            {
                sums[((key + 1) * size) + c] = sums[(key * size) + c] + (hidden ? 0 : value[c]);
            }
        }

        for (int i = 0; i < pattern.Queries; i++)
        {
            int first = pattern.FirstKey(i), end = Math.Max(first, pattern.EndKey(i));
            int count = Math.Max(1, counts[end] - counts[first]);
            Span<float> part = Part(context, pattern, i, head);
            for (int c = 0; c < size; c++)
            {
                part[c] = (float)((sums[(end * size) + c] - sums[(first * size) + c]) / count);
            }
        }
    }

    /// <summary>The mean of the contexts is the context of the mean row: attention is linear in its weights.</summary>
    private static void Mean(AttentionPattern pattern, int head, Span<float> context)
    {
        double[] sum = new double[pattern.HeadSize];
        bool causal = IsCausal(pattern);
        int count = 0;
        for (int i = 0; i < pattern.Queries; i++)
        {
            Span<float> part = Part(context, pattern, i, head);
            if (IsMeant(pattern, i))
            {
                count++;
                for (int c = 0; c < part.Length; c++)
                {
                    sum[c] += part[c];
                }
            }

            if (causal)
            {
                Set(part, sum, count);
            }
        }

        for (int i = 0; i < pattern.Queries && !causal; i++)
        {
            Set(Part(context, pattern, i, head), sum, count);
        }
    }

    private static void Set(Span<float> part, double[] sum, int count)
    {
        for (int c = 0; c < part.Length; c++)
        {
            part[c] = (float)(sum[c] / Math.Max(1, count));
        }
    }
}
