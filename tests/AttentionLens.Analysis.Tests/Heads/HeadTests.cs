using AttentionLens.Analysis.Heads;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests.Heads;

public sealed class HeadTests : IDisposable
{
    // The built heads put all but exp(-20) or so of their weight where they look.
    private const float Tolerance = 1e-3f;

    private readonly BuiltModel _built = new();

    public void Dispose() => _built.Dispose();

    [Fact]
    public void The_one_induction_head_is_found_and_no_other()
    {
        var traits = HeadProbe.Of(_built.Model, AttentionKind.Decoder);
        // Nothing is before the first token, so for "the token before" it says itself: of 15 queries with a next token (16 of a copy) one is in two minds.
        Assert.Equal(1 - (.5f / 15), traits[1][1].Induction, Tolerance);
        Assert.Equal(.5f / 16, traits[1][1].Duplicate, Tolerance);
        Assert.Equal(0, traits[0][0].Induction, Tolerance);
        // Heads without weights: each of the 17 to 32 visible tokens gets the same.
        float chance = Enumerable.Range(17, 16).Average(n => 1f / n);
        Assert.Equal(chance, traits[0][1].Duplicate, Tolerance);
        Assert.InRange(traits[0][1].Induction, 1f / 32, 1f / 17);
    }

    [Fact]
    public void A_head_that_goes_by_position_is_stable_and_one_that_goes_by_content_is_not()
    {
        var traits = HeadProbe.Of(_built.Model, AttentionKind.Decoder);
        Assert.Equal(1, traits[0][0].Stability, Tolerance);
        Assert.Equal(1, traits[0][1].Stability, Tolerance);
        Assert.InRange(traits[1][1].Stability, 0, .8f);
    }

    [Fact]
    public void Probes_repeat_themselves_and_depend_on_the_seed_only()
    {
        var traits = HeadProbe.Of(_built.Model, AttentionKind.Decoder, seed: 5);
        Assert.Equal(traits[1], HeadProbe.Of(_built.Model, AttentionKind.Decoder, seed: 5)[1]);
        Assert.NotEqual(traits[1][1].Stability, HeadProbe.Of(_built.Model, AttentionKind.Decoder, seed: 6)[1][1].Stability);
    }

    [Theory]
    [InlineData("bert", AttentionKind.Encoder)]
    [InlineData("llama", AttentionKind.Decoder)]
    [InlineData("bart", AttentionKind.Encoder)]
    [InlineData("bart", AttentionKind.Decoder)]
    [InlineData("t5", AttentionKind.Decoder)]
    public void Every_kind_of_text_stack_can_be_probed(string name, AttentionKind kind)
    {
        using Model model = Model.Load(Fixture(name));
        var traits = HeadProbe.Of(model, kind);
        Assert.Equal(kind == AttentionKind.Encoder ? model.Info.Layers : Math.Max(model.Info.DecoderLayers, name == "llama" ? model.Info.Layers : 0), traits.Length);
        Assert.All(traits.SelectMany(t => t), t =>
        {
            Assert.InRange(t.Induction, 0, 1);
            Assert.InRange(t.Duplicate, 0, 1);
            Assert.InRange(t.Stability, 0, 1 + 1e-5f);
        });
    }

    [Fact]
    public void What_cannot_be_probed_is_said()
    {
        using Model vision = Model.Load(Fixture("vit")), bart = Model.Load(Fixture("bart"));
        Assert.Throws<MethodException>(() => HeadProbe.Of(vision, AttentionKind.Vision));
        Assert.Throws<MethodException>(() => HeadProbe.Of(bart, AttentionKind.Cross));
        Assert.Throws<MethodException>(() => HeadProbe.Of(_built.Model, AttentionKind.Encoder));
    }

    [Fact]
    public void Heads_are_like_themselves_and_like_those_that_look_at_the_same_places()
    {
        var stack = _built.Model.Forward(new ModelInput { InputIds = [3, 7, 1, 9, 4, 3, 7, 1] }).Stacks[0];
        var likeness = HeadSimilarity.To(stack, 0, 1);
        Assert.Equal(1, likeness[0][1], 1e-5f);
        Assert.Equal(1, likeness[1][0], 1e-5f);
        // The head of the token before shares one of 1 to 8 equal parts of each row.
        Assert.Equal(Enumerable.Range(1, 8).Average(n => 1f / n), likeness[0][0], Tolerance);
    }

    [Fact]
    public void Profiles_of_several_texts_are_the_means_over_all_queries()
    {
        var short_ = _built.Model.Forward(new ModelInput { InputIds = [3, 7] }).Stacks[0];
        var long_ = _built.Model.Forward(new ModelInput { InputIds = [3, 7, 1, 9, 4, 3] }).Stacks[0];
        var means = new MeanProfiles();
        Assert.Empty(means.Profiles());
        means.Add(short_);
        means.Add(long_);
        // Of 2 and of 6 queries all but the first look at the token before.
        Assert.Equal(6.0 / 8, means.Profiles()[0][0].Previous, 1e-3);
        Assert.Equal(2, means.Texts);
        using Model other = Model.Load(Fixture("bert"));
        Assert.Throws<ArgumentException>(() => means.Add(other.Forward(new ModelInput { InputIds = [1, 2] }).Stacks[0]));
    }

    [Theory]
    [InlineData("show me induction heads", "1.1")]
    [InlineData("Previous token", "0.0")]
    [InlineData("entropy", "0.1")]
    [InlineData("layer 1 same", "1.0")]
    [InlineData("like 0.1 layer 1", "1.0")]
    public void Words_find_heads(string words, string expected)
    {
        var wanted = HeadFinder.Parse(words);
        var stack = _built.Model.Forward(new ModelInput { InputIds = [3, 7, 1, 9, 4, 5, 6, 2] }).Stacks[0];
        var traits = HeadProbe.Of(_built.Model, AttentionKind.Decoder);
        var likeness = wanted.Like is { } like ? HeadSimilarity.To(stack, like.Layer, like.Head) : null;
        var heads = from layer in Enumerable.Range(0, 2)
                    from head in Enumerable.Range(0, 2)
                    select new KnownHead(layer, head, stack.Profile(layer, head), traits[layer][head], likeness?[layer][head]);
        var best = HeadFinder.Find(heads, wanted).First();
        Assert.Equal(expected, $"{best.Layer}.{best.Head}");
    }

    [Fact]
    public void Words_that_mean_nothing_are_named()
    {
        Assert.Contains("'purple'", Assert.Throws<MethodException>(() => HeadFinder.Parse("purple heads")).Message, StringComparison.Ordinal);
        Assert.Throws<MethodException>(() => HeadFinder.Parse("like this"));
        Assert.Empty(HeadFinder.Parse(" heads ").By);
    }

    private static string Fixture(string name)
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "AttentionLens.sln")))
        {
            at = at.Parent;
        }

        Assert.NotNull(at);
        return Path.Combine(at.FullName, "tests", "fixtures", "oracle", name);
    }
}
