namespace AttentionLens.Models.Tests;

/// <summary>A weight taken apart is the weight that the row holds.</summary>
public sealed class ScoreTests
{
    // The row's kernel and this test add the same products in another order, and exp is only good to a few units of the last place.
    private const float Tolerance = 2e-5f;

    [Theory]
    [MemberData(nameof(PassTests.TextModels), MemberType = typeof(PassTests))]
    public void Its_parts_give_the_weight_of_the_row(string name)
    {
        using Model model = Model.Load(Repository.Oracle(name));
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = [.. Enumerable.Range(3, 20)], DecoderInputIds = [3, 4, 5, 6, 7] });
        foreach (AttentionStack stack in trace.Stacks)
        {
            float[] row = new float[stack.Keys];
            int masked = 0;
            for (int layer = 0; layer < stack.Layers; layer++)
            {
                int head = layer % stack.Heads;
                for (int query = 0; query < stack.Queries; query++)
                {
                    stack.Row(layer, head, query, row);
                    for (int key = 0; key < stack.Keys; key++)
                    {
                        AttentionScore? score = stack.Score(layer, head, query, key);
                        Assert.NotNull(score);
                        Assert.Equal(row[key], score.Weight);
                        double dot = score.Query.Zip(score.Key, static (q, k) => (double)q * k).Sum();
                        double weight = Math.Exp((score.Scale * dot) + score.Bias - score.LogSumExp);
                        Assert.Equal(row[key], weight, Tolerance);
                        if (float.IsNegativeInfinity(score.Bias))
                        {
                            Assert.Equal(0f, row[key]);
                            masked++;
                        }
                    }
                }
            }

            if (stack.Causal)
            {
                Assert.True(masked >= stack.Layers * stack.Queries * (stack.Queries - 1) / 2, $"{masked} masked cells");
            }
        }
    }

    [Fact]
    public void It_refuses_what_is_not_there()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        AttentionStack stack = model.Forward(new ModelInput { InputIds = [5, 9, 31, 2] }).Stacks[0];
        Assert.Throws<ArgumentOutOfRangeException>(() => stack.Score(0, 0, 0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => stack.Score(0, 0, 4, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => stack.Score(0, stack.Heads, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => stack.Score(stack.Layers, 0, 0, 0));
    }
}
