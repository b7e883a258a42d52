using System.CommandLine;
using System.Globalization;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;

namespace AttentionLens.Cli;

/// <summary>Interventions on the input and the model, for every command that runs a text: --mask-token, --replace, --set-head.</summary>
internal sealed class ChangeOptions
{
    public Option<int[]> Mask { get; } = new("--mask-token") { Description = "Put the mask token in place of a token, by number from 0; may be repeated.", HelpName = "N", DefaultValueFactory = _ => [] };

    public Option<string[]> Replace { get; } = new("--replace") { Description = "Put a word that is one token in place of a token: 3=dog; may be repeated.", HelpName = "N=WORD", DefaultValueFactory = _ => [] };

    public Option<string[]> Heads { get; } = new("--set-head")
    {
        Description = "Force the attention of heads: 2.0=zero, 2.*=uniform or 1-3.0,4.5=mean; decoder.2.0 and cross.2.0 for those of an encoder-decoder; may be repeated.",
        HelpName = "L.H=HOW",
        DefaultValueFactory = _ => [],
    };

    public void AddTo(Command command)
    {
        command.Add(Mask);
        command.Add(Replace);
        command.Add(Heads);
    }

    public bool AreGiven(ParseResult parsed) =>
        parsed.GetRequiredValue(Mask).Length + parsed.GetRequiredValue(Replace).Length + parsed.GetRequiredValue(Heads).Length > 0;

    /// <summary>The input with what was asked for.</summary>
    /// <exception cref="UsageException">Not written as it must be.</exception>
    /// <exception cref="CommandException">No such token, or no mask token.</exception>
    public ModelInput Apply(ParseResult parsed, Model model, ModelInput input)
    {
        int[] ids = [.. input.InputIds];
        foreach (var index in parsed.GetRequiredValue(Mask))
        {
            ids[Index(index, ids)] = model.Tokenizer?.Special.Mask ?? throw new CommandException($"{model.Info.Name} has no mask token; use --replace.");
        }

        foreach (var text in parsed.GetRequiredValue(Replace))
        {
            var (name, word) = Parts(text, "--replace", "3=dog");
            ids[Index(Number(name, "--replace"), ids)] = OutputNames.Token(model, word);
        }

        HeadIntervention[] heads = [.. parsed.GetRequiredValue(Heads).SelectMany(text => Forced(text, model.Info))];
        return input with { InputIds = ids, Interventions = heads.Length > 0 ? heads : null };
    }

    private static int Index(int index, int[] ids) =>
        (uint)index < (uint)ids.Length ? index : throw new CommandException($"There is no token {index}; there are {ids.Length}, counted from 0.");

    private static IEnumerable<HeadIntervention> Forced(string text, ModelInfo model)
    {
        var (name, how) = Parts(text, "--set-head", "2.0=zero");
        var kind = model.Kind switch { ModelKind.Decoder => "decoder", ModelKind.Vision => "vision", _ => "encoder" };
        if (char.IsAsciiLetter(name[0]) && name.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot)
        {
            (kind, name) = (name[..dot], name[(dot + 1)..]);
        }

        if (!Enum.TryParse(kind, ignoreCase: true, out AttentionKind stack) || !Enum.IsDefined(stack)
            || !Enum.TryParse(how, ignoreCase: true, out HeadEffect effect) || !Enum.IsDefined(effect) || char.IsAsciiDigit(how[0])
            || !HeadSet.TryParse(name, out var set))
        {
            throw new UsageException($"--set-head takes LAYER.HEAD=zero, uniform or mean, such as 2.0=zero, not '{text}'.");
        }

        var isSecond = (model.Kind, stack) is (ModelKind.EncoderDecoder, AttentionKind.Decoder or AttentionKind.Cross) or (ModelKind.TextVision, AttentionKind.Vision);
        var (layers, heads) = isSecond ? (model.DecoderLayers, model.DecoderHeads) : (model.Layers, model.Heads);
        return set.Missing(layers, heads) is { } missing
            ? throw new CommandException($"{model.Name} has no {missing}.")
            : set.Of(layers, heads).Select(h => new HeadIntervention(stack, h.Layer, h.Head, effect));
    }

    private static (string Name, string Value) Parts(string text, string option, string example) => text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1
        ? (text[..at], text[(at + 1)..])
        : throw new UsageException($"{option} is written as in {example}, not '{text}'.");

    private static int Number(string text, string option) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new UsageException($"{option} takes numbers from 0, not '{text}'.");
}
