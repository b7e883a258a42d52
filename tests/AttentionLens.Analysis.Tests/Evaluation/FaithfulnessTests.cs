using AttentionLens.Analysis.Evaluation;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests.Evaluation;

public sealed class FaithfulnessTests
{
    // Probabilities in double from float32 scores of equal inputs: only batches differ, and those not in what they compute.
    private const double Tolerance = 1e-6;

    /// <summary>A model that says the token before the present one: one token matters, and one head points at it.</summary>
    [Fact]
    public void What_matters_alone_gets_the_best_marks()
    {
        using var built = new BuiltModel("previous");
        var target = OutputTarget.Of(built.Model, new ModelInput { InputIds = [3, 7, 1, 9, 4] });
        var output = new ErasedOutput(built.Model, target);
        Assert.Equal([0, 1, 2, 3], output.Items);
        Assert.True(output.Probability > .999, $"{output.Probability}");

        var right = Faithfulness.Of(output, output.Of(TokenScores.Of(Methods.Raw, built.Model, target, new HeadSelection(0, 0))))!;
        Assert.Equal(1, right.Comprehensiveness.Value!.Value, 1e-3);
        Assert.Equal(0, right.Sufficiency.Value!.Value, 1e-3);
        Assert.Equal(.125, right.Deletion.Value!.Value, 1e-3); // one, then nothing, over four tokens
        Assert.Equal(.875, right.Insertion.Value!.Value, 1e-3);
        Assert.Equal(3, Array.IndexOf(right.LeaveOneOut, right.LeaveOneOut.Max()));
        Assert.Equal([0, .25, .5, .75, 1], right.Curve.Shares);

        // The opposite order: the token that matters goes last.
        var wrong = Faithfulness.Of(output, [4, 3, 2, 1])!;
        Assert.Equal(0, wrong.Comprehensiveness.Value!.Value, 1e-3);
        Assert.Equal(1, wrong.Sufficiency.Value!.Value, 1e-3);
        Assert.Equal(.875, wrong.Deletion.Value!.Value, 1e-3);
        Assert.InRange(right.Comprehensiveness.Chance!.Value, 0, 1);
        Assert.Equal((Faithfulness.Orders, Faithfulness.CorrelationDraws), (right.Comprehensiveness.Draws, right.Spearman.Draws));
        Assert.True(right.Comprehensiveness.Beaten > wrong.Comprehensiveness.Beaten);
        Assert.True(right.Sufficiency.Beaten > wrong.Sufficiency.Beaten);
        Assert.Equal(right.Comprehensiveness.Chance, wrong.Comprehensiveness.Chance);
    }

    /// <summary>Every point of the curves, the areas and the averages once more with plain passes, for heads and ways of erasing of each kind.</summary>
    [Theory]
    [InlineData("gpt2", 5)]
    [InlineData("bert", 2)]
    [InlineData("bart", null)]
    public void Curves_agree_with_plain_passes(string name, int? position)
    {
        using Model model = Model.Load(Fixture(name));
        var input = new ModelInput { InputIds = [5, 17, 3, 44, 9, 21, 30], DecoderInputIds = name == "bart" ? [2, 8, 30, 6] : null };
        var target = OutputTarget.Of(model, input, new OutputChoice(position));
        var output = new ErasedOutput(model, target);
        double[] scores = [.. output.Items.Select(i => (double)((i * 5) % 7))];
        var faithfulness = Faithfulness.Of(output, scores)!;
        int[] order = [.. Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i])];
        int n = order.Length;
        Assert.Equal(n + 1, faithfulness.Curve.Shares.Length);
        double Probability(IEnumerable<int> gone)
        {
            var tokens = gone.Select(i => output.Items[i]).ToHashSet();
            int row = target.Rows[0];
            int moved = name == "bart" ? row : row - tokens.Count(t => t < row);
            // These models have no tokenizer, so no mask token: what is taken away leaves no gap.
            var trace = model.Forward(input with { InputIds = [.. input.InputIds.Where((_, i) => !tokens.Contains(i))], LogitPositions = [moved] }, Keep.Logits);
            float[] logits = trace.Logits!.Data;
            double max = logits.Max();
            return Math.Exp(logits[target.Terms[0].Index] - max) / logits.Sum(l => Math.Exp(l - max));
        }

        double whole = Probability([]);
        double[] without = [.. Enumerable.Range(0, n + 1).Select(k => Probability(order[..k]))], only = [.. Enumerable.Range(0, n + 1).Select(k => Probability(order[k..]))];
        for (var k = 0; k <= n; k++)
        {
            Assert.Equal(without[k], faithfulness.Curve.Without[k], Tolerance);
            Assert.Equal(only[k], faithfulness.Curve.Only[k], Tolerance);
        }

        int[] counts = [.. Faithfulness.Fractions.Select(f => Math.Max(1, (int)Math.Ceiling(f * n)))];
        Assert.Equal(counts.Average(k => whole - without[k]), faithfulness.Comprehensiveness.Value!.Value, Tolerance);
        Assert.Equal(counts.Average(k => whole - only[k]), faithfulness.Sufficiency.Value!.Value, Tolerance);
        Assert.Equal(Enumerable.Range(0, n).Sum(k => (without[k] + without[k + 1]) / 2 / n), faithfulness.Deletion.Value!.Value, Tolerance);
        double[] single = [.. Enumerable.Range(0, n).Select(i => whole - Probability([i]))];
        for (var i = 0; i < n; i++)
        {
            Assert.Equal(single[i], faithfulness.LeaveOneOut[i], Tolerance);
        }

        Assert.Equal(RankCorrelation.KendallTau(scores, faithfulness.LeaveOneOut), faithfulness.KendallTau.Value);
        Assert.DoesNotContain(output.Items, i => name != "bart" && i >= target.Rows[0] && target.Kind == HeadKind.CausalLanguage);
    }

    [Fact]
    public void Long_texts_are_measured_at_some_points_and_shared_work_is_done_once()
    {
        using Model model = Model.Load(Fixture("gpt2"));
        var target = OutputTarget.Of(model, new ModelInput { InputIds = [.. Enumerable.Range(0, 60).Select(i => (i * 37) % 110)] });
        var output = new ErasedOutput(model, target);
        double[] scores = [.. output.Items.Select(i => Math.Sin(i))];
        var progress = new List<double>();
        var first = Faithfulness.Of(output, scores, 0, new Recorder(progress))!;
        Assert.InRange(first.Curve.Shares.Length, 20, 27);
        Assert.Equal(progress.Order(), progress);
        Assert.Equal(1, progress[^1], 1e-9);
        int passes = output.Passes;
        Faithfulness again = Faithfulness.Of(output, scores)!;
        Assert.Equal(passes, output.Passes);
        Assert.Equal(first.Comprehensiveness, again.Comprehensiveness);
        // Another order needs its own curve; leave-one-out and chance are known.
        Faithfulness.Of(output, [.. scores.Select(s => -s)]);
        Assert.InRange(output.Passes - passes, 1, 2 * first.Curve.Shares.Length);
    }

    [Fact]
    public void A_picture_that_points_nowhere_has_no_faithfulness()
    {
        using Model model = Model.Load(Fixture("gpt2"));
        var output = new ErasedOutput(model, OutputTarget.Of(model, new ModelInput { InputIds = [5, 17, 3] }));
        Assert.Equal(2, output.Items.Count);
        Assert.Null(Faithfulness.Of(output, [.5, .5]));
        Assert.NotNull(Faithfulness.Of(output, [.5, .6]));
        var single = new ErasedOutput(model, OutputTarget.Of(model, new ModelInput { InputIds = [5, 17] }));
        Assert.Null(Faithfulness.Of(single, [1]));
    }

    [Fact]
    public void Cancelled_work_goes_on_where_it_stopped()
    {
        using Model model = Model.Load(Fixture("gpt2"));
        var output = new ErasedOutput(model, OutputTarget.Of(model, new ModelInput { InputIds = [.. Enumerable.Range(5, 50)] }));
        double[] scores = [.. output.Items.Select(i => (double)i)];
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Faithfulness.Of(output, scores, 0, new Recorder([], _ => stop.Cancel()), stop.Token));
        int before = output.Passes;
        Assert.True(before > 1);
        Assert.NotNull(Faithfulness.Of(output, scores));
        var fresh = new ErasedOutput(model, output.Target);
        Faithfulness.Of(fresh, scores);
        Assert.Equal(fresh.Passes, output.Passes);
    }

    [Theory]
    [InlineData(1, .5, 1)]
    [InlineData(10, .01, 1)]
    [InlineData(10, .1, 1)]
    [InlineData(10, .2, 2)]
    [InlineData(11, .2, 3)]
    [InlineData(100, .05, 5)]
    public void Fractions_are_rounded_up(int n, double fraction, int expected) => Assert.Equal(expected, Faithfulness.Count(n, fraction));

    [Fact]
    public void A_whole_text_is_measured_alike_every_time()
    {
        using Model model = Model.Load(Path.Combine(Root(), "models", "mini-encoder"));
        var synonyms = new Dictionary<string, IReadOnlyList<string>> { ["lamp"] = ["light"], ["storm"] = ["gale"] };
        var evaluator = new Evaluator(model, [Methods.Raw, Methods.Rollout, Methods.ValueNorm], new EvaluatorOptions(Outputs: 2, Typos: 2, Synonyms: synonyms));
        var text = new EvaluatedText("The keeper of the lighthouse lit the lamp before the storm.", Rationale: [(0, 14, 24), (0, 32, 36)]);
        var scores = evaluator.Evaluate(text);
        Assert.Equal(2, scores.Outputs);
        Assert.Empty(scores.Problems);
        Assert.Equal(["raw", "rollout", "value-norm"], scores.Scores.Keys);
        Assert.All(scores.Scores.Values, metrics => Assert.Equal(Metrics.All.Select(m => m.Name).Order(StringComparer.Ordinal), metrics.Keys));
        Assert.Equal(Flat(scores), Flat(evaluator.Evaluate(text)));
        // "lighthouse" may be several tokens; marked are the tokens that the two ranges touch.
        var tokens = model.Tokenizer!.Encode(text.Text).Tokens;
        Assert.Equal(
            tokens.Count(t => !t.Special && ((t.Start < 24 && t.End > 14) || (t.Start < 36 && t.End > 32))) / (double)tokens.Count(t => !t.Special),
            evaluator.MarkedShare(text)!.Value, 1e-12);
        Assert.Null(evaluator.MarkedShare(new EvaluatedText("x")));

        var clarity = new Evaluator(model, [Methods.Raw], new EvaluatorOptions(Families: new HashSet<MetricFamily> { MetricFamily.Clarity })).Evaluate(text);
        // Reasons alone can be asked about, too.
        var plausibility = new Evaluator(model, [Methods.Raw], new EvaluatorOptions(Outputs: 2, Families: new HashSet<MetricFamily> { MetricFamily.Plausibility })).Evaluate(text);
        Assert.Equal(scores.Scores["raw"]["auprc"], plausibility.Scores["raw"]["auprc"]);
        Assert.Equal(["effectiveTokens", "entropy", "gini"], clarity.Scores["raw"].Keys);
        Assert.Throws<MethodException>(() => evaluator.Evaluate(new EvaluatedText("... !")));

        static IEnumerable<string> Flat(TextScores s) => s.Scores.SelectMany(m => m.Value.Select(v => $"{m.Key} {v.Key} {v.Value.Value:R} {v.Value.Chance:R}"));
    }

    [Fact]
    public void Outputs_are_spread_over_the_text()
    {
        using Model model = Model.Load(Path.Combine(Root(), "models", "mini-encoder"));
        var evaluator = new Evaluator(model, [Methods.Raw], new EvaluatorOptions());
        var tokens = model.Tokenizer!.Encode("one two three , four five six").Tokens;
        var places = evaluator.Places(tokens, [], 3);
        Assert.Equal(3, places.Length);
        Assert.All(places, p => Assert.Contains(tokens[p!.Value].Text, c => char.IsLetter(c)));
        Assert.Equal(places.Order(), places);
        Assert.Equal(6, evaluator.Places(tokens, [], 100).Length);
    }

    private sealed class Recorder(List<double> seen, Action<double>? then = null) : IProgress<double>
    {
        public void Report(double value)
        {
            seen.Add(value);
            then?.Invoke(value);
        }
    }

    private static string Fixture(string name) => Path.Combine(Root(), "tests", "fixtures", "oracle", name);

    private static string Root()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
        {
            at = at.Parent;
        }

        Assert.NotNull(at);
        return at.FullName;
    }
}
