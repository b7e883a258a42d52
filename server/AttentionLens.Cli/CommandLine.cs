using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;
using AttentionLens.Cli.Annotate;
using AttentionLens.Cli.Corpus;
using AttentionLens.Cli.Evaluation;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Cli;

/// <summary>Parses, runs, and turns every failure into one sentence on stderr and an exit status: 0 done, 1 failed, 2 wrong usage.</summary>
internal static class CommandLine
{
    public const int Done = 0, Failed = 1, WrongUsage = 2;

    public static async Task<int> RunAsync(string[] args, Terminal terminal)
    {
        var root = new RootCommand("Shows where a Transformer looks: the attention of a text, from a model folder, on this machine.")
        {
            AttendCommand.Create(terminal),
            PredictCommand.Create(terminal),
            TokenizeCommand.Create(terminal),
            ModelCommand.Create(terminal),
            AnnotateCommand.Create(terminal),
            CorpusCommand.Create(terminal),
            HeadsCommand.Create(terminal),
            EvaluateCommand.Create(terminal),
            BenchCommand.Create(terminal),
            ServeCommand.Create(terminal),
        };
        var parsed = root.Parse(args);
        if (parsed.Action is ParseErrorAction || parsed.Errors.Count > 0)
        {
            await terminal.Error.WriteLineAsync(DisplayText.Clean(UsageMessage(parsed))).ConfigureAwait(false);
            return WrongUsage;
        }

        using var output = new StreamWriter(terminal.Output, new UTF8Encoding(false), leaveOpen: true);
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            Output = output,
            Error = terminal.Error,
            ProcessTerminationTimeout = terminal.HandleSignals ? TimeSpan.FromSeconds(2) : null,
        };
        try
        {
            return await parsed.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            var (status, message) = Explain(error);
            await terminal.Error.WriteLineAsync(DisplayText.Clean(message)).ConfigureAwait(false);
            return status;
        }
    }

    private static (int Status, string Message) Explain(Exception error) => error switch
    {
        UsageException => (WrongUsage, error.Message),
        CommandException or ModelException or TokenizerException or MethodException or ExportException or SidecarException => (Failed, error.Message),
        OperationCanceledException => (Failed, "Cancelled."),
        OutOfMemoryException => (Failed, "Not enough memory for this text; give a shorter one, or one layer and head."),
        IOException or UnauthorizedAccessException => (Failed, $"{error.Message.TrimEnd('.')}."), // the system's words end as they like
        _ => (Failed, $"This should not have happened, please report it: {error.GetType().Name}: {error.Message}"),
    };

    private static string UsageMessage(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var name = command is RootCommand ? "attention-lens" : $"attention-lens {Path(parsed.CommandResult)}";
        var message = parsed.UnmatchedTokens is [var unknown, ..]
            ? $"'{name}' knows no '{unknown}'."
            : command.Subcommands.Count > 0
                ? $"Say what to do: {string.Join(", ", command.Subcommands.Select(c => c.Name))}."
                : parsed.Errors[0].Message;
        return $"{message} '{name} --help' lists what can be given.";
    }

    /// <summary>Lets an option take one of some names only, and offers them for completion.</summary>
    public static void OneOf(this Option<string> option, IReadOnlyList<string> names)
    {
        option.CompletionSources.Add([.. names]);
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !names.Contains(token.Value))
            {
                result.AddError($"{option.Name} can be {string.Join(", ", names)}; not '{token.Value}'.");
            }
        });
    }

    private static string Path(System.CommandLine.Parsing.CommandResult result) =>
        result.Parent is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } parent
            ? $"{Path(parent)} {result.Command.Name}"
            : result.Command.Name;

    /// <summary>Runs a command's work off the caller's thread, so that a signal can cancel it.</summary>
    public static void SetWork(this Command command, Action<ParseResult, CancellationToken> work) =>
        command.SetAction((parsed, cancellation) => Task.Run(() => work(parsed, cancellation), cancellation));
}
