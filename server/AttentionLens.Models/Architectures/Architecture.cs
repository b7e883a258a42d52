using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// From <c>model_type</c> to the file that maps its configuration keys and tensor names onto a <see cref="Network"/>. The next architecture is
/// one more file and one more line here. Defaults in those files are those of the Hugging Face configuration class, which writes only what differs.
/// </summary>
internal static class Architecture
{
    private static readonly Dictionary<string, Func<ModelConfig, Weights, Network>> Known = new(StringComparer.Ordinal)
    {
        ["albert"] = AlbertArchitecture.Read,
        ["bart"] = BartArchitecture.Read,
        ["bert"] = BertArchitecture.Read,
        ["camembert"] = RobertaArchitecture.Read,
        ["clip"] = ClipArchitecture.Read,
        ["distilbert"] = DistilBertArchitecture.Read,
        ["electra"] = ElectraArchitecture.Read,
        ["gemma"] = LlamaArchitecture.ReadGemma,
        ["gpt2"] = Gpt2Architecture.Read,
        ["gpt_neox"] = GptNeoXArchitecture.Read,
        ["llama"] = LlamaArchitecture.ReadLlama,
        ["longformer"] = LongformerArchitecture.Read,
        ["marian"] = MarianArchitecture.Read,
        ["mistral"] = LlamaArchitecture.ReadMistral,
        ["phi3"] = LlamaArchitecture.ReadPhi3,
        ["qwen2"] = LlamaArchitecture.ReadQwen2,
        ["roberta"] = RobertaArchitecture.Read,
        ["t5"] = T5Architecture.Read,
        ["vit"] = VitArchitecture.Read,
        ["xlm-roberta"] = RobertaArchitecture.Read,
    };

    public static IEnumerable<string> Names => Known.Keys;

    public static Func<ModelConfig, Weights, Network> Find(string modelType) => Known.TryGetValue(modelType, out Func<ModelConfig, Weights, Network>? read)
        ? read
        : throw new ModelException($"The architecture '{modelType}' is not supported; supported are {string.Join(", ", Known.Keys)}.");

    /// <summary>Activations by Hugging Face's names; any other is refused.</summary>
    public static Activation Activation(string name) => name switch
    {
        "gelu" or "gelu_python" => Kernels.Activation.Gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" or "gelu_accurate" => Kernels.Activation.GeluTanh,
        "quick_gelu" => Kernels.Activation.QuickGelu,
        "relu" => Kernels.Activation.Relu,
        "silu" or "swish" => Kernels.Activation.Silu,
        "tanh" => Kernels.Activation.Tanh,
        _ => throw new ModelException($"The activation '{name}' is not supported."),
    };

    /// <summary>hidden / heads, which must divide.</summary>
    public static int HeadSize(int hidden, int heads) => hidden % heads == 0
        ? hidden / heads
        : throw new ModelException($"config.json: a hidden size of {hidden} cannot be shared by {heads} attention heads.");

    public static float Scale(int headSize) => (float)(1 / Math.Sqrt(headSize));

    public static T[] Layers<T>(int count, Func<int, T> read)
    {
        List<T> layers = []; // no array of a size that only a damaged config.json claims
        for (int i = 0; i < count; i++)
        {
            layers.Add(read(i));
        }

        return [.. layers];
    }
}
