using System.Buffers;
using AttentionLens.Kernels;

namespace AttentionLens.Models;

/// <summary>
/// Reads tensors by name below a prefix and checks each against the shape that the configuration calls for. Progress counts tensor values read
/// against all that the checkpoint stores.
/// </summary>
internal sealed class Weights
{
    /// <summary>Values read at a time.</summary>
    private const int Step = 1 << 20;

    private readonly Checkpoint checkpoint;
    private readonly string prefix;
    private readonly Loading loading;

    public Weights(Checkpoint checkpoint, IProgress<double>? progress, CancellationToken cancellation)
        : this(checkpoint, "", new Loading(checkpoint.Parameters, progress, [], cancellation))
    {
    }

    private Weights(Checkpoint checkpoint, string prefix, Loading loading)
    {
        this.checkpoint = checkpoint;
        this.prefix = prefix;
        this.loading = loading;
    }

    public Weights Under(string name) => new(checkpoint, prefix + name, loading);

    /// <summary>The scope below the first of the prefixes under which <paramref name="probe"/> is stored: the same model is saved with and without its head.</summary>
    public Weights Root(string probe, params ReadOnlySpan<string> prefixes)
    {
        foreach (string candidate in prefixes)
        {
            if (checkpoint.Has(prefix + candidate + probe))
            {
                return Under(candidate);
            }
        }

        throw new ModelException($"The checkpoint has no tensor '{prefix}{prefixes[0]}{probe}'; it is not what config.json describes.");
    }

    /// <summary>The same tensors, for reading after the load is over: without its progress and its cancellation.</summary>
    public Weights Later() => new(checkpoint, prefix, new Loading(0, null, loading.Packed, CancellationToken.None));

    public bool Has(string name) => checkpoint.Has(prefix + name);

    /// <summary>The stored shape, which must have <paramref name="rank"/> dimensions.</summary>
    public int[] Shape(string name, int rank)
    {
        Demand(name);
        int[] shape = checkpoint.Shape(prefix + name);
        return shape.Length == rank
            ? shape
            : throw new ModelException($"Tensor '{prefix}{name}' has shape {Shapes.Text(shape)}; it must have {rank} dimensions.");
    }

    /// <summary>A whole tensor of the given shape.</summary>
    public float[] Tensor(string name, params ReadOnlySpan<int> shape)
    {
        CheckShape(name, shape);
        long count = 1;
        foreach (int size in shape)
        {
            count *= size;
        }

        if (count > Array.MaxLength)
        {
            throw new ModelException($"Tensor '{prefix}{name}' has {count} values; at most {Array.MaxLength} fit.");
        }

        float[] values = GC.AllocateUninitializedArray<float>((int)count);
        Read(prefix + name, 0, values);
        return values;
    }

    public float[]? Optional(string name, params ReadOnlySpan<int> shape) => Has(name) ? Tensor(name, shape) : null;

    /// <summary><c>NAME.weight</c> [width] and <c>NAME.bias</c>; old checkpoints say gamma and beta.</summary>
    public Norm LayerNorm(string name, int width, float epsilon)
    {
        bool old = Has($"{name}.gamma");
        return new Norm(Tensor(old ? $"{name}.gamma" : $"{name}.weight", width), Tensor(old ? $"{name}.beta" : $"{name}.bias", width), epsilon);
    }

    public Norm RmsNorm(string name, int width, float epsilon, float offset = 0) => new(Tensor($"{name}.weight", width), null, epsilon, offset);

    /// <summary><c>NAME.weight</c> [outputs, inputs] (or [inputs, outputs]: GPT-2's Conv1D) and <c>NAME.bias</c> where it is stored.</summary>
    public Linear Linear(string name, int outputs, int inputs, bool transposed = false) => transposed
        ? Build(Read(name, outputs, inputs, transposed))
        : Stacked(inputs, (name, outputs));

    /// <summary>Several matrices of the same inputs on top of each other, as one. Each is packed as it is read: no second copy is ever whole.</summary>
    public Linear Stacked(int inputs, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        int outputs = 0;
        bool biased = false;
        foreach ((string name, int rows) in parts)
        {
            CheckShape($"{name}.weight", [rows, inputs]);
            outputs = checked(outputs + rows);
            biased |= Has($"{name}.bias");
        }

        PackedMatrix packed = new(outputs, inputs);
        float[] bias = new float[biased ? outputs : 0];
        int at = 0;
        foreach ((string name, int rows) in parts)
        {
            int step = Math.Clamp(Step / inputs, 1, rows);
            float[] buffer = ArrayPool<float>.Shared.Rent(checked(step * inputs));
            for (int row = 0; row < rows; row += step)
            {
                int count = Math.Min(step, rows - row);
                Span<float> values = buffer.AsSpan(0, count * inputs);
                Read(prefix + name + ".weight", (long)row * inputs, values);
                packed.Append(values, count);
            }

            ArrayPool<float>.Shared.Return(buffer);
            Optional($"{name}.bias", rows)?.CopyTo(bias.AsSpan(at));
            at += rows;
        }

        return Own(packed, bias);
    }

    /// <summary>The values of a linear map before packing, always [outputs, inputs], for maps that are stored fused and must be split.</summary>
    public RawLinear Read(string name, int outputs, int inputs, bool transposed = false)
    {
        float[] stored = Tensor($"{name}.weight", transposed ? [inputs, outputs] : [outputs, inputs]);
        float[] bias = Optional($"{name}.bias", outputs) ?? [];
        if (!transposed)
        {
            return new RawLinear(stored, bias, outputs, inputs);
        }

        float[] weight = GC.AllocateUninitializedArray<float>(stored.Length);
        for (int i = 0; i < inputs; i++)
        {
            for (int o = 0; o < outputs; o++)
            {
                weight[(o * inputs) + i] = stored[(i * outputs) + o];
            }
        }

        return new RawLinear(weight, bias, outputs, inputs);
    }

    public Linear Build(RawLinear raw) => Build(raw.Weight, raw.Bias, raw.Outputs, raw.Inputs);

    /// <summary>Packs a matrix [outputs, inputs]; the model that these weights belong to frees it.</summary>
    public Linear Build(ReadOnlySpan<float> weight, float[] bias, int outputs, int inputs) => Own(PackedMatrix.Pack(weight, outputs, inputs), bias);

    /// <summary>Frees every matrix packed from these weights.</summary>
    public void Release()
    {
        lock (loading.Packed)
        {
            foreach (PackedMatrix packed in loading.Packed)
            {
                packed.Dispose();
            }

            loading.Packed.Clear();
        }
    }

    private Linear Own(PackedMatrix packed, float[] bias)
    {
        lock (loading.Packed)
        {
            loading.Packed.Add(packed);
        }

        return new Linear(packed, bias);
    }

    private void Demand(string name)
    {
        if (!Has(name))
        {
            throw new ModelException($"The checkpoint lacks tensor '{prefix}{name}', which config.json calls for.");
        }
    }

    private void CheckShape(string name, ReadOnlySpan<int> shape)
    {
        Demand(name);
        int[] stored = checkpoint.Shape(prefix + name);
        if (!stored.AsSpan().SequenceEqual(shape))
        {
            throw new ModelException($"Tensor '{prefix}{name}' has shape {Shapes.Text(stored)}, but config.json calls for {Shapes.Text(shape.ToArray())}.");
        }
    }

    private void Read(string name, long first, Span<float> destination)
    {
        // In steps, so that cancelling takes effect within a step and progress moves inside a large embedding.
        for (int at = 0; at < destination.Length; at += Step)
        {
            int count = Math.Min(Step, destination.Length - at);
            checkpoint.Read(name, first + at, destination.Slice(at, count));
            loading.Advance(count);
        }
    }

    private sealed class Loading(long total, IProgress<double>? progress, List<PackedMatrix> packed, CancellationToken cancellation)
    {
        private long done;

        public List<PackedMatrix> Packed { get; } = packed;

        public void Advance(int count)
        {
            cancellation.ThrowIfCancellationRequested();
            done += count;
            progress?.Report(total == 0 ? 1 : Math.Min(1, (double)done / total));
        }
    }
}

/// <summary>A linear map before packing: [outputs, inputs], bias empty where there is none.</summary>
internal sealed record RawLinear(float[] Weight, float[] Bias, int Outputs, int Inputs)
{
    /// <summary>Some of the outputs, in the order given.</summary>
    public RawLinear Rows(IReadOnlyList<int> rows)
    {
        float[] weight = GC.AllocateUninitializedArray<float>(rows.Count * Inputs);
        float[] bias = new float[Bias.Length == 0 ? 0 : rows.Count];
        for (int i = 0; i < rows.Count; i++)
        {
            Weight.AsSpan(rows[i] * Inputs, Inputs).CopyTo(weight.AsSpan(i * Inputs));
            if (bias.Length > 0)
            {
                bias[i] = Bias[rows[i]];
            }
        }

        return new RawLinear(weight, bias, rows.Count, Inputs);
    }

    public RawLinear Rows(Range rows)
    {
        (int first, int count) = rows.GetOffsetAndLength(Outputs);
        return new RawLinear(
            Weight.AsSpan(first * Inputs, count * Inputs).ToArray(),
            Bias.Length == 0 ? [] : Bias.AsSpan(first, count).ToArray(),
            count,
            Inputs);
    }
}
