using System.CommandLine;
using AttentionLens.Analysis;

namespace AttentionLens.Cli;

/// <summary>Some heads as one: --heads "3.5,4.*" or --layers "2,5-7", in the notation of <see cref="HeadSet"/>.</summary>
internal sealed class HeadOptions
{
    public Option<string?> Heads { get; } = new("--heads") { Description = "Several heads as one, their mean (with --method max the largest weight): \"3.5,4.*,6-8.2\".", HelpName = "L.H,..." };

    public Option<string?> Layers { get; } = new("--layers") { Description = "All heads of several layers as one: \"2,5-7\" is --heads \"2.*,5-7.*\".", HelpName = "L,..." };

    public void AddTo(Command command)
    {
        command.Add(Heads);
        command.Add(Layers);
    }

    /// <summary>The heads that were asked for; null when none were.</summary>
    /// <exception cref="UsageException">Not written as it must be.</exception>
    public HeadSet? Read(ParseResult parsed)
    {
        var (heads, layers) = (parsed.GetValue(Heads), parsed.GetValue(Layers));
        if (heads is not null && layers is not null)
        {
            throw new UsageException("Give either --heads or --layers: \"4.*\" among the heads is all of layer 4.");
        }

        return layers is null ? Parse(heads, "--heads")
            : HeadSet.TryParseLayers(layers, out var set) ? set
            : throw new UsageException($"--layers takes numbers from 0 with commas between, such as 2,5-7, not '{layers}'.");
    }

    /// <inheritdoc cref="Read"/>
    public static HeadSet? Parse(string? text, string option) => text is null ? null
        : HeadSet.TryParse(text, out var set) ? set
        : throw new UsageException($"{option} takes {HeadSet.Notation}, not '{text}'.");
}
