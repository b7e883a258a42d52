using System.CommandLine;
using System.Globalization;
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
        Description = "Force the attention of a head, by layer and head: 2.0=zero, 2.0=uniform or 2.0=mean; decoder.2.0 and cross.2.0 for those of an encoder-decoder; may be repeated.",
        HelpName = "L.H=HOW",
        DefaultValueFactory = _ => [],
    };

    public void AddTo(Command command)
    {
        command.Add(Mask);
        command.Add(Replace);
        command.Add(Heads);
    }

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

        HeadIntervention[] heads = [.. parsed.GetRequiredValue(Heads).Select(text => Head(text, model.Info))];
        return input with { InputIds = ids, Interventions = heads.Length > 0 ? heads : null };
    }

    private static int Index(int index, int[] ids) =>
        (uint)index < (uint)ids.Length ? index : throw new CommandException($"There is no token {index}; there are {ids.Length}, counted from 0.");

    private static HeadIntervention Head(string text, ModelInfo model)
    {
        var (name, how) = Parts(text, "--set-head", "2.0=zero");
        var parts = name.Split('.');
        var kind = parts.Length == 3 ? parts[0] : model.Kind switch { ModelKind.Decoder => "decoder", ModelKind.Vision => "vision", _ => "encoder" };
        return parts.Length is 2 or 3
            && Enum.TryParse(kind, ignoreCase: true, out AttentionKind stack) && Enum.IsDefined(stack)
            && Enum.TryParse(how, ignoreCase: true, out HeadEffect effect) && Enum.IsDefined(effect) && !char.IsAsciiDigit(how[0])
            ? new HeadIntervention(stack, Number(parts[^2], "--set-head"), Number(parts[^1], "--set-head"), effect)
            : throw new UsageException($"--set-head takes LAYER.HEAD=zero, uniform or mean, such as 2.0=zero, not '{text}'.");
    }

    private static (string Name, string Value) Parts(string text, string option, string example) => text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1
        ? (text[..at], text[(at + 1)..])
        : throw new UsageException($"{option} is written as in {example}, not '{text}'.");

    private static int Number(string text, string option) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new UsageException($"{option} takes numbers from 0, not '{text}'.");
}
