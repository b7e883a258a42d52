using AttentionLens.Tokenization;

namespace AttentionLens.Models.Tests;

/// <summary>The models that ship with the product load, read a text and attend to it.</summary>
public sealed class EmbeddedModelTests
{
    public static TheoryData<string> Names()
    {
        TheoryData<string> names = [];
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(Repository.Root, "models")).Order(StringComparer.Ordinal))
        {
            if (File.Exists(Path.Combine(folder, "model.safetensors")))
            {
                names.Add(Path.GetFileName(folder));
            }
        }

        return names;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reads_a_sentence_and_a_text_longer_than_its_window(string name)
    {
        using Model model = Model.Load(Path.Combine(Repository.Root, "models", name));
        Tokenizer tokenizer = model.Tokenizer ?? throw new InvalidOperationException(model.TokenizerProblem);
        TokenizedText text = tokenizer.Encode("The keys to the cabinet are on the table.");
        AttentionTrace trace = model.Forward(new ModelInput { InputIds = text.Ids() }, Keep.Logits);
        Assert.NotNull(trace.Logits);
        Assert.True(trace.Logits.Data.All(float.IsFinite));
        foreach (AttentionStack stack in trace.Stacks)
        {
            float[] row = new float[stack.Keys];
            for (int query = 0; query < stack.Queries; query++)
            {
                stack.Row(stack.Layers - 1, stack.Heads - 1, query, row);
                Assert.Equal(1, row.Sum(), 1e-5f);
            }
        }

        if (model.Info.Kind is ModelKind.Encoder or ModelKind.Decoder)
        {
            TokenizedText book = tokenizer.Encode(string.Concat(Enumerable.Repeat("The keys to the cabinet are on the table. ", 2 + (model.Info.MaxPositions / 6))));
            Windowing windowing = new()
            {
                Prefix = book.Tokens.TakeWhile(static t => t.Special).Count(),
                Suffix = book.Tokens.Reverse().TakeWhile(static t => t.Special).Count(),
            };
            AttentionTrace read = model.ForwardLong(new ModelInput { InputIds = book.Ids() }, windowing);
            Assert.Equal(book.Count, read.Stacks[0].Queries);
            Assert.True(book.Count <= model.Info.MaxPositions || read.Windows.Count > 1);
        }

        if (model.Info.Head is HeadKind.CausalLanguage or HeadKind.Sequence2SequenceLanguage)
        {
            Assert.NotEmpty(model.Generate(new ModelInput { InputIds = text.Ids() }, 8).Tokens);
        }
    }
}
