namespace AttentionLens.Analysis.Tests;

public sealed class WeightsTests
{
    // Sums of at most 3 * 4 float32 terms below 1: rounding stays under 1e-6.
    private const float Tolerance = 1e-6f;

    public static TheoryData<int?, int?, bool> Selections => new()
    {
        { 1, 2, false }, { null, 2, false }, { 1, null, false }, { null, null, false }, { null, null, true }, { 0, 0, true },
    };

    [Theory]
    [MemberData(nameof(Selections))]
    public void RowColumnReceivedAndMatrixAgreeWithTheDefinition(int? layer, int? head, bool causal)
    {
        const int Layers = 3, Heads = 4, N = 7;
        var view = Views.Random(Layers, Heads, N, N, causal);
        var selection = new HeadSelection(layer, head);
        var expected = new double[N, N];
        var count = 0;
        for (var l = 0; l < Layers; l++)
        {
            for (var h = 0; h < Heads; h++)
            {
                if ((layer ?? l) != l || (head ?? h) != h)
                {
                    continue;
                }

                count++;
                for (var i = 0; i < N * N; i++)
                {
                    expected[i / N, i % N] += view.At(l, h, i / N, i % N);
                }
            }
        }

        float[] row = new float[N], column = new float[N], received = new float[N], matrix = new float[N * N];
        Weights.Received(view, selection, received);
        Weights.Matrix(view, selection, matrix);
        for (var i = 0; i < N; i++)
        {
            Weights.Row(view, selection, i, row);
            Weights.Column(view, selection, i, column);
            Assert.Equal(1, row.Sum(), Tolerance * N);
            var sum = 0.0;
            for (var j = 0; j < N; j++)
            {
                Assert.Equal(expected[i, j] / count, row[j], Tolerance);
                Assert.Equal(expected[i, j] / count, matrix[(i * N) + j], Tolerance);
                Assert.Equal(expected[j, i] / count, column[j], Tolerance);
                sum += expected[j, i] / count;
            }

            Assert.Equal(sum / (causal ? N - i : N), received[i], Tolerance);
        }
    }

    [Fact]
    public void SeveralQueriesGiveTheMeanOfTheirRows()
    {
        var view = Views.Random(1, 1, 5, 6);
        var row = new float[6];
        Weights.Row(view, new HeadSelection(0, 0), [1, 3], row);
        for (var k = 0; k < 6; k++)
        {
            Assert.Equal((view.At(0, 0, 1, k) + view.At(0, 0, 3, k)) / 2, row[k], Tolerance);
        }
    }

    // What a hover or a tint asks for: a row of a mean must not cost memory by the number of heads, nor by the square of the text.
    [Fact]
    public void ARowOfManyHeadsAllocatesNoMoreThanOneOfFew()
    {
        const int N = 256;
        var row = new float[N];
        long Allocated(int layers, int heads)
        {
            var view = Views.Random(layers, heads, N, N);
            Weights.Row(view, default, 0, row); // the pool's buffers, once
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var query = 0; query < 10; query++)
            {
                Weights.Row(view, default, query, row);
            }

            return (GC.GetAllocatedBytesForCurrentThread() - before) / 10;
        }

        // A list of the heads is 8 bytes a head and doubles as it grows; a row is a kilobyte, a matrix 256 of them.
        Assert.InRange(Allocated(6, 8), 0, 3000);
        Assert.InRange(Allocated(6, 8) - Allocated(1, 2), 0, 2500);
    }

    [Fact]
    public void AHeadThatDoesNotExistIsNamed()
    {
        var view = Views.Random(2, 3, 4, 4);
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => Weights.Row(view, new HeadSelection(0, 3), 0, new float[4]));
        Assert.Contains("Head 3 does not exist; the model has 3, 0 to 2.", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SinkHandling.Show, new[] { .5f, .25f, .125f, .125f })]
    [InlineData(SinkHandling.Hide, new[] { 0f, .25f, .125f, 0f })]
    [InlineData(SinkHandling.Renormalize, new[] { 0f, 2f / 3, 1f / 3, 0f })]
    public void SinksAreShownHiddenOrRenormalizedAndTheirShareIsSaid(SinkHandling handling, float[] expected)
    {
        float[] weights = [.5f, .25f, .125f, .125f];
        var result = Sinks.Apply(weights, [true, false, false, true], handling);
        Assert.Equal(handling, result.Handling);
        Assert.Equal(.625f, result.Share, 6);
        Assert.Equal(expected.Length, weights.Length);
        for (var i = 0; i < weights.Length; i++)
        {
            Assert.Equal(expected[i], weights[i], 6);
        }

        Assert.Contains("62", result.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void NothingButSpecialTokensStaysVisible()
    {
        float[] weights = [.5f, .5f];
        Assert.Equal(SinkHandling.Show, Sinks.Apply(weights, [true, true], SinkHandling.Hide).Handling);
        Assert.Equal([.5f, .5f], weights);
    }

    [Fact]
    public void WordsSumOverKeysAndAverageOverQueries()
    {
        AttentionLens.Tokenization.Token[] tokens =
        [
            new(1, "[CLS]", 0, 0, true, -1, 0, -1), new(2, "un", 0, 2, false, 0, 0, 0), new(3, "##do", 2, 4, false, 0, 0, 0),
            new(4, "it", 5, 7, false, 0, 0, 1), new(5, "[SEP]", 0, 0, true, -1, 0, -1), new(2, "un", 0, 2, false, 1, 1, 0),
        ];
        var words = Words.Of(tokens);
        Word[] expected =
        [
            new(0, 0, 0, 0, -1, true), new(1, 2, 0, 4, 0, false), new(3, 3, 5, 7, 0, false), new(4, 4, 0, 0, -1, true), new(5, 5, 0, 2, 1, false),
        ];
        Assert.Equal(expected, words);

        var view = Views.Random(1, 1, 6, 6);
        float[] matrix = new float[36], merged = new float[25];
        view.Head(0, 0, matrix);
        Words.Merge(matrix, words, words, merged);
        for (var q = 0; q < 5; q++)
        {
            Assert.Equal(1, merged.AsSpan(q * 5, 5).ToArray().Sum(), 1e-5f);
            for (var k = 0; k < 5; k++)
            {
                var sum = 0f;
                for (var i = words[q].First; i <= words[q].Last; i++)
                {
                    for (var j = words[k].First; j <= words[k].Last; j++)
                    {
                        sum += matrix[(i * 6) + j];
                    }
                }

                Assert.Equal(sum / (words[q].Last - words[q].First + 1), merged[(q * 5) + k], Tolerance);
            }
        }
    }

    [Fact]
    public void BucketsFollowTheSquareRoot()
    {
        var buckets = new int[5];
        Assert.Equal(.64f, Buckets.Assign([.64f, .16f, .0f, .01f, .0001f], buckets));
        Assert.Equal([11, 6, 0, 1, 0], buckets);
        Assert.Equal(0, Buckets.Assign([0, 0, 0, 0, 0], buckets));
        Assert.All(buckets, b => Assert.Equal(0, b));
    }

    [Fact]
    public void SinkViewsApplyToEveryRow()
    {
        var inner = Views.Random(2, 2, 5, 5);
        var view = new SinkView(inner, [true, false, false, false, true], SinkHandling.Renormalize);
        var row = new float[5];
        Weights.Row(view, new HeadSelection(1, 1), 3, row);
        var rest = inner.At(1, 1, 3, 1) + inner.At(1, 1, 3, 2) + inner.At(1, 1, 3, 3);
        Assert.Equal(0, row[0]);
        Assert.Equal(inner.At(1, 1, 3, 2) / rest, row[2], Tolerance);
    }
}
