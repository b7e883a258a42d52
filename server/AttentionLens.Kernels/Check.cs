namespace AttentionLens.Kernels;

/// <summary>Checks of lengths at the public edge; behind it kernels work on pointers.</summary>
internal static class Check
{
    public static void Length(int actual, long needed, string name)
    {
        if (actual < needed)
        {
            throw new ArgumentException($"{name} holds {actual} values; {needed} are needed.", name);
        }
    }

    public static void Rows(int actual, int rows, int stride, int width, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        if (stride < width)
        {
            throw new ArgumentException($"The rows of {name} are {width} wide and cannot be {stride} apart.", name);
        }

        Length(actual, rows == 0 ? 0 : (long)(rows - 1) * stride + width, name);
    }
}
