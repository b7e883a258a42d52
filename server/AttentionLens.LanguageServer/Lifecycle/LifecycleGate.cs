using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Lifecycle;

/// <summary>The order that LSP prescribes: initialize, then work, then shutdown, then exit. Used by the dispatcher only.</summary>
internal sealed class LifecycleGate
{
    private enum Phase
    {
        Created,
        Initialized,
        ShutDown,
    }

    private Phase phase;

    /// <summary>0 only when the client asked for the end (LSP: exit without shutdown is 1).</summary>
    public int ExitCode => phase == Phase.ShutDown ? 0 : 1;

    public RpcException? Admit(string method) => method == "exit"
        ? null
        : phase switch
        {
            Phase.Created when method != "initialize" => new RpcException(ErrorCodes.ServerNotInitialized, "The first request must be initialize."),
            Phase.Initialized when method == "initialize" => new RpcException(ErrorCodes.InvalidRequest, "The server is already initialized."),
            Phase.ShutDown => new RpcException(ErrorCodes.InvalidRequest, "The server has been shut down."),
            _ => null,
        };

    public void Initialize() => phase = Phase.Initialized;

    public void Shutdown() => phase = Phase.ShutDown;
}
