using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>Derivatives of the elementwise parts of a block, summed in double.</summary>
internal static class Backward
{
    /// <summary>
    /// dy / dx of a norm, row by row. With g = dy * w and r = 1 / deviation: LayerNorm r (g - mean g - x̂ mean(g x̂)), RMSNorm r (g - x̂ mean(g x̂)).
    /// </summary>
    public static void Norm(Norm norm, ReadOnlySpan<float> x, ReadOnlySpan<float> gradient, Span<float> result)
    {
        int width = norm.Width;
        Span<double> g = width <= 4096 ? stackalloc double[width] : new double[width];
        for (int start = 0; start < x.Length; start += width)
        {
            double mean = 0, square = 0;
            for (int i = 0; i < width && norm.Bias is not null; i++)
            {
                mean += x[start + i];
            }

            mean /= width;
            for (int i = 0; i < width; i++)
            {
                square += (x[start + i] - mean) * (x[start + i] - mean);
            }

            double r = 1 / Math.Sqrt((square / width) + norm.Epsilon);
            double sum = 0, product = 0;
            for (int i = 0; i < width; i++)
            {
                g[i] = gradient[start + i] * ((double)norm.Weight[i] + norm.Offset);
                sum += g[i];
                product += g[i] * (x[start + i] - mean) * r;
            }

            sum = norm.Bias is null ? 0 : sum / width;
            product /= width;
            for (int i = 0; i < width; i++)
            {
                result[start + i] = (float)(r * (g[i] - sum - ((x[start + i] - mean) * r * product)));
            }
        }
    }

    /// <summary>Multiplies <paramref name="gradient"/> by the activation's derivative at <paramref name="x"/> (its input).</summary>
    public static void Activation(Activation activation, ReadOnlySpan<float> x, Span<float> gradient)
    {
        if (activation == Kernels.Activation.None)
        {
            return;
        }

        for (int i = 0; i < gradient.Length; i++)
        {
            gradient[i] = (float)(gradient[i] * Derivative(activation, x[i]));
        }
    }

    private static double Derivative(Activation activation, double x) => activation switch
    {
        Kernels.Activation.Gelu => Normal(x) + (x * Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI)),
        Kernels.Activation.GeluTanh => GeluTanh(x),
        Kernels.Activation.QuickGelu => Swish(x, 1.702),
        Kernels.Activation.Relu => x > 0 ? 1 : 0,
        Kernels.Activation.ReluSquared => x > 0 ? 2 * x : 0,
        Kernels.Activation.Silu => Swish(x, 1),
        Kernels.Activation.Tanh => 1 - Math.Pow(Math.Tanh(x), 2),
        Kernels.Activation.Sigmoid => Sigmoid(x) * (1 - Sigmoid(x)),
        _ => throw new ModelException($"The derivative of the activation {activation} is not known."),
    };

    /// <summary>Of x sigmoid(beta x).</summary>
    private static double Swish(double x, double beta)
    {
        double s = Sigmoid(beta * x);
        return s * (1 + (beta * x * (1 - s)));
    }

    private static double GeluTanh(double x)
    {
        double c = Math.Sqrt(2 / Math.PI);
        double t = Math.Tanh(c * (x + (0.044715 * x * x * x)));
        return (0.5 * (1 + t)) + (0.5 * x * (1 - (t * t)) * c * (1 + (3 * 0.044715 * x * x)));
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>The normal distribution function, which is gelu(x) / x: the kernel's float32 gelu is accurate to the last digits on both sides of 0.</summary>
    private static double Normal(double x)
    {
        if (x == 0)
        {
            return 0.5;
        }

        Span<float> value = [(float)x];
        Activations.Apply(Kernels.Activation.Gelu, value);
        return value[0] / (float)x;
    }
}
