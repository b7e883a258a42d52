using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>One page to look at; see <see cref="HtmlPage"/>.</summary>
internal sealed class HtmlFormat : Format
{
    public override string Name => "html";

    public override bool IsData => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation) =>
        HtmlPage.Write(result, stream, cancellation);
}
