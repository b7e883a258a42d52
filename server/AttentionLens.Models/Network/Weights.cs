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

    /// <summary><c>NAME.weight</c> [outputs, inputs] and <c>NAME.bias</c> where it is stored.</summary>
    public Linear Linear(string name, int outputs, int inputs) => Stacked(inputs, (name, outputs));

    /// <summary>The same stored [inputs, outputs]: GPT-2's Conv1D.</summary>
    public Linear Transposed(string name, int outputs, int inputs)
    {
        float[] stored = Rent($"{name}.weight", inputs, outputs);
        Linear map = Build(stored.AsSpan(0, outputs * inputs), Optional($"{name}.bias", outputs) ?? [], outputs, inputs, transposed: true);
        ArrayPool<float>.Shared.Return(stored);
        return map;
    }

    /// <summary>A map stored fused, taken apart: for each part the outputs that belong to it, in their order.</summary>
    public Linear[] Split(string name, int outputs, int inputs, bool transposed, params IReadOnlyList<IReadOnlyList<int>> parts)
    {
        float[] stored = transposed ? Rent($"{name}.weight", inputs, outputs) : Rent($"{name}.weight", outputs, inputs);
        float[]? bias = Optional($"{name}.bias", outputs);
        float[] rows = ArrayPool<float>.Shared.Rent(outputs * inputs);
        Linear[] maps = [.. parts.Select(part =>
        {
            for (int r = 0; r < part.Count; r++)
            {
                Span<float> row = rows.AsSpan(r * inputs, inputs);
                if (!transposed)
                {
                    stored.AsSpan(part[r] * inputs, inputs).CopyTo(row);
                    continue;
                }

                for (int i = 0; i < inputs; i++)
                {
                    row[i] = stored[(i * outputs) + part[r]];
                }
            }

            return Build(rows.AsSpan(0, part.Count * inputs), bias is null ? [] : [.. part.Select(output => bias[output])], part.Count, inputs);
        })];
        ArrayPool<float>.Shared.Return(rows);
        ArrayPool<float>.Shared.Return(stored);
        return maps;
    }

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

    /// <summary>Packs a matrix [outputs, inputs], or [inputs, outputs] when transposed; the model that these weights belong to frees it.</summary>
    public Linear Build(ReadOnlySpan<float> weight, float[] bias, int outputs, int inputs, bool transposed = false) =>
        Own(PackedMatrix.Pack(weight, outputs, inputs, transposed), bias);

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

    /// <summary>A tensor that is needed only until it is packed, in a rented array: a model's matrices one after the other would be garbage of its own size.</summary>
    private float[] Rent(string name, int rows, int columns)
    {
        CheckShape(name, [rows, columns]);
        float[] values = ArrayPool<float>.Shared.Rent(checked(rows * columns));
        Read(prefix + name, 0, values.AsSpan(0, rows * columns));
        return values;
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
