using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>For BertViz; see <see cref="BertVizFile"/>.</summary>
internal sealed class BertVizFormat : Format
{
    public override string Name => "bertviz";

    public override bool IsData => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation) =>
        BertVizFile.Write(result, stream, cancellation);
}
