using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>Tensors; see <see cref="TensorFile"/>.</summary>
internal sealed class SafetensorsFormat : Format
{
    public override string Name => "safetensors";

    public override bool IsBinary => true;

    public override bool IsData => true;

    public override bool WritesOutputs => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation) =>
        TensorFile.Write(result, stream, cancellation);
}
