using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>A way to write what <c>attend</c> found.</summary>
internal abstract class Format
{
    private static readonly Format[] All = [new TableFormat(), new JsonFormat(), new SvgFormat(), new PngFormat(), new HtmlFormat(), new NpzFormat(), new SafetensorsFormat(), new BertVizFormat()];

    public static IReadOnlyList<string> Names { get; } = [.. All.Select(f => f.Name)];

    public abstract string Name { get; }

    /// <summary>Not for a terminal.</summary>
    public virtual bool IsBinary => false;

    /// <summary>Read by programs: everything is written unless a layer or head is named.</summary>
    public virtual bool IsData => false;

    /// <summary>Writes hidden states and logits beside the attention.</summary>
    public virtual bool WritesOutputs => false;

    public abstract void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation);

    public static Format Named(string name) => All.First(f => f.Name == name);
}
