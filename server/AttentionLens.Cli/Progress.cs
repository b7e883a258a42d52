using System.Diagnostics;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli;

/// <summary>
/// A progress bar on stderr, when that is a terminal and the work takes longer than half a second. Leaves no trace when
/// disposed.
/// </summary>
internal sealed class Progress(Terminal terminal, string what) : IProgress<double>, IDisposable
{
    private const int Bar = 24;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly string _what = DisplayText.Clean(what);
    private int _shown = -1;
    private bool _closed;

    public void Report(double value)
    {
        var percent = (int)(Math.Clamp(value, 0, 1) * 100);
        if (!terminal.ErrorIsTerminal || Stopwatch.GetElapsedTime(_start) < TimeSpan.FromMilliseconds(500))
        {
            return;
        }

        lock (_lock)
        {
            if (_closed || percent == _shown)
            {
                return;
            }

            _shown = percent;
            var filled = percent * Bar / 100;
            terminal.Error.Write($"\r{new string('█', filled)}{new string('░', Bar - filled)} {percent,3} % {_what}");
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            if (_shown >= 0)
            {
                terminal.Error.Write("\r\u001b[K");
            }
        }
    }
}
