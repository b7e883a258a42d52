using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>Outputs, their explanations, and inputs without tokens, on the seeded models and the embedded one.</summary>
public sealed class OutputTests
{
    private static string Root
    {
        get
        {
            DirectoryInfo? at = new(AppContext.BaseDirectory);
            while (at is not null && !File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
            {
                at = at.Parent;
            }

            return at?.FullName ?? throw new DirectoryNotFoundException("the repository");
        }
    }

    internal static Model Oracle(string name) => Model.Load(Path.Combine(Root, "tests", "fixtures", "oracle", name));

    internal static Model Embedded() => Model.Load(Path.Combine(Root, "models", "mini-encoder"));

    internal static ModelInput Input(Model model, string text) => new() { InputIds = model.Tokenizer!.Encode(text).Ids() };

    private static ModelInput Ids(Model model) => new()
    {
        InputIds = [5, 17, 3, 44, 9, 21],
        DecoderInputIds = model.Info.Kind == ModelKind.EncoderDecoder ? [2, 8, 30, 6] : null,
    };

    [Theory]
    [InlineData("gpt2", 5)]
    [InlineData("llama", 5)]
    [InlineData("bart", 3)]
    public void TheTokenAfterTheTextIsTheDefaultOutputOfADecoder(string name, int row)
    {
        using Model model = Oracle(name);
        OutputTarget target = OutputTarget.Of(model, Ids(model));
        Assert.Equal([row], target.Rows);
        AttentionTrace whole = model.Forward(Ids(model), Keep.Logits);
        float[] logits = whole.Logits!.Data[(row * model.Info.VocabularySize)..((row + 1) * model.Info.VocabularySize)];
        Assert.Equal(Array.IndexOf(logits, logits.Max()), target.Terms[0].Index);
        Assert.Equal(logits.Max(), target.Value(whole), 1e-6);
        Assert.Equal(target.Value(whole), target.Value(target.Forward(model)), 1e-5);
        double sum = logits.Sum(l => Math.Exp(l - (double)logits.Max()));
        Assert.Equal(1 / sum, target.Probability(whole), 1e-6);
    }

    [Fact]
    public void AMaskedLanguageModelIsAskedWithTheTokenMaskedAndAContrastIsADifference()
    {
        using Model model = Embedded();
        ModelInput input = Input(model, "The keys to the cabinet are on the table.");
        int are = Array.IndexOf(input.InputIds, model.Tokenizer!.TokenToId("are"));
        OutputTarget target = OutputTarget.Of(model, input, new OutputChoice(are, "are", "is"));
        Assert.Equal(model.Tokenizer.Special.Mask, target.Input.InputIds[are]);
        Assert.Equal([1f, -1f], target.Terms.Select(t => t.Weight));
        Assert.Contains("“are” rather than “is”", target.Name, StringComparison.Ordinal);
        AttentionTrace trace = target.Forward(model);
        OutputTarget one = OutputTarget.Of(model, input, new OutputChoice(are, "are")), other = OutputTarget.Of(model, input, new OutputChoice(are, "is"));
        Assert.Equal(one.Value(trace) - other.Value(trace), target.Value(trace), 1e-5);
        double among = one.Probability(trace) / (one.Probability(trace) + other.Probability(trace));
        Assert.Equal(among, target.Probability(trace), 1e-6);
    }

    [Fact]
    public void AMaskInTheTextIsTheDefaultOutput()
    {
        using Model model = Embedded();
        ModelInput input = Input(model, "He put the [MASK] on the table.");
        OutputTarget target = OutputTarget.Of(model, input);
        Assert.Equal(Array.IndexOf(input.InputIds, model.Tokenizer!.Special.Mask!.Value), target.Rows[0]);
        Assert.Contains("cursor", Assert.Throws<MethodException>(() => OutputTarget.Of(model, Input(model, "No mask."))).Message, StringComparison.Ordinal);
        Assert.Contains("token 99", Assert.Throws<MethodException>(() => OutputTarget.Of(model, input, new OutputChoice(99))).Message, StringComparison.Ordinal);
        Assert.Contains("tokens for", Assert.Throws<MethodException>(() => OutputTarget.Of(model, input, new OutputChoice(null, "incomprehensibilities"))).Message, StringComparison.Ordinal);
    }

    /// <summary>One way to ask all of them: each gives one finite score a token, on each architecture it is defined for.</summary>
    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    [InlineData("bart")]
    public void EveryMethodScoresEveryTokenForAnOutput(string name)
    {
        using Model model = Oracle(name);
        OutputTarget target = OutputTarget.Of(model, Ids(model), new OutputChoice(2));
        foreach (Method method in Methods.All)
        {
            if (name == "bart" && method.SelfAttentionOnly)
            {
                Assert.Throws<MethodException>(() => TokenScores.Of(method, model, target));
                continue;
            }

            TokenScores scores = TokenScores.Of(method, model, target);
            Assert.Equal((6, name == "bart" ? 4 : 0), (scores.Source.Length, scores.Target.Length));
            Assert.All(scores.Source.Concat(scores.Target), s => Assert.True(float.IsFinite(s), method.Name));
            Assert.Contains(scores.Source, s => s != 0);
        }
    }

    [Fact]
    public void LeaveOneOutIsTheFallOfTheScore()
    {
        using Model model = Oracle("gpt2");
        OutputTarget target = OutputTarget.Of(model, Ids(model));
        TokenScores scores = TokenScores.Of(Methods.LeaveOneOut, model, target);
        double y = target.Value(target.Forward(model));
        for (int token = 0; token < 6; token++)
        {
            int[] left = [.. Ids(model).InputIds.Where((_, i) => i != token)];
            float[] logits = model.Forward(new ModelInput { InputIds = left, LogitPositions = [4] }, Keep.Logits).Logits!.Data;
            // Two passes of float32, batched and alone.
            Assert.Equal(y - logits[target.Terms[0].Index], scores.Source[token], 2e-5);
        }
    }

    [Fact]
    public void ErasureMasksWhereThereIsAMaskAndElseTakesOut()
    {
        using Model model = Embedded();
        OutputTarget target = OutputTarget.Of(model, Input(model, "He put the [MASK] on the table."));
        OutputTarget masked = Erasure.Without(model, target, [1, 2])!;
        Assert.Equal(target.Input.InputIds.Length, masked.Input.InputIds.Length);
        Assert.Equal(target.Rows, masked.Rows);
        using Model decoder = Oracle("gpt2");
        OutputTarget next = OutputTarget.Of(decoder, Ids(decoder));
        OutputTarget shorter = Erasure.Without(decoder, next, [0, 5])!;
        Assert.Equal([17, 3, 44, 9], shorter.Input.InputIds);
        Assert.Equal([3], shorter.Rows);
        Assert.Equal(3, shorter.Terms[0].Row);
        Assert.Null(Erasure.Without(decoder, next, [0, 1, 2, 3, 4, 5]));
    }

    [Theory]
    [InlineData("saliency")]
    [InlineData("integrated-gradients")]
    [InlineData("relevancy")]
    public void AnExplainedViewHasTheSharesOfEachPosition(string name)
    {
        using Model model = Oracle("bart");
        AttentionTrace trace = model.Forward(Ids(model), Keep.All);
        Method method = Methods.Named(name);
        Assert.False(method.AppliesTo(ModelKind.EncoderDecoder, AttentionKind.Encoder));
        AttentionStack cross = trace.Stack(AttentionKind.Cross)!, decoder = trace.Stack(AttentionKind.Decoder)!;
        var across = new float[6];
        var own = new float[4];
        Weights.Row(method.Apply(new MethodInput(model, trace, cross)), new HeadSelection(1, 1), 2, across);
        Weights.Row(method.Apply(new MethodInput(model, trace, decoder)), new HeadSelection(null, 0), 2, own);
        TokenScores scores = TokenScores.Of(method, model, OutputTarget.Of(model, Ids(model), new OutputChoice(2)));
        double sum = scores.Source.Concat(scores.Target).Sum(s => Math.Abs((double)s));
        Assert.Equal(1, across.Concat(own).Sum(s => Math.Abs((double)s)), 1e-5);
        Assert.Equal(scores.Source.Select(s => (float)(s / sum)), across);
        Assert.Equal(scores.Target.Select(s => (float)(s / sum)), own);
    }

    [Fact]
    public void AModelWithoutAHeadSaysThatThereIsNothingToExplain()
    {
        using Model clip = Oracle("clip");
        Assert.Contains("no head", Assert.Throws<MethodException>(() => OutputTarget.Of(clip, new ModelInput { InputIds = [1, 5, 2] })).Message, StringComparison.Ordinal);
    }
}
