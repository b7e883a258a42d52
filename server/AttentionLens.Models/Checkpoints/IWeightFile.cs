using System.Security.Cryptography;

namespace AttentionLens.Models;

/// <summary>A tensor of a weight file. <paramref name="Shape"/> is outermost dimension first; only floating-point tensors can be read.</summary>
internal sealed record StoredTensor(int[] Shape, bool IsFloat)
{
    public long Count { get; } = Shape.Aggregate(1L, static (product, size) => product * size);
}

/// <summary>A file of named tensors, whatever its format: what a <see cref="Checkpoint"/> is made of.</summary>
internal interface IWeightFile : IDisposable
{
    /// <summary>Bytes of the file.</summary>
    long Length { get; }

    IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>Copies values <paramref name="first"/>, +1, ... of a tensor, widened or dequantised to float.</summary>
    /// <exception cref="ModelException">The tensor's element type is none that is read here.</exception>
    void Read(string name, long first, Span<float> destination);

    /// <summary>Adds what identifies the content: headers, and values within the bounds of <see cref="Checkpoint.Fingerprint"/>.</summary>
    void AppendTo(IncrementalHash hash);
}
