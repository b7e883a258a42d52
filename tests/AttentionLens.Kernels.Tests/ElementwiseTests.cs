namespace AttentionLens.Kernels.Tests;

public sealed class ElementwiseTests
{
    public static TheoryData<Activation> All => [.. Enum.GetValues<Activation>()];

    [Theory]
    [MemberData(nameof(All))]
    public void Activations_keep_their_error_bound_over_the_whole_range(Activation activation)
    {
        float[] x = Sweep();
        var y = (float[])x.Clone();
        Activations.Apply(activation, y);
        for (int i = 0; i < x.Length; i++)
        {
            double exact = Reference.Activate(activation, x[i]);
            double error = Math.Abs(y[i] - exact);
            Assert.True(error <= 2e-7 * (1 + Math.Abs(x[i]) + Math.Abs(exact)), $"{activation}({x[i]:R}) is {y[i]:R}, not {exact:R}: off by {error:E2}");
        }
    }

    [Fact]
    public void Exp_is_within_two_units_in_the_last_place_and_exactly_zero_below()
    {
        for (float x = -87.3f; x <= 88.3f; x += 0.00731f)
        {
            double exact = Math.Exp(x);
            double unit = MathF.BitIncrement((float)exact) - (float)exact;
            Assert.True(Math.Abs(Exp(x) - exact) <= 2 * unit, $"exp({x:R}) is {Exp(x):R}, not {exact:R}");
        }

        Assert.Equal(1f, Exp(0));
        Assert.Equal(0f, Exp(-88));
        Assert.Equal(0f, Exp(float.NegativeInfinity));
        Assert.True(float.IsNaN(Exp(float.NaN)));

        static unsafe float Exp(float x)
        {
            float result;
            Lanes1.Store(FastMath.Exp(Lanes1.Broadcast(x)), &result);
            return result;
        }
    }

    [Fact]
    public void Exp2_is_within_two_units_in_the_last_place_and_exactly_zero_below()
    {
        for (float x = -126; x <= 0.5f; x += 0.00731f)
        {
            double exact = Math.Pow(2, x);
            double unit = MathF.BitIncrement((float)exact) - (float)exact;
            Assert.True(Math.Abs(Exp2(x) - exact) <= 2 * unit, $"2^{x:R} is {Exp2(x):R}, not {exact:R}");
        }

        for (float x = -130; x <= -125.9f; x += 0.001f)
        {
            Assert.InRange(Exp2(x) - Math.Pow(2, x), -1.2e-38, 1.2e-38);
        }

        Assert.Equal(1f, Exp2(0));
        Assert.Equal(0f, Exp2(-127));
        Assert.Equal(0f, Exp2(-1e30f));
        Assert.Equal(0f, Exp2(float.NegativeInfinity));
        Assert.True(float.IsNaN(Exp2(float.NaN)));

        static unsafe float Exp2(float x)
        {
            float result;
            Lanes1.Store(FastMath.Exp2(Lanes1.Broadcast(x), out _), &result);
            return result;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_length_and_alignment_gives_the_same_values_and_touches_no_neighbour(Activation activation)
    {
        float[] x = Reference.Random(80, 1, 3);
        float[] reference = (float[])x.Clone();
        for (int i = 0; i < x.Length; i++)
        {
            Activations.Apply(activation, reference.AsSpan(i, 1));
        }

        int lanes = MicroKernel.Lanes;
        foreach (int start in new[] { 0, 1, 3 })
        {
            for (int length = 0; length <= 3 * lanes + 1; length++)
            {
                float[] y = (float[])x.Clone();
                Activations.Apply(activation, y.AsSpan(start, length));
                for (int i = 0; i < x.Length; i++)
                {
                    Assert.Equal(i >= start && i < start + length ? reference[i] : x[i], y[i]);
                }

                float[] gated = new float[length];
                Activations.ApplyGated(activation, x.AsSpan(start, length), x.AsSpan(start + 1, length), gated);
                for (int i = 0; i < length; i++)
                {
                    Assert.Equal(reference[start + i] * x[start + i + 1], gated[i]);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Extreme_inputs_stay_what_they_mean(Activation activation)
    {
        float[] y = [float.NaN, float.PositiveInfinity, 1e-42f, -1e-42f, 0, 1e30f, -1e30f];
        Activations.Apply(activation, y);
        Assert.True(float.IsNaN(y[0]));
        float atInfinity = activation is Activation.Tanh or Activation.Sigmoid ? 1 : float.PositiveInfinity;
        Assert.Equal(atInfinity, y[1]);
        float middle = activation == Activation.Sigmoid ? 0.5f : 0;
        Assert.Equal(middle, y[2], 1e-40f);
        Assert.Equal(middle, y[3], 1e-40f);
        Assert.Equal(middle, y[4]);
        Assert.False(float.IsNaN(y[5]) || float.IsNaN(y[6]));
        float atMinus = activation switch { Activation.None => -1e30f, Activation.Tanh => -1, _ => 0 };
        Assert.Equal(atMinus, y[6], 1e-8f);
    }

    [Fact]
    public void Softmax_of_every_length_matches_double_precision()
    {
        for (int length = 1; length <= 3 * MicroKernel.Lanes + 1; length++)
        {
            foreach (double scale in new[] { 0.1, 3, 60 })
            {
                float[] x = Reference.Random(length + 1, length, scale);
                float[] y = (float[])x.Clone();
                RowStatistics statistics = Softmax.InPlace(y.AsSpan(1));
                double max = x.Skip(1).Max(), sum = x.Skip(1).Sum(v => Math.Exp(v - max)), entropy = 0;
                for (int i = 1; i <= length; i++)
                {
                    double exact = Math.Exp(x[i] - max) / sum;
                    entropy -= exact > 0 ? exact * Math.Log(exact) : 0;
                    Assert.Equal(exact, y[i], 5e-7 * (1 + exact));
                }

                Assert.Equal(x[0], y[0]);
                Assert.Equal(entropy, statistics.Entropy, 2e-6 * (1 + entropy));
                Assert.Equal(1 / sum, statistics.Max, 1e-6);
                Assert.Equal(max + Math.Log(sum), statistics.LogSumExp, 1e-5 * (1 + Math.Abs(max)));
            }
        }
    }

    [Fact]
    public void Softmax_masks_exactly_and_survives_extremes()
    {
        const float no = float.NegativeInfinity;
        foreach (int padding in new[] { 0, 1, 15, 16, 40 })
        {
            float[] y = [90, no, 90, no, .. Enumerable.Repeat(no, padding)];
            RowStatistics statistics = Softmax.InPlace(y);
            Assert.Equal([0.5f, 0, 0.5f, 0, .. new float[padding]], y);
            Assert.Equal(MathF.Log(2), statistics.Entropy, 1e-6f);

            y = [no, no, .. Enumerable.Repeat(no, padding)];
            Assert.Equal(new RowStatistics(0, 0, no, no), Softmax.InPlace(y));
            Assert.All(y, v => Assert.Equal(0, v));

            y = [3e38f, -3e38f, 0, .. new float[padding]];
            Softmax.InPlace(y);
            Assert.Equal([1, 0, 0, .. new float[padding]], y);

            y = [1, float.NaN, no, .. new float[padding]];
            Softmax.InPlace(y);
            Assert.All(y, v => Assert.True(float.IsNaN(v)));

            y = [float.NaN, no, .. Enumerable.Repeat(no, padding)];
            Softmax.InPlace(y);
            Assert.All(y, v => Assert.True(float.IsNaN(v)));
        }

        Assert.Equal(new RowStatistics(0, 0, no, no), Softmax.InPlace([]));
    }

    [Fact]
    public void Norms_match_double_precision_also_far_from_zero()
    {
        using var pool = new WorkerPool(2);
        foreach (int width in new[] { 1, 2, 7, 15, 16, 17, 64, 129, 768, 5000 })
        {
            foreach (float center in new[] { 0f, 1000f })
            {
                const int rows = 23;
                const float eps = 1e-5f;
                float[] x = Reference.Random(rows * width, width, 2);
                for (int i = 0; i < x.Length; i++)
                {
                    x[i] += center;
                }

                float[] weight = Reference.Random(width, 1), bias = Reference.Random(width, 2), layer = new float[x.Length], plain = new float[x.Length], root = (float[])x.Clone();
                Norms.LayerNorm(x, rows, width, weight, bias, eps, layer, pool);
                Norms.LayerNorm(x, rows, width, weight, [], eps, plain, pool);
                Norms.RmsNorm(root, rows, width, weight, eps, 1, root, pool);
                for (int r = 0; r < rows; r++)
                {
                    ReadOnlySpan<float> row = x.AsSpan(r * width, width);
                    double mean = 0, variance = 0, square = 0;
                    foreach (float v in row)
                    {
                        mean += (double)v / width;
                        square += (double)v * v / width;
                    }

                    foreach (float v in row)
                    {
                        variance += (v - mean) * (v - mean) / width;
                    }

                    // Near 1000 a float32 is known to 6e-5 only, which the division by the deviation carries over.
                    double tolerance = (center == 0 ? 3e-6 : 1e-4) * (1 + 1 / Math.Sqrt(variance + eps));
                    for (int i = 0; i < width; i++)
                    {
                        double normal = (row[i] - mean) / Math.Sqrt(variance + eps);
                        Assert.Equal(normal * weight[i] + bias[i], layer[r * width + i], tolerance);
                        Assert.Equal(normal * weight[i], plain[r * width + i], tolerance);
                        Assert.Equal(row[i] / Math.Sqrt(square + eps) * (weight[i] + 1), root[r * width + i], 3e-6 * (1 + Math.Abs(row[i])));
                    }
                }
            }
        }
    }

    [Fact]
    public void Sums_dots_and_maxima_of_every_length()
    {
        for (int length = 0; length <= 9 * MicroKernel.Lanes + 1; length++)
        {
            float[] a = Reference.Random(length + 1, length + 1), b = Reference.Random(length + 1, length + 2), c = (float[])b.Clone();
            ReadOnlySpan<float> x = a.AsSpan(1), y = b.AsSpan(1);
            double sum = 0, dot = 0;
            float max = float.NegativeInfinity;
            Vectors.AddScaled(x, 0.5f, c.AsSpan(1));
            for (int i = 0; i < length; i++)
            {
                sum += x[i];
                dot += (double)x[i] * y[i];
                max = Math.Max(max, x[i]);
                Assert.Equal(y[i] + 0.5f * x[i], c[i + 1], 1e-6f);
            }

            Assert.Equal(sum, Vectors.Sum(x), 1e-5);
            Assert.Equal(dot, Vectors.Dot(x, y), 1e-5);
            Assert.Equal(max, Vectors.Max(x));
        }

        Assert.Throws<ArgumentException>(() => Vectors.Dot(new float[2], new float[3]));
        Assert.Throws<ArgumentException>(() => Vectors.AddScaled(new float[2], 1, new float[3]));
        Assert.Throws<ArgumentException>(() => Activations.ApplyGated(Activation.Silu, new float[2], new float[2], new float[3]));
        using var pool = new WorkerPool(1);
        Assert.Throws<ArgumentException>(() => Norms.LayerNorm(new float[2], 1, 3, new float[3], [], 0, new float[3], pool));
    }

    private static float[] Sweep()
    {
        var values = new List<float>();
        for (double v = 1e-6; v < 100; v *= 1.003)
        {
            values.Add((float)v);
            values.Add(-(float)v);
        }

        return [.. values];
    }
}
