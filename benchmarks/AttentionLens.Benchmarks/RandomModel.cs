using AttentionLens.Models;

namespace AttentionLens.Benchmarks;

/// <summary>Model folders of real sizes with random weights: what takes the time is their shape, not their values.</summary>
internal static class RandomModel
{
    public static readonly string[] Names = ["bert-base", "minilm-l6", "bert-mini", "bert-tiny", "bert-nano", "gpt2", "gpt2-4096"];

    public static void Write(string name, string folder)
    {
        Directory.CreateDirectory(folder);
        var random = new Random(1);
        var writer = new SafetensorsWriter();
        string config = name switch
        {
            "bert-base" => Bert(768, 12, 12),
            "minilm-l6" => Bert(384, 6, 12),
            "bert-mini" => MaskedBert(),
            "bert-tiny" => Bert(128, 2, 2),
            "bert-nano" => Bert(32, 1, 1),
            "gpt2" => Gpt2(1024),
            "gpt2-4096" => Gpt2(4096),
            _ => throw new ArgumentException($"'{name}' is not one of {string.Join(", ", Names)}."),
        };
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        using FileStream file = File.Create(Path.Combine(folder, "model.safetensors"));
        writer.WriteTo(file);

        string Bert(int hidden, int layers, int heads)
        {
            Matrix("embeddings.word_embeddings.weight", 30522, hidden);
            Matrix("embeddings.position_embeddings.weight", 512, hidden);
            Matrix("embeddings.token_type_embeddings.weight", 2, hidden);
            Norm("embeddings.LayerNorm", hidden);
            for (int i = 0; i < layers; i++)
            {
                string layer = $"encoder.layer.{i}.";
                foreach (string part in new[] { "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense" })
                {
                    Linear(layer + part, hidden, hidden);
                }

                Norm(layer + "attention.output.LayerNorm", hidden);
                Linear(layer + "intermediate.dense", 4 * hidden, hidden);
                Linear(layer + "output.dense", hidden, 4 * hidden);
                Norm(layer + "output.LayerNorm", hidden);
            }

            return $$"""
                {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": 30522, "hidden_size": {{hidden}}, "num_hidden_layers": {{layers}},
                 "num_attention_heads": {{heads}}, "intermediate_size": {{4 * hidden}}, "hidden_act": "gelu", "max_position_embeddings": 512,
                 "type_vocab_size": 2, "layer_norm_eps": 1e-12}
                """;
        }

        // With a head, for methods that explain an output.
        string MaskedBert()
        {
            string body = Bert(256, 4, 4);
            Linear("cls.predictions.transform.dense", 256, 256);
            Norm("cls.predictions.transform.LayerNorm", 256);
            return body.Replace("BertModel", "BertForMaskedLM", StringComparison.Ordinal);
        }

        string Gpt2(int positions)
        {
            Matrix("wte.weight", 50257, 768);
            Matrix("wpe.weight", positions, 768);
            for (int i = 0; i < 12; i++)
            {
                string layer = $"h.{i}.";
                Norm(layer + "ln_1", 768);
                Linear(layer + "attn.c_attn", 768, 2304, 2304);
                Linear(layer + "attn.c_proj", 768, 768);
                Norm(layer + "ln_2", 768);
                Linear(layer + "mlp.c_fc", 768, 3072, 3072);
                Linear(layer + "mlp.c_proj", 3072, 768, 768);
            }

            Norm("ln_f", 768);
            return $$"""
                {"architectures": ["GPT2Model"], "model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
                 "n_positions": {{positions}}, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05}
                """;
        }

        void Linear(string name, int rows, int columns, int? bias = null)
        {
            Matrix(name + ".weight", rows, columns);
            Add(name + ".bias", [bias ?? rows], 0.02f, 0);
        }

        void Norm(string name, int width)
        {
            Add(name + ".weight", [width], 0.1f, 1);
            Add(name + ".bias", [width], 0.1f, 0);
        }

        void Matrix(string name, int rows, int columns) => Add(name, [rows, columns], 0.05f, 0);

        void Add(string name, int[] shape, float scale, float center) => writer.Add(name, shape, values =>
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = center + scale * (2 * random.NextSingle() - 1);
            }
        });
    }
}
