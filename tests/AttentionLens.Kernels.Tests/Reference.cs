namespace AttentionLens.Kernels.Tests;

/// <summary>The same functions in double precision, one loop each: what the kernels are measured against.</summary>
internal static class Reference
{
    public static float[] Random(int count, int seed, double scale = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * scale);
        }

        return values;
    }

    public static double[,] Multiply(ReadOnlySpan<float> x, int rows, int stride, ReadOnlySpan<float> w, int outputs, int inputs, ReadOnlySpan<float> bias)
    {
        var result = new double[rows, outputs];
        for (int r = 0; r < rows; r++)
        {
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias.IsEmpty ? 0 : bias[o];
                for (int k = 0; k < inputs; k++)
                {
                    sum += (double)x[r * stride + k] * w[o * inputs + k];
                }

                result[r, o] = sum;
            }
        }

        return result;
    }

    /// <summary>Abramowitz and Stegun 7.1.5 near 0 and the continued fraction 7.1.14 beyond: both to full double precision.</summary>
    public static double Erf(double x)
    {
        double z = Math.Abs(x);
        if (z < 2.5)
        {
            double term = z, sum = z;
            for (int n = 1; n < 100; n++)
            {
                term *= -z * z / n;
                sum += term / (2 * n + 1);
            }

            return Math.Sign(x) * sum * 2 / Math.Sqrt(Math.PI);
        }

        double fraction = 0;
        for (int n = 120; n >= 1; n--)
        {
            fraction = n / 2.0 / (z + fraction);
        }

        return Math.Sign(x) * (1 - Math.Exp(-z * z) / Math.Sqrt(Math.PI) / (z + fraction));
    }

    public static double Activate(Activation activation, double x) => activation switch
    {
        Activation.None => x,
        Activation.Gelu => x * (1 + Erf(x / Math.Sqrt(2))) / 2,
        Activation.GeluTanh => x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) / 2,
        Activation.QuickGelu => x / (1 + Math.Exp(-1.702 * x)),
        Activation.Relu => Math.Max(0, x),
        Activation.ReluSquared => Math.Max(0, x) * Math.Max(0, x),
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Tanh => Math.Tanh(x),
        Activation.Sigmoid => 1 / (1 + Math.Exp(-x)),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    /// <summary>Weights [Queries, Keys] of one head, straight from the definition in <see cref="AttentionPattern"/>.</summary>
    public static double[,] Weights(AttentionPattern p, float[] q, int qStride, float[] k, int kStride, int head)
    {
        int keyHeads = p.KeyValueHeads == 0 ? p.Heads : p.KeyValueHeads;
        int keyHead = head / (p.Heads / keyHeads);
        var weights = new double[p.Queries, p.Keys];
        for (int i = 0; i < p.Queries; i++)
        {
            double max = double.NegativeInfinity;
            for (int j = 0; j < p.Keys; j++)
            {
                long distance = (long)j - i - p.QueryOffset;
                bool seen = (distance >= -(long)p.Before && distance <= p.After) || (p.GlobalKeys?.Contains(j) ?? false);
                seen &= p.BlindQueries?[i] != true;
                double score = 0;
                for (int d = 0; d < p.HeadSize; d++)
                {
                    score += (double)q[i * qStride + head * p.HeadSize + d] * k[j * kStride + keyHead * p.HeadSize + d];
                }

                score = score * p.Scale + (p.KeyBias?[j] ?? 0);
                score += p.RelativeBias?[head * (p.Queries + p.Keys - 1) + j - i + p.Queries - 1] ?? 0;
                weights[i, j] = seen ? score : double.NegativeInfinity;
                max = Math.Max(max, weights[i, j]);
            }

            double sum = 0;
            for (int j = 0; j < p.Keys; j++)
            {
                weights[i, j] = max == double.NegativeInfinity ? 0 : Math.Exp(weights[i, j] - max);
                sum += weights[i, j];
            }

            for (int j = 0; sum > 0 && j < p.Keys; j++)
            {
                weights[i, j] /= sum;
            }
        }

        return weights;
    }
}
