using System.Diagnostics;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace AttentionLens.Cli.Corpus.Broker;

/// <summary>Where a RabbitMQ broker is, and what a run needs on it.</summary>
/// <remarks>
/// One queue serves the workers of all runs. It is a quorum queue, so that what it holds survives a restart and, on a cluster, the loss of a machine; a
/// shard that brings down its worker again and again is dead-lettered to the run that it belongs to, which has a queue of its own for that.
/// </remarks>
internal sealed class BrokerAddress
{
    public const string Shards = "attention-lens.shards";

    public const string Failed = "attention-lens.failed";

    /// <summary>Deliveries of one shard. Workers that are stopped count too, so a few are no reason to give it up.</summary>
    private const int MostDeliveries = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConnectionFactory factory;

    private BrokerAddress(ConnectionFactory factory) => this.factory = factory;

    private string Name => $"{factory.HostName}:{factory.Port}";

    /// <exception cref="UsageException">Not an address of a broker.</exception>
    public static BrokerAddress Parse(string text)
    {
        try
        {
            return new BrokerAddress(new ConnectionFactory
            {
                Uri = new Uri(text),
                // A lost connection is begun anew here, so that every message that was under way then is known to be another's.
                AutomaticRecoveryEnabled = false,
                ClientProvidedName = "attention-lens",
            });
        }
        catch (Exception error) when (error is UriFormatException or ArgumentException)
        {
            throw new UsageException("--broker takes an address such as amqp://user:password@host:5672/.");
        }
    }

    /// <summary>A connection; a broker that does not answer is waited for, at first for a few seconds, later (<paramref name="again"/>) for as long as it takes.</summary>
    /// <exception cref="CommandException">There is no broker, or it does not let this user in.</exception>
    public async Task<IConnection> ConnectAsync(bool again, CancellationToken cancellation)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await factory.CreateConnectionAsync(cancellation).ConfigureAwait(false);
            }
            catch (BrokerUnreachableException error) when (error.InnerException is AuthenticationFailureException or PossibleAuthenticationFailureException)
            {
                throw new CommandException($"The broker at {Name} does not accept this user and password.");
            }
            catch (BrokerUnreachableException error)
            {
                if (!again && Stopwatch.GetElapsedTime(since) > Patience)
                {
                    throw new CommandException($"No broker answers at {Name} ({Inner(error).Message.TrimEnd('.')}); start RabbitMQ there, or check the address.");
                }
            }

            await Task.Delay(500, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Exchanges and queue, the same for all; declaring what is there changes nothing.</summary>
    public static async Task DeclareAsync(IChannel channel, CancellationToken cancellation)
    {
        await channel.ExchangeDeclareAsync(Failed, ExchangeType.Direct, durable: true, autoDelete: false, cancellationToken: cancellation).ConfigureAwait(false);
        await channel.ExchangeDeclareAsync(Shards, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: cancellation).ConfigureAwait(false);
        var options = new Dictionary<string, object?>
        {
            ["x-queue-type"] = "quorum",
            ["x-delivery-limit"] = MostDeliveries,
            ["x-dead-letter-exchange"] = Failed, // with the routing key of the run that published it
        };
        await channel.QueueDeclareAsync(Shards, durable: true, exclusive: false, autoDelete: false, options, cancellationToken: cancellation).ConfigureAwait(false);
        await channel.QueueBindAsync(Shards, Shards, "", cancellationToken: cancellation).ConfigureAwait(false);
    }

    /// <summary>A connection that was lost, in any of the ways in which that shows.</summary>
    public static bool IsLost(Exception error) => error is AlreadyClosedException or OperationInterruptedException or BrokerUnreachableException or PublishException or IOException or TimeoutException
        or ObjectDisposedException;

    private static Exception Inner(Exception error) => error.InnerException is { } inner ? Inner(inner) : error;
}
