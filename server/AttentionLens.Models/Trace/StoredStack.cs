using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>A stack whose weights were computed elsewhere: there is nothing behind them, so no scores, values or hidden states.</summary>
internal sealed class StoredStack : AttentionStack
{
    private readonly float[][] layers;
    private readonly ProfileSums?[] profiles;
    private readonly AttentionPattern pattern;
    private readonly int[] separators;

    /// <param name="stored">Checked by <see cref="AttentionTrace.Stored"/>.</param>
    public StoredStack(StoredAttention stored)
        : base(stored.Kind, stored.Layers.Length, stored.Heads, stored.Queries, stored.Keys, stored.Causal)
    {
        layers = stored.Layers;
        separators = stored.Separators;
        profiles = new ProfileSums?[layers.Length];
        pattern = new AttentionPattern { Queries = Queries, Keys = Keys, Heads = Heads, HeadSize = 1, Scale = 1, After = Causal ? 0 : int.MaxValue };
    }

    public override long Bytes => (long)Layers * Heads * Queries * Keys * sizeof(float);

    public override int HiddenStates => 0;

    public override bool HasValues => false;

    public override ReadOnlySpan<float> HiddenState(int index) => throw new ArgumentOutOfRangeException(nameof(index));

    public override ReadOnlySpan<float> Value(int layer, int head, int key) => throw new InvalidOperationException("Stored attention has no values.");

    public override void Row(int layer, int head, int query, Span<float> row)
    {
        CheckQuery(query);
        Matrix(layer, head).Slice(query * Keys, Keys).CopyTo(row);
    }

    public override AttentionScore? Score(int layer, int head, int query, int key) => null;

    public override void Head(int layer, int head, Span<float> weights) => Matrix(layer, head).CopyTo(weights);

    public override void Tile(int layer, int head, Range rows, Range columns, int tileRows, int tileColumns, Pooling pooling, Span<float> tile)
    {
        Check(layer, head);
        CheckTile(tileRows, tileColumns, tile);
        TileByRow(layer, head, rows, columns, tileRows, tileColumns, pooling, tile);
    }

    public override HeadProfile Profile(int layer, int head)
    {
        Check(layer, head);
        return (profiles[layer] ??= Sums(layer)).Profile(head);
    }

    private ReadOnlySpan<float> Matrix(int layer, int head)
    {
        Check(layer, head);
        return layers[layer].AsSpan(head * Queries * Keys, Queries * Keys);
    }

    private ProfileSums Sums(int layer)
    {
        var sums = new ProfileSums(pattern, separators);
        for (int head = 0; head < Heads; head++)
        {
            RowSums rows = default;
            for (int query = 0; query < Queries; query++)
            {
                ReadOnlySpan<float> row = Matrix(layer, head).Slice(query * Keys, Keys);
                float entropy = 0;
                foreach (float weight in row)
                {
                    entropy -= weight > 0 ? weight * MathF.Log(weight) : 0;
                }

                // A causal row ends with its own position; what is behind it is no key of the row.
                sums.Row(ref rows, query, new WeightRow(0, row[..pattern.EndKey(query)], [], []), new RowStatistics(entropy, Vectors.Max(row), 0, 0));
            }

            sums.Add(head, rows);
        }

        return sums;
    }
}

/// <summary>Attention weights that another program computed.</summary>
/// <param name="Kind">Which attention.</param>
/// <param name="Heads">Of each layer.</param>
/// <param name="Queries">Rows of each matrix.</param>
/// <param name="Keys">Columns of each matrix.</param>
/// <param name="Causal">No query has weight on a key after it.</param>
/// <param name="Layers">For each layer [Heads, Queries, Keys], row-major, finite.</param>
/// <param name="Separators">Positions of separator keys, for profiles.</param>
public sealed record StoredAttention(AttentionKind Kind, int Heads, int Queries, int Keys, bool Causal, float[][] Layers, int[] Separators);
