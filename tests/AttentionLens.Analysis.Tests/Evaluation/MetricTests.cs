using AttentionLens.Analysis.Evaluation;
using CsCheck;

namespace AttentionLens.Analysis.Tests.Evaluation;

/// <summary>Measures against hand-computed examples, published ones, and definitions written out once more.</summary>
public sealed class MetricTests
{
    // Sums of a few dozen doubles.
    private const double Tolerance = 1e-12;

    private static readonly Gen<double> Score = Gen.Int[0, 4].Select(i => i / 4.0);

    [Theory]
    [InlineData(new[] { 2f, 2, 2, 2 }, 1, 0, 4)]
    [InlineData(new[] { 0f, 3, 0, 0 }, 0, .75, 1)]
    [InlineData(new[] { .5f, 0, 0, .5f }, .5, .5, 2)]
    [InlineData(new[] { -1f, 0, 0, 1 }, .5, .5, 2)]
    [InlineData(new[] { .25f }, 0, 0, 1)]
    public void Clarity_of_hand_computed_scores(float[] scores, double entropy, double gini, double effective)
    {
        var clarity = Clarity.Of(scores);
        Assert.NotNull(clarity);
        Assert.Equal(entropy, clarity.Entropy, Tolerance);
        Assert.Equal(gini, clarity.Gini, Tolerance);
        Assert.Equal(effective, clarity.EffectiveTokens, 1e-9);
    }

    [Fact]
    public void Clarity_needs_some_weight()
    {
        Assert.Null(Clarity.Of([]));
        Assert.Null(Clarity.Of([0, 0]));
        Assert.Null(Clarity.Of([float.NaN, 1]));
    }

    [Fact]
    public void Clarity_follows_its_definitions_whatever_the_scale()
    {
        Gen.Float[0, 1].Array[1, 12].Where(s => s.Any(v => v > 0.01f)).Sample(scores =>
        {
            var sum = scores.Sum(s => (double)s);
            var entropy = -scores.Where(s => s > 0).Sum(s => s / sum * Math.Log(s / sum));
            var differences = scores.Sum(a => scores.Sum(b => Math.Abs((double)a - b)));
            var clarity = Clarity.Of(scores)!;
            Assert.Equal(Math.Exp(entropy), clarity.EffectiveTokens, 1e-9);
            Assert.Equal(differences / (2 * scores.Length * sum), clarity.Gini, 1e-9);
            Assert.InRange(clarity.Entropy, 0, 1);
            Assert.InRange(clarity.EffectiveTokens, 1 - 1e-9, scores.Length + 1e-9);
            // A power of two changes no digit.
            Assert.Equal(clarity, Clarity.Of([.. scores.Select(s => s * 4)]));
        });
    }

    [Fact]
    public void Correlations_of_published_examples()
    {
        // The examples in SciPy's documentation of kendalltau and spearmanr.
        Assert.Equal(-0.47140452079103173, RankCorrelation.KendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])!.Value, Tolerance);
        Assert.Equal(0.8207826816681233, RankCorrelation.Spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])!.Value, Tolerance);
        Assert.Equal([1, 3.5, 3.5, 2], RankCorrelation.Ranks([-1, 5, 5, 0]));
    }

    [Fact]
    public void Correlations_need_an_order_on_both_sides()
    {
        Assert.Null(RankCorrelation.KendallTau([], []));
        Assert.Null(RankCorrelation.Spearman([1], [2]));
        Assert.Null(RankCorrelation.KendallTau([1, 2], [3, 3]));
        Assert.Null(RankCorrelation.Spearman([3, 3], [1, 2]));
    }

    [Fact]
    public void Correlations_follow_their_definitions()
    {
        // Of one length by construction: a filter gives up after a hundred pairs that differ, and some day they do.
        Gen.Int[0, 9].SelectMany(n => Gen.Select(Score.Array[n], Score.Array[n])).Sample((a, b) =>
        {
            int concordant = 0, discordant = 0, tiedA = 0, tiedB = 0, pairs = a.Length * (a.Length - 1) / 2;
            for (var i = 0; i < a.Length; i++)
            {
                for (var j = i + 1; j < a.Length; j++)
                {
                    var product = (a[i] - a[j]) * (b[i] - b[j]);
                    concordant += product > 0 ? 1 : 0;
                    discordant += product < 0 ? 1 : 0;
                    tiedA += a[i] == a[j] ? 1 : 0;
                    tiedB += b[i] == b[j] ? 1 : 0;
                }
            }

            var tau = RankCorrelation.KendallTau(a, b);
            var rho = RankCorrelation.Spearman(a, b);
            if (tiedA == pairs || tiedB == pairs)
            {
                Assert.Null(tau);
                Assert.Null(rho);
                return;
            }

            Assert.Equal((concordant - discordant) / Math.Sqrt((double)(pairs - tiedA) * (pairs - tiedB)), tau!.Value, Tolerance);
            Assert.Equal(Pearson(MeanRanks(a), MeanRanks(b)), rho!.Value, 1e-9);
            Assert.Equal(tau, RankCorrelation.KendallTau(b, a));
            Assert.Equal(-tau, RankCorrelation.KendallTau(a, [.. b.Select(v => -v)]));
        });

        static double[] MeanRanks(double[] v) => [.. v.Select(x => v.Count(y => y < x) + ((1 + v.Count(y => y == x)) / 2.0))];

        static double Pearson(double[] a, double[] b)
        {
            double ma = a.Average(), mb = b.Average();
            return a.Zip(b, (x, y) => (x - ma) * (y - mb)).Sum() / Math.Sqrt(a.Sum(x => (x - ma) * (x - ma)) * b.Sum(y => (y - mb) * (y - mb)));
        }
    }

    [Fact]
    public void Plausibility_of_a_published_example()
    {
        // The example in scikit-learn's documentation of average_precision_score; the trapezoid by hand from its precision_recall_curve.
        var plausibility = Plausibility.Of([.1, .4, .35, .8], [new TokenSpan(2, 4)]);
        Assert.Equal(5.0 / 6, plausibility.Auprc.Value!.Value, Tolerance);
        Assert.Equal(.5 + (.5 * (2.0 / 3 + .5) / 2), plausibility.AuprcTrapezoid.Value!.Value, Tolerance);
        // Two chosen (.8 and .4), two marked, one in common; chance finds 2 · 2 / 4.
        Assert.Equal(.5, plausibility.TokenF1.Value!.Value, Tolerance);
        Assert.Equal(.5, plausibility.TokenF1.Chance!.Value, Tolerance);
        // Chosen runs [1, 2) and [3, 4) against [2, 4): the second shares one of two tokens, which is a match.
        Assert.Equal(2.0 / 3, plausibility.SpanF1.Value!.Value, Tolerance);
    }

    [Fact]
    public void Tied_scores_gain_nothing()
    {
        var plausibility = Plausibility.Of([1, 1, 1, 1, 1], [new TokenSpan(0, 2)]);
        Assert.Equal(.4, plausibility.Auprc.Value!.Value, Tolerance);
        // What straight lines make of it, and why the steps are what is shown.
        Assert.Equal(.7, plausibility.AuprcTrapezoid.Value!.Value, Tolerance);
    }

    [Fact]
    public void Edge_cases_are_defined()
    {
        var nothing = Plausibility.Of([.1, .2], []);
        Assert.Equal(new Plausibility(Measured.None, Measured.None, Measured.None, Measured.None), nothing);
        Assert.Equal(nothing, Plausibility.Of([], []));
        Assert.Equal(nothing, Plausibility.Of([.1, .2], [new TokenSpan(1, 1)]));

        var all = Plausibility.Of([.1, .2], [new TokenSpan(0, 2)]);
        Assert.Equal((null, null), (all.Auprc.Value, all.AuprcTrapezoid.Chance));
        Assert.Equal((1.0, 1.0), (all.TokenF1.Value, all.TokenF1.Chance));
        Assert.Equal(1.0, all.SpanF1.Value);

        var none = Plausibility.Of([.1, .2], [new TokenSpan(0, 1)], chosen: 0);
        Assert.Null(none.TokenF1.Value);
        Assert.NotNull(none.Auprc.Value);
        // More chosen than there are: all of them.
        Assert.Equal(2.0 / 3, Plausibility.Of([.1, .2], [new TokenSpan(0, 1)], chosen: 7).TokenF1.Value!.Value, Tolerance);
        Assert.Throws<ArgumentOutOfRangeException>(() => Plausibility.Of([.1], [new TokenSpan(0, 2)]));
    }

    [Fact]
    public void Matching_is_one_to_one()
    {
        // ERASER's scripts give this a recall of 2.
        Assert.Equal(2.0 / 3, Plausibility.F1([new(0, 5), new(5, 10)], [new(0, 10)]), Tolerance);
        Assert.Equal(1, Plausibility.F1([new(0, 4), new(4, 10)], [new(0, 5), new(5, 10)]), Tolerance);
        Assert.Equal(0, Plausibility.F1([], [new(0, 3)]));
    }

    [Fact]
    public void Matching_is_a_largest_one()
    {
        var span = Gen.Select(Gen.Int[0, 6], Gen.Int[1, 4], (first, length) => new TokenSpan(first, first + length));
        Gen.Select(span.Array[0, 4], span.Array[0, 4]).Sample((predicted, marked) =>
        {
            var best = Best(0, 0);
            var expected = predicted.Length + marked.Length == 0 ? 0 : 2.0 * best / (predicted.Length + marked.Length);
            Assert.Equal(expected, Plausibility.F1(predicted, marked), Tolerance);

            int Best(int p, int taken)
            {
                if (p == predicted.Length)
                {
                    return 0;
                }

                var most = Best(p + 1, taken);
                for (var m = 0; m < marked.Length; m++)
                {
                    if ((taken & (1 << m)) == 0 && predicted[p].IntersectionOverUnion(marked[m]) >= .5)
                    {
                        most = Math.Max(most, 1 + Best(p + 1, taken | (1 << m)));
                    }
                }

                return most;
            }
        });
    }

    [Theory]
    [InlineData(5, 2, 2)]
    [InlineData(6, 1, 3)]
    [InlineData(4, 3, 1)]
    [InlineData(1, 1, 1)]
    public void Chance_is_the_mean_over_all_orders(int n, int h, int k)
    {
        double precision = 0, tokens = 0;
        var count = 0;
        var spans = new[] { new TokenSpan(0, h) };
        foreach (var order in Permutations([.. Enumerable.Range(0, n)]))
        {
            var scores = new double[n];
            for (var i = 0; i < n; i++)
            {
                scores[order[i]] = n - i;
            }

            var p = Plausibility.Of(scores, spans, k);
            precision += p.Auprc.Value ?? 1;
            tokens += p.TokenF1.Value ?? 0;
            count++;
        }

        Assert.Equal(precision / count, Plausibility.ExpectedAveragePrecision(n, h), 1e-9);
        Assert.Equal(tokens / count, Plausibility.Of(new double[n], spans, k).TokenF1.Chance!.Value, 1e-9);
    }

    [Fact]
    public void Chance_of_span_matches_lies_near_the_mean_over_all_choices()
    {
        const int N = 6, K = 2;
        TokenSpan[] marked = [new(1, 3)];
        var values = new List<double>();
        for (var a = 0; a < N; a++)
        {
            for (var b = a + 1; b < N; b++)
            {
                values.Add(Plausibility.F1(b == a + 1 ? [new(a, b + 1)] : [new(a, a + 1), new(b, b + 1)], marked));
            }
        }

        var deviation = Math.Sqrt(values.Sum(v => Math.Pow(v - values.Average(), 2)) / values.Count);
        // Within four standard errors of the mean of 200 draws; the draws are seeded, so this passes always or never.
        Assert.Equal(values.Average(), Plausibility.Of(new double[N], marked, K).SpanF1.Chance!.Value, 4 * deviation / Math.Sqrt(Plausibility.ChanceDraws));
    }

    [Fact]
    public void A_value_is_placed_among_random_ones()
    {
        Assert.Equal(new Measured(.5, .4, 2.5, 4), Measured.Among(.5, [.1, .2, .5, .8]));
        Assert.Equal(new Measured(.5, .3, 1.5, 4), Measured.Among(.5, [.1, .2, .5, .8], isLowerBetter: true, chance: .3));
        // The marked tokens first: no random order does better, most do worse.
        var best = Plausibility.Of([9, 8, 1, 2, 3, 4], [new TokenSpan(0, 2)]);
        Assert.Equal(Plausibility.ChanceDraws, best.Auprc.Draws);
        Assert.InRange(best.Auprc.Beaten, .8 * Plausibility.ChanceDraws, Plausibility.ChanceDraws);
        Assert.InRange(Plausibility.Of([1, 1.5, 9, 8, 7, 6], [new TokenSpan(0, 2)]).TokenF1.Beaten, 0, .4 * Plausibility.ChanceDraws);
    }

    [Fact]
    public void Bootstrap_is_repeatable_and_covers_what_it_should()
    {
        Assert.Null(Bootstrap.Mean([]));
        Assert.Equal(new Interval(3, 3, 3, 1), Bootstrap.Mean([3]));
        Assert.Equal(new Interval(.5, .5, .5, 3), Bootstrap.Mean([.5, .5, .5]));
        double[] values = [.. Enumerable.Range(0, 100).Select(i => (double)(i % 2))];
        var interval = Bootstrap.Mean(values);
        Assert.Equal(interval, Bootstrap.Mean(values));
        double[] finer = [.. values.Select((v, i) => v + (i / 1000.0))];
        Assert.NotEqual(Bootstrap.Mean(finer), Bootstrap.Mean(finer, seed: 1));
        // The mean of a hundred throws of a coin has a standard error of 0.05: 1.96 of them on either side.
        Assert.Equal(.5 - .098, interval!.Value.Low, .02);
        Assert.Equal(.5 + .098, interval.Value.High, .02);
    }

    [Theory]
    [InlineData("It's a café, naïve 42nd.", new[] { "It", "s", "a", "café", "naïve", "42nd" })]
    [InlineData("小猫 sat 😀!", new[] { "小", "猫", "sat" })]
    [InlineData("नमस्ते", new[] { "नमस्ते" })]
    [InlineData("", new string[0])]
    public void Words_of_several_scripts(string text, string[] words) =>
        Assert.Equal(words, Robustness.Words(text).Select(w => text[w.Start..w.End]));

    [Fact]
    public void Typos_swap_inner_letters_and_keep_every_word_in_its_place()
    {
        const string Text = "Nobody 😀 believed the lighthouse keeper, who had seen it before everyone else.";
        var texts = Robustness.Typos(Text, 6, spared: (0, 6));
        Assert.InRange(texts.Count, 3, 6);
        Assert.Equal(texts.Select(t => t.Text), Robustness.Typos(Text, 6, spared: (0, 6)).Select(t => t.Text));
        foreach (var (typed, changed, _, _) in texts)
        {
            Assert.Equal(Robustness.Words(Text), Robustness.Words(typed));
            Assert.StartsWith("Nobody 😀", typed, StringComparison.Ordinal);
            Assert.NotEqual(Text, typed);
            foreach (var (start, end) in Robustness.Words(Text))
            {
                string before = Text[start..end], after = typed[start..end];
                Assert.Equal(changed.Contains(start), before != after);
                Assert.Equal(before.Order(), after.Order());
                Assert.Equal((before[0], before[^1]), (after[0], after[^1]));
            }
        }

        Assert.Empty(Robustness.Typos("It is an old cat; 小猫 aaaa.", 5));
    }

    [Fact]
    public void Synonyms_replace_one_word_at_a_time_and_keep_its_capital()
    {
        var list = new Dictionary<string, IReadOnlyList<string>> { ["big"] = ["large", "very big"], ["cat"] = ["feline"] };
        var both = Robustness.Synonyms("Big cats and a cat", list, 9);
        Assert.Equal(["Large cats and a cat", "Big cats and a feline"], both.Select(v => v.Text));
        // What stands after the word has moved, what stands before it has not.
        Assert.Equal((4 + 2, 0), (both[0].Place(4), both[1].Place(0)));
        Assert.All(both, v => Assert.Equal(Robustness.Words("Big cats and a cat").Count, Robustness.Words(v.Text).Count));
        Assert.Equal(["Big cats and a feline"], Robustness.Synonyms("Big cats and a cat", list, 9, spared: (0, 3)).Select(v => v.Text));
        // More than are wanted are drawn from, the same ones for the same seed.
        Assert.Equal(Robustness.Synonyms("Big cats and a cat", list, 1, 5).Select(v => v.Text), Robustness.Synonyms("Big cats and a cat", list, 1, 5).Select(v => v.Text));
        Assert.Equal(2, Enumerable.Range(0, 20).Select(seed => Robustness.Synonyms("Big cats and a cat", list, 1, seed).Single().Text).Distinct().Count());
    }

    [Fact]
    public void Scores_of_pieces_add_up_to_those_of_words()
    {
        (int, int)[] words = [(0, 3), (4, 8)];
        Assert.Equal([3, 7], Robustness.PerWord(words, [(0, 2, 1), (2, 3, 2), (3, 6, 4), (6, 8, 3), (8, 9, 50), (0, 0, 9)]));
        Assert.Equal(1, Robustness.Of([1, 2, 3], [[10, 20, 30]]).Value);
        Assert.Equal(0, Robustness.Of([1, 2, 3], [[1, 2, 3], [3, 2, 1]]).Value);
        Assert.Null(Robustness.Of([1, 1], [[1, 2]]).Value);
        Assert.Null(Robustness.Of([1, 2], []).Value);
    }

    private static IEnumerable<int[]> Permutations(int[] items)
    {
        if (items.Length == 0)
        {
            yield return [];
        }

        for (var i = 0; i < items.Length; i++)
        {
            foreach (var rest in Permutations([.. items[..i], .. items[(i + 1)..]]))
            {
                yield return [items[i], .. rest];
            }
        }
    }
}
