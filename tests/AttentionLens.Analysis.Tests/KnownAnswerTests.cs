using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>
/// A GPT-2 made by hand that says the token before: 8 tokens, 8 positions, a hidden state of both as one-hot vectors. Head 0 looks at the position before and
/// writes its token, ten times stronger than the residual; head 1 looks at itself and writes nothing. So one head matters, and one token.
/// </summary>
public sealed class KnownAnswerTests : IDisposable
{
    private const int Tokens = 8, Hidden = 16, HeadSize = 8;
    private static readonly int[] Text = [3, 1, 4, 1, 5, 2];

    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-").FullName;
    private readonly Model model;

    public KnownAnswerTests()
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), """
            {"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"vocab_size":8,"n_positions":8,"n_embd":16,"n_layer":1,"n_head":2,"n_inner":16,
             "activation_function":"gelu_new","layer_norm_epsilon":1e-12,"tie_word_embeddings":true}
            """);
        var writer = new SafetensorsWriter();
        void Add(string name, int[] shape, Action<float[]> fill)
        {
            float[] data = new float[shape.Aggregate(1, (a, b) => a * b)];
            fill(data);
            writer.Add(name, new Tensor(data, shape));
        }

        // Every state is two ones among sixteen: LayerNorm makes them a · one-hot - b, with the same a and b everywhere.
        double mean = 2.0 / Hidden, deviation = Math.Sqrt(mean - (mean * mean));
        float a = (float)(1 / deviation), b = (float)(mean / deviation);
        void Ones(float[] weight) => Array.Fill(weight, 1);
        Add("wte.weight", [Tokens, Hidden], w => { for (int t = 0; t < Tokens; t++) { w[(t * Hidden) + t] = 1; } });
        Add("wpe.weight", [8, Hidden], w => { for (int p = 0; p < 8; p++) { w[(p * Hidden) + Tokens + p] = 1; } });
        Add("h.0.ln_1.weight", [Hidden], Ones);
        Add("h.0.ln_1.bias", [Hidden], w => Array.Fill(w, b)); // takes the -b away again
        // c_attn [hidden, queries | keys | values]: heads of 8 beside each other.
        Add("h.0.attn.c_attn.weight", [Hidden, 3 * Hidden], w =>
        {
            for (int p = 0; p < 8; p++)
            {
                int position = (Tokens + p) * 3 * Hidden;
                if (p > 0)
                {
                    w[position + p - 1] = 60 / a; // head 0: the position before
                }

                w[position + HeadSize + p] = 60 / a; // head 1: this position
                w[position + Hidden + p] = w[position + Hidden + HeadSize + p] = 1 / a;
            }

            for (int t = 0; t < Tokens; t++)
            {
                w[(t * 3 * Hidden) + (2 * Hidden) + t] = 1 / a; // head 0 reads the token; head 1 reads nothing
            }
        });
        Add("h.0.attn.c_attn.bias", [3 * Hidden], _ => { });
        Add("h.0.attn.c_proj.weight", [Hidden, Hidden], w => { for (int t = 0; t < Tokens; t++) { w[(t * Hidden) + t] = 10; } });
        Add("h.0.attn.c_proj.bias", [Hidden], _ => { });
        Add("h.0.ln_2.weight", [Hidden], Ones);
        Add("h.0.ln_2.bias", [Hidden], _ => { });
        Add("h.0.mlp.c_fc.weight", [Hidden, Hidden], _ => { });
        Add("h.0.mlp.c_fc.bias", [Hidden], _ => { });
        Add("h.0.mlp.c_proj.weight", [Hidden, Hidden], _ => { });
        Add("h.0.mlp.c_proj.bias", [Hidden], _ => { });
        Add("ln_f.weight", [Hidden], Ones);
        Add("ln_f.bias", [Hidden], _ => { });
        using (FileStream stream = File.Create(Path.Combine(folder, "model.safetensors")))
        {
            writer.WriteTo(stream);
        }

        model = Model.Load(folder);
    }

    public void Dispose()
    {
        model.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void ItSaysTheTokenBefore()
    {
        for (int position = 1; position < Text.Length; position++)
        {
            Prediction prediction = Prediction.Of(model, new ModelInput { InputIds = Text }, position);
            Assert.Equal(Text[position - 1], prediction.Candidates[0].Index);
        }
    }

    [Fact]
    public void OneHeadMattersAndTheOtherChangesNothing()
    {
        ModelInput input = new() { InputIds = Text };
        float[] plain = model.Forward(input, Keep.Logits).Logits!.Data;
        foreach (HeadEffect effect in Enum.GetValues<HeadEffect>())
        {
            float[] without1 = model.Forward(input with { Interventions = [new HeadIntervention(AttentionKind.Decoder, 0, 1, effect)] }, Keep.Logits).Logits!.Data;
            Assert.Equal(plain, without1);
            Prediction without0 = Prediction.Of(model, input with { Interventions = [new HeadIntervention(AttentionKind.Decoder, 0, 0, effect)] }, 5);
            Assert.NotEqual(Text[4], without0.Candidates[0].Index);
        }
    }

    /// <summary>What the prediction after the last token depends on is the token before it, whoever is asked about more than attention alone.</summary>
    [Theory]
    [InlineData("value-norm")]
    [InlineData("value-zeroing")]
    [InlineData("block-norm")]
    [InlineData("alti")]
    [InlineData("relevancy")]
    [InlineData("integrated-gradients")]
    public void TheTokenBeforeMatters(string name)
    {
        OutputTarget target = OutputTarget.Of(model, new ModelInput { InputIds = Text });
        Assert.Equal(Text[4], target.Terms[0].Index);
        TokenScores scores = TokenScores.Of(Methods.Named(name), model, target);
        // Relevancy starts with every token being all of itself (R = I), so that the last one keeps that.
        float[] others = [.. scores.Source.Where((_, i) => i is not (4 or 5))];
        Assert.True(name == "relevancy" || scores.Source[4] > scores.Source[5], $"{name}: {string.Join(' ', scores.Source)}");
        Assert.All(others, score => Assert.True(Math.Abs(score) < 0.05 * scores.Source[4], $"{name}: {string.Join(' ', scores.Source)}"));
    }

    /// <summary>Raw attention cannot tell the two heads apart: half of it is on a head that writes nothing.</summary>
    [Fact]
    public void RawAttentionIsFooled()
    {
        OutputTarget target = OutputTarget.Of(model, new ModelInput { InputIds = Text });
        TokenScores scores = TokenScores.Of(Methods.Raw, model, target);
        Assert.Equal(0.5, scores.Source[4], 1e-3);
        Assert.Equal(0.5, scores.Source[5], 1e-3);
    }
}
