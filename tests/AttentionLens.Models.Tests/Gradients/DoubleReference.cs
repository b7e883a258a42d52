using AttentionLens.Kernels;

namespace AttentionLens.Models.Tests.Gradients;

/// <summary>
/// The described network once more, in double precision and plain loops, with two handles that the engine does not have: hidden state 0 can be
/// given, and any attention weight can be nudged after its softmax. Finite differences of it are what gradients are held against.
/// </summary>
internal sealed class DoubleReference(Network network)
{
    public (AttentionKind Kind, int Layer, int Head, int Query, int Key, double Amount) Nudge { get; set; } = (default, -1, 0, 0, 0, 0);

    public double Value(ModelInput input, IReadOnlyList<LogitTerm> target, double[] embeddings, double[] decoderEmbeddings)
    {
        StackDescription first = network.Text ?? network.Vision!; // every network has one of them
        double[] x = Run(first, embeddings, input.AttentionMask, null, null);
        StackDescription last = network.Decoder ?? first;
        if (network.Decoder is { } decoder)
        {
            x = Run(decoder, decoderEmbeddings, null, x, input.AttentionMask);
        }

        Head head = network.Head!; // asked only of models that have one
        double sum = 0;
        foreach (LogitTerm term in target)
        {
            int row = head.Rows switch
            {
                HeadRows.All => term.Row,
                HeadRows.First => 0,
                _ => (x.Length / last.Hidden) - 1,
            };
            double[] h = x[(row * last.Hidden)..((row + 1) * last.Hidden)];
            foreach (HeadStep step in head.Steps)
            {
                h = Map(step.Linear, h);
                for (int i = 0; i < h.Length; i++)
                {
                    h[i] = Activate(step.Activation, h[i]);
                }

                h = step.Norm is { } norm ? Normed(norm, h) : h;
            }

            sum += term.Weight * head.Scale * Map(head.Output.Value, h)[term.Index];
        }

        return sum;
    }

    private double[] Run(StackDescription stack, double[] x, int[]? mask, double[]? source, int[]? sourceMask)
    {
        for (int layer = 0; layer < stack.Blocks.Length; layer++)
        {
            Block block = stack.Blocks[layer];
            bool before = stack.Norms != NormPlace.After;
            double[] attended = Attend(stack, stack.Kind, layer, block.Self, before ? Normed(block.SelfNorm, x) : x, null, mask);
            double[] state = Sum(x, attended);
            state = before ? state : Normed(block.SelfNorm, state);
            if (block.Cross is { } cross)
            {
                double[] crossed = Attend(stack, AttentionKind.Cross, layer, cross, before ? Normed(block.CrossNorm!, state) : state, source, sourceMask); // has its norm
                state = Sum(state, crossed);
                state = before ? state : Normed(block.CrossNorm!, state); // as above
            }

            double[] read = before ? Normed(block.FeedForwardNorm, stack.Norms == NormPlace.Parallel ? x : state) : state;
            double[] inner = Map(block.FeedForward.Up, read);
            double[]? gate = block.FeedForward.Gate is { } map ? Map(map, read) : null;
            for (int i = 0; i < inner.Length; i++)
            {
                inner[i] = gate is null ? Activate(block.FeedForward.Activation, inner[i]) : Activate(block.FeedForward.Activation, gate[i]) * inner[i];
            }

            state = Sum(state, Map(block.FeedForward.Down, inner));
            x = before ? state : Normed(block.FeedForwardNorm, state);
        }

        return stack.FinalNorm is { } final ? Normed(final, x) : x;
    }

    private double[] Attend(StackDescription stack, AttentionKind kind, int layer, Attention maps, double[] x, double[]? source, int[]? mask)
    {
        int size = stack.HeadSize, width = stack.Heads * size, keyWidth = stack.KeyHeads * size;
        int rows = x.Length / stack.Hidden;
        double[] memory = source ?? x;
        int keys = memory.Length / (maps.Key?.Inputs ?? stack.Hidden);
        double[] mapped = Map(maps.Query, x);
        double[] q = new double[rows * width], k = new double[keys * keyWidth];
        if (maps.Key is { } key)
        {
            q = mapped;
            k = Map(key, memory);
        }
        else
        {
            for (int i = 0; i < rows; i++)
            {
                double[] row = mapped[(i * (width + keyWidth))..((i + 1) * (width + keyWidth))];
                Rotate(stack.Rotary, row, stack.Heads + stack.KeyHeads, size, i);
                row.AsSpan(0, width).CopyTo(q.AsSpan(i * width));
                row.AsSpan(width).CopyTo(k.AsSpan(i * keyWidth));
            }
        }

        double[] v = Map(maps.Value, memory);
        float[]? bias = source is null ? stack.Relative?.Over(rows, keys, 0) : null;
        double[] context = new double[rows * width];
        for (int head = 0; head < stack.Heads; head++)
        {
            int keyHead = head / (stack.Heads / stack.KeyHeads);
            for (int i = 0; i < rows; i++)
            {
                double[] a = new double[keys];
                double total = 0, largest = double.NegativeInfinity;
                bool Sees(int j) => (mask is null || mask[j] != 0) && (source is not null || (i - (long)j <= maps.Before && j - (long)i <= maps.After));
                for (int j = 0; j < keys; j++)
                {
                    if (!Sees(j))
                    {
                        continue;
                    }

                    double score = 0;
                    for (int d = 0; d < size; d++)
                    {
                        score += q[(i * width) + (head * size) + d] * k[(j * keyWidth) + (keyHead * size) + d];
                    }

                    a[j] = (score * maps.Scale) + (bias is null ? 0 : bias[(head * (rows + keys - 1)) + j - i + rows - 1]);
                    largest = Math.Max(largest, a[j]);
                }

                for (int j = 0; j < keys; j++)
                {
                    a[j] = Sees(j) ? Math.Exp(a[j] - largest) : 0;
                    total += a[j];
                }

                for (int j = 0; j < keys; j++)
                {
                    a[j] /= total;
                    if (Nudge.Kind == kind && Nudge.Layer == layer && Nudge.Head == head && Nudge.Query == i && Nudge.Key == j)
                    {
                        a[j] += Nudge.Amount;
                    }

                    for (int d = 0; d < size; d++)
                    {
                        context[(i * width) + (head * size) + d] += a[j] * v[(j * keyWidth) + (keyHead * size) + d];
                    }
                }
            }
        }

        return Map(maps.Output, context);
    }

    /// <summary>The angles are those of the engine's own table (float32 of double sines): what is compared is the derivative, not the table.</summary>
    private static void Rotate(Rotary? rotary, double[] row, int heads, int size, int position)
    {
        if (rotary is null)
        {
            return;
        }

        int half = rotary.Half;
        float[] probe = new float[size];
        double[] cosines = new double[half], sines = new double[half];
        for (int i = 0; i < half; i++)
        {
            Array.Clear(probe);
            probe[i] = 1;
            rotary.Apply(probe, 1, 1, size, position);
            (cosines[i], sines[i]) = (probe[i], probe[i + half]);
        }

        for (int h = 0; h < heads; h++)
        {
            for (int i = 0; i < half; i++)
            {
                double a = row[(h * size) + i], b = row[(h * size) + half + i];
                row[(h * size) + i] = (a * cosines[i]) - (b * sines[i]);
                row[(h * size) + half + i] = (b * cosines[i]) + (a * sines[i]);
            }
        }
    }

    private static double[] Map(Linear map, double[] x)
    {
        int rows = x.Length / map.Inputs;
        double[] result = new double[rows * map.Outputs];
        float[] weight = new float[map.Inputs];
        for (int o = 0; o < map.Outputs; o++)
        {
            map.Weight.CopyRow(o, weight);
            for (int i = 0; i < rows; i++)
            {
                double sum = map.Bias.Length == 0 ? 0 : map.Bias[o];
                for (int d = 0; d < weight.Length; d++)
                {
                    sum += weight[d] * x[(i * map.Inputs) + d];
                }

                result[(i * map.Outputs) + o] = sum;
            }
        }

        return result;
    }

    private static double[] Normed(Norm norm, double[] x)
    {
        double[] result = new double[x.Length];
        int width = norm.Width;
        for (int start = 0; start < x.Length; start += width)
        {
            double mean = norm.Bias is null ? 0 : x.AsSpan(start, width).ToArray().Average();
            double variance = x.AsSpan(start, width).ToArray().Average(value => (value - mean) * (value - mean));
            for (int i = 0; i < width; i++)
            {
                result[start + i] = ((x[start + i] - mean) / Math.Sqrt(variance + norm.Epsilon) * (norm.Weight[i] + (double)norm.Offset)) + (norm.Bias?[i] ?? 0);
            }
        }

        return result;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, static (p, q) => p + q)];

    private static double Activate(Activation activation, double x) => activation switch
    {
        Activation.None => x,
        Activation.Gelu => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        Activation.QuickGelu => x / (1 + Math.Exp(-1.702 * x)),
        Activation.Relu => Math.Max(0, x),
        Activation.ReluSquared => Math.Max(0, x) * Math.Max(0, x),
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Tanh => Math.Tanh(x),
        Activation.Sigmoid => 1 / (1 + Math.Exp(-x)),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    /// <summary>By its Taylor series, which converges everywhere; 60 terms are exact to double up to |x| of 4, beyond which erf is 1 to 1e-8.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 4)
        {
            return Math.Sign(x);
        }

        double sum = 0, term = x;
        for (int n = 0; n < 90; n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -x * x / (n + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
