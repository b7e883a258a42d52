using System.Runtime.InteropServices;

namespace AttentionLens.Kernels;

/// <summary>
/// Floats outside the garbage collector's heap, aligned to 64 bytes (a cache line and a 512-bit register). Not zeroed.
/// Not for use by several threads while it may grow or be disposed.
/// </summary>
public sealed unsafe partial class NativeBuffer : IDisposable
{
    private const int Alignment = 64;
    private const int HugePage = 2 * 1024 * 1024;
    private float* _pointer;

    /// <param name="length">Floats to hold; 0 allocates nothing until <see cref="Ensure"/>.</param>
    public NativeBuffer(long length = 0) => Ensure(length);

    /// <summary>Frees the memory of a buffer that nobody disposed.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Floats held.</summary>
    public long Length { get; private set; }

    /// <summary>Memory held, in bytes.</summary>
    public long Bytes => Length * sizeof(float);

    /// <summary>The first <see cref="int.MaxValue"/> floats; valid until the buffer grows or is disposed.</summary>
    public Span<float> Span => new(_pointer, (int)Math.Min(Length, int.MaxValue));

    internal float* Pointer => _pointer;

    /// <summary>Grows to at least <paramref name="length"/> floats. What it held is lost when it grows.</summary>
    public void Ensure(long length)
    {
        if (length <= Length)
        {
            return;
        }

        Free();
        nuint bytes = checked((nuint)length * sizeof(float));
        bool huge = bytes >= HugePage && OperatingSystem.IsLinux();
        _pointer = (float*)NativeMemory.AlignedAlloc(bytes, (nuint)(huge ? HugePage : Alignment));
        Length = length;
        GC.AddMemoryPressure(Bytes);
        if (huge)
        {
            // Weights are streamed: with pages of 2 MB the core does not look up an address every 4 kB. Advice only; failing is no error.
            _ = AdviseHugePages(_pointer, bytes, 14);
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>madvise(2); 14 is MADV_HUGEPAGE.</summary>
    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AdviseHugePages(void* address, nuint length, int advice);

    private void Free()
    {
        if (_pointer != null)
        {
            NativeMemory.AlignedFree(_pointer);
            GC.RemoveMemoryPressure(Bytes);
            _pointer = null;
            Length = 0;
        }
    }
}
