using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>Formats that draw matrices one below the other.</summary>
internal abstract class PictureFormat : Format
{
    /// <summary>More matrices than this make no picture.</summary>
    protected const int MaxMatrices = 400;

    protected sealed record Matrix(StackResult Stack, HeadSelection Selection, float[] Weights)
    {
        public int Rows => Stack.Queries.Length;

        public int Columns => Stack.Keys.Length;

        /// <summary>The largest weight; with signs the largest distance from 0.</summary>
        public float Max { get; } = Weights.Length == 0 ? 0 : Math.Max(Weights.Max(), -Weights.Min());

        /// <summary>Some weights are below 0 by more than rounding.</summary>
        public bool IsSigned => Weights.Length > 0 && Weights.Min() < -Max / 1000;
    }

    protected static List<Matrix> Matrices(AttentionResult result, CancellationToken cancellation)
    {
        var count = result.Stacks.Sum(stack => result.Selections(stack).Count());
        if (count > MaxMatrices)
        {
            throw new CommandException($"That would draw {count} matrices, at most {MaxMatrices} fit a picture; name a layer or head, or use --format html.");
        }

        var matrices = new List<Matrix>();
        foreach (var stack in result.Stacks)
        {
            foreach (var selection in result.Selections(stack))
            {
                cancellation.ThrowIfCancellationRequested();
                var weights = new float[stack.View.Queries * stack.View.Keys];
                Weights.Matrix(stack.View, selection, weights, cancellation);
                matrices.Add(new Matrix(stack, selection, weights));
            }
        }

        return matrices;
    }

    protected static string Title(AttentionResult result, Matrix matrix)
    {
        var method = result.Method == Methods.Raw.Name ? "" : $" · {result.Method}";
        return $"{result.Model.Name} · {matrix.Stack.Name}{method} · {result.Describe(matrix.Stack, matrix.Selection)}";
    }
}
