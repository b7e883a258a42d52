using AttentionLens.Analysis;
using AttentionLens.Analysis.Heads;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Features.Heads;

/// <param name="Stack">As in <see cref="View"/>.</param>
/// <param name="Like">[layer, head]: how like this one each head is.</param>
internal sealed record HeadsParams(Scope Scope, string? Stack = null, int[]? Like = null);

/// <summary>What heads do besides their profile on the text.</summary>
internal sealed record HeadsResult : AttentionResult
{
    public string? Stack { get; init; }

    /// <summary>[layers][heads]; absent for a stack without repetitions (cross-attention), then <see cref="Reason"/> says why.</summary>
    public TraitItem[][]? Traits { get; init; }

    /// <summary>[layers][heads], 0 to 1, where a head was named.</summary>
    public float[][]? Likeness { get; init; }

    public string? Reason { get; init; }
}

/// <param name="Induction">Share of the weight on what followed the same token earlier, in random repeated texts.</param>
/// <param name="Duplicate">Share on that earlier token itself.</param>
/// <param name="Stability">Share of the weight that two random texts put on the same positions.</param>
internal sealed record TraitItem(float Induction, float Duplicate, float Stability);

/// <summary><c>attentionLens/heads</c>: traits of a model's heads, found once a model, and how like a given head they are on this text.</summary>
internal sealed class HeadsHandler(AttentionService service, ComputeLane lane, ByteCache<object, object> cache)
{
    private const string Method = "attentionLens/heads";

    private sealed record TraitsKey(string Model, AttentionKind Kind);

    public Task<HeadsResult> HeadsAsync(HeadsParams request, ServerState state, CancellationToken cancellation) =>
        service.AnswerAsync(state, request.Scope.TextDocument.Uri, Method, async () =>
        {
            SegmentAttention attention = await service.AskAsync(state, request.Scope, null, null, Method, Priority.Background, cancellation).ConfigureAwait(false);
            AttentionStack stack = attention.Stack(request.Stack);
            if (request.Like is { } named && (named is not [var l, var h] || (uint)l >= (uint)stack.Layers || (uint)h >= (uint)stack.Heads))
                throw new RpcException(ErrorCodes.InvalidParams, $"like must be a layer from 0 to {stack.Layers - 1} and a head from 0 to {stack.Heads - 1}.");
            using HeldModel.Lease lease = attention.Held.Enter();
            (TraitItem[][]? traits, string? reason) = await TraitsAsync(attention.Held.Runner, stack.Kind, cancellation).ConfigureAwait(false);
            return new HeadsResult
            {
                Version = attention.Document.Version,
                Status = attention.Status,
                Message = attention.Text.Notice,
                Stack = SegmentAttention.NameOf(stack.Kind),
                Traits = traits,
                Reason = reason,
                Likeness = request.Like is [var layer, var head] ? HeadSimilarity.To(stack, layer, head, cancellation) : null,
            };
        });

    private async Task<(TraitItem[][]? Traits, string? Reason)> TraitsAsync(IModelRunner runner, AttentionKind kind, CancellationToken cancellation)
    {
        var key = new TraitsKey(runner.Info.Fingerprint, kind);
        if (cache.TryGet(key, out object known))
            return ((TraitItem[][])known, null);
        var answer = new TaskCompletionSource<(TraitItem[][]?, string?)>(TaskCreationOptions.RunContinuationsAsynchronously);
        ComputeLane.Job job = lane.Enqueue(Priority.Background, token =>
        {
            try
            {
                TraitItem[][] traits = [.. HeadProbe.Of(runner.Model, kind, cancellation: token)
                    .Select(static layer => Array.ConvertAll(layer, static t => new TraitItem(t.Induction, t.Duplicate, t.Stability)))];
                cache.Add(key, traits, 64L * traits.Sum(static layer => layer.Length));
                answer.TrySetResult((traits, null));
            }
            catch (MethodException reason)
            {
                answer.TrySetResult((null, reason.Message));
            }
#pragma warning disable CA1031 // The lane must outlive any input; whoever asked is told.
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                answer.TrySetException(failure);
            }
#pragma warning restore CA1031
        });
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(
            _ =>
            {
                lane.Cancel(job);
                answer.TrySetCanceled(cancellation);
            }, null);
        return await answer.Task.ConfigureAwait(false);
    }
}
