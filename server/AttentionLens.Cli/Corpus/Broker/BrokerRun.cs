using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AttentionLens.Cli.Text;
using AttentionLens.Models;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace AttentionLens.Cli.Corpus.Broker;

/// <summary>
/// A run whose shards are made by the workers of a broker. It publishes the shards that are not there, and is done when all of them are: what counts is
/// the file, not the message, so a shard that is published or made twice is still one shard.
/// </summary>
internal sealed class BrokerRun(CorpusRun run, Model model, BrokerAddress address, Terminal terminal)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Lonely = TimeSpan.FromSeconds(5);

    private readonly string id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{run.Folder}\n{run.Plan.Spec.Fingerprint}")))[..16];
    private readonly HashSet<int> failed = [];
    private bool published;
    private bool connected;

    private string FailedQueue => $"{BrokerAddress.Failed}.{id}";

    /// <exception cref="CommandException">Shards could not be made.</exception>
    public async Task ExecuteAsync(IProgress<double> progress, CancellationToken cancellation)
    {
        var waiting = new SortedSet<int>(Enumerable.Range(0, run.Plan.Shards.Length).Where(shard => !run.IsThere(shard)));
        while (waiting.Count > 0)
        {
            try
            {
                var connection = await address.ConnectAsync(connected, cancellation).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    connected = true;
                    await WatchAsync(connection, waiting, progress, cancellation).ConfigureAwait(false);
                }
            }
            catch (Exception error) when (BrokerAddress.IsLost(error))
            {
                await Task.Delay(Look, cancellation).ConfigureAwait(false);
            }

            if (waiting.Count > 0 && waiting.All(IsFailed))
            {
                throw new CommandException(string.Create(CultureInfo.InvariantCulture,
                    $"{waiting.Count} of {run.Plan.Shards.Length} shards could not be made (the first is {waiting.Min}, see what its workers say); the same command tries them again."));
            }
        }

        run.Finish(model.Info, cancellation);
    }

    private bool IsFailed(int shard)
    {
        lock (failed)
        {
            return failed.Contains(shard);
        }
    }

    private async Task WatchAsync(IConnection connection, SortedSet<int> waiting, IProgress<double> progress, CancellationToken cancellation)
    {
        var confirmed = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);
        var channel = await connection.CreateChannelAsync(confirmed, cancellation).ConfigureAwait(false);
        await using (channel.ConfigureAwait(false))
        {
            await BrokerAddress.DeclareAsync(channel, cancellation).ConfigureAwait(false);
            await channel.QueueDeclareAsync(
                FailedQueue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: cancellation).ConfigureAwait(false);
            await channel.QueueBindAsync(FailedQueue, BrokerAddress.Failed, id, cancellationToken: cancellation).ConfigureAwait(false);
            if (!published)
            {
                // What an earlier try of this run could not do is tried again now.
                await channel.QueuePurgeAsync(FailedQueue, cancellation).ConfigureAwait(false);
                await PublishAsync(channel, waiting, cancellation).ConfigureAwait(false);
                published = true;
            }

            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, message) =>
            {
                if (Read(message.Body.Span) is { } task)
                {
                    lock (failed)
                    {
                        failed.Add(task.Shard);
                    }
                }

                await channel.BasicAckAsync(message.DeliveryTag, multiple: false, cancellation).ConfigureAwait(false);
            };
            await channel.BasicConsumeAsync(FailedQueue, autoAck: false, consumer, cancellation).ConfigureAwait(false);
            await WaitAsync(channel, waiting, progress, cancellation).ConfigureAwait(false);
            if (waiting.Count == 0)
            {
                await channel.QueueDeleteAsync(FailedQueue, cancellationToken: cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task PublishAsync(IChannel channel, SortedSet<int> waiting, CancellationToken cancellation)
    {
        List<Task> unconfirmed = [];
        foreach (var shard in waiting)
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(new ShardTask(run.Folder, model.Info.Folder, shard), CorpusJson.Default.ShardTask);
            unconfirmed.Add(channel.BasicPublishAsync(BrokerAddress.Shards, id, mandatory: true, new BasicProperties { Persistent = true }, body, cancellation).AsTask());
            if (unconfirmed.Count == 256)
            {
                await Task.WhenAll(unconfirmed).ConfigureAwait(false);
                unconfirmed.Clear();
            }
        }

        await Task.WhenAll(unconfirmed).ConfigureAwait(false);
    }

    /// <summary>Until every shard is there or has failed, or the connection is lost.</summary>
    private async Task WaitAsync(IChannel channel, SortedSet<int> waiting, IProgress<double> progress, CancellationToken cancellation)
    {
        var total = Math.Max(1.0, Enumerable.Range(0, run.Plan.Shards.Length).Sum(run.Bytes));
        var done = total - waiting.Sum(run.Bytes);
        var since = Stopwatch.GetTimestamp();
        var said = false;
        while (channel.IsOpen)
        {
            foreach (var shard in waiting.Where(run.IsThere).ToArray())
            {
                waiting.Remove(shard);
                done += run.Bytes(shard);
            }

            progress.Report(done / total);
            if (waiting.All(IsFailed))
            {
                return;
            }

            if (!said && Stopwatch.GetElapsedTime(since) > Lonely)
            {
                said = true;
                if (await channel.ConsumerCountAsync(BrokerAddress.Shards, cancellation).ConfigureAwait(false) == 0)
                {
                    terminal.Error.WriteLine(DisplayText.Clean("No worker is connected to the broker; 'attention-lens corpus worker --broker ...' starts one, here or on another machine."));
                }
            }

            await Task.Delay(Look, cancellation).ConfigureAwait(false);
        }
    }

    public static ShardTask? Read(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, CorpusJson.Default.ShardTask);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
