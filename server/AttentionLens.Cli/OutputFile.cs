using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli;

/// <summary>Where a result goes: stdout, or a file that appears whole or not at all.</summary>
internal static class OutputFile
{
    public static void Write(Terminal terminal, string? path, Action<Stream> write)
    {
        if (path is null or "-")
        {
            using var buffered = new BufferedStream(new Unclosed(terminal.Output), 1 << 16);
            write(buffered);
            return;
        }

        Write(path, write);
    }

    public static void Write(string path, Action<Stream> write) => WholeFile.Write(path, write);

    /// <summary>Keeps stdout open when the buffer over it is disposed.</summary>
    private sealed class Unclosed(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
