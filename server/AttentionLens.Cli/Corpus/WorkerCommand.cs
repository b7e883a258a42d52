using System.CommandLine;
using System.Globalization;
using System.Text;
using AttentionLens.Cli.Corpus.Broker;
using AttentionLens.Models;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus worker</c>: makes shards for runs that were started with <c>corpus run --broker</c>.</summary>
internal static class WorkerCommand
{
    public static Command Create(Terminal terminal)
    {
        var broker = new Option<string>("--broker") { Description = "The RabbitMQ broker of the runs.", HelpName = "amqp://...", Required = true };
        var workers = new Option<int>("--workers") { Description = "Shards under way at once.", DefaultValueFactory = _ => 3 };
        var model = new Option<string?>("--model", "-m") { Description = "The run's model, where it has another place on this machine.", HelpName = "DIR|NAME" };
        var idle = new Option<int?>("--idle") { Description = "End when there was nothing to do for so many seconds; without it the worker waits for the next run.", HelpName = "SECONDS" };
        var command = new Command("worker", "Make shards for runs that were started with 'corpus run --broker', until it is stopped.") { broker, workers, model, idle };
        command.SetWork((parsed, cancellation) =>
        {
            var count = CorpusCommand.Positive(parsed.GetValue(workers), "--workers");
            var limit = parsed.GetValue(idle) is { } seconds ? TimeSpan.FromSeconds(CorpusCommand.Positive(seconds, "--idle")) : (TimeSpan?)null;
            var folder = parsed.GetValue(model) is { } name ? ModelLocator.Resolve(name) : null;
            using var worker = new BrokerWorker(BrokerAddress.Parse(parsed.GetRequiredValue(broker)), Math.Min(count, 256), folder, terminal);
            worker.ExecuteAsync(limit, cancellation).GetAwaiter().GetResult();
            OutputFile.Write(terminal, null, stream => stream.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{worker.Made} shards written\n"))));
        });
        return command;
    }
}
