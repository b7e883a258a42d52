namespace AttentionLens.Kernels.Tests;

public sealed class MatMulTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 33, 7)]
    [InlineData(2, 31, 64)]
    [InlineData(3, 96, 257)]
    [InlineData(5, 17, 16)]
    [InlineData(7, 65, 300)]
    [InlineData(12, 64, 513)]
    [InlineData(13, 100, 255)]
    [InlineData(16, 48, 256)]
    [InlineData(37, 130, 70)]
    [InlineData(400, 33, 20)]
    public void Product_bias_and_activation_match_double_precision(int rows, int outputs, int inputs)
    {
        foreach (int threads in new[] { 1, 3 })
        {
            using var pool = new WorkerPool(threads);
            foreach (Activation activation in Enum.GetValues<Activation>())
            {
                Compare(rows, outputs, inputs, activation, residual: false, inPlace: false, pool);
            }
        }
    }

    [Theory]
    [InlineData(1, 31, 7)]
    [InlineData(9, 64, 700)]
    [InlineData(25, 70, 520)]
    public void Residual_is_added_also_in_place(int rows, int outputs, int inputs)
    {
        using var pool = new WorkerPool(2);
        Compare(rows, outputs, inputs, Activation.None, residual: true, inPlace: false, pool);
        Compare(rows, outputs, inputs, Activation.None, residual: true, inPlace: true, pool);
    }

    [Fact]
    public void Every_number_of_rows_up_to_three_tiles_is_right()
    {
        using var pool = new WorkerPool(2);
        for (int rows = 1; rows <= 3 * MicroKernel.MaxRows + 1; rows++)
        {
            Compare(rows, MicroKernel.Columns + 1, 19, Activation.None, residual: false, inPlace: false, pool);
        }
    }

    [Fact]
    public void Stacked_parts_and_transposed_and_16_bit_sources_give_the_same_product()
    {
        using var pool = new WorkerPool(1);
        const int inputs = 21, a = 13, b = 40;
        float[] w = Reference.Random((a + b) * inputs, 1);
        for (int i = 0; i < w.Length; i++)
        {
            // Values that 16-bit formats hold exactly: the comparison is then one of bits.
            w[i] = MathF.Round(w[i] * 16) / 16;
        }

        var transposed = new float[w.Length];
        for (int o = 0; o < a + b; o++)
        {
            for (int k = 0; k < inputs; k++)
            {
                transposed[k * (a + b) + o] = w[o * inputs + k];
            }
        }

        float[] x = Reference.Random(5 * inputs, 2);
        using PackedMatrix plain = PackedMatrix.Pack(w, a + b, inputs);
        float[] expected = Product(plain);
        using PackedMatrix stacked = new PackedMatrix(a + b, inputs).Append(w.AsSpan(0, a * inputs), a).Append(w.AsSpan(a * inputs), b);
        Assert.Equal(expected, Product(stacked));
        using PackedMatrix turned = PackedMatrix.Pack(transposed, a + b, inputs, transposed: true);
        Assert.Equal(expected, Product(turned));
        using PackedMatrix half = PackedMatrix.Pack(Array.ConvertAll(w, v => (Half)v), a + b, inputs);
        Assert.Equal(expected, Product(half));
        using PackedMatrix brain = PackedMatrix.Pack(
            Array.ConvertAll(w, v => new BFloat16((ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))), a + b, inputs);
        Assert.Equal(expected, Product(brain));

        float[] Product(PackedMatrix matrix)
        {
            var result = new float[5 * (a + b)];
            MatMul.Multiply(x, 5, inputs, matrix, [], Activation.None, [], 0, result, a + b, pool);
            return result;
        }
    }

    [Fact]
    public void Number_of_threads_does_not_change_a_bit()
    {
        const int rows = 29, outputs = 333, inputs = 600;
        float[] x = Reference.Random(rows * inputs, 3), w = Reference.Random(outputs * inputs, 4);
        using PackedMatrix matrix = PackedMatrix.Pack(w, outputs, inputs);
        float[][] results = [.. new[] { 1, 2, 5 }.Select(threads =>
        {
            using var pool = new WorkerPool(threads);
            var result = new float[rows * outputs];
            MatMul.Multiply(x, rows, inputs, matrix, [], Activation.Gelu, [], 0, result, outputs, pool);
            return result;
        })];
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void Nothing_is_written_between_the_rows_of_the_result()
    {
        using var pool = new WorkerPool(2);
        const int rows = 14, outputs = 45, inputs = 33, stride = 61;
        using PackedMatrix matrix = PackedMatrix.Pack(Reference.Random(outputs * inputs, 5), outputs, inputs);
        var result = new float[rows * stride + 3];
        Array.Fill(result, -7);
        MatMul.Multiply(Reference.Random(rows * inputs, 6), rows, inputs, matrix, [], Activation.None, [], 0, result.AsSpan(3), stride, pool);
        for (int i = 0; i < result.Length; i++)
        {
            if (i < 3 || (i - 3) % stride >= outputs)
            {
                Assert.Equal(-7, result[i]);
            }
        }
    }

    [Fact]
    public void Wrong_lengths_are_named()
    {
        using var pool = new WorkerPool(1);
        using PackedMatrix matrix = PackedMatrix.Pack(new float[6], 2, 3);
        Assert.Contains("x holds 5 values; 6 are needed", Assert.Throws<ArgumentException>(() =>
            MatMul.Multiply(new float[5], 2, 3, matrix, [], Activation.None, [], 0, new float[4], 2, pool)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => MatMul.Multiply(new float[6], 2, 3, matrix, new float[1], Activation.None, [], 0, new float[4], 2, pool));
        Assert.Throws<ArgumentException>(() => MatMul.Multiply(new float[6], 2, 2, matrix, [], Activation.None, [], 0, new float[4], 2, pool));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(new float[5], 2, 3));
        using var half = new PackedMatrix(4, 3);
        half.Append(new float[6], 2);
        Assert.Throws<ArgumentException>(() => MatMul.Multiply(new float[6], 2, 3, half, [], Activation.None, [], 0, new float[8], 4, pool));
        Assert.Throws<ArgumentException>(() => half.Append(new float[9], 3));
    }

    [Fact]
    public void NaN_and_infinity_reach_the_rows_they_belong_to_and_no_other()
    {
        using var pool = new WorkerPool(2);
        const int rows = 15, outputs = 37, inputs = 40;
        float[] x = Reference.Random(rows * inputs, 7);
        x[3 * inputs + 5] = float.NaN;
        x[8 * inputs] = float.PositiveInfinity;
        x[9 * inputs] = 1e-42f;
        using PackedMatrix matrix = PackedMatrix.Pack(Reference.Random(outputs * inputs, 8), outputs, inputs);
        var result = new float[rows * outputs];
        MatMul.Multiply(x, rows, inputs, matrix, [], Activation.None, [], 0, result, outputs, pool);
        for (int i = 0; i < result.Length; i++)
        {
            Assert.Equal(i / outputs == 3, float.IsNaN(result[i]));
            Assert.Equal(i / outputs == 8, float.IsInfinity(result[i]));
        }
    }

    private static void Compare(int rows, int outputs, int inputs, Activation activation, bool residual, bool inPlace, WorkerPool pool)
    {
        // Odd strides and an odd start: nothing is aligned.
        int xStride = inputs + 3, resultStride = outputs + 5;
        float[] x = Reference.Random(rows * xStride + 1, rows), w = Reference.Random(outputs * inputs, outputs), bias = Reference.Random(outputs, inputs);
        float[] added = Reference.Random(rows * resultStride + 1, 99);
        using PackedMatrix matrix = PackedMatrix.Pack(w, outputs, inputs);
        float[] buffer = inPlace ? (float[])added.Clone() : new float[rows * resultStride + 1];
        ReadOnlySpan<float> extra = !residual ? [] : inPlace ? buffer.AsSpan(1) : added.AsSpan(1);
        MatMul.Multiply(x.AsSpan(1), rows, xStride, matrix, bias, activation, extra, resultStride, buffer.AsSpan(1), resultStride, pool);
        double[,] expected = Reference.Multiply(x.AsSpan(1), rows, xStride, w, outputs, inputs, bias);

        // Partial sums of random products grow to about sqrt(inputs), each of `inputs` additions rounds by 6e-8 of that, and the roundings add
        // up like a random walk: 6e-8 * inputs, with room for the extremes of many cells.
        double tolerance = 1e-7 * (inputs + 12);
        for (int r = 0; r < rows; r++)
        {
            for (int o = 0; o < outputs; o++)
            {
                double exact = Reference.Activate(activation, expected[r, o] + (residual ? added[1 + r * resultStride + o] : 0));
                double slope = activation == Activation.ReluSquared ? 1 + 2 * Math.Abs(expected[r, o]) : 1.2;
                double actual = buffer[1 + r * resultStride + o];
                Assert.True(
                    Math.Abs(actual - exact) <= tolerance * slope * (1 + Math.Abs(exact)),
                    $"{rows}x{outputs}x{inputs} {activation} residual {residual}: ({r}, {o}) is {actual}, not {exact}");
            }
        }
    }
}
