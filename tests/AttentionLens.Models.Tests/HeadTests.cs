namespace AttentionLens.Models.Tests;

/// <summary>
/// Heads that no fixture has: their weights are put beside a fixture's body, and the scores compared with the definition applied in double to the
/// hidden state that the pass kept.
/// </summary>
public sealed class HeadTests
{
    private static readonly int[] Ids = [2, 14, 55, 8, 31, 3];

    public static TheoryData<string, string, string, HeadKind> OnTokens() => new()
    {
        { "bert", "BertForQuestionAnswering", "qa_outputs", HeadKind.QuestionAnswering },
        { "bert", "BertForTokenClassification", "classifier", HeadKind.TokenClassification },
        { "roberta", "RobertaForQuestionAnswering", "qa_outputs", HeadKind.QuestionAnswering },
        { "roberta", "RobertaForTokenClassification", "classifier", HeadKind.TokenClassification },
        { "distilbert", "DistilBertForQuestionAnswering", "qa_outputs", HeadKind.QuestionAnswering },
        { "distilbert", "DistilBertForTokenClassification", "classifier", HeadKind.TokenClassification },
        { "electra", "ElectraForTokenClassification", "classifier", HeadKind.TokenClassification },
        { "albert", "AlbertForQuestionAnswering", "qa_outputs", HeadKind.QuestionAnswering },
        { "longformer", "LongformerForTokenClassification", "classifier", HeadKind.TokenClassification },
    };

    [Theory]
    [MemberData(nameof(OnTokens))]
    public void Scores_of_every_token(string name, string architecture, string head, HeadKind kind)
    {
        using EditableModel edited = Body(name, architecture);
        int labels = kind == HeadKind.QuestionAnswering ? 2 : 3;
        (double[] weight, double[] bias) = Add(edited, head, labels, 48, 1);
        using Model model = edited.Load();
        Assert.Equal(kind, model.Info.Head);
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = Ids }, Keep.All);
        Assert.Equal([Ids.Length, labels], trace.Logits!.Shape);
        for (int i = 0; i < Ids.Length; i++)
        {
            Near(Map(weight, bias, Last(trace.Stacks[0], i)), trace.Logits.Data.AsSpan(i * labels, labels));
            if (kind == HeadKind.QuestionAnswering)
            {
                Assert.Equal(trace.Logits.Data[i * 2], trace.Outputs["start_logits"].Data[i]);
                Assert.Equal(trace.Logits.Data[(i * 2) + 1], trace.Outputs["end_logits"].Data[i]);
            }
        }
    }

    public static TheoryData<string, string, string, string, string> OnSequences() => new()
    {
        { "bert", "BertForSequenceClassification", "bert.pooler.dense", "classifier", "tanh" },
        { "albert", "AlbertForSequenceClassification", "albert.pooler", "classifier", "tanh" },
        { "roberta", "RobertaForSequenceClassification", "classifier.dense", "classifier.out_proj", "tanh" },
        { "longformer", "LongformerForSequenceClassification", "classifier.dense", "classifier.out_proj", "tanh" },
        { "distilbert", "DistilBertForSequenceClassification", "pre_classifier", "classifier", "relu" },
        { "electra", "ElectraForSequenceClassification", "classifier.dense", "classifier.out_proj", "gelu" },
    };

    [Theory]
    [MemberData(nameof(OnSequences))]
    public void Scores_of_the_whole_text(string name, string architecture, string first, string second, string activation)
    {
        using EditableModel edited = Body(name, architecture);
        (double[] weight, double[] bias) = Add(edited, first, 48, 48, 1);
        (double[] outputWeight, double[] outputBias) = Add(edited, second, 3, 48, 2);
        using Model model = edited.Load();
        Assert.Equal(HeadKind.SequenceClassification, model.Info.Head);
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = Ids }, Keep.All);
        double[] pooled = [.. Map(weight, bias, Last(trace.Stacks[0], 0)).Select(x => activation switch
        {
            "tanh" => Math.Tanh(x),
            "relu" => Math.Max(0, x),
            _ => Gelu(x),
        })];
        Assert.Equal([3], trace.Logits!.Shape);
        Near(Map(outputWeight, outputBias, pooled), trace.Logits.Data);
    }

    [Theory]
    [InlineData("gpt2", "GPT2ForSequenceClassification", 40)]
    [InlineData("llama", "LlamaForSequenceClassification", 64)]
    public void A_decoder_classifies_by_its_last_token(string name, string architecture, int hidden)
    {
        using EditableModel edited = Body(name, architecture);
        edited.Config["pad_token_id"] = 5;
        (double[] weight, _) = Add(edited, "score", 3, hidden, 1, biased: false);
        using Model model = edited.Load();
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = [.. Ids, 5, 5] }, Keep.All);
        Assert.Equal([3], trace.Logits!.Shape);
        Near(Map(weight, new double[3], Last(trace.Stacks[0], Ids.Length - 1)), trace.Logits.Data);
    }

    [Fact]
    public void Bart_classifies_by_the_decoders_last_end()
    {
        using EditableModel edited = new("bart");
        (double[] weight, double[] bias) = Add(edited, "classification_head.dense", 48, 48, 1);
        (double[] outputWeight, double[] outputBias) = Add(edited, "classification_head.out_proj", 3, 48, 2);
        using Model model = edited.Load();
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = Ids, DecoderInputIds = [2, 9, 2, 7] }, Keep.All);
        double[] pooled = [.. Map(weight, bias, Last(trace.Stack(AttentionKind.Decoder)!, 2)).Select(Math.Tanh)];
        Near(Map(outputWeight, outputBias, pooled), trace.Logits!.Data);
    }

    [Theory]
    [InlineData("xlm-roberta")]
    [InlineData("camembert")]
    public void Sisters_of_roberta_are_read_like_it(string type)
    {
        using EditableModel edited = new("roberta");
        edited.Config["model_type"] = type;
        using Model model = edited.Load();
        using Model roberta = Model.Load(Repository.Oracle("roberta"));
        AttentionTrace want = roberta.Forward(new ModelInput { InputIds = Ids }, Keep.All);
        AttentionTrace got = model.Forward(new ModelInput { InputIds = Ids }, Keep.All);
        GenerationTests.Same(want, got);
        Assert.Equal(want.Logits!.Data, got.Logits!.Data);
    }

    [Fact]
    public void Only_the_positions_asked_for_are_scored()
    {
        using Model model = Model.Load(Repository.Oracle("bert"));
        Tensor all = model.Forward(new ModelInput { InputIds = Ids }, Keep.Logits).Logits!;
        Tensor some = model.Forward(new ModelInput { InputIds = Ids, LogitPositions = [4, 1] }, Keep.Logits).Logits!;
        Assert.Equal([2, 120], some.Shape);
        for (int i = 0; i < 120; i++)
        {
            Assert.Equal(all.Data[(4 * 120) + i], some.Data[i], 1e-5f);
            Assert.Equal(all.Data[120 + i], some.Data[120 + i], 1e-5f);
        }

        Assert.Contains("position 6, but there are only 6", Assert.Throws<ModelException>(() => model.Forward(new ModelInput { InputIds = Ids, LogitPositions = [6] }, Keep.Logits)).Message, StringComparison.Ordinal);
    }

    /// <summary>Rope settings as transformers 5 writes them mean the same as before.</summary>
    [Fact]
    public void Rope_parameters_are_read_in_both_spellings()
    {
        using EditableModel edited = new("llama3");
        System.Text.Json.Nodes.JsonNode scaling = edited.Config["rope_scaling"]!.DeepClone(); // the fixture has it
        scaling["rope_theta"] = edited.Config["rope_theta"]!.DeepClone();
        edited.Config.Remove("rope_scaling");
        edited.Config.Remove("rope_theta");
        edited.Config["rope_parameters"] = scaling;
        using Model model = edited.Load();
        using Model llama = Model.Load(Repository.Oracle("llama3"));
        GenerationTests.Same(llama.Forward(new ModelInput { InputIds = Ids }), model.Forward(new ModelInput { InputIds = Ids }));
    }

    /// <summary>A fixture without its language-model head, which is the same body under another class name.</summary>
    private static EditableModel Body(string name, string architecture)
    {
        EditableModel model = new(name);
        model.Config["architectures"] = new System.Text.Json.Nodes.JsonArray(architecture);
        foreach (string tensor in model.Tensors.Keys.Where(static t =>
            t.StartsWith("cls.", StringComparison.Ordinal) || t.StartsWith("lm_head.", StringComparison.Ordinal) || t.StartsWith("vocab_", StringComparison.Ordinal)
            || t.StartsWith("predictions.", StringComparison.Ordinal) || t.StartsWith("discriminator_", StringComparison.Ordinal)).ToArray())
        {
            model.Tensors.Remove(tensor);
        }

        return model;
    }

    private static (double[] Weight, double[] Bias) Add(EditableModel model, string name, int outputs, int inputs, int seed, bool biased = true)
    {
        Random random = new(seed);
        float[] weight = [.. Enumerable.Range(0, outputs * inputs).Select(_ => (random.NextSingle() - 0.5f) / 2)];
        float[] bias = [.. Enumerable.Range(0, outputs).Select(_ => random.NextSingle() - 0.5f)];
        model.Tensors[$"{name}.weight"] = ("F32", [outputs, inputs], System.Runtime.InteropServices.MemoryMarshal.AsBytes(weight.AsSpan()).ToArray());
        if (biased)
        {
            model.Tensors[$"{name}.bias"] = ("F32", [outputs], System.Runtime.InteropServices.MemoryMarshal.AsBytes(bias.AsSpan()).ToArray());
        }

        return (Array.ConvertAll(weight, static x => (double)x), Array.ConvertAll(bias, static x => (double)x));
    }

    private static double[] Last(AttentionStack stack, int row)
    {
        ReadOnlySpan<float> state = stack.HiddenState(stack.Layers);
        int hidden = state.Length / stack.Queries;
        return Array.ConvertAll(state.Slice(row * hidden, hidden).ToArray(), static x => (double)x);
    }

    private static double[] Map(double[] weight, double[] bias, double[] x)
    {
        double[] result = [.. bias];
        for (int o = 0; o < bias.Length; o++)
        {
            for (int i = 0; i < x.Length; i++)
            {
                result[o] += weight[(o * x.Length) + i] * x[i];
            }
        }

        return result;
    }

    /// <summary>x/2 (1 + erf(x/√2)), erf by its series: enough for |x| below 6.</summary>
    private static double Gelu(double x)
    {
        double z = x / Math.Sqrt(2);
        double sum = 0;
        double term = z;
        for (int n = 0; n < 200; n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -z * z / (n + 1);
        }

        return x / 2 * (1 + (2 / Math.Sqrt(Math.PI) * sum));
    }

    private static void Near(double[] want, ReadOnlySpan<float> got)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
        {
            Assert.Equal(want[i], got[i], 2e-5 * (1 + Math.Abs(want[i])));
        }
    }
}
