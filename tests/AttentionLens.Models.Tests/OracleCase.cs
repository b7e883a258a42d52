using System.Globalization;

namespace AttentionLens.Models.Tests;

/// <summary>The largest differences found; excess is the difference beyond tolerance + relative * |x|.</summary>
internal sealed record OracleErrors(float Attention, string AttentionAt, float State, float StateExcess, string StateAt, int Compared);

/// <summary>Reads the inputs of a fixture and compares a trace with its outputs, tensor by tensor: a tensor without a counterpart fails the test.</summary>
internal static class OracleCase
{
    private static readonly HashSet<string> Inputs =
        ["input_ids", "attention_mask", "token_type_ids", "global_attention_mask", "decoder_input_ids", "pixel_values"];

    public static ModelInput Input(SafetensorsFile file)
    {
        int[]? Integers(string name) => file.Entries.ContainsKey(name) ? file.ReadIntegers(name) : null;
        return new ModelInput
        {
            InputIds = Integers("input_ids") ?? [],
            AttentionMask = Integers("attention_mask"),
            TokenTypeIds = Integers("token_type_ids"),
            GlobalAttentionMask = Integers("global_attention_mask"),
            DecoderInputIds = Integers("decoder_input_ids"),
            Pixels = file.Entries.TryGetValue("pixel_values", out SafetensorsEntry? pixels)
                ? new PixelValues(file.ReadFloats("pixel_values"), pixels.Shape[0], pixels.Shape[1], pixels.Shape[2])
                : null,
        };
    }

    public static OracleErrors Compare(AttentionTrace trace, SafetensorsFile expected, float stateTolerance, float stateRelative)
    {
        OracleErrors errors = new(0, "", 0, float.NegativeInfinity, "", 0);
        foreach (SafetensorsEntry entry in expected.Entries.Values)
        {
            if (Inputs.Contains(entry.Name))
            {
                continue;
            }

            float[] want = expected.ReadFloats(entry.Name);
            int dot = entry.Name.LastIndexOf('.');
            string kind = dot < 0 ? entry.Name : entry.Name[..dot];
            int layer = dot < 0 ? 0 : int.Parse(entry.Name[(dot + 1)..], CultureInfo.InvariantCulture);
            if (kind.EndsWith("attentions", StringComparison.Ordinal))
            {
                float worst = CompareAttention(Stack(trace, kind), layer, entry, want);
                errors = worst > errors.Attention ? errors with { Attention = worst, AttentionAt = entry.Name } : errors;
            }
            else
            {
                ReadOnlySpan<float> got = kind.EndsWith("hidden_states", StringComparison.Ordinal)
                    ? Stack(trace, kind).HiddenState(layer)
                    : trace.Outputs[entry.Name].Data;
                if (dot < 0)
                {
                    Assert.Equal(entry.Shape, trace.Outputs[entry.Name].Shape);
                }

                Assert.Equal(want.Length, got.Length);
                for (int i = 0; i < want.Length; i++)
                {
                    float difference = Difference(got[i], want[i]);
                    float excess = difference - stateTolerance - (stateRelative * MathF.Abs(want[i]));
                    errors = errors with { State = Math.Max(errors.State, difference) };
                    errors = excess > errors.StateExcess ? errors with { StateExcess = excess, StateAt = entry.Name } : errors;
                }
            }

            errors = errors with { Compared = errors.Compared + 1 };
        }

        return errors;
    }

    /// <summary>Whole heads, single rows, exact zeros, and sums.</summary>
    private static float CompareAttention(AttentionStack stack, int layer, SafetensorsEntry entry, float[] want)
    {
        int size = stack.Queries * stack.Keys;
        Assert.Equal([stack.Heads, stack.Queries, stack.Keys], entry.Shape);
        float[] head = new float[size];
        float[] row = new float[stack.Keys];
        float worst = 0;
        for (int h = 0; h < stack.Heads; h++)
        {
            stack.Head(layer, h, head);
            for (int q = 0; q < stack.Queries; q++)
            {
                stack.Row(layer, h, q, row);
                float sum = 0;
                float wantSum = 0;
                for (int k = 0; k < stack.Keys; k++)
                {
                    float expected = want[(h * size) + (q * stack.Keys) + k];
                    worst = Math.Max(worst, Difference(head[(q * stack.Keys) + k], expected));
                    worst = Math.Max(worst, Difference(row[k], expected));
                    sum += row[k];
                    wantSum += expected;
                    if (expected == 0)
                    {
                        Assert.True(row[k] < 1e-30f && head[(q * stack.Keys) + k] < 1e-30f, $"{entry.Name}: masked cell [{h}, {q}, {k}] is {row[k]}");
                    }
                }

                // 1 everywhere but in the rows of padded queries of a Longformer, which are all zero.
                Assert.Equal(MathF.Round(wantSum), sum, 1e-5f);
            }
        }

        return worst;
    }

    private static AttentionStack Stack(AttentionTrace trace, string name) => (name[..^(name.EndsWith("attentions", StringComparison.Ordinal) ? "attentions" : "hidden_states").Length] switch
    {
        "" => trace.Stacks[0],
        "text_" => trace.Stack(AttentionKind.Encoder),
        "vision_" => trace.Stack(AttentionKind.Vision),
        "decoder_" => trace.Stack(AttentionKind.Decoder),
        "cross_" => trace.Stack(AttentionKind.Cross),
        _ => null,
    }) ?? throw new InvalidOperationException($"The trace has nothing for {name}.");

    /// <summary>NaN is as wrong as can be.</summary>
    private static float Difference(float got, float want) => float.IsNaN(got) ? float.PositiveInfinity : MathF.Abs(got - want);
}
