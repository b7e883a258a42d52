using System.Globalization;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Export;

/// <summary>One row or column of an attention matrix: a token of a text, an id without text, or an image patch.</summary>
public sealed record AttendedToken(int Id, string Text, int Start, int End, bool Special, int Sequence, int TypeId)
{
    /// <summary>For an unknown token the text that it stands for.</summary>
    public string? Source { get; init; }

    /// <summary>For a token whose spelling cannot be read, what can: "ä" for "Ã¤".</summary>
    public string? Readable { get; init; }

    /// <summary>What people read: "[UNK] naïve" rather than "[UNK]" alone.</summary>
    public string Shown => Source is null ? Readable ?? Text : $"{Text} {Source}";
}

/// <summary>One attention stack of a run with the tokens on its two sides.</summary>
public sealed record StackResult(AttentionView View, AttentionStack Stack, AttendedToken[] Queries, AttendedToken[] Keys)
{
    /// <summary>"encoder", "decoder", "cross" or "vision".</summary>
    public string Name => View.Kind.ToString().ToLowerInvariant();
}

/// <summary>What is taken along: some matrices of a trace's stacks, for every format to write.</summary>
public sealed record AttentionResult(AttentionTrace Trace, string Method, Selection Layers, Selection Heads, StackResult[] Stacks)
{
    public ModelInfo Model => Trace.Model;

    public string? Text { get; init; }

    public string? Pair { get; init; }

    public string? Target { get; init; }

    public SinkHandling Special { get; init; }

    /// <summary>Some heads as one matrix; goes before <see cref="Layers"/> and <see cref="Heads"/>.</summary>
    public HeadSet? Set { get; init; }

    /// <summary>The method explains an output of the whole model: there is one matrix for all layers and heads.</summary>
    public bool Explained => Methods.Named(Method).JoinsLayers;

    /// <summary>The asked-for matrices of a stack in order.</summary>
    /// <exception cref="ExportException">There are fewer layers or heads.</exception>
    public IEnumerable<HeadSelection> Selections(StackResult stack)
    {
        if (Set is { } set)
        {
            // Of a method that joined the layers nothing is left to choose.
            yield return stack.View.JoinsLayers || set.Missing(stack.Stack.Layers, stack.Stack.Heads) is not { } missing
                ? new HeadSelection(null, null, set)
                : throw new ExportException($"The {stack.Name} has no {missing}.");
            yield break;
        }

        foreach (var layer in Layers.Of(stack.View.Layers, "layer"))
        {
            // A method that joins heads has one matrix per layer, whichever head was asked for.
            foreach (var head in stack.View.Heads == 1 && stack.Stack.Heads > 1 ? [null] : Heads.Of(stack.View.Heads, "head"))
            {
                yield return new HeadSelection(layer, head);
            }
        }
    }

    /// <summary>The oracle's name of a stack's tensors: "attentions", "cross_attentions", "text_hidden_states", ...</summary>
    public string TensorName(StackResult stack, string what) => (Model.Kind, stack.View.Kind) switch
    {
        (ModelKind.TextVision, AttentionKind.Vision) => "vision_" + what,
        (ModelKind.TextVision, _) => "text_" + what,
        (_, AttentionKind.Cross) => "cross_" + what,
        (ModelKind.EncoderDecoder, AttentionKind.Decoder) => "decoder_" + what,
        _ => what,
    };

    /// <summary>The tokens by the name that data formats give them: <c>tokens</c>, and for a second text <c>decoder_tokens</c> or <c>vision_tokens</c>.</summary>
    public IEnumerable<(string Name, AttendedToken[] Tokens)> TokenLists
    {
        get
        {
            // Of a decoder beside an encoder that is not written, the keys of its cross-attention are the source.
            var source = Stacks.FirstOrDefault(stack => stack.View.Kind is AttentionKind.Encoder) ?? Stacks.FirstOrDefault(stack => stack.View.Kind == AttentionKind.Cross) ?? Stacks[0];
            yield return ("tokens", source.Keys);
            if (Model.Kind == ModelKind.EncoderDecoder && Stacks.FirstOrDefault(stack => stack.View.Kind is AttentionKind.Decoder or AttentionKind.Cross) is { } target)
            {
                yield return ("decoder_tokens", target.Queries);
            }

            if (Model.Kind == ModelKind.TextVision && Stacks.FirstOrDefault(stack => stack.View.Kind == AttentionKind.Vision) is { } image)
            {
                yield return ("vision_tokens", image.Queries);
            }
        }
    }

    /// <summary>What people read of a stack's matrix: "layer 3 · head 5"; a method that joins heads or layers has none to name.</summary>
    public string Describe(StackResult stack, HeadSelection selection) =>
        stack.View.JoinsLayers || Explained ? "all layers"
        : stack.View.Heads == 1 && stack.Stack.Heads > 1 && selection.Set is null ? (selection.Layer is { } layer ? $"layer {Label(layer)}" : "mean of all layers")
        : selection.ToString();

    /// <summary>Of a layer's matrices in files: its number, "mean", or "heads" for some heads as one.</summary>
    public string LayerName(int? layer) => Set is null ? Label(layer) : "heads";

    /// <summary>Of a matrix in files: its number, "mean", or what the chosen heads are.</summary>
    public static string HeadName(HeadSelection selection) => selection.Set?.ToString() ?? Label(selection.Head);

    /// <summary>A number, or "mean".</summary>
    public static string Label(int? index) => index?.ToString(CultureInfo.InvariantCulture) ?? "mean";
}
