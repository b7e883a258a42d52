using System.Buffers;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// Runs the blocks of one stack over the new rows of a batch of sequences. Linear maps see all rows of the batch at once, attention sees each
/// sequence alone. Rows go through in blocks of <see cref="RowBlock"/>: scratch stays small and cancelling takes effect within a block.
/// </summary>
internal sealed class StackRunner(StackDescription stack, IReadOnlyList<SequenceState> sequences, Scratch scratch, WorkerPool pool, CancellationToken cancellation)
{
    /// <summary>The matrix product's own block of rows, so that this one adds no remainder to it.</summary>
    private const int RowBlock = 512;

    private readonly int hidden = stack.Hidden;
    private readonly int contextWidth = stack.Heads * stack.HeadSize;
    private readonly int valueWidth = stack.KeyHeads * stack.HeadSize;

    /// <summary>
    /// In: the embedded new rows of all sequences, one after the other, in <c>scratch.Hidden</c>; sequence i has <paramref name="counts"/>[i].
    /// Out: the last hidden state, after the final norm, in the same place.
    /// </summary>
    public void Run(ReadOnlySpan<int> counts)
    {
        int rows = 0;
        foreach (int count in counts)
        {
            rows += count;
        }

        Span<float> x = scratch.Hidden((long)rows * hidden);
        KeepHidden(0, counts, x);
        for (int layer = 0; layer < stack.Blocks.Length; layer++)
        {
            Block block = stack.Blocks[layer];
            for (int first = 0; first < rows; first += RowBlock)
            {
                Project(layer, block, counts, x, first, Math.Min(RowBlock, rows - first), rows);
            }

            AttendSelf(layer, block, counts, x, rows);
            if (block.Cross is not null)
            {
                for (int first = 0; first < rows; first += RowBlock)
                {
                    int count = Math.Min(RowBlock, rows - first);
                    AddSelf(block, x, first, count, rows);
                    ProjectCross(layer, block, counts, x, first, count);
                }

                AttendCross(layer, counts, rows);
            }

            for (int first = 0; first < rows; first += RowBlock)
            {
                int count = Math.Min(RowBlock, rows - first);
                if (block.Cross is null)
                {
                    AddSelf(block, x, first, count, rows);
                }
                else
                {
                    AddCross(block, x, first, count, rows);
                }

                AddFeedForward(block, x, first, count);
            }

            if (layer < stack.Blocks.Length - 1 || !stack.FinalNormInHidden)
            {
                KeepHidden(layer + 1, counts, x);
            }
        }

        if (stack.FinalNorm is { } norm)
        {
            Apply(norm, x, rows, x, pool);
        }

        if (stack.FinalNormInHidden && stack.Blocks.Length > 0)
        {
            KeepHidden(stack.Blocks.Length, counts, x);
        }

        for (int i = 0; i < sequences.Count; i++)
        {
            sequences[i].Rows += counts[i];
        }
    }

    internal static void Apply(Norm norm, ReadOnlySpan<float> x, int rows, Span<float> result, WorkerPool pool)
    {
        if (norm.Bias is null)
        {
            Norms.RmsNorm(x, rows, norm.Width, norm.Weight, norm.Epsilon, norm.Offset, result, pool);
        }
        else
        {
            Norms.LayerNorm(x, rows, norm.Width, norm.Weight, norm.Bias, norm.Epsilon, result, pool);
        }
    }

    internal static void Apply(Linear map, ReadOnlySpan<float> x, int rows, Activation activation, Span<float> result, WorkerPool pool) =>
        MatMul.Multiply(x, rows, map.Inputs, map.Weight, map.Bias, activation, [], 0, result, map.Outputs, pool);

    /// <summary>result += map(x): the residual is the result itself.</summary>
    private void Add(Linear map, ReadOnlySpan<float> x, int rows, Span<float> result) =>
        MatMul.Multiply(x, rows, map.Inputs, map.Weight, map.Bias, Activation.None, result, map.Outputs, result, map.Outputs, pool);

    private Span<float> Chunk(Span<float> x, int first, int count) => x.Slice(first * hidden, count * hidden);

    private ReadOnlySpan<float> Normed(Norm norm, ReadOnlySpan<float> chunk, int count)
    {
        if (stack.Norms == NormPlace.After)
        {
            return chunk;
        }

        Span<float> normed = scratch.Normed((long)RowBlock * hidden)[..(count * hidden)];
        Apply(norm, chunk, count, normed, pool);
        return normed;
    }

    private void Project(int layer, Block block, ReadOnlySpan<int> counts, Span<float> x, int first, int count, int rows)
    {
        cancellation.ThrowIfCancellationRequested();
        ReadOnlySpan<float> input = Normed(block.SelfNorm, Chunk(x, first, count), count);
        Attention attention = block.Self;
        int width = attention.Query.Outputs;
        if (sequences is [{ } single])
        {
            // The usual case: products land where the trace keeps them.
            int position = single.Rows + first;
            Span<float> kept = single.QueryKey[layer].AsSpan(position * width, count * width);
            Apply(attention.Query, input, count, Activation.None, kept, pool);
            Apply(attention.Value, input, count, Activation.None, Values(single, layer, rows).Slice(first * valueWidth, count * valueWidth), pool);
            stack.Rotary?.For(single.Rows + rows).Apply(kept, count, stack.Heads + stack.KeyHeads, stack.HeadSize, position);
            return;
        }

        Span<float> projected = scratch.Projected((long)RowBlock * width)[..(count * width)];
        Span<float> values = scratch.Values((long)rows * valueWidth).AsSpan(first * valueWidth, count * valueWidth);
        Apply(attention.Query, input, count, Activation.None, projected, pool);
        Apply(attention.Value, input, count, Activation.None, values, pool);
        int row = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            SequenceState sequence = sequences[i];
            int from = Math.Max(first, row);
            int share = Math.Min(first + count, row + counts[i]) - from;
            if (share > 0)
            {
                int position = sequence.Rows + from - row;
                Span<float> kept = sequence.QueryKey[layer].AsSpan(position * width, share * width);
                projected.Slice((from - first) * width, share * width).CopyTo(kept);
                stack.Rotary?.For(sequence.Rows + counts[i]).Apply(kept, share, stack.Heads + stack.KeyHeads, stack.HeadSize, position);
                if (sequence.Values is { } own)
                {
                    values.Slice((from - first) * valueWidth, share * valueWidth).CopyTo(own[layer].AsSpan(position * valueWidth));
                }
            }

            row += counts[i];
        }
    }

    /// <summary>Where the values of a single sequence's new rows go: into what it keeps, else into scratch.</summary>
    private Span<float> Values(SequenceState sequence, int layer, int rows) => sequence.Values is { } own
        ? own[layer].AsSpan(sequence.Rows * valueWidth, rows * valueWidth)
        : scratch.Values((long)rows * valueWidth).AsSpan(0, rows * valueWidth);

    private void AttendSelf(int layer, Block block, ReadOnlySpan<int> counts, Span<float> x, int rows)
    {
        float[] values = scratch.Values((long)rows * valueWidth);
        Span<float> context = scratch.Context((long)rows * contextWidth);
        int row = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            SequenceState sequence = sequences[i];
            AttentionPattern pattern = sequence.Pattern(layer, sequence.Rows, counts[i]);
            ProfileSums? profiles = sequence.StartProfile(layer, pattern);
            int width = sequence.QueryKeyStride;
            ReadOnlySpan<float> kept = sequence.QueryKey[layer];
            Span<float> target = context.Slice(row * contextWidth, counts[i] * contextWidth);
            AttentionKernel.Attend(
                pattern,
                new StridedRows(kept[(sequence.Rows * width)..], width),
                new StridedRows(kept[contextWidth..], width),
                new StridedRows(sequence.Values is { } own ? own[layer] : values.AsSpan(row * valueWidth, counts[i] * valueWidth), valueWidth),
                target,
                contextWidth,
                new ProfileObserver(profiles, sequence.Scales[layer], sequence.Rows, cancellation),
                pool);
            if (sequence.Global is { Keys: not null } global)
            {
                AttendGlobal(layer, block.Self, global, profiles, Chunk(x, row, counts[i]), counts[i], target);
            }

            sequence.Forced?.Apply(
                layer, pattern, new StridedRows(sequence.Values is { } all ? all[layer] : values.AsSpan(row * valueWidth, counts[i] * valueWidth), valueWidth), target);

            row += counts[i];
        }
    }

    /// <summary>Longformer: the rows of global tokens, which the window pattern leaves out, attend to all keys through their own projections.</summary>
    private void AttendGlobal(int layer, Attention attention, LongformerState state, ProfileSums? profiles, ReadOnlySpan<float> x, int count, Span<float> context)
    {
        GlobalAttention maps = attention.Global!; // an architecture with a LongformerState has global projections in every block
        int[] indices = state.Indices;
        AttentionPattern pattern = new()
        {
            Queries = indices.Length,
            Keys = count,
            Heads = stack.Heads,
            KeyValueHeads = stack.KeyHeads,
            HeadSize = stack.HeadSize,
            Scale = attention.Scale,
            KeyBias = state.KeyBias,
        };
        float[] queries = new float[indices.Length * contextWidth];
        float[] keys = new float[count * contextWidth];
        float[] rented = ArrayPool<float>.Shared.Rent((indices.Length * Math.Max(hidden, contextWidth)) + (count * contextWidth));
        Span<float> own = rented.AsSpan(0, indices.Length * Math.Max(hidden, contextWidth));
        Span<float> values = rented.AsSpan(own.Length, count * contextWidth);
        for (int i = 0; i < indices.Length; i++)
        {
            x.Slice(indices[i] * hidden, hidden).CopyTo(own[(i * hidden)..]);
        }

        Apply(maps.Query, own, indices.Length, Activation.None, queries, pool);
        Apply(maps.Key, x, count, Activation.None, keys, pool);
        Apply(maps.Value, x, count, Activation.None, values, pool);
        AttentionKernel.Attend(
            pattern,
            new StridedRows(queries, contextWidth),
            new StridedRows(keys, contextWidth),
            new StridedRows(values, contextWidth),
            own,
            contextWidth,
            new GlobalProfileObserver(profiles, state, cancellation),
            pool);
        for (int i = 0; i < indices.Length; i++)
        {
            own.Slice(i * contextWidth, contextWidth).CopyTo(context[(indices[i] * contextWidth)..]);
        }

        ArrayPool<float>.Shared.Return(rented);
        state.Rows[layer] = new GlobalRows(state, pattern, queries, keys);
    }

    private void ProjectCross(int layer, Block block, ReadOnlySpan<int> counts, Span<float> x, int first, int count)
    {
        Attention cross = block.Cross!; // the caller has checked
        ReadOnlySpan<float> input = Normed(block.CrossNorm!, Chunk(x, first, count), count); // a block with cross-attention has its norm
        Span<float> projected = scratch.Projected((long)RowBlock * contextWidth)[..(count * contextWidth)];
        Apply(cross.Query, input, count, Activation.None, projected, pool);
        int row = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            CrossState state = sequences[i].Cross!; // a stack with cross-attention runs on sequences that have it
            for (int r = Math.Max(first, row); r < Math.Min(first + count, row + counts[i]); r++)
            {
                projected.Slice((r - first) * contextWidth, contextWidth).CopyTo(state.Queries[layer].AsSpan((sequences[i].Rows + r - row) * contextWidth));
            }

            row += counts[i];
        }
    }

    private void AttendCross(int layer, ReadOnlySpan<int> counts, int rows)
    {
        Span<float> context = scratch.Context((long)rows * contextWidth);
        int row = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            CrossState state = sequences[i].Cross!; // as above
            AttentionPattern pattern = state.Pattern(layer, counts[i]);
            AttentionKernel.Attend(
                pattern,
                new StridedRows(state.Queries[layer].AsSpan(sequences[i].Rows * contextWidth), contextWidth),
                new StridedRows(state.Keys[layer], valueWidth),
                new StridedRows(state.Values[layer], valueWidth),
                context.Slice(row * contextWidth, counts[i] * contextWidth),
                contextWidth,
                new ProfileObserver(state.StartProfile(layer, pattern, whole: sequences[i].Rows == 0), state.Scales[layer], sequences[i].Rows, cancellation),
                pool);
            state.Forced?.Apply(layer, pattern, new StridedRows(state.Values[layer], valueWidth), context.Slice(row * contextWidth, counts[i] * contextWidth));
            row += counts[i];
        }
    }

    private void AddSelf(Block block, Span<float> x, int first, int count, int rows)
    {
        cancellation.ThrowIfCancellationRequested();
        Span<float> chunk = Chunk(x, first, count);
        ReadOnlySpan<float> context = scratch.Context((long)rows * contextWidth).Slice(first * contextWidth, count * contextWidth);
        if (stack.Norms == NormPlace.Parallel)
        {
            // The feed-forward reads x before attention is added to it.
            _ = Normed(block.FeedForwardNorm, chunk, count);
        }

        Add(block.Self.Output, context, count, chunk);
        if (stack.Norms == NormPlace.After)
        {
            Apply(block.SelfNorm, chunk, count, chunk, pool);
        }
    }

    private void AddCross(Block block, Span<float> x, int first, int count, int rows)
    {
        cancellation.ThrowIfCancellationRequested();
        Span<float> chunk = Chunk(x, first, count);
        Add(block.Cross!.Output, scratch.Context((long)rows * contextWidth).Slice(first * contextWidth, count * contextWidth), count, chunk); // the caller has checked
        if (stack.Norms == NormPlace.After)
        {
            Apply(block.CrossNorm!, chunk, count, chunk, pool); // a block with cross-attention has its norm
        }
    }

    private void AddFeedForward(Block block, Span<float> x, int first, int count)
    {
        cancellation.ThrowIfCancellationRequested();
        Span<float> chunk = Chunk(x, first, count);
        FeedForward feedForward = block.FeedForward;
        ReadOnlySpan<float> input = stack.Norms == NormPlace.Parallel
            ? scratch.Normed((long)RowBlock * hidden)[..(count * hidden)]
            : Normed(block.FeedForwardNorm, chunk, count);
        int width = feedForward.Up.Outputs;
        Span<float> inner = scratch.Inner((long)RowBlock * width)[..(count * width)];
        if (feedForward.Gate is { } gateMap)
        {
            Span<float> gate = scratch.Gate((long)RowBlock * width)[..(count * width)];
            Apply(gateMap, input, count, Activation.None, gate, pool);
            Apply(feedForward.Up, input, count, Activation.None, inner, pool);
            Activations.ApplyGated(feedForward.Activation, gate, inner, inner);
        }
        else
        {
            Apply(feedForward.Up, input, count, feedForward.Activation, inner, pool);
        }

        Add(feedForward.Down, inner, count, chunk);
        if (stack.Norms == NormPlace.After)
        {
            Apply(block.FeedForwardNorm, chunk, count, chunk, pool);
        }
    }

    private void KeepHidden(int index, ReadOnlySpan<int> counts, ReadOnlySpan<float> x)
    {
        int row = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            if (sequences[i].Hidden is { Length: > 0 } kept)
            {
                x.Slice(row * hidden, counts[i] * hidden).CopyTo(kept[index].AsSpan(sequences[i].Rows * hidden));
            }

            row += counts[i];
        }
    }
}
