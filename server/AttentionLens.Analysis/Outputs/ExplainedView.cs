using System.Collections.Concurrent;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>
/// A method that explains outputs, as a matrix: row i is about the output at position i, in shares (scores divided by the sum of their absolute values,
/// because outputs differ in scale). For heads that score the whole input all rows are the same. Rows are computed when asked for and kept.
/// </summary>
public sealed class ExplainedView(Method method, MethodInput input) : AttentionView
{
    /// <summary>A whole matrix explains so many outputs at most: beyond that it takes minutes.</summary>
    public const int MaxOutputs = 128;

    private readonly ConcurrentDictionary<int, TokenScores> _known = [];

    public override AttentionKind Kind => input.Stack.Kind;

    public override int Layers => 1;

    public override int Heads => 1;

    public override int Queries => input.Stack.Queries;

    public override int Keys => input.Stack.Keys;

    public override bool Causal => input.Stack.Causal;

    public override bool JoinsLayers => true;

    public override long Bytes => (long)Queries * Keys * sizeof(float);

    private bool IsPerToken => input.Model.Info.Head is not (HeadKind.SequenceClassification or HeadKind.QuestionAnswering);

    /// <summary>The scores of one output: of the position, or of the one that <see cref="OutputTarget.Of"/> takes when none is named (null).</summary>
    /// <exception cref="MethodException">No such output.</exception>
    public TokenScores Scores(int? position, CancellationToken cancellation)
    {
        int key = IsPerToken ? position ?? -1 : -1;
        if (!_known.TryGetValue(key, out TokenScores? scores))
        {
            OutputTarget target = OutputTarget.Of(input.Model, input.Trace.Input, input.Choice with { Position = key < 0 ? input.Choice.Position : key }, cancellation);
            scores = TokenScores.Of(method, input.Model, target, null, input.Progress, cancellation);
            _known[key] = scores;
        }

        return scores;
    }

    /// <summary>The shares of one output's scores on the tokens along this view's keys, into row[Keys].</summary>
    public void Shares(TokenScores scores, Span<float> row)
    {
        float[] own = Kind == AttentionKind.Decoder && scores.Target.Length > 0 ? scores.Target : scores.Source;
        double sum = scores.Source.Concat(scores.Target).Sum(static s => Math.Abs((double)s));
        for (int i = 0; i < Keys; i++)
        {
            row[i] = sum > 0 ? (float)(own[i] / sum) : 0;
        }
    }

    public override void Row(int layer, int head, int query, Span<float> row, CancellationToken cancellation = default) => Shares(Scores(query, cancellation), row);

    public override void Head(int layer, int head, Span<float> weights, CancellationToken cancellation = default)
    {
        if (IsPerToken && Queries > MaxOutputs)
        {
            throw new MethodException($"{method.Title} of every position would explain {Queries} outputs, which takes minutes beyond {MaxOutputs}; look at one token, or choose a shorter text.");
        }

        base.Head(layer, head, weights, cancellation);
    }
}
