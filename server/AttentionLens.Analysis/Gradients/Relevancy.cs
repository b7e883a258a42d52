using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Gradients;

/// <summary>
/// Gradient-weighted attention relevancy (Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and
/// Encoder-Decoder Transformers"): how much each input token contributed to one prediction at each position.
/// </summary>
/// <remarks>
/// Per layer, A = mean over heads of max(0, dy/dA * A); relevancies start as the identity and grow with depth: self-attention
/// R += A R (eq. 6, 7), cross-attention R_ts += N(R_tt)ᵀ A N(R_ss) (eq. 10), N being the row-normalised part beyond the identity plus the
/// identity (eq. 8, 9). Cost: one gradient (three forward passes) and layers · n³ multiplications; memory layers · n².
/// </remarks>
/// <param name="Self">[n, n]: relevancy of input token j for position i; of the decoder's own tokens for an encoder-decoder.</param>
/// <param name="Queries">Rows of <see cref="Self"/> and <see cref="Cross"/>.</param>
/// <param name="Cross">[targets, sources] for an encoder-decoder, else empty.</param>
/// <param name="Sources">Columns of <see cref="Cross"/>.</param>
/// <param name="Value">The prediction y.</param>
public sealed record Relevancy(float[] Self, int Queries, float[] Cross, int Sources, double Value)
{
    public ReadOnlySpan<float> SelfRow(int query) => Self.AsSpan(query * Queries, Queries);

    public ReadOnlySpan<float> CrossRow(int query) => Cross.AsSpan(query * Sources, Sources);

    /// <summary>The relevancy of each token for one output: the rows of the positions that the head reads, their mean where there are several.</summary>
    /// <exception cref="ModelException">See <see cref="Model.Gradient"/>.</exception>
    public static Attribution Explain(Model model, OutputTarget target, CancellationToken cancellation = default)
    {
        Relevancy relevancy = Of(model, target.Input, target.Terms, cancellation);
        bool crossed = relevancy.Sources > 0;
        float[] self = new float[relevancy.Queries], cross = new float[relevancy.Sources];
        foreach (int row in target.Rows)
        {
            Add(relevancy.SelfRow(row), target.Rows.Length, self);
            Add(relevancy.CrossRow(row), target.Rows.Length, cross);
        }

        return new Attribution(crossed ? cross : self, crossed ? self : [], relevancy.Value);
    }

    private static void Add(ReadOnlySpan<float> row, int count, float[] sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += row[i] / count;
        }
    }

    /// <exception cref="ModelException">See <see cref="Model.Gradient"/>.</exception>
    public static Relevancy Of(Model model, ModelInput input, IReadOnlyList<LogitTerm> target, CancellationToken cancellation = default)
    {
        Dictionary<(AttentionKind Kind, int Layer), (float[] Weights, int Keys, int Heads)> layers = [];
        GradientResult gradient = model.Gradient(input, target, (kind, layer, _, keys, weights, byWeight) =>
        {
            (float[] sum, _, int heads) = layers.GetValueOrDefault((kind, layer), (new float[weights.Length], keys, 0));
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += Math.Max(0, weights[i] * byWeight[i]);
            }

            layers[(kind, layer)] = (sum, keys, heads + 1);
        }, cancellation: cancellation);

        bool crossed = layers.Keys.Any(static k => k.Kind == AttentionKind.Cross);
        AttentionKind main = crossed ? AttentionKind.Decoder : layers.Keys.Select(static k => k.Kind).First();
        int targets = layers[(main, 0)].Keys;
        float[] self = Identity(targets);
        if (!crossed)
        {
            foreach (float[] mean in Means(main))
            {
                cancellation.ThrowIfCancellationRequested();
                self = Plus(self, Product(mean, self, targets, targets, targets));
            }

            return new Relevancy(self, targets, [], 0, gradient.Value);
        }

        int sources = layers[(AttentionKind.Encoder, 0)].Keys;
        float[] source = Identity(sources);
        foreach (float[] mean in Means(AttentionKind.Encoder))
        {
            cancellation.ThrowIfCancellationRequested();
            source = Plus(source, Product(mean, source, sources, sources, sources));
        }

        float[] normalisedSource = Normalised(source, sources);
        float[] cross = new float[targets * sources];
        foreach ((float[] own, float[] across) in Means(AttentionKind.Decoder).Zip(Means(AttentionKind.Cross)))
        {
            cancellation.ThrowIfCancellationRequested();
            cross = Plus(cross, Product(own, cross, targets, targets, sources));
            self = Plus(self, Product(own, self, targets, targets, targets));
            float[] reached = Product(across, normalisedSource, targets, sources, sources);
            cross = Plus(cross, Product(Transposed(Normalised(self, targets), targets), reached, targets, targets, sources));
        }

        return new Relevancy(self, targets, cross, sources, gradient.Value);

        IEnumerable<float[]> Means(AttentionKind kind)
        {
            for (int layer = 0; layers.TryGetValue((kind, layer), out (float[] Weights, int Keys, int Heads) data); layer++)
            {
                float[] mean = new float[data.Weights.Length];
                for (int i = 0; i < mean.Length; i++)
                {
                    mean[i] = data.Weights[i] / data.Heads;
                }

                yield return mean;
            }
        }
    }

    private static float[] Identity(int n)
    {
        float[] result = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            result[(i * n) + i] = 1;
        }

        return result;
    }

    private static float[] Plus(float[] a, float[] b)
    {
        float[] result = new float[a.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = a[i] + b[i];
        }

        return result;
    }

    /// <summary>[rows, inner] times [inner, columns].</summary>
    private static float[] Product(float[] a, float[] b, int rows, int inner, int columns)
    {
        float[] result = new float[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            Span<float> row = result.AsSpan(i * columns, columns);
            for (int k = 0; k < inner; k++)
            {
                float factor = a[(i * inner) + k];
                ReadOnlySpan<float> from = b.AsSpan(k * columns, columns);
                for (int j = 0; factor != 0 && j < row.Length; j++)
                {
                    row[j] += factor * from[j];
                }
            }
        }

        return result;
    }

    private static float[] Transposed(float[] x, int n)
    {
        float[] result = new float[x.Length];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                result[(j * n) + i] = x[(i * n) + j];
            }
        }

        return result;
    }

    /// <summary>Equations 8 and 9: (R - I) with rows summing to 1 (a row of zeros stays), plus I.</summary>
    private static float[] Normalised(float[] x, int n)
    {
        float[] result = [.. x];
        for (int i = 0; i < n; i++)
        {
            Span<float> row = result.AsSpan(i * n, n);
            row[i] -= 1;
            double sum = 0;
            foreach (float value in row)
            {
                sum += value;
            }

            foreach (ref float value in row)
            {
                value = sum == 0 ? 0 : (float)(value / sum);
            }

            row[i] += 1;
        }

        return result;
    }
}
