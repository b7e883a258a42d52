using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>NumPy arrays; see <see cref="NumpyArchive"/>.</summary>
internal sealed class NpzFormat : Format
{
    public override string Name => "npz";

    public override bool IsBinary => true;

    public override bool IsData => true;

    public override bool WritesOutputs => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation) =>
        NumpyArchive.Write(result, stream, cancellation);
}
