namespace AttentionLens.Models;

/// <summary>What one forward pass leaves: per layer the queries and keys, from which any attention row is recomputed, and what <see cref="Keep"/> asked for.</summary>
public sealed class AttentionTrace
{
    private readonly Dictionary<string, Tensor> outputs;

    internal AttentionTrace(ModelInfo model, ModelInput input, IReadOnlyList<AttentionStack> stacks, Dictionary<string, Tensor> outputs)
    {
        Model = model;
        Input = input;
        Stacks = stacks;
        this.outputs = outputs;
    }

    /// <summary>A trace of attention that was computed elsewhere: weights and nothing else.</summary>
    /// <param name="model">What is known of the model.</param>
    /// <param name="input">Its input; empty where the ids are not known.</param>
    /// <param name="stacks">At least one.</param>
    /// <exception cref="ArgumentException">A layer is not [heads, queries, keys].</exception>
    public static AttentionTrace Stored(ModelInfo model, ModelInput input, IReadOnlyList<StoredAttention> stacks)
    {
        foreach (StoredAttention stack in stacks)
        {
            if (stack.Layers.Length == 0 || stack.Layers.Any(layer => layer.Length != (long)stack.Heads * stack.Queries * stack.Keys))
            {
                throw new ArgumentException($"Each layer must hold {stack.Heads} x {stack.Queries} x {stack.Keys} weights.", nameof(stacks));
            }
        }

        return new AttentionTrace(model, input, [.. stacks.Select(static stack => new StoredStack(stack))], []);
    }

    public ModelInfo Model { get; }

    public ModelInput Input { get; }

    /// <summary>Encoder, then decoder, then cross; one for single-stack models; text (encoder) and vision for CLIP.</summary>
    public IReadOnlyList<AttentionStack> Stacks { get; }

    /// <summary>The overlapping windows that a text longer than the model's window was cut into; empty for one pass over the whole.</summary>
    public IReadOnlyList<TextWindow> Windows { get; init; } = [];

    /// <summary>Outputs of the head by name: <c>logits</c>, <c>text_embeds</c>, <c>image_embeds</c>, <c>start_logits</c>, <c>end_logits</c>, <c>last_hidden_state</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Outputs => outputs;

    /// <summary>Scores of the head (shape: see <see cref="HeadKind"/>); null when not kept or the model has no head.</summary>
    public Tensor? Logits => outputs.GetValueOrDefault("logits");

    /// <summary>Bytes held, for a cache's bookkeeping.</summary>
    public long Bytes => Stacks.Sum(static s => s.Bytes) + outputs.Values.Sum(static t => (long)t.Data.Length * sizeof(float));

    public AttentionStack? Stack(AttentionKind kind) => Stacks.FirstOrDefault(s => s.Kind == kind);
}
