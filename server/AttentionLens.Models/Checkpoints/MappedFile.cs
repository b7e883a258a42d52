using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;

namespace AttentionLens.Models;

/// <summary>The bytes of a weight file, mapped for reading. Every span it gives lies inside the file.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* data;

    /// <exception cref="IOException">The file cannot be mapped; an empty one cannot.</exception>
    public MappedFile(FileStream stream)
    {
        Length = stream.Length;
        map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        data = pointer + view.PointerOffset;
    }

    public long Length { get; }

    public ReadOnlySpan<byte> Bytes(long from, int count)
    {
        ObjectDisposedException.ThrowIf(view.SafeMemoryMappedViewHandle.IsClosed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, Length - count);
        return new ReadOnlySpan<byte>(data + from, count);
    }

    /// <summary>
    /// Everything from <paramref name="start"/> on; of more than 16 MB, 64 evenly spaced blocks: hashing every byte would cost more than loading.
    /// </summary>
    public void AppendTo(IncrementalHash hash, long start)
    {
        const int Whole = 16 * 1024 * 1024;
        long length = Length - start;
        if (length <= Whole)
        {
            hash.AppendData(Bytes(start, (int)length));
            return;
        }

        const int Blocks = 64;
        const int BlockBytes = 64 * 1024;
        for (int i = 0; i < Blocks; i++)
        {
            hash.AppendData(Bytes(start + ((length - BlockBytes) * i / (Blocks - 1)), BlockBytes));
        }
    }

    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }
}
