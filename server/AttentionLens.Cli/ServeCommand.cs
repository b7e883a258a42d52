using System.CommandLine;
using AttentionLens.LanguageServer;

namespace AttentionLens.Cli;

/// <summary><c>serve</c>: the language server, for an editor to start.</summary>
internal static class ServeCommand
{
    public static Command Create(Terminal terminal)
    {
        var stdio = new Option<bool>("--stdio") { Description = "Speak over standard input and output (the default)." };
        var pipe = new Option<string?>("--pipe")
        {
            Description = "Connect to the named pipe (Windows) or Unix socket that the editor listens on.",
            HelpName = "NAME",
        };
        var client = new Option<int?>("--clientProcessId") { Description = "End when this process ends.", HelpName = "PID" };
        var command = new Command("serve", "Serve an editor over the Language Server Protocol.") { stdio, pipe, client };
        command.SetAction((parsed, cancellation) =>
        {
            // stdout belongs to the protocol: a stray print of any library must not break the framing.
            Console.SetOut(terminal.Error);
            var options = new ServerOptions { ClientProcessId = parsed.GetValue(client), Errors = terminal.Error };
            return parsed.GetValue(pipe) is { } name
                ? LanguageServerHost.RunPipeAsync(name, options, cancellation)
                : LanguageServerHost.RunAsync(terminal.Input, terminal.Output, options, cancellation);
        });
        return command;
    }
}
