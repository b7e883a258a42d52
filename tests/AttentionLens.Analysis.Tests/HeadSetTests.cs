using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

public sealed class HeadSetTests
{
    // Sums of at most 12 float32 terms below 1: rounding stays under 1e-6.
    private const float Tolerance = 1e-6f;

    [Theory]
    [InlineData("3.5", "3.5", "3.5")]
    [InlineData("3.1,0.2", "3.1,0.2", "3.1 0.2")]
    [InlineData(" 3.1 , 0.2,3.1", "3.1,0.2", "3.1 0.2")]
    [InlineData("3.1 0.2", "3.1,0.2", "3.1 0.2")]
    [InlineData("1.*", "1.*", "1.0 1.1 1.2 1.3 1.4 1.5")]
    [InlineData("*.4", "*.4", "0.4 1.4 2.4 3.4")]
    [InlineData("1-2.0-1", "1-2.0-1", "1.0 1.1 2.0 2.1")]
    [InlineData("2-2.03", "2.3", "2.3")]
    [InlineData("3.5,2.*,1-2.2", "3.5,2.*,1-2.2", "3.5 2.0 2.1 2.2 2.3 2.4 2.5 1.2")]
    public void ASetIsReadWrittenAndHoldsItsHeadsOnce(string text, string canonical, string expected)
    {
        Assert.True(HeadSet.TryParse(text, out var set));
        Assert.Equal(canonical, set.ToString());
        Assert.True(HeadSet.TryParse(canonical, out var again));
        Assert.Equal(set, again);
        Assert.Equal(set.GetHashCode(), again.GetHashCode());
        Assert.Null(set.Missing(4, 6));
        Assert.Equal(expected, string.Join(' ', set.Of(4, 6).Select(h => $"{h.Layer}.{h.Head}")));
        Assert.Equal(set.Of(4, 6).Select(h => h.Layer).Distinct().Order(), set.LayersOf(4));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("3")]
    [InlineData("3.")]
    [InlineData(".3")]
    [InlineData("3.5.1")]
    [InlineData("a.b")]
    [InlineData("-1.2")]
    [InlineData("2-1.0")]
    [InlineData("1-.0")]
    [InlineData("+1.0")]
    [InlineData("1.**")]
    [InlineData("99999999999.0")]
    [InlineData("2147483647.0")]
    [InlineData("mean")]
    public void WhatIsNoSetIsRefused(string text) => Assert.False(HeadSet.TryParse(text, out _));

    [Theory]
    [InlineData("4.0", "layer 4: its layers are 0 to 3")]
    [InlineData("0-9.0", "layer 9: its layers are 0 to 3")]
    [InlineData("0.0,1.6", "head 6: its heads are 0 to 5")]
    [InlineData("*.2-2000000000", "head 2000000000: its heads are 0 to 5")]
    public void WhatAModelHasNotIsNamed(string text, string missing)
    {
        Assert.True(HeadSet.TryParse(text, out var set));
        Assert.Equal(missing, set.Missing(4, 6));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Of(4, 6));
    }

    [Fact]
    public void LayersAloneMeanAllTheirHeads()
    {
        Assert.True(HeadSet.TryParseLayers("2, 0-1", out var set));
        Assert.Equal("2.*,0-1.*", set.ToString());
        Assert.False(HeadSet.TryParseLayers("2.1", out _));
        Assert.False(HeadSet.TryParseLayers("", out _));
    }

    [Theory]
    [InlineData("0.1,2.*", false)]
    [InlineData("*.*", true)]
    [InlineData("1.3", false)]
    [InlineData("0-1.0-2,2.3", true)]
    public void TheWeightsOfASetAreTheMeanOfItsHeads(string text, bool causal)
    {
        const int Layers = 3, Heads = 4, N = 6;
        var view = Views.Random(Layers, Heads, N, N, causal);
        var selection = Selection(text);
        var heads = selection.Set!.Of(Layers, Heads);
        float[] row = new float[N], column = new float[N], received = new float[N], matrix = new float[N * N];
        Weights.Matrix(view, selection, matrix);
        Weights.Received(view, selection, received);
        for (var q = 0; q < N; q++)
        {
            Weights.Row(view, selection, q, row);
            Weights.Column(view, selection, q, column);
            for (var k = 0; k < N; k++)
            {
                Assert.Equal(heads.Average(h => (double)view.At(h.Layer, h.Head, q, k)), row[k], Tolerance);
                Assert.Equal(row[k], matrix[(q * N) + k], Tolerance);
                Assert.Equal(heads.Average(h => (double)view.At(h.Layer, h.Head, k, q)), column[k], Tolerance);
            }

            var seen = causal ? N - q : N;
            Assert.Equal(Enumerable.Range(0, N).Sum(i => heads.Average(h => (double)view.At(h.Layer, h.Head, i, q))) / seen, received[q], Tolerance);
        }
    }

    [Fact]
    public void TheMethodMaxTakesTheLargestOfTheSetWhateverItsLayers()
    {
        using var model = Model.Load(Oracle.Folder("bert"));
        var trace = model.Forward(Oracle.Input(Path.Combine(Oracle.Folder("bert"), "expected.safetensors")));
        var stack = trace.Stacks[0];
        var view = Methods.Max.Apply(new MethodInput(model, trace, stack));
        var raw = AttentionView.Raw(stack);
        foreach (var text in new[] { "*.*", "0.1,2.*", "1.0" })
        {
            var selection = Selection(text);
            var row = new float[stack.Keys];
            Weights.Row(view, selection, 1, row);
            for (var k = 0; k < stack.Keys; k++)
            {
                Assert.Equal(selection.Set!.Of(stack.Layers, stack.Heads).Max(h => raw.At(h.Layer, h.Head, 1, k)), row[k]);
            }
        }

        // Without a set it joins the heads of a layer, and layers have a mean.
        var mean = new float[stack.Keys];
        Weights.Row(view, default, 1, mean);
        for (var k = 0; k < stack.Keys; k++)
        {
            Assert.Equal(Enumerable.Range(0, stack.Layers).Average(l => (double)Enumerable.Range(0, stack.Heads).Max(h => raw.At(l, h, 1, k))), mean[k], Tolerance);
        }
    }

    [Fact]
    public void WhereHeadsAreJoinedASetChoosesLayers()
    {
        var view = Views.Random(3, 1, 5, 5);
        var row = new float[5];
        Weights.Row(view, Selection("0.7,2.*"), 2, row);
        for (var k = 0; k < 5; k++)
        {
            Assert.Equal((view.At(0, 0, 2, k) + view.At(2, 0, 2, k)) / 2, row[k], Tolerance);
        }
    }

    private static HeadSelection Selection(string text) =>
        HeadSet.TryParse(text, out var set) ? new HeadSelection(null, null, set) : throw new ArgumentException(text, nameof(text));
}
