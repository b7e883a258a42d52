using AttentionLens.Models;

namespace AttentionLens.Analysis.Heads;

/// <summary>What a head does with texts that mean nothing, and so whatever it is that the text says.</summary>
/// <param name="Induction">
/// In the second of two copies of a random text: share of the weight on the token after the earlier occurrence of the query's token (Elhage et al. 2021,
/// Olsson et al. 2022). Such a head continues what it has seen before.
/// </param>
/// <param name="Duplicate">The same, on that earlier occurrence itself (Wang et al. 2022: duplicate token heads).</param>
/// <param name="Stability">
/// Of two random texts of one length: the share of the weight that lies on the same positions. 1 = the head goes by position alone; an even spread does too.
/// </param>
public readonly record struct HeadTraits(float Induction, float Duplicate, float Stability);

/// <summary>Runs random texts of the model's own vocabulary through it. Cost: 8 short texts, once a model.</summary>
public static class HeadProbe
{
    /// <summary>Texts of each sort.</summary>
    private const int Texts = 4;

    /// <summary>Tokens of one copy: long enough that chance is small, short enough that every model reads two.</summary>
    private const int Copy = 48;

    /// <summary>
    /// Traits of every head [layers][heads] of a self-attention stack. Means over the queries of the second half of each text: of a causal stack
    /// those have something to look back at.
    /// </summary>
    /// <param name="model">A text model.</param>
    /// <param name="kind">Of the stack; not cross-attention, whose two texts have no copies in common.</param>
    /// <param name="seed">The same seed, the same texts.</param>
    /// <param name="cancellation">Checked per layer.</param>
    /// <exception cref="MethodException">The model has no such stack, or reads too few tokens.</exception>
    public static HeadTraits[][] Of(Model model, AttentionKind kind, int seed = 0, CancellationToken cancellation = default)
    {
        var info = model.Info;
        if (kind is AttentionKind.Cross or AttentionKind.Vision || info.Kind is ModelKind.Vision)
        {
            throw new MethodException("Induction, duplicate tokens and stability are measured with random texts that a stack reads by itself: choose the encoder or the decoder.");
        }

        var target = info.Kind == ModelKind.EncoderDecoder && kind == AttentionKind.Decoder;
        var (prefix, suffix) = Template(model, target);
        int[] words = [.. Enumerable.Range(0, info.VocabularySize).Except(Special(model)).Except(prefix).Except(suffix)];
        var copy = Math.Min(Math.Min(Copy, words.Length), (info.MaxPositions == int.MaxValue ? 2 * Copy : info.MaxPositions - prefix.Length - suffix.Length) / 2);
        if (copy < 4)
        {
            throw new MethodException($"{info.Name} reads too few tokens to look for repetitions.");
        }

        var random = new Random(seed);
        var texts = new int[2 * Texts][];
        for (var t = 0; t < texts.Length; t++)
        {
            random.Shuffle(words); // tokens of a copy differ, so that each has one earlier occurrence
            var first = words[..copy];
            int[] second = t < Texts ? first : [.. Enumerable.Range(0, copy).Select(_ => words[random.Next(words.Length)])];
            texts[t] = [.. prefix, .. first, .. second, .. suffix];
        }

        var source = target ? Template(model, false) : default;
        var traces = model.ForwardBatch(
            [.. texts.Select(t => target ? new ModelInput { InputIds = [.. source.Prefix, .. words[..copy], .. source.Suffix], DecoderInputIds = t } : new ModelInput { InputIds = t })],
            Keep.Attention,
            cancellation);
        AttentionStack[] stacks = [.. traces.Select(t => t.Stack(kind) ?? throw new MethodException($"{info.Name} has no {kind} attention."))];
        var traits = new HeadTraits[stacks[0].Layers][];
        var n = texts[0].Length;
        var matrices = new float[texts.Length][];
        for (var layer = 0; layer < traits.Length; layer++)
        {
            traits[layer] = new HeadTraits[stacks[0].Heads];
            for (var head = 0; head < traits[layer].Length; head++)
            {
                cancellation.ThrowIfCancellationRequested();
                for (var t = 0; t < texts.Length; t++)
                {
                    stacks[t].Head(layer, head, matrices[t] ??= new float[n * n]);
                }

                double induction = 0, duplicate = 0, overlap = 0;
                for (var i = 0; i < copy; i++)
                {
                    var row = (prefix.Length + copy + i) * n;
                    for (var t = 0; t < Texts; t++)
                    {
                        duplicate += matrices[t][row + prefix.Length + i];
                        induction += i + 1 < copy ? matrices[t][row + prefix.Length + i + 1] : 0;
                    }

                    for (var a = Texts; a < texts.Length; a++)
                    {
                        for (var b = Texts; b < a; b++)
                        {
                            overlap += Overlap(matrices[a].AsSpan(row, n), matrices[b].AsSpan(row, n));
                        }
                    }
                }

                traits[layer][head] = new HeadTraits(
                    (float)(induction / (Texts * (copy - 1))), (float)(duplicate / (Texts * copy)), (float)(overlap / (Texts * (Texts - 1) / 2 * copy)));
            }
        }

        return traits;
    }

    /// <summary>The weight that two distributions have in common: the sum of the smaller of each pair; 1 - their total variation distance.</summary>
    internal static double Overlap(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += Math.Min(a[i], b[i]);
        }

        return sum;
    }

    /// <summary>The special tokens before and after every text.</summary>
    private static (int[] Prefix, int[] Suffix) Template(Model model, bool target)
    {
        if (target)
        {
            return (model.Info.DecoderStartToken is { } start ? [start] : [], []);
        }

        var tokens = model.Tokenizer?.Encode("a").Tokens ?? [];
        return ([.. tokens.TakeWhile(t => t.Special).Select(t => t.Id)], [.. tokens.Reverse().TakeWhile(t => t.Special).Select(t => t.Id).Reverse()]);
    }

    private static IEnumerable<int> Special(Model model)
    {
        var s = model.Tokenizer?.Special;
        return new[] { s?.Cls, s?.Sep, s?.Mask, s?.Pad, s?.Unk, s?.Bos, s?.Eos, model.Info.DecoderStartToken }.OfType<int>().Concat(model.Info.EndTokens);
    }
}
