using System.Globalization;
using System.Text;

namespace AttentionLens.Cli;

/// <summary>
/// The streams of a run and what is known of them. Only results go to <see cref="Output"/>; messages and progress go to
/// <see cref="Error"/>.
/// </summary>
internal sealed record Terminal(Stream Input, Stream Output, TextWriter Error)
{
    /// <summary>Columns assumed where the result is not shown in a terminal.</summary>
    private const int DefaultWidth = 100;

    public int Width { get; init; } = DefaultWidth;

    public bool Color { get; init; }

    public bool OutputIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Ctrl-C and SIGTERM cancel the run; off in tests, which share their process.</summary>
    public bool HandleSignals { get; init; }

    public static Terminal Process()
    {
        if (!Console.IsOutputRedirected)
        {
            Console.OutputEncoding = Encoding.UTF8;
        }

        var plain = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            || Environment.GetEnvironmentVariable("TERM") == "dumb";
        return new Terminal(
            Console.OpenStandardInput(),
            Console.OpenStandardOutput(),
            new StreamWriter(Console.OpenStandardError(), new UTF8Encoding(false)) { AutoFlush = true })
        {
            Width = WindowWidth(),
            Color = !Console.IsOutputRedirected && !plain,
            OutputIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            HandleSignals = true,
        };
    }

    private static int WindowWidth()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), CultureInfo.InvariantCulture, out var columns) && columns > 0)
        {
            return columns;
        }

        try
        {
            return !Console.IsOutputRedirected && Console.WindowWidth > 0 ? Console.WindowWidth : DefaultWidth;
        }
        catch (IOException)
        {
            return DefaultWidth;
        }
    }
}

/// <summary>The command line was not understood: one sentence for the user, exit status 2.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The work could not be done: one sentence for the user, exit status 1.</summary>
internal sealed class CommandException(string message) : Exception(message);
