namespace AttentionLens.Kernels;

/// <summary>Transposition into the order in which the micro-kernel reads.</summary>
internal static unsafe class Interleave
{
    /// <summary>target[k * rows + r] = source[r * stride + k] for k &lt; depth.</summary>
    public static void Rows(float* source, int rows, nint stride, int depth, float* target) => Rows(source, rows, stride, depth, target, rows);

    /// <summary>The same with <paramref name="width"/> &gt;= rows columns in the target; those past the last row become 0.</summary>
    public static void Rows(float* source, int rows, nint stride, int depth, float* target, int width)
    {
        for (nint k = 0; k < depth; k++)
        {
            float* to = target + k * width;
            float* from = source + k;
            int r = 0;
            for (; r < rows; r++)
            {
                to[r] = from[r * stride];
            }

            for (; r < width; r++)
            {
                to[r] = 0;
            }
        }
    }
}
