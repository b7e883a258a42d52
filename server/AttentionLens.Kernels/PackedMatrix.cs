namespace AttentionLens.Kernels;

/// <summary>
/// Weights of a linear layer, logical shape [outputs, inputs], packed once at load for this machine's micro-kernel: panels of
/// <see cref="MicroKernel.Columns"/> outputs, each [inputs][panel width] and contiguous; the last panel is filled up with zeros.
/// Nothing changes it once it is full, so any number of threads may multiply with it. 16-bit sources are widened exactly.
/// </summary>
public sealed unsafe class PackedMatrix : IDisposable
{
    private readonly NativeBuffer _data;

    /// <summary>An empty matrix, to be filled by Append: several matrices stacked on the output axis, such as query, key and value, are one product.</summary>
    /// <param name="outputs">Outputs of all parts together.</param>
    /// <param name="inputs">Inputs of each part.</param>
    public PackedMatrix(int outputs, int inputs)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        Outputs = outputs;
        Inputs = inputs;
        _data = new NativeBuffer((long)Panels * PanelWidth * inputs);
        new Span<float>(Panel(Panels - 1), PanelWidth * inputs).Clear();
    }

    /// <summary>Length of a result row.</summary>
    public int Outputs { get; }

    /// <summary>Length of an input row.</summary>
    public int Inputs { get; }

    /// <summary>Outputs appended so far; a product needs all of them.</summary>
    public int Filled { get; private set; }

    /// <summary>Memory held.</summary>
    public long Bytes => _data.Bytes;

    internal int PanelWidth { get; } = MicroKernel.Columns;

    internal int Panels => (Outputs + PanelWidth - 1) / PanelWidth;

    /// <summary>Packs one matrix.</summary>
    /// <param name="weight">[outputs, inputs], or [inputs, outputs] when <paramref name="transposed"/> (GPT-2's Conv1D).</param>
    /// <param name="outputs">Length of a result row.</param>
    /// <param name="inputs">Length of an input row.</param>
    /// <param name="transposed">Whether the outputs are the last axis of <paramref name="weight"/>.</param>
    /// <exception cref="ArgumentException">The length is not outputs * inputs.</exception>
    public static PackedMatrix Pack(ReadOnlySpan<float> weight, int outputs, int inputs, bool transposed = false) =>
        new PackedMatrix(outputs, inputs).Append(weight, outputs, transposed);

    /// <inheritdoc cref="Pack(ReadOnlySpan{float}, int, int, bool)"/>
    public static PackedMatrix Pack(ReadOnlySpan<Half> weight, int outputs, int inputs, bool transposed = false) =>
        new PackedMatrix(outputs, inputs).Append(weight, outputs, transposed);

    /// <inheritdoc cref="Pack(ReadOnlySpan{float}, int, int, bool)"/>
    public static PackedMatrix Pack(ReadOnlySpan<BFloat16> weight, int outputs, int inputs, bool transposed = false) =>
        new PackedMatrix(outputs, inputs).Append(weight, outputs, transposed);

    /// <summary>Adds the next <paramref name="outputs"/> outputs.</summary>
    /// <param name="weight">[outputs, inputs], or [inputs, outputs] when <paramref name="transposed"/>.</param>
    /// <param name="outputs">How many.</param>
    /// <param name="transposed">Whether the outputs are the last axis of <paramref name="weight"/>.</param>
    /// <exception cref="ArgumentException">The length is not outputs * inputs, or they are more than the matrix has left.</exception>
    public PackedMatrix Append(ReadOnlySpan<float> weight, int outputs, bool transposed = false) =>
        Append<float, FromSingle>(weight, outputs, transposed);

    /// <inheritdoc cref="Append(ReadOnlySpan{float}, int, bool)"/>
    public PackedMatrix Append(ReadOnlySpan<Half> weight, int outputs, bool transposed = false) =>
        Append<Half, FromHalf>(weight, outputs, transposed);

    /// <inheritdoc cref="Append(ReadOnlySpan{float}, int, bool)"/>
    public PackedMatrix Append(ReadOnlySpan<BFloat16> weight, int outputs, bool transposed = false) =>
        Append<BFloat16, FromBFloat16>(weight, outputs, transposed);

    /// <summary>The weights of one output, [Inputs].</summary>
    public void CopyRow(int output, Span<float> row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(output, Outputs);
        Check.Length(row.Length, Inputs, nameof(row));
        float* source = Panel(output / PanelWidth) + (output % PanelWidth);
        for (int k = 0; k < Inputs; k++)
        {
            row[k] = source[(nint)k * PanelWidth];
        }
    }

    /// <summary>The same weights with outputs and inputs exchanged, packed anew.</summary>
    public PackedMatrix Transpose()
    {
        PackedMatrix result = new(Inputs, Outputs);
        float[] row = new float[Inputs];
        for (int output = 0; output < Outputs; output++)
        {
            CopyRow(output, row);
            for (int k = 0; k < row.Length; k++)
            {
                result.Panel(k / PanelWidth)[((nint)output * PanelWidth) + (k % PanelWidth)] = row[k];
            }
        }

        result.Filled = Inputs;
        return result;
    }

    /// <summary>Frees the memory; no product with it may be under way.</summary>
    public void Dispose() => _data.Dispose();

    internal float* Panel(int panel) => _data.Pointer + (long)panel * PanelWidth * Inputs;

    private PackedMatrix Append<TSource, TWiden>(ReadOnlySpan<TSource> weight, int outputs, bool transposed)
        where TSource : unmanaged
        where TWiden : struct, IWiden<TSource>
    {
        if (outputs < 0 || outputs > Outputs - Filled)
        {
            throw new ArgumentException($"{outputs} outputs do not fit: {Filled} of {Outputs} are filled.", nameof(outputs));
        }

        if (weight.Length != (long)outputs * Inputs)
        {
            throw new ArgumentException($"A matrix of {outputs} x {Inputs} needs {(long)outputs * Inputs} values, not {weight.Length}.", nameof(weight));
        }

        nint rowStep = transposed ? outputs : 1;
        nint columnStep = transposed ? 1 : Inputs;
        fixed (TSource* source = weight)
        {
            // One panel at a time: its writes are sequential and its reads run along `PanelWidth` rows at once.
            for (int first = Filled; first < Filled + outputs;)
            {
                int column = first % PanelWidth;
                int columns = Math.Min(PanelWidth - column, Filled + outputs - first);
                float* target = Panel(first / PanelWidth) + column;
                TSource* from = source + (first - Filled) * columnStep;
                for (nint k = 0; k < Inputs; k++)
                {
                    for (nint c = 0; c < columns; c++)
                    {
                        target[k * PanelWidth + c] = TWiden.Widen(from[k * rowStep + c * columnStep]);
                    }
                }

                first += columns;
            }
        }

        Filled += outputs;
        return this;
    }

    private interface IWiden<TSource>
    {
        static abstract float Widen(TSource value);
    }

    private readonly struct FromSingle : IWiden<float>
    {
        public static float Widen(float value) => value;
    }

    private readonly struct FromHalf : IWiden<Half>
    {
        public static float Widen(Half value) => (float)value;
    }

    private readonly struct FromBFloat16 : IWiden<BFloat16>
    {
        public static float Widen(BFloat16 value) => (float)value;
    }
}

/// <summary>A bfloat16 as stored in a file: the upper half of a float32. Spans of it may be reinterpreted from bytes.</summary>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Exact.</summary>
    public static explicit operator float(BFloat16 value) => BitConverter.Int32BitsToSingle(value.Bits << 16);
}
