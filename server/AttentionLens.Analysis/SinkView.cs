using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>A view whose rows have their special tokens hidden or the rest renormalized.</summary>
public sealed class SinkView(AttentionView inner, bool[] sinks, SinkHandling handling) : AttentionView
{
    public override AttentionKind Kind => inner.Kind;

    public override int Layers => inner.Layers;

    public override int Heads => inner.Heads;

    public override int Queries => inner.Queries;

    public override int Keys => inner.Keys;

    public override bool Causal => inner.Causal;

    public override long Bytes => inner.Bytes;

    /// <summary>As everywhere else, several heads are one before anything is hidden.</summary>
    public override AttentionView Join(HeadSelection selection) => new SinkView(inner.Join(selection), sinks, handling);

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default)
    {
        inner.Row(layer, head, query, row, cancellation);
        Sinks.Apply(row[..Keys], sinks, handling);
    }

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default)
    {
        inner.Head(layer, head, weights, cancellation);
        for (var query = 0; query < Queries; query++)
        {
            Sinks.Apply(weights.Slice(query * Keys, Keys), sinks, handling);
        }
    }
}
