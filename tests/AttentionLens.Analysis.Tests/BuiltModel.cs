using System.Text.Json.Nodes;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

/// <summary>
/// A GPT-2 whose weights are set by hand, so that it is known what each head does. Hidden dimensions 0-15 hold the token, 16-79 the position, 80-95
/// the token before, 96-111 the token that followed earlier. Head 0.0 looks at the token before and writes it down; head 1.1 looks where the token
/// before was the present one (an induction head) and writes down what stands there; the other two have no weights and look everywhere alike.
/// </summary>
internal sealed class BuiltModel : IDisposable
{
    public const int Vocabulary = 16, Positions = 64;
    private const int Hidden = 128, HeadSize = 64, Layers = 2, Heads = 2;
    private const int Token = 0, Position = 16, Before = 80, Followed = 96;

    /// <summary>What a one among 128 dimensions becomes by layer normalisation, roughly: values are written back as ones.</summary>
    private const float Normed = 7.9f;

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"attention-lens-{Guid.NewGuid():N}");

    /// <param name="predicts">"previous": the next token is the one before the present one; "followed": what followed the present one earlier.</param>
    public BuiltModel(string predicts = "followed")
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(Path.Combine(_folder, "config.json"), new JsonObject
        {
            ["model_type"] = "gpt2",
            ["architectures"] = new JsonArray("GPT2LMHeadModel"),
            ["n_embd"] = Hidden,
            ["n_head"] = Heads,
            ["n_layer"] = Layers,
            ["n_positions"] = Positions,
            ["vocab_size"] = Vocabulary,
            ["tie_word_embeddings"] = false,
        }.ToJsonString());
        var writer = new SafetensorsWriter();
        writer.Add("transformer.wte.weight", Matrix(Vocabulary, Hidden, set => Each(Vocabulary, i => set(i, Token + i, 1))));
        writer.Add("transformer.wpe.weight", Matrix(Positions, Hidden, set => Each(Positions, i => set(i, Position + i, 1))));
        for (var layer = 0; layer < Layers; layer++)
        {
            var isInduction = layer == 1;
            var head = layer * HeadSize; // head 0 of layer 0, head 1 of layer 1
            writer.Add($"transformer.h.{layer}.attn.c_attn.weight", Matrix(Hidden, 3 * Hidden, set =>
            {
                if (isInduction)
                {
                    Each(Vocabulary, t => set(Token + t, head + t, 2));
                    Each(Vocabulary, t => set(Before + t, Hidden + head + t, 2));
                }
                else
                {
                    Each(Positions, p => set(Position + p, head + Math.Max(0, p - 1), 2));
                    Each(Positions, p => set(Position + p, Hidden + head + p, 2));
                }

                Each(Vocabulary, t => set(Token + t, (2 * Hidden) + head + t, 1 / Normed));
            }));
            writer.Add($"transformer.h.{layer}.attn.c_proj.weight", Matrix(Hidden, Hidden, set => Each(Vocabulary, t => set(head + t, (isInduction ? Followed : Before) + t, 1))));
            writer.Add($"transformer.h.{layer}.mlp.c_fc.weight", Matrix(Hidden, 4 * Hidden, static _ => { }));
            writer.Add($"transformer.h.{layer}.mlp.c_proj.weight", Matrix(4 * Hidden, Hidden, static _ => { }));
            foreach (var (name, size) in new[] { ("attn.c_attn", 3 * Hidden), ("attn.c_proj", Hidden), ("mlp.c_fc", 4 * Hidden), ("mlp.c_proj", Hidden) })
            {
                writer.Add($"transformer.h.{layer}.{name}.bias", new Tensor(new float[size], [size]));
            }

            Norm($"transformer.h.{layer}.ln_1");
            Norm($"transformer.h.{layer}.ln_2");
        }

        Norm("transformer.ln_f");
        var read = predicts == "previous" ? Before : Followed;
        writer.Add("lm_head.weight", Matrix(Vocabulary, Hidden, set => Each(Vocabulary, t => set(t, read + t, 3))));
        using (var stream = File.Create(Path.Combine(_folder, "model.safetensors")))
        {
            writer.WriteTo(stream);
        }

        Model = Model.Load(_folder);

        void Norm(string name)
        {
            writer.Add($"{name}.weight", new Tensor([.. Enumerable.Repeat(1f, Hidden)], [Hidden]));
            writer.Add($"{name}.bias", new Tensor(new float[Hidden], [Hidden]));
        }
    }

    public Model Model { get; }

    public void Dispose()
    {
        Model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static void Each(int count, Action<int> action)
    {
        for (var i = 0; i < count; i++)
        {
            action(i);
        }
    }

    private static Tensor Matrix(int rows, int columns, Action<Action<int, int, float>> fill)
    {
        var data = new float[rows * columns];
        fill((row, column, value) => data[(row * columns) + column] = value);
        return new Tensor(data, [rows, columns]);
    }
}
