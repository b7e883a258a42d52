using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// Forward and backward over the generic block, for every architecture that a <see cref="Network"/> describes (Longformer's global rows and
/// CLIP's contrast excepted, which are refused). Only the input of each block is kept on the way up; a block is computed again on the
/// way down, so memory is O(layers · n · hidden) and one head's n² at a time. Cost: about three forward passes.
/// </summary>
internal sealed class GradientPass(Network network, ModelInfo info, TransposedWeights transposed, WorkerPool pool, CancellationToken cancellation)
{
    public GradientResult Run(ModelInput input, IReadOnlyList<LogitTerm> target, AttentionGradientSink? sink, float[]? embeddings, float[]? decoderEmbeddings)
    {
        if (network.Head is not { } head)
        {
            throw new ModelException($"{info.Name} has no head, so there is no prediction to differentiate.");
        }

        if (input.Interventions is { Count: > 0 })
        {
            throw new ModelException("Gradients are those of the model as it is; take back what was forced, or choose a method without gradients.");
        }

        StackDescription first = network.Text ?? network.Vision!; // every network has one of them
        if (first.Blocks.Any(static b => b.Self.Global is not null))
        {
            throw new ModelException("Gradients through Longformer's global attention are not supported; choose a method without gradients.");
        }

        ForwardPass forward = new(network, info, [], pool, Keep.Logits, cancellation);
        float[] x0 = network.Kind == ModelKind.Vision ? Image(input) : Tokens(forward, network.Tokens!, input.InputIds, input, first); // a text stack has its embedding
        x0 = Override(embeddings, x0);
        StackRun source = Up(first, x0, SequenceState.KeyBias(input.AttentionMask), null, null);
        if (network.Decoder is not { } decoder)
        {
            (double value, float[] gradient) = HeadGradient(forward, head, target, input, input.InputIds, source.Output, first.Hidden);
            return new GradientResult(value, x0, Down(first, source, gradient, null, null, sink), [], []);
        }

        int[] targets = input.DecoderInputIds ?? [network.DecoderStart ?? throw new ModelException($"{info.Name} names no decoder_start_token_id; give the target's ids.")];
        forward.CheckIds(targets, network.DecoderTokens!, "target"); // an encoder-decoder has both embeddings
        float[] y0 = new float[targets.Length * decoder.Hidden];
        Embedder.Tokens(network.DecoderTokens!, targets, [], 0, y0, pool); // as above
        y0 = Override(decoderEmbeddings, y0);
        float[]? sourceBias = SequenceState.KeyBias(input.AttentionMask);
        StackRun run = Up(decoder, y0, null, source.Output, sourceBias);
        (double sum, float[] last) = HeadGradient(forward, head, target, input, targets, run.Output, decoder.Hidden);
        float[] sourceGradient = new float[source.Output.Length];
        float[] decoderGradient = Down(decoder, run, last, source.Output, sourceGradient, sink);
        return new GradientResult(sum, x0, Down(first, source, sourceGradient, null, null, sink), y0, decoderGradient);
    }

    /// <summary>What one stack leaves on the way up: the input of each block, the state before the final norm, the output after it.</summary>
    private sealed record StackRun(float[][] Inputs, float[] Last, float[] Output, float[]? KeyBias, float[]? SourceBias);

    private float[] Tokens(ForwardPass forward, TokenEmbedding embedding, int[] ids, ModelInput input, StackDescription stack)
    {
        forward.CheckTokens(input, embedding);
        float[] x = new float[ids.Length * stack.Hidden];
        Embedder.Tokens(embedding, ids, input.TokenTypeIds ?? [], 0, x, pool);
        return x;
    }

    private float[] Image(ModelInput input)
    {
        ImageEmbedding image = network.Image!; // asked only of vision models
        PixelValues pixels = input.Pixels ?? throw new ModelException($"{info.Name} looks at images: give pixel values.");
        float[] x = new float[image.Tokens * image.ClassToken.Length];
        Embedder.Image(image, pixels, x, pool);
        return x;
    }

    private static float[] Override(float[]? given, float[] own) => given is null || given.Length == own.Length
        ? given ?? own
        : throw new ArgumentException($"The embeddings given have {given.Length} values; the input needs {own.Length}.");

    private StackRun Up(StackDescription stack, float[] x0, float[]? keyBias, float[]? source, float[]? sourceBias)
    {
        float[][] inputs = new float[stack.Blocks.Length][];
        float[] x = x0;
        for (int layer = 0; layer < inputs.Length; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            inputs[layer] = x;
            x = new BlockTape(stack, stack.Blocks[layer], x, keyBias, source, sourceBias, pool).Output;
        }

        float[] output = stack.FinalNorm is { } norm ? Normed(norm, x) : x;
        return new StackRun(inputs, x, output, keyBias, sourceBias);
    }

    /// <returns>dy / dx0.</returns>
    private float[] Down(StackDescription stack, StackRun run, float[] gradient, float[]? source, float[]? sourceGradient, AttentionGradientSink? sink)
    {
        if (stack.FinalNorm is { } norm)
        {
            float[] before = new float[gradient.Length];
            Backward.Norm(norm, run.Last, gradient, before);
            gradient = before;
        }

        for (int layer = stack.Blocks.Length - 1; layer >= 0; layer--)
        {
            cancellation.ThrowIfCancellationRequested();
            BlockTape tape = new(stack, stack.Blocks[layer], run.Inputs[layer], run.KeyBias, source, run.SourceBias, pool);
            gradient = new BlockBackward(stack, tape, layer, transposed, pool, sink).Run(gradient, sourceGradient);
        }

        return gradient;
    }

    /// <returns>y, and dy by the last hidden state [n, hidden].</returns>
    private (double Value, float[] Gradient) HeadGradient(
        ForwardPass forward, Head head, IReadOnlyList<LogitTerm> target, ModelInput input, int[] ids, float[] last, int hidden)
    {
        int total = last.Length / hidden;
        int[] rows = head.Rows == HeadRows.All ? [.. target.Select(static t => t.Row).Distinct().Order()] : forward.RowsOf(head, input, ids, total);
        Linear output = head.Output.Value;
        foreach (LogitTerm term in target)
        {
            if ((uint)term.Index >= (uint)output.Outputs || (head.Rows == HeadRows.All && (uint)term.Row >= (uint)total))
            {
                throw new ModelException($"The target asks for logit {term.Index} at position {term.Row}; there are {output.Outputs} logits and {total} positions.");
            }
        }

        float[] x = new float[rows.Length * hidden];
        for (int i = 0; i < rows.Length; i++)
        {
            last.AsSpan(rows[i] * hidden, hidden).CopyTo(x.AsSpan(i * hidden));
        }

        List<(float[] Input, float[] Before, float[] Activated)> steps = [];
        foreach (HeadStep step in head.Steps)
        {
            float[] before = Mapped(step.Linear, x);
            float[] activated = [.. before];
            Activations.Apply(step.Activation, activated);
            steps.Add((x, before, activated));
            x = step.Norm is { } norm ? Normed(norm, activated) : activated;
        }

        // The gradient of a few logits is a few rows of the output map: no product with a whole vocabulary.
        float[] gradient = new float[x.Length];
        float[] weight = new float[output.Inputs];
        double value = 0;
        foreach (LogitTerm term in target)
        {
            int at = head.Rows == HeadRows.All ? Array.BinarySearch(rows, term.Row) : 0;
            output.Weight.CopyRow(term.Index, weight);
            Span<float> row = gradient.AsSpan(at * weight.Length, weight.Length);
            Vectors.AddScaled(weight, term.Weight * head.Scale, row);
            double logit = output.Bias.Length == 0 ? 0 : output.Bias[term.Index];
            for (int i = 0; i < weight.Length; i++)
            {
                logit += (double)weight[i] * x[(at * weight.Length) + i];
            }

            value += term.Weight * head.Scale * logit;
        }

        for (int s = steps.Count - 1; s >= 0; s--)
        {
            HeadStep step = head.Steps[s];
            if (step.Norm is { } norm)
            {
                float[] unnormed = new float[gradient.Length];
                Backward.Norm(norm, steps[s].Activated, gradient, unnormed);
                gradient = unnormed;
            }

            Backward.Activation(step.Activation, steps[s].Before, gradient);
            float[] below = new float[rows.Length * step.Linear.Inputs];
            transposed.AddProduct(step.Linear, gradient, below, pool);
            gradient = below;
        }

        float[] result = new float[last.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            gradient.AsSpan(i * hidden, hidden).CopyTo(result.AsSpan(rows[i] * hidden));
        }

        return (value, result);
    }

    private float[] Mapped(Linear map, float[] x)
    {
        int rows = x.Length / map.Inputs;
        float[] result = new float[rows * map.Outputs];
        StackRunner.Apply(map, x, rows, Activation.None, result, pool);
        return result;
    }

    private float[] Normed(Norm norm, float[] x)
    {
        float[] result = new float[x.Length];
        StackRunner.Apply(norm, x, x.Length / norm.Width, result, pool);
        return result;
    }
}
