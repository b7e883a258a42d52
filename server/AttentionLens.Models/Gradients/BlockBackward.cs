using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>From dy by a block's output to dy by its input, and on the way dy by every attention weight.</summary>
internal sealed class BlockBackward(StackDescription stack, BlockTape tape, int layer, TransposedWeights transposed, WorkerPool pool, AttentionGradientSink? sink)
{
    private readonly Block block = tape.Block;

    /// <param name="gradient">dy / dOutput [n, hidden].</param>
    /// <param name="sourceGradient">dy / dEncoder output is added here where the block has cross-attention.</param>
    public float[] Run(float[] gradient, float[]? sourceGradient) => stack.Norms switch
    {
        NormPlace.After => NormsAfter(gradient, sourceGradient),
        NormPlace.Before => NormsBefore(gradient, sourceGradient),
        _ => Parallel(gradient),
    };

    /// <summary>norm(x + f(x)) for each f.</summary>
    private float[] NormsAfter(float[] gradient, float[]? sourceGradient)
    {
        float[] state = ThroughNorm(block.FeedForwardNorm, tape.AfterFeedForward, gradient);
        FeedForward([.. state], state);
        if (tape.Cross is { } cross && block.CrossNorm is { } norm)
        {
            state = ThroughNorm(norm, tape.AfterCross, state);
            Attend(AttentionKind.Cross, cross, [.. state], state, sourceGradient);
        }

        state = ThroughNorm(block.SelfNorm, tape.AfterSelf, state);
        Attend(stack.Kind, tape.Self, [.. state], state, null);
        return state;
    }

    /// <summary>x + f(norm(x)) for each f.</summary>
    private float[] NormsBefore(float[] gradient, float[]? sourceGradient)
    {
        float[] state = [.. gradient];
        float[] inner = new float[state.Length];
        FeedForward(state, inner);
        AddThroughNorm(block.FeedForwardNorm, tape.FeedForwardState, inner, state);
        if (tape.Cross is { } cross && block.CrossNorm is { } norm)
        {
            Array.Clear(inner);
            Attend(AttentionKind.Cross, cross, state, inner, sourceGradient);
            AddThroughNorm(norm, tape.CrossInput, inner, state);
        }

        Array.Clear(inner);
        Attend(stack.Kind, tape.Self, state, inner, null);
        AddThroughNorm(block.SelfNorm, tape.Input, inner, state);
        return state;
    }

    /// <summary>x + attention(norm1(x)) + feedForward(norm2(x)).</summary>
    private float[] Parallel(float[] gradient)
    {
        float[] state = [.. gradient];
        float[] inner = new float[state.Length];
        FeedForward(gradient, inner);
        AddThroughNorm(block.FeedForwardNorm, tape.Input, inner, state);
        Array.Clear(inner);
        Attend(stack.Kind, tape.Self, gradient, inner, null);
        AddThroughNorm(block.SelfNorm, tape.Input, inner, state);
        return state;
    }

    private static float[] ThroughNorm(Norm norm, float[] input, float[] gradient)
    {
        float[] result = new float[gradient.Length];
        Backward.Norm(norm, input, gradient, result);
        return result;
    }

    private static void AddThroughNorm(Norm norm, float[] input, float[] gradient, float[] result) =>
        Vectors.AddScaled(ThroughNorm(norm, input, gradient), 1, result);

    /// <summary>Adds dy / dInput of the feed-forward to <paramref name="result"/>.</summary>
    private void FeedForward(float[] gradient, float[] result)
    {
        FeedForward map = block.FeedForward;
        float[] inner = new float[tape.Inner.Length];
        transposed.AddProduct(map.Down, gradient, inner, pool);
        if (map.Gate is { } gate && tape.Gate is { } before)
        {
            // inner = act(gate) * up.
            float[] activated = [.. before];
            Activations.Apply(map.Activation, activated);
            float[] toGate = new float[inner.Length];
            for (int i = 0; i < inner.Length; i++)
            {
                toGate[i] = inner[i] * tape.Up[i];
                inner[i] *= activated[i];
            }

            Backward.Activation(map.Activation, before, toGate);
            transposed.AddProduct(gate, toGate, result, pool);
        }
        else
        {
            Backward.Activation(map.Activation, tape.Up, inner);
        }

        transposed.AddProduct(map.Up, inner, result, pool);
    }

    /// <summary>
    /// Adds dy / dInput of one attention to <paramref name="result"/>, and dy by what keys and values were made of to
    /// <paramref name="memory"/> (cross-attention) or to the same result. Per head: dA = dC Vᵀ, dV = Aᵀ dC, dS = A * (dA - rowsum(dA * A)),
    /// dQ = scale dS K, dK = scale dSᵀ Q; a masked weight is 0 and so is its dS.
    /// </summary>
    private void Attend(AttentionKind kind, AttentionTape attention, float[] gradient, float[] result, float[]? memory)
    {
        AttentionPattern pattern = attention.Pattern;
        int rows = pattern.Queries, keys = pattern.Keys, size = stack.HeadSize;
        int width = stack.Heads * size, keyWidth = stack.KeyHeads * size, group = stack.Heads / stack.KeyHeads;
        float[] context = new float[rows * width];
        transposed.AddProduct(attention.Maps.Output, gradient, context, pool);
        float[] toQueries = new float[attention.Queries.Length];
        float[] toKeys = new float[attention.Keys.Length];
        float[] toValues = new float[attention.Values.Length];
        float[] weights = new float[rows * keys], scores = new float[rows * keys], turned = new float[rows * keys];
        for (int head = 0; head < stack.Heads; head++)
        {
            int keyHead = head / group;
            AttentionKernel.Rows(pattern, new StridedRows(attention.Queries, width), new StridedRows(attention.Keys, keyWidth), head, 0, rows, weights, pool);
            float[] c = Columns(context, rows, width, head * size, size);
            float[] v = Columns(attention.Values, keys, keyWidth, keyHead * size, size);
            using (PackedMatrix values = PackedMatrix.Pack(v, keys, size))
            {
                MatMul.Multiply(c, rows, size, values, [], Activation.None, [], 0, scores, keys, pool);
            }

            sink?.Invoke(kind, layer, head, keys, weights, scores);
            Turn(weights, rows, keys, turned);
            AddMatrix(turned, keys, rows, c, 1, toValues, keyWidth, keyHead * size);
            for (int i = 0; i < rows; i++)
            {
                Span<float> a = weights.AsSpan(i * keys, keys);
                Span<float> s = scores.AsSpan(i * keys, keys);
                float mean = Vectors.Dot(a, s);
                for (int j = 0; j < s.Length; j++)
                {
                    s[j] = a[j] * (s[j] - mean);
                }
            }

            AddMatrix(scores, rows, keys, Columns(attention.Keys, keys, keyWidth, keyHead * size, size), pattern.Scale, toQueries, width, head * size);
            Turn(scores, rows, keys, turned);
            AddMatrix(turned, keys, rows, Columns(attention.Queries, rows, width, head * size, size), pattern.Scale, toKeys, keyWidth, keyHead * size);
        }

        if (attention.Maps.Key is { } keyMap)
        {
            transposed.AddProduct(attention.Maps.Query, toQueries, result, pool);
            transposed.AddProduct(keyMap, toKeys, memory ?? result, pool);
            transposed.AddProduct(attention.Maps.Value, toValues, memory ?? result, pool);
            return;
        }

        // Self-attention maps queries and keys together, and turns both by their position.
        float[] both = new float[rows * (width + keyWidth)];
        for (int i = 0; i < rows; i++)
        {
            Span<float> row = both.AsSpan(i * (width + keyWidth), width + keyWidth);
            toQueries.AsSpan(i * width, width).CopyTo(row);
            toKeys.AsSpan(i * keyWidth, keyWidth).CopyTo(row[width..]);
            stack.Rotary?.For(rows).Apply(row, 1, stack.Heads + stack.KeyHeads, size, i, back: true);
        }

        transposed.AddProduct(attention.Maps.Query, both, result, pool);
        transposed.AddProduct(attention.Maps.Value, toValues, result, pool);
    }

    private static float[] Columns(float[] x, int rows, int stride, int first, int count)
    {
        float[] result = new float[rows * count];
        for (int i = 0; i < rows; i++)
        {
            x.AsSpan((i * stride) + first, count).CopyTo(result.AsSpan(i * count));
        }

        return result;
    }

    private static void Turn(float[] x, int rows, int columns, float[] result)
    {
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                result[(j * rows) + i] = x[(i * columns) + j];
            }
        }
    }

    /// <summary>result[i, first + k] += factor * sum over j of left[i, j] * right[j, k]; right is [inner, head size].</summary>
    private void AddMatrix(float[] left, int rows, int inner, float[] right, float factor, float[] result, int stride, int first)
    {
        int size = stack.HeadSize;
        float[] product = new float[rows * size];
        using (PackedMatrix packed = PackedMatrix.Pack(right, size, inner, transposed: true))
        {
            MatMul.Multiply(left, rows, inner, packed, [], Activation.None, [], 0, product, size, pool);
        }

        for (int i = 0; i < rows; i++)
        {
            Vectors.AddScaled(product.AsSpan(i * size, size), factor, result.AsSpan((i * stride) + first, size));
        }
    }
}
