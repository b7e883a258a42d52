namespace AttentionLens.Models;

/// <summary>
/// Resizing as Pillow does it on 8-bit images, to the bit: each result is a weighted mean of the source pixels under a filter that is stretched
/// by the reduction (so that nothing is skipped), columns first, then rows, each pass rounded to 8 bits, weights in fixed point of 22 bits.
/// </summary>
internal static class Resampling
{
    private const int FractionBits = 22;

    /// <param name="Name">Pillow's name.</param>
    /// <param name="Support">Half the filter's width in pixels of an image that is not reduced.</param>
    internal sealed record Filter(string Name, double Support, Func<double, double> Weight);

    /// <summary>Pillow's numbers, as preprocessor_config.json writes them; null for those that are not known.</summary>
    public static Filter? Numbered(int number) => number switch
    {
        1 => new Filter("lanczos", 3, static x => Math.Abs(x) < 3 ? Sinc(x) * Sinc(x / 3) : 0),
        2 => new Filter("bilinear", 1, static x => Math.Max(0, 1 - Math.Abs(x))),
        3 => new Filter("bicubic", 2, static x => Cubic(Math.Abs(x))),
        4 => new Filter("box", 0.5, static x => x is > -0.5 and <= 0.5 ? 1 : 0),
        5 => new Filter("hamming", 1, static x => Math.Abs(x) < 1 ? Sinc(x) * (0.54 + (0.46 * Math.Cos(Math.PI * x))) : 0),
        _ => null,
    };

    /// <summary>[height, width, channels] to [newHeight, newWidth, channels].</summary>
    public static byte[] Resize(byte[] image, int width, int height, int channels, int newWidth, int newHeight, Filter filter, CancellationToken cancellation)
    {
        if (newWidth != width)
        {
            image = Columns(image, width, height, channels, Weights(width, newWidth, filter), newWidth, cancellation);
        }

        return newHeight == height ? image : Rows(image, newWidth * channels, Weights(height, newHeight, filter), newHeight, cancellation);
    }

    private static byte[] Columns(byte[] image, int width, int height, int channels, Window[] windows, int newWidth, CancellationToken cancellation)
    {
        byte[] result = new byte[(long)height * newWidth * channels];
        for (int y = 0; y < height; y++)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> source = image.AsSpan(y * width * channels, width * channels);
            Span<byte> target = result.AsSpan(y * newWidth * channels, newWidth * channels);
            for (int x = 0; x < newWidth; x++)
            {
                (int first, int[] weights) = windows[x];
                for (int channel = 0; channel < channels; channel++)
                {
                    int sum = 1 << (FractionBits - 1);
                    for (int i = 0, at = (first * channels) + channel; i < weights.Length; i++, at += channels)
                    {
                        sum += source[at] * weights[i];
                    }

                    target[(x * channels) + channel] = Round(sum);
                }
            }
        }

        return result;
    }

    private static byte[] Rows(byte[] image, int stride, Window[] windows, int newHeight, CancellationToken cancellation)
    {
        byte[] result = new byte[(long)newHeight * stride];
        int[] sums = new int[stride];
        for (int y = 0; y < newHeight; y++)
        {
            cancellation.ThrowIfCancellationRequested();
            (int first, int[] weights) = windows[y];
            Array.Fill(sums, 1 << (FractionBits - 1));
            for (int i = 0; i < weights.Length; i++)
            {
                int weight = weights[i];
                ReadOnlySpan<byte> source = image.AsSpan((first + i) * stride, stride);
                for (int x = 0; x < stride; x++)
                {
                    sums[x] += source[x] * weight;
                }
            }

            Span<byte> target = result.AsSpan(y * stride, stride);
            for (int x = 0; x < stride; x++)
            {
                target[x] = Round(sums[x]);
            }
        }

        return result;
    }

    private static byte Round(int sum) => (byte)Math.Clamp(sum >> FractionBits, 0, 255);

    /// <summary>The source pixels that make one result, from <paramref name="First"/> on, and their weights in fixed point.</summary>
    private readonly record struct Window(int First, int[] Weights);

    private static Window[] Weights(int size, int newSize, Filter filter)
    {
        double scale = (double)size / newSize;
        double stretch = Math.Max(scale, 1);
        double support = filter.Support * stretch;
        Window[] windows = new Window[newSize];
        for (int i = 0; i < newSize; i++)
        {
            double center = (i + 0.5) * scale;
            int first = Math.Max(0, (int)(center - support + 0.5));
            int end = Math.Min(size, (int)(center + support + 0.5));
            double[] exact = new double[end - first];
            double total = 0;
            for (int j = 0; j < exact.Length; j++)
            {
                exact[j] = filter.Weight((j + first - center + 0.5) * (1 / stretch));
                total += exact[j];
            }

            windows[i] = new Window(first, Array.ConvertAll(exact, weight => Fixed(total == 0 ? weight : weight / total)));
        }

        return windows;
    }

    /// <summary>Rounded away from zero at halves.</summary>
    private static int Fixed(double weight) => (int)((weight * (1 << FractionBits)) + (weight < 0 ? -0.5 : 0.5));

    private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);

    /// <summary>Keys 1981 with a = -1/2.</summary>
    private static double Cubic(double x) => x switch
    {
        < 1 => (((1.5 * x) - 2.5) * x * x) + 1,
        < 2 => ((((-0.5 * x) + 2.5) * x) - 4) * x + 2,
        _ => 0,
    };
}
