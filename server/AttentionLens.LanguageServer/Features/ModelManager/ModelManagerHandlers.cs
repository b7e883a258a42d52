using System.Text.Json;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.Models;
using AttentionLens.Models.Hub;

namespace AttentionLens.LanguageServer.Features.ModelManager;

/// <summary>
/// The models on this machine: listed, fetched, checked, removed. Fetching is the only thing that reaches the network, and happens only when
/// the client asks for it.
/// </summary>
internal sealed class ModelManagerHandlers(ModelHost models, Func<string, Action, ProgressScope> beginProgress)
{
    public Task<ModelsResult> ListAsync(NoParams none, ServerState state, CancellationToken cancellation) => Task.Run(
        () =>
        {
            string? used = models.Info?.Folder;
            return new ModelsResult([.. ModelCatalog.List().Select(model => new ModelItem(
                model.Name, JsonNamingPolicy.CamelCase.ConvertName(model.Place.ToString()), model.Path, model.Bytes, Path.GetFullPath(model.Path) == used))]);
        },
        cancellation);

    public Task<PullModelResult> PullAsync(PullModelParams request, ServerState state, CancellationToken cancellation) =>
        Work($"AttentionLens: downloading {request.Name}", async (progress, token) =>
        {
            using HubClient client = new(HubOptions.FromEnvironment());
            var bytes = new Relay(pulled => progress.Report(pulled.Total > 0 ? (double)pulled.Done / pulled.Total : 0));
            return new PullModelResult(await client.PullAsync(request.Name, request.Revision ?? "main", bytes, token).ConfigureAwait(false));
        }, cancellation);

    public Task<CheckModelResult> CheckAsync(ModelNameParams request, ServerState state, CancellationToken cancellation) =>
        Work($"AttentionLens: checking {request.Name}", (progress, token) => Task.Run(
            () =>
            {
                // Loading and checking each read every value once.
                using Model model = Model.Load(ModelLocator.Resolve(request.Name), new Half(progress, 0), token);
                ModelCheck.Run(model, new Half(progress, 0.5), token);
                ModelInfo info = model.Info;
                return new CheckModelResult(
                    info.ModelType, AttentionHandlers.NameOf(info.Kind), info.Layers + info.DecoderLayers, info.Heads, info.Parameters, info.MaxPositions, model.Tokenizer is not null);
            },
            token), cancellation);

    public Task<RemoveModelResult> RemoveAsync(ModelNameParams request, ServerState state, CancellationToken cancellation) =>
        Work($"AttentionLens: removing {request.Name}", (_, token) => Task.Run(
            () =>
            {
                // On Windows a mapped file cannot be deleted; on others the model would vanish from under its reader.
                if (models.Info?.Folder is { } used && ModelCatalog.List().Any(model => model.Name == request.Name && Path.GetFullPath(model.Path) == used))
                    throw new RpcException(ErrorCodes.RequestFailed, $"{request.Name} is in use; choose another model first.");
                return new RemoveModelResult(ModelCatalog.Remove(request.Name));
            },
            token), cancellation);

    /// <summary>Long work that the request's cancellation and the progress's both end; what the user can mend is an error in a sentence.</summary>
    private async Task<T> Work<T>(string title, Func<IProgress<double>, CancellationToken, Task<T>> work, CancellationToken cancellation)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using ProgressScope progress = beginProgress(title, linked.Cancel);
        try
        {
            return await work(progress, linked.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is ModelException or OutOfMemoryException or IOException or UnauthorizedAccessException)
        {
            throw new RpcException(ErrorCodes.RequestFailed, ModelHost.Explain(failure));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new RpcException(ErrorCodes.RequestCancelled, "Cancelled.");
        }
    }

    /// <summary>Reports at once; Progress of the framework would post to the thread pool and arrive after the end.</summary>
    private sealed class Relay(Action<PullProgress> report) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => report(value);
    }

    private sealed class Half(IProgress<double> whole, double from) : IProgress<double>
    {
        public void Report(double value) => whole.Report(from + (value / 2));
    }
}
