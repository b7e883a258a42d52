using System.Buffers;
using AttentionLens.Tokenization;

namespace AttentionLens.Models;

/// <summary>Whether a model works here: every stored value, a pass, its tokenizer.</summary>
public static class ModelCheck
{
    private const string Sample = "This is a test.";

    /// <summary>Returns when all is well.</summary>
    /// <param name="model">A loaded model.</param>
    /// <param name="progress">From 0 to 1.</param>
    /// <param name="cancellation">Checked per million values.</param>
    /// <exception cref="ModelException">What is wrong, and what to do.</exception>
    public static void Run(Model model, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        model.ReadEverything(progress, cancellation);
        ModelInfo info = model.Info;
        if (model.Tokenizer is { } tokenizer)
        {
            Check(info, tokenizer, cancellation);
        }

        AttentionTrace trace = model.Forward(Input(info, model.Tokenizer), Keep.Attention, cancellation);
        foreach (AttentionStack stack in trace.Stacks)
        {
            Check(info, stack);
        }
    }

    private static void Check(ModelInfo info, Tokenizer tokenizer, CancellationToken cancellation)
    {
        if (info.VocabularySize > 0 && tokenizer.VocabularySize > info.VocabularySize)
        {
            throw new ModelException($"The tokenizer of {info.Name} has {tokenizer.VocabularySize} tokens but the model only {info.VocabularySize}; they do not belong together.");
        }

        // A tokenizer may lower-case or drop accents, so the text need not come back; what it makes of its own output must. A vocabulary of
        // another language may not know the words.
        int[] ids = tokenizer.Encode(Sample, addSpecialTokens: false, cancellation: cancellation).Ids();
        if (tokenizer.Special.Unk is { } unknown && ids.Contains(unknown))
        {
            return;
        }

        int[] again = tokenizer.Encode(tokenizer.Decode(ids), addSpecialTokens: false, cancellation: cancellation).Ids();
        if (ids.Length == 0 || !ids.AsSpan().SequenceEqual(again))
        {
            throw new ModelException($"The tokenizer of {info.Name} does not read back what it writes: \"{Sample}\" becomes {ids.Length} tokens, their text {again.Length} others.");
        }
    }

    private static ModelInput Input(ModelInfo info, Tokenizer? tokenizer)
    {
        PixelValues? pixels = null;
        if (info.Patches is { } grid)
        {
            // Whether an image is grey or in colour is the model's to say: the refusal of 3 channels names 1.
            pixels = new PixelValues(new float[3 * grid.Rows * grid.Columns * grid.PatchSize * grid.PatchSize], 3, grid.Rows * grid.PatchSize, grid.Columns * grid.PatchSize);
        }

        int[] ids = info.Kind == ModelKind.Vision ? [] : tokenizer?.Encode(Sample).Ids() ?? [.. Enumerable.Range(0, Math.Min(8, info.VocabularySize))];
        return new ModelInput { InputIds = ids, Pixels = pixels, DecoderInputIds = info.Kind == ModelKind.EncoderDecoder ? [info.DecoderStartToken ?? 0] : null };
    }

    private static void Check(ModelInfo info, AttentionStack stack)
    {
        float[] row = ArrayPool<float>.Shared.Rent(stack.Keys);
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            for (int head = 0; head < stack.Heads; head++)
            {
                stack.Row(layer, head, stack.Queries - 1, row.AsSpan(0, stack.Keys));
                float sum = 0;
                foreach (float weight in row.AsSpan(0, stack.Keys))
                {
                    sum += weight;
                }

                if (!(Math.Abs(sum - 1) < 1e-3)) // also false for NaN
                {
                    throw new ModelException($"{info.Name} computes nonsense in layer {layer}, head {head}: its weights are damaged; download it again.");
                }
            }
        }

        ArrayPool<float>.Shared.Return(row);
    }
}
