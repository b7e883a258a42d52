using System.Globalization;
using AttentionLens.Cli.Text;
using AttentionLens.Kernels;
using AttentionLens.Models;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace AttentionLens.Cli.Corpus.Broker;

/// <summary>
/// Makes shards of whatever runs a broker has. A message is acknowledged when its shard is on the disk: a worker that dies gives back what it had, and
/// one that comes late finds the shard and has nothing to do.
/// </summary>
internal sealed class BrokerWorker(BrokerAddress address, int workers, string? modelFolder, Terminal terminal) : IDisposable
{
    private readonly Lock holding = new();
    private readonly Dictionary<string, CorpusRun> runs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Model> models = new(StringComparer.Ordinal);
    private long lastWork = Environment.TickCount64;
    private int busy;

    /// <summary>Shards that this worker made.</summary>
    public int Made { get; private set; }

    /// <param name="idle">Ends when there has been nothing to do for so long; null: never.</param>
    /// <param name="cancellation">Ends it; what is under way goes back to the broker.</param>
    /// <exception cref="CommandException">This worker can do nothing for a run: it has other weights, or does not see its files.</exception>
    public async Task ExecuteAsync(TimeSpan? idle, CancellationToken cancellation)
    {
        for (var again = false; ; again = true)
        {
            try
            {
                var connection = await address.ConnectAsync(again, cancellation).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    if (await ConsumeAsync(connection, idle, cancellation).ConfigureAwait(false))
                    {
                        return;
                    }
                }
            }
            catch (Exception error) when (BrokerAddress.IsLost(error))
            {
                await Task.Delay(500, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <returns>Whether it ended for want of work; false when the connection was lost.</returns>
    private async Task<bool> ConsumeAsync(IConnection connection, TimeSpan? idle, CancellationToken cancellation)
    {
        var options = new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false, consumerDispatchConcurrency: (ushort)workers);
        var channel = await connection.CreateChannelAsync(options, cancellation).ConfigureAwait(false);
        await using (channel.ConfigureAwait(false))
        {
            await BrokerAddress.DeclareAsync(channel, cancellation).ConfigureAwait(false);
            // One more than is under way, so that the next is here when one ends.
            await channel.BasicQosAsync(0, (ushort)(workers + 1), global: false, cancellation).ConfigureAwait(false);
            var broken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            connection.ConnectionShutdownAsync += (_, _) =>
            {
                broken.TrySetResult();
                return Task.CompletedTask;
            };
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, message) =>
            {
                try
                {
                    await AnswerAsync(channel, message, cancellation).ConfigureAwait(false);
                }
                catch (Exception error) when (error is CommandException or ModelException)
                {
                    broken.TrySetException(error);
                }
                catch (Exception error) when (BrokerAddress.IsLost(error) || error is OperationCanceledException)
                {
                    broken.TrySetResult(); // the broker gives the shard to another
                }
            };
            Volatile.Write(ref lastWork, Environment.TickCount64);
            await channel.BasicConsumeAsync(BrokerAddress.Shards, autoAck: false, consumer, cancellation).ConfigureAwait(false);
            while (await Task.WhenAny(broken.Task, Task.Delay(250, cancellation)).ConfigureAwait(false) != broken.Task)
            {
                cancellation.ThrowIfCancellationRequested();
                if (idle is { } limit && Volatile.Read(ref busy) == 0 && Environment.TickCount64 - Volatile.Read(ref lastWork) > limit.TotalMilliseconds)
                {
                    return true;
                }
            }

            await broken.Task.ConfigureAwait(false);
            return false;
        }
    }

    private async Task AnswerAsync(IChannel channel, BasicDeliverEventArgs message, CancellationToken cancellation)
    {
        if (BrokerRun.Read(message.Body.Span) is not { } task)
        {
            // Nothing of this program's: to whoever listens for what failed.
            await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: false, cancellation).ConfigureAwait(false);
            return;
        }

        Interlocked.Increment(ref busy);
        try
        {
            await Task.Run(() => Make(task, cancellation), cancellation).ConfigureAwait(false);
            await channel.BasicAckAsync(message.DeliveryTag, multiple: false, cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && channel.IsOpen)
        {
            // A full disk or a lost mount may be this machine's alone: another tries, until the broker has seen enough.
            Say(task, error.Message);
            await Task.Delay(500, cancellation).ConfigureAwait(false);
            await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: true, cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not (CommandException or ModelException or OperationCanceledException) && !BrokerAddress.IsLost(error))
        {
            // It would bring down every worker in turn.
            Say(task, $"{error.GetType().Name}: {error.Message}");
            await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: false, cancellation).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref lastWork, Environment.TickCount64);
            Interlocked.Decrement(ref busy);
        }
    }

    private void Make(ShardTask task, CancellationToken cancellation)
    {
        var (run, model) = Hold(task, cancellation);
        if (task.Shard >= 0 && task.Shard < run.Plan.Shards.Length && !run.IsThere(task.Shard))
        {
            run.Make(model, task.Shard, cancellation);
            lock (holding)
            {
                Made++;
            }
        }
    }

    private (CorpusRun Run, Model Model) Hold(ShardTask task, CancellationToken cancellation)
    {
        lock (holding)
        {
            if (!runs.TryGetValue(task.Folder, out var run))
            {
                runs[task.Folder] = run = CorpusRun.Load(task.Folder);
            }

            if (!models.TryGetValue(run.Plan.Spec.Fingerprint, out var model))
            {
                model = AttendCommand.LoadModel(terminal, modelFolder ?? task.Model, cancellation);
                if (model.Info.Fingerprint != run.Plan.Spec.Fingerprint)
                {
                    var name = model.Info.Name;
                    model.Dispose();
                    throw new CommandException($"{name} here has other weights than {run.Plan.Spec.Model} of the run in '{task.Folder}'; give the run's own with --model.");
                }

                model.Pool = WorkerPool.PerCaller;
                models[run.Plan.Spec.Fingerprint] = model;
            }

            return (run, model);
        }
    }

    private void Say(ShardTask task, string problem) => terminal.Error.WriteLine(DisplayText.Clean(string.Create(CultureInfo.InvariantCulture, $"Shard {task.Shard} of {task.Folder}: {problem}")));

    public void Dispose()
    {
        foreach (var model in models.Values)
        {
            model.Dispose();
        }
    }
}
