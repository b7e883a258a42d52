using System.Diagnostics;
using System.Text.Json;
using Xunit.Abstractions;

namespace AttentionLens.Models.Tests;

/// <summary>
/// Trained third-party models that lie beside the repository on some machines. Where they do not, these tests say so and check nothing.
/// </summary>
public sealed class RealModelTests(ITestOutputHelper output)
{
    /// <summary>Trained weights make sharper rows than seeded ones: float32 noise is larger, still 20 times below any wrong formula.</summary>
    private const float AttentionTolerance = 2e-5f;

    [Fact]
    public void TinyStories_continues_a_story_as_recorded()
    {
        if (Find("tinystories-656k") is not { } folder)
        {
            return;
        }

        using Model model = Model.Load(folder);
        int[] prompt = [1, 80, 147, 201, 282, 215, 286, 229, 476];
        Generation generation = model.Generate(new ModelInput { InputIds = prompt }, 40);
        Assert.Equal([91, 430, 113, 547, 241, 27, 732, 361, 27, 732], generation.Tokens[..10]);
        Agrees(model, "real_tinystories-656k");
        if (model.Tokenizer is { } tokenizer)
        {
            Assert.Equal(prompt, tokenizer.Encode("Once upon a time, there was a little cat").Ids());
            string story = tokenizer.Decode([.. prompt, .. generation.Tokens]);
            Assert.StartsWith("Once upon a time, there was a little caterpillar named Billy. Billy loved to eat yummy food.", story.TrimStart(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void RxnMapper_finds_the_atom_map_as_recorded()
    {
        if (Find("rxnmapper-albert") is not { } folder)
        {
            return;
        }

        using TemporaryFolder converted = new();
        File.Copy(Path.Combine(folder, "config.json"), converted.File("config.json"));
        string script = Path.Combine(Repository.Root, "training", "convert", "pickle_to_safetensors.py");
        if (!Python([script, Path.Combine(folder, "pytorch_model.bin"), converted.File("model.safetensors")]))
        {
            output.WriteLine("not applicable: no python3 on this machine");
            return;
        }

        using Model model = Model.Load(converted.Path);
        Agrees(model, "real_rxnmapper-albert");

        // Product atoms 20.. of CC(=O)Cl.NCc1ccccc1>>CC(=O)NCc1ccccc1 and the reactant atoms they come from.
        string[] vocabulary = File.ReadAllLines(Path.Combine(folder, "vocab.txt"));
        string[] tokens = ["[CLS]", "C", "C", "(", "=", "O", ")", "Cl", ".", "N", "C", "c", "1", "c", "c", "c", "c", "c", "1", ">>", "C", "C", "(", "=", "O", ")", "N", "C", "c", "1", "c", "c", "c", "c", "c", "1", "[SEP]"];
        int[] ids = [.. tokens.Select(token => Array.IndexOf(vocabulary, token))];
        Assert.DoesNotContain(-1, ids);
        AttentionStack stack = model.Forward(new ModelInput { InputIds = ids }).Stacks[0];
        float[] weights = new float[stack.Queries * stack.Keys];
        stack.Head(10, 5, weights);
        (int Product, int Reactant, double Score)[] recorded =
        [
            (20, 1, 0.995), (21, 2, 0.986), (24, 5, 0.977), (26, 9, 0.971), (27, 10, 1.000), (28, 11, 0.994),
            (30, 13, 0.912), (31, 14, 0.742), (32, 15, 0.755), (33, 16, 0.746), (34, 17, 0.716),
        ];
        int[] atoms = [1, 2, 5, 7, 9, 10, 11, 13, 14, 15, 16, 17];
        foreach ((int product, int reactant, double score) in recorded)
        {
            double Score(int atom) => weights[(product * stack.Keys) + atom] + weights[(atom * stack.Keys) + product];
            Assert.Equal(reactant, atoms.MaxBy(Score));
            Assert.Equal(score, Score(reactant) / atoms.Sum(Score), 0.001);
        }

        // Masked language modelling: [MASK] is 14.
        int[] masked = [.. ids[..9], 14, .. ids[10..]];
        Tensor logits = model.Forward(new ModelInput { InputIds = masked, LogitPositions = [9] }, Keep.Logits).Logits!;
        Assert.Equal([1, 591], logits.Shape);
        Assert.Equal("N", vocabulary[Array.IndexOf(logits.Data, logits.Data.Max())]);
    }

    [Fact]
    public void Bart_spells_words_out_as_recorded_and_looks_from_left_to_right()
    {
        if (Find("bart-g2p-en-us") is not { } folder)
        {
            return;
        }

        using TemporaryFolder named = new();
        File.Copy(Path.Combine(folder, "us_bart_config.json"), named.File("config.json"));
        File.Copy(Path.Combine(folder, "us_bart.safetensors"), named.File("model.safetensors"));
        using Model model = Model.Load(named.Path);
        Agrees(model, "real_bart-g2p-en-us");
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(named.File("config.json")));
        string graphemes = config.RootElement.GetProperty("grapheme_chars").GetString()!; // the model's own configuration has both
        string phonemes = config.RootElement.GetProperty("phoneme_chars").GetString()!;
        foreach ((string word, string sounds) in new[] { ("hello", "hˈɛlO"), ("attention", "ətˈɛnʃən"), ("Transformer", "tɹænsfˈɔɹməɹ"), ("kubernetes", "kˌubəɹnˈits") })
        {
            Generation generation = model.Generate(new ModelInput { InputIds = [1, .. word.Select(c => graphemes.IndexOf(c, StringComparison.Ordinal)), 2] }, 40);
            Assert.True(generation.Ended);
            Assert.Equal(sounds, string.Concat(generation.Tokens.Where(static id => id > 3).Select(id => phonemes[id]))); // below: padding, begin, end, unknown

            // Step i, the row that chose sound i, looks at the letters in order: of the pairs of steps, most do not go back.
            AttentionStack cross = generation.Trace.Stack(AttentionKind.Cross)!; // an encoder-decoder has one
            float[] row = new float[cross.Keys];
            List<int> looked = [];
            for (int i = 0; i < generation.Tokens.Length; i++)
            {
                if (generation.Tokens[i] <= 3)
                {
                    continue;
                }

                cross.Row(0, 0, i, row);
                looked.Add(Array.IndexOf(row, row.Max()));
            }

            int forward = looked.Zip(looked.Skip(1)).Count(static pair => pair.Second >= pair.First);
            output.WriteLine($"{word}: {string.Join(' ', looked)}");
            Assert.True(forward >= 0.7 * (looked.Count - 1), $"{word} is read in the order {string.Join(' ', looked)}");
        }
    }

    private void Agrees(Model model, string fixture)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Repository.Oracle(fixture), "expected.safetensors"));
        OracleErrors errors = OracleCase.Compare(model.Forward(OracleCase.Input(expected), Keep.All), expected, 5e-5f, 1e-5f);
        output.WriteLine($"{fixture}: attention within {errors.Attention:g3}, states within {errors.State:g3}");
        Assert.True(errors.Attention <= AttentionTolerance, $"attention is {errors.Attention:g3} off at {errors.AttentionAt}");
        Assert.True(errors.StateExcess <= 0, $"{errors.StateAt} is {errors.StateExcess:g3} beyond its tolerance");
    }

    private string? Find(string name)
    {
        string? folder = Repository.Shared("models", name);
        if (folder is null)
        {
            output.WriteLine($"not applicable: {name} is not on this machine");
        }

        return folder;
    }

    [Fact]
    public void Vit_reads_drawn_digits()
    {
        if (Find("vit-mnist") is not { } folder)
        {
            return;
        }

        using TemporaryFolder converted = new();
        string script = Path.Combine(Repository.Root, "training", "convert", "vit_mnist_to_huggingface.py");
        if (!Python([script, Path.Combine(folder, "vit_mnist_gpu.pt"), converted.Path]))
        {
            output.WriteLine("not applicable: no python3 on this machine");
            return;
        }

        using Model model = Model.Load(converted.Path);
        Assert.Equal(new PatchGrid(7, 7, 4), model.Info.Patches);
        foreach ((string digit, (double X, double Y)[] stroke) in new (string, (double, double)[])[]
        {
            ("0", [.. Enumerable.Range(0, 41).Select(static i => (140 + (60 * Math.Sin(i * Math.PI / 20)), 140 - (90 * Math.Cos(i * Math.PI / 20))))]),
            ("1", [(140, 50), (140, 230)]),
            ("7", [(75, 65), (205, 65), (130, 230)]),
        })
        {
            RgbImage drawn = RgbImage.Decode(TestImages.Png(TestImages.Stroke(280, 280, 12, stroke)), digit);
            AttentionTrace trace = model.Forward(new ModelInput { Pixels = model.ImageProcessor!.Prepare(drawn).Pixels }, Keep.Logits); // the folder has a processor
            float[] scores = trace.Logits!.Data; // kept
            Assert.Equal(digit, model.Info.Labels[Array.IndexOf(scores, scores.Max())]);
        }
    }

    private static bool Python(string[] arguments)
    {
        try
        {
            using Process? process = Process.Start(new ProcessStartInfo("python3", arguments) { RedirectStandardError = true, RedirectStandardOutput = true });
            string errors = process!.StandardError.ReadToEnd(); // Start returns a process where it does not throw
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, errors);
            return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
