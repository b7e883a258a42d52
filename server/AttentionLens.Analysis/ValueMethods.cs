using System.Collections.Concurrent;
using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>Shape of a view that has the layers and heads of its stack.</summary>
public abstract class StackView(AttentionStack stack) : AttentionView
{
    protected AttentionStack Stack => stack;

    public override AttentionKind Kind => stack.Kind;

    public override int Layers => stack.Layers;

    public override int Heads => stack.Heads;

    public override int Queries => stack.Queries;

    public override int Keys => stack.Keys;

    public override bool Causal => stack.Causal;

    /// <summary>The value vectors [Keys, head size] of a head, in double precision.</summary>
    protected double[] Values(int layer, int head, out int size)
    {
        size = stack.Value(layer, head, 0).Length;
        var values = new double[stack.Keys * size];
        for (var key = 0; key < stack.Keys; key++)
        {
            var value = stack.Value(layer, head, key);
            for (var i = 0; i < size; i++)
            {
                values[(key * size) + i] = value[i];
            }
        }

        return values;
    }
}

/// <summary>
/// Value-norm weighted attention (Kobayashi et al., "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms",
/// EMNLP 2020, section 2): a head's output for query i is the sum of α_ij f(x_j) with f(x) = (x W_V + b_V) W_O, so that the share of j
/// is its length ‖α_ij f(x_j)‖ = α_ij ‖f(x_j)‖, here divided by the row's sum so that rows sum to 1 and heads can be compared.
/// Shape: [layers][heads][queries, keys]. Cost: a row costs what its attention costs; ‖f(x_j)‖ for all keys of a head once,
/// keys · head size² + head size² · hidden size.
/// </summary>
public sealed class ValueNormView : StackView
{
    private readonly float[][] _norms;

    public ValueNormView(Model model, AttentionStack stack, CancellationToken cancellation = default)
        : base(stack)
    {
        _norms = new float[Layers * Heads][];
        for (var layer = 0; layer < Layers; layer++)
        {
            for (var head = 0; head < Heads; head++)
            {
                cancellation.ThrowIfCancellationRequested();
                var values = Values(layer, head, out var size);
                _norms[(layer * Heads) + head] = Norms(values, size, HeadOutputs.Gram(model.HeadOutput(Kind, layer, head), size));
            }
        }
    }

    public override long Bytes => (long)_norms.Length * Keys * sizeof(float);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default)
    {
        Stack.Row(layer, head, query, row);
        Weigh(row[..Keys], _norms[(layer * Heads) + head]);
    }

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default)
    {
        Stack.Head(layer, head, weights);
        for (var query = 0; query < Queries; query++)
        {
            Weigh(weights.Slice(query * Keys, Keys), _norms[(layer * Heads) + head]);
        }
    }

    /// <summary>‖v_j W‖ for each row of values[n, size], from the Gram matrix W Wᵀ [size, size].</summary>
    internal static float[] Norms(ReadOnlySpan<double> values, int size, ReadOnlySpan<double> gram)
    {
        var norms = new float[values.Length / size];
        for (var j = 0; j < norms.Length; j++)
        {
            var value = values.Slice(j * size, size);
            var square = 0.0;
            for (var a = 0; a < size; a++)
            {
                var sum = 0.0;
                for (var b = 0; b < size; b++)
                {
                    sum += gram[(a * size) + b] * value[b];
                }

                square += value[a] * sum;
            }

            norms[j] = (float)Math.Sqrt(Math.Max(0, square));
        }

        return norms;
    }

    private static void Weigh(Span<float> row, float[] norms)
    {
        var sum = 0.0;
        for (var j = 0; j < row.Length; j++)
        {
            row[j] *= norms[j];
            sum += row[j];
        }

        var scale = sum > 0 ? (float)(1 / sum) : 0;
        foreach (ref var weight in row)
        {
            weight *= scale;
        }
    }
}

/// <summary>
/// Effective attention (Brunner et al., "On Identifiability in Transformers", ICLR 2020, section 3.2): with T = V W_O of a head, every
/// row a of attention falls into a part in the left null space of T, which adds nothing to the output, and the rest
/// <c>a_eff = a - P_LN(T) a</c>, the projection on the column space of T; a_eff T = a T. Where the text has at most as many tokens as
/// the head has dimensions, nothing is lost and a_eff = a. Weights may be negative and rows need not sum to 1.
/// Shape: [layers][heads][queries, keys]. Cost: a basis of the column space once a head, keys · head size²; a row
/// 2 · keys · head size beyond its attention.
/// </summary>
public sealed class EffectiveView(Model model, AttentionStack stack) : StackView(stack)
{
    /// <summary>Directions shorter than this beside the longest are rounding of float32 values.</summary>
    private const double Tolerance = 1e-6;

    private readonly ConcurrentDictionary<(int Layer, int Head), float[][]> _bases = [];

    public override long Bytes => _bases.Values.Sum(b => (long)b.Length * Keys * sizeof(float));

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default)
    {
        Stack.Row(layer, head, query, row);
        Project(row[..Keys], Basis(layer, head));
    }

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default)
    {
        Stack.Head(layer, head, weights);
        var basis = Basis(layer, head);
        for (var query = 0; query < Queries; query++)
        {
            Project(weights.Slice(query * Keys, Keys), basis);
        }
    }

    private float[][] Basis(int layer, int head) => _bases.GetOrAdd((layer, head), _ =>
    {
        var values = Values(layer, head, out var size);
        return ColumnSpace(values, size, HeadOutputs.Gram(model.HeadOutput(Kind, layer, head), size));
    });

    private static void Project(Span<float> row, float[][] basis)
    {
        if (basis.Length >= row.Length)
        {
            return; // the whole space: nothing is cancelled
        }

        var projected = new double[row.Length];
        foreach (var direction in basis)
        {
            var along = 0.0;
            for (var j = 0; j < row.Length; j++)
            {
                along += direction[j] * (double)row[j];
            }

            for (var j = 0; j < row.Length; j++)
            {
                projected[j] += along * direction[j];
            }
        }

        for (var j = 0; j < row.Length; j++)
        {
            row[j] = (float)projected[j];
        }
    }

    /// <summary>
    /// An orthonormal basis of the column space of V W from values V [n, size] and the Gram matrix G = W Wᵀ: the columns of V G span
    /// it (W and W Wᵀ have the same column space). Gram-Schmidt, the longest remaining column first, each direction cleaned
    /// twice (Giraud et al. 2005: twice is enough).
    /// </summary>
    internal static float[][] ColumnSpace(ReadOnlySpan<double> values, int size, ReadOnlySpan<double> gram)
    {
        var n = values.Length / size;
        var columns = new double[size][];
        for (var c = 0; c < size; c++)
        {
            columns[c] = new double[n];
            for (var j = 0; j < n; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < size; k++)
                {
                    sum += values[(j * size) + k] * gram[(k * size) + c];
                }

                columns[c][j] = sum;
            }
        }

        var basis = new List<double[]>();
        var longest = 0.0;
        while (basis.Count < Math.Min(n, size))
        {
            var best = Enumerable.Range(0, size).MaxBy(c => Length(columns[c]));
            var column = columns[best];
            foreach (var direction in basis)
            {
                Clean(column, direction);
            }

            var length = Length(column);
            longest = basis.Count == 0 ? length : longest;
            if (length <= Tolerance * longest)
            {
                break;
            }

            var unit = Array.ConvertAll(column, x => x / length);
            basis.Add(unit);
            foreach (var other in columns)
            {
                Clean(other, unit);
            }
        }

        return [.. basis.Select(direction => Array.ConvertAll(direction, x => (float)x))];
    }

    private static void Clean(double[] column, double[] direction)
    {
        var along = 0.0;
        for (var j = 0; j < column.Length; j++)
        {
            along += column[j] * direction[j];
        }

        for (var j = 0; j < column.Length; j++)
        {
            column[j] -= along * direction[j];
        }
    }

    private static double Length(double[] column) => Math.Sqrt(column.Sum(x => x * x));
}

/// <summary>What a head's output projection does to lengths.</summary>
internal static class HeadOutputs
{
    /// <summary>W Wᵀ [size, size] of W [size, hidden].</summary>
    public static double[] Gram(ReadOnlySpan<float> output, int size)
    {
        var hidden = output.Length / size;
        var gram = new double[size * size];
        for (var a = 0; a < size; a++)
        {
            for (var b = 0; b <= a; b++)
            {
                var sum = 0.0;
                for (var k = 0; k < hidden; k++)
                {
                    sum += (double)output[(a * hidden) + k] * output[(b * hidden) + k];
                }

                gram[(a * size) + b] = gram[(b * size) + a] = sum;
            }
        }

        return gram;
    }
}
