using System.Collections.Concurrent;
using System.Numerics.Tensors;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>
/// The parts that a block's state after self-attention is a sum of (Kobayashi et al. 2021, section 3): y_i = sum over j of F_i(x_j) + bias, with
/// F_i(x_j) = sum over heads h of α_ij^h f^h(x_j), plus x_i itself where j = i (the residual). A norm that follows (post-norm blocks) is linear once its
/// deviation is known: g_i(z) = (z - mean z) ⊙ γ / s(y_i). Here D z = (z - mean z) ⊙ γ without the division; D z = z where no norm follows.
/// </summary>
internal sealed class ResidualParts
{
    private readonly AttentionStack stack;

    /// <exception cref="MethodException">Parts are not what they seem: cross-attention, windows, global attention, forced heads.</exception>
    public ResidualParts(Model model, AttentionTrace trace, AttentionStack stack, int layer)
    {
        this.stack = stack;
        (Keys, Heads) = (stack.Keys, stack.Heads);
        Map = model.Residual(stack.Kind, layer);
        // A weight of 0 could not be divided out again where the deviation is asked for; this one changes no sum.
        Map = Map with { Scale = Map.Scale is { } gamma ? Array.ConvertAll(gamma, static g => g == 0 ? 1e-30f : g) : null };
        ReadOnlySpan<float> states = stack.HiddenState(layer);
        Hidden = states.Length / stack.Queries;
        Inputs = Mapped(states.ToArray());
        Written = new float[Heads][];
        for (int head = 0; head < Heads; head++)
        {
            float[] output = model.HeadOutput(stack.Kind, layer, head);
            Written[head] = new float[Keys * Hidden];
            for (int key = 0; key < Keys; key++)
            {
                ReadOnlySpan<float> value = stack.Value(layer, head, key);
                Span<float> into = Written[head].AsSpan(key * Hidden, Hidden);
                for (int c = 0; c < value.Length; c++)
                {
                    TensorPrimitives.MultiplyAdd(output.AsSpan(c * Hidden, Hidden), value[c], into, into);
                }
            }

            Mapped(Written[head]);
        }

        Bias = Mapped([.. Map.OutputBias]);
    }

    public int Keys { get; }

    public int Heads { get; }

    public int Hidden { get; }

    public ResidualMap Map { get; }

    /// <summary>D x_j, [keys, hidden].</summary>
    public float[] Inputs { get; }

    /// <summary>By head D f^h(x_j), [keys, hidden].</summary>
    public float[][] Written { get; }

    /// <summary>D of the output projection's bias [hidden].</summary>
    public float[] Bias { get; }

    public static void Check(MethodInput input, string title)
    {
        if (input.Trace.Windows.Count > 0)
        {
            throw new MethodException($"{title} follows the hidden states of one pass, but this text was read in windows; choose a shorter text.");
        }

        if (input.Model.Info.ModelType == "longformer")
        {
            throw new MethodException($"{title} is not defined for Longformer, whose global tokens have values of their own.");
        }
    }

    /// <summary>The attention rows of all heads for one query, [heads, keys].</summary>
    public void Weights(int layer, int query, float[] weights)
    {
        for (int head = 0; head < Heads; head++)
        {
            stack.Row(layer, head, query, weights.AsSpan(head * Keys, Keys));
        }
    }

    /// <summary>D F_i(x_j) into part [hidden].</summary>
    public void Part(int query, int key, ReadOnlySpan<float> weights, Span<float> part)
    {
        if (query == key)
        {
            Inputs.AsSpan(key * Hidden, Hidden).CopyTo(part);
        }
        else
        {
            part.Clear();
        }

        for (int head = 0; head < Heads; head++)
        {
            float weight = weights[(head * Keys) + key];
            if (weight != 0)
            {
                TensorPrimitives.MultiplyAdd(Written[head].AsSpan(key * Hidden, Hidden), weight, part, part);
            }
        }
    }

    /// <summary>D of every row of x [rows, hidden], in place.</summary>
    private float[] Mapped(float[] x)
    {
        for (int start = 0; Map.Scale is { } scale && start < x.Length; start += scale.Length)
        {
            Span<float> row = x.AsSpan(start, scale.Length);
            if (Map.Shift is not null)
            {
                TensorPrimitives.Subtract(row, TensorPrimitives.Sum<float>(row) / row.Length, row);
            }

            TensorPrimitives.Multiply(row, scale, row);
        }

        return x;
    }
}

/// <summary>Weights that are computed for all heads of a layer at once, when the layer is first asked for, and kept: [layers][1][queries, keys].</summary>
public abstract class JoinedHeadsView(AttentionStack stack) : StackView(stack)
{
    private readonly ConcurrentDictionary<int, float[]> _layers = [];

    public override int Heads => 1;

    public override long Bytes => (long)Layers * Queries * Keys * sizeof(float);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) =>
        Layer(layer, cancellation).AsSpan(query * Keys, Keys).CopyTo(row);

    private float[] Layer(int layer, CancellationToken cancellation)
    {
        if (!_layers.TryGetValue(layer, out float[]? matrix))
        {
            _layers[layer] = matrix = Compute(layer, cancellation);
        }

        return matrix;
    }

    /// <summary>The matrix [Queries * Keys] of a layer, row-major.</summary>
    protected abstract float[] Compute(int layer, CancellationToken cancellation);
}

/// <summary>
/// Attention blocks by vector norms, residual connection and layer norm included (Kobayashi et al., "Incorporating Residual and Normalization Layers into
/// Analysis of Masked Language Models", EMNLP 2021, section 3): the share of x_j in the block's state is ‖g_i(F_i(x_j))‖, see <see cref="ResidualParts"/>, divided by the
/// row's sum (the norm's deviation, which all parts of a row share, drops out). Most of it is usually on the token itself: that is the residual.
/// Shape: [layers][1][queries, keys], rows sum to 1. Cost: a layer n · heads² · hidden for the products between heads, then a cell heads² multiplications.
/// </summary>
public sealed class BlockNormView : JoinedHeadsView
{
    private readonly MethodInput _input;

    /// <exception cref="MethodException">Windows or Longformer.</exception>
    public BlockNormView(MethodInput input)
        : base(input.Stack)
    {
        ResidualParts.Check(input, Methods.BlockNorm.Title);
        _input = input;
    }

    protected override float[] Compute(int layer, CancellationToken cancellation)
    {
        var parts = new ResidualParts(_input.Model, _input.Trace, Stack, layer);
        (int heads, int hidden) = (parts.Heads, parts.Hidden);
        // ‖Σ_h a_h u_h + x‖² = aᵀ G a + 2 aᵀ r + q: products between vectors once a key, not once a cell.
        double[] gram = new double[Keys * heads * heads], cross = new double[Keys * heads], own = new double[Keys];
        Parallel.For(0, Keys, new ParallelOptions { CancellationToken = cancellation }, key =>
        {
            ReadOnlySpan<float> x = parts.Inputs.AsSpan(key * hidden, hidden);
            own[key] = Dot(x, x);
            for (int a = 0; a < heads; a++)
            {
                ReadOnlySpan<float> u = parts.Written[a].AsSpan(key * hidden, hidden);
                cross[(key * heads) + a] = Dot(u, x);
                for (int b = 0; b <= a; b++)
                {
                    double dot = Dot(u, parts.Written[b].AsSpan(key * hidden, hidden));
                    gram[(((key * heads) + a) * heads) + b] = gram[(((key * heads) + b) * heads) + a] = dot;
                }
            }
        });
        float[] matrix = new float[Queries * Keys], weights = new float[heads * Keys];
        for (int query = 0; query < Queries; query++)
        {
            cancellation.ThrowIfCancellationRequested();
            parts.Weights(layer, query, weights);
            double sum = 0;
            double[] lengths = new double[Keys];
            for (int key = 0; key < Keys; key++)
            {
                double square = query == key ? own[key] : 0;
                for (int a = 0; a < heads; a++)
                {
                    double weight = weights[(a * Keys) + key], inner = query == key ? 2 * cross[(key * heads) + a] : 0;
                    for (int b = 0; b < heads; b++)
                    {
                        inner += gram[(((key * heads) + a) * heads) + b] * weights[(b * Keys) + key];
                    }

                    square += weight * inner;
                }

                sum += lengths[key] = Math.Sqrt(Math.Max(0, square));
            }

            for (int key = 0; key < Keys; key++)
            {
                matrix[(query * Keys) + key] = (float)(lengths[key] / sum);
            }
        }

        return matrix;
    }

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += (double)a[i] * b[i];
        }

        return sum;
    }
}

/// <summary>
/// ALTI, Aggregation of Layer-wise Token-to-token Interactions (Ferrando, Gállego and Costa-jussà, "Measuring the Mixing of Contextual Information in the
/// Transformer", EMNLP 2022, section 3). A block's state after self-attention is a sum of transformed vectors T_i(x_j) = g_i(F_i(x_j)), see <see cref="ResidualParts"/>; the
/// nearer one is to the sum y_i, the more it contributes: c_ij = max(0, ‖y_i‖₁ - ‖y_i - T_i(x_j)‖₁), divided by the row's sum. Layers are joined by
/// the product of their matrices, as in rollout but without an added identity: the residual is inside. Shape: [layers][1][n, n], rows sum to 1, a
/// layer's matrix is about all layers up to it. Cost: layers · n² · heads · hidden, on all cores.
/// </summary>
public static class Alti
{
    /// <exception cref="MethodException">Windows or Longformer.</exception>
    public static DenseView Of(MethodInput input)
    {
        ResidualParts.Check(input, Methods.Alti.Title);
        AttentionStack stack = input.Stack;
        int n = stack.Keys, done = 0;
        float[][] matrices = new float[stack.Layers][];
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            float[] own = Layer(input, layer, () => input.Progress?.Report((double)Interlocked.Increment(ref done) / (stack.Layers * n)));
            matrices[layer] = layer == 0 ? own : Rollout.Product(own, matrices[layer - 1], n);
        }

        return new DenseView(stack.Kind, stack.Layers, 1, n, n, stack.Causal, matrices);
    }

    /// <summary>The contributions of one layer [n, n], rows sum to 1.</summary>
    internal static float[] Layer(MethodInput input, int layer, Action? rowDone = null)
    {
        AttentionStack stack = input.Stack;
        var parts = new ResidualParts(input.Model, input.Trace, stack, layer);
        (int n, int hidden) = (parts.Keys, parts.Hidden);
        float[] matrix = new float[n * n];
        Parallel.For(0, n, new ParallelOptions { CancellationToken = input.Cancellation }, query =>
        {
            float[] weights = new float[parts.Heads * n], part = new float[hidden], state = [.. parts.Bias];
            parts.Weights(layer, query, weights);
            for (int key = 0; key < n; key++)
            {
                parts.Part(query, key, weights, part);
                TensorPrimitives.Add(state, part, state);
            }

            float scale = Deviation(parts, state);
            TensorPrimitives.Multiply(state, scale, state);
            if (parts.Map.Shift is { } shift)
            {
                TensorPrimitives.Add(state, shift, state);
            }

            float whole = TensorPrimitives.SumOfMagnitudes<float>(state);
            Span<float> row = matrix.AsSpan(query * n, n);
            float sum = 0;
            for (int key = 0; key < n; key++)
            {
                parts.Part(query, key, weights, part);
                TensorPrimitives.MultiplyAdd(part, -scale, state, part);
                sum += row[key] = Math.Max(0, whole - TensorPrimitives.SumOfMagnitudes<float>(part));
            }

            if (sum > 0)
            {
                TensorPrimitives.Divide(row, sum, row);
            }
            else
            {
                row[query] = 1;
            }

            rowDone?.Invoke();
        });
        return matrix;
    }

    /// <summary>1 / s(y): of the sum before γ was multiplied in, which is undone here.</summary>
    private static float Deviation(ResidualParts parts, float[] state)
    {
        if (parts.Map.Scale is not { } gamma)
        {
            return 1;
        }

        double square = 0;
        for (int i = 0; i < state.Length; i++)
        {
            double centred = (double)state[i] / gamma[i];
            square += centred * centred;
        }

        return (float)(1 / Math.Sqrt((square / state.Length) + parts.Map.Epsilon));
    }
}

/// <summary>
/// Value zeroing (Mohebbi, Zuidema, Chrupała and Alishahi, "Quantifying Context Mixing in Transformers", EACL 2023, section 3): how far the output x̃_i of a block
/// moves when the value vectors of token j are set to zero in all heads of that block and nothing else changes: c_ij = 1 - cos(x̃_i without j, x̃_i), divided by
/// the row's sum. It sees the whole block, feed-forward included. Shape: [layers][1][queries, keys], rows sum to 1; a layer's matrix is about that layer
/// alone. Cost: a layer n times the part of it that follows attention, so that all layers cost about n forward passes.
/// </summary>
public sealed class ValueZeroingView : JoinedHeadsView
{
    /// <summary>Rows in one product: enough to keep it busy, few enough that cancelling takes effect soon.</summary>
    private const int BatchRows = 4096;

    private readonly MethodInput _input;

    /// <exception cref="MethodException">Windows, Longformer, or the decoder of an encoder-decoder, whose blocks go on with cross-attention.</exception>
    public ValueZeroingView(MethodInput input)
        : base(input.Stack)
    {
        ResidualParts.Check(input, Methods.ValueZeroing.Title);
        if (input.Model.Info.Kind == ModelKind.EncoderDecoder && input.Stack.Kind == AttentionKind.Decoder)
        {
            throw new MethodException($"{Methods.ValueZeroing.Title} is not defined for a decoder with cross-attention; choose the encoder.");
        }

        _input = input;
    }

    protected override float[] Compute(int layer, CancellationToken cancellation)
    {
        int n = Keys, heads = Stack.Heads, size = Stack.Value(layer, 0, 0).Length, width = heads * size;
        float[][] weights = new float[heads][];
        float[] context = new float[n * width];
        for (int head = 0; head < heads; head++)
        {
            cancellation.ThrowIfCancellationRequested();
            weights[head] = new float[n * n];
            Stack.Head(layer, head, weights[head]);
            for (int query = 0; query < n; query++)
            {
                Span<float> into = context.AsSpan((query * width) + (head * size), size);
                for (int key = 0; key < n; key++)
                {
                    TensorPrimitives.MultiplyAdd(Stack.Value(layer, head, key), weights[head][(query * n) + key], into, into);
                }
            }
        }

        float[] inputs = Stack.HiddenState(layer).ToArray();
        int hidden = inputs.Length / n, batch = Math.Max(1, BatchRows / n);
        float[] output = _input.Model.FinishBlock(Kind, layer, inputs, context);
        float[] matrix = new float[n * n];
        for (int first = 0; first < n; first += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(batch, n - first);
            float[] x = new float[count * n * hidden], without = new float[count * n * width];
            for (int k = 0; k < count; k++)
            {
                inputs.CopyTo(x, k * n * hidden);
                context.CopyTo(without, k * n * width);
                for (int head = 0; head < heads; head++)
                {
                    ReadOnlySpan<float> value = Stack.Value(layer, head, first + k);
                    for (int query = 0; query < n; query++)
                    {
                        Span<float> part = without.AsSpan((((k * n) + query) * width) + (head * size), size);
                        TensorPrimitives.MultiplyAdd(value, -weights[head][(query * n) + first + k], part, part);
                    }
                }
            }

            float[] moved = _input.Model.FinishBlock(Kind, layer, x, without);
            for (int k = 0; k < count; k++)
            {
                for (int query = 0; query < n; query++)
                {
                    // A token that a row cannot see does not move it: what is left there is rounding.
                    bool seen = weights.Any(w => w[(query * n) + first + k] != 0);
                    matrix[(query * n) + first + k] = seen ? Distance(output.AsSpan(query * hidden, hidden), moved.AsSpan(((k * n) + query) * hidden, hidden)) : 0;
                }
            }

            _input.Progress?.Report((layer + ((double)(first + count) / n)) / Layers);
        }

        for (int query = 0; query < n; query++)
        {
            Span<float> row = matrix.AsSpan(query * n, n);
            float sum = TensorPrimitives.Sum<float>(row);
            if (sum > 0)
            {
                TensorPrimitives.Divide(row, sum, row);
            }
        }

        return matrix;
    }

    private static float Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double dot = 0, left = 0, right = 0;
        for (int i = 0; i < a.Length; i++)
        {
            dot += (double)a[i] * b[i];
            left += (double)a[i] * a[i];
            right += (double)b[i] * b[i];
        }

        return left > 0 && right > 0 ? (float)Math.Max(0, 1 - (dot / Math.Sqrt(left * right))) : 0;
    }
}
