using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;
using Attended = AttentionLens.Analysis.Export.AttentionResult;

namespace AttentionLens.LanguageServer.Features.Export;

/// <summary><c>attentionLens/export</c>: what a panel shows as a file, written here because it is too large to travel as a message.</summary>
internal sealed class ExportHandler(AttentionService service)
{
    private const string Method = "attentionLens/export";

    /// <summary>Arrays of more weights than this (4 GB) are cut down to the view that is shown.</summary>
    private const long MostWeights = 1_000_000_000;

    public Task<ExportResult> HandleAsync(ExportParams request, ServerState state, CancellationToken cancellation)
    {
        (Action<Attended, Stream, CancellationToken> write, long most) = request.Format switch
        {
            "html" => ((Action<Attended, Stream, CancellationToken>)HtmlPage.Write, HtmlPage.MaxWeights),
            "npz" => (NumpyArchive.Write, MostWeights),
            "safetensors" => (TensorFile.Write, MostWeights),
            _ => throw new RpcException(ErrorCodes.InvalidParams, "format must be \"html\", \"npz\" or \"safetensors\"."),
        };
        if (!Path.IsPathFullyQualified(request.Path))
            throw new RpcException(ErrorCodes.InvalidParams, "path must be absolute.");
        return service.AnswerAsync(state, request.Scope.TextDocument.Uri, Method, async () =>
        {
            SegmentAttention attention = await service.AskAsync(state, request.Scope, request.View, null, Method, Priority.Interactive, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(attention, request.View);
            Weighing shown = AttentionService.Resolve(attention, request.View, cancellation);
            Attended result = Everything(attention, shown, cancellation);
            bool isWhole = Count(result) <= most;
            if (!isWhole)
                result = Shown(attention, shown, cancellation);
            if (Count(result) > most)
                throw new ExportException("The text is too long to be written in this format; select a shorter one.");
            try
            {
                WholeFile.Write(request.Path, stream => write(result, stream, cancellation));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw new ExportException($"{request.Path} could not be written: {failure.Message}");
            }
            return new ExportResult
            {
                Version = attention.Document.Version,
                Status = attention.Status,
                Message = attention.Text.Notice,
                IsWhole = isWhole,
            };
        });
    }

    /// <summary>All layers and heads of every stack that the method knows.</summary>
    private Attended Everything(SegmentAttention attention, Weighing shown, CancellationToken cancellation)
    {
        var stacks = new List<StackResult>();
        foreach (AttentionStack stack in attention.Trace.Stacks.Where(attention.Has))
        {
            if (stack == shown.Stack || shown.Method.AppliesTo(attention.Model.Kind, stack.Kind))
                stacks.Add(Stack(attention, service.View(attention, shown with { Stack = stack }, cancellation), stack));
        }
        return new Attended(attention.Trace, shown.Method.Name, Selection.All, Selection.All, [.. stacks]) { Text = attention.Segment.Text };
    }

    /// <summary>The one matrix that is looked at.</summary>
    private Attended Shown(SegmentAttention attention, Weighing shown, CancellationToken cancellation) =>
        new(
            attention.Trace, shown.Method.Name, Selection.Of(shown.Selection.Layer), Selection.Of(shown.Selection.Head),
            [Stack(attention, service.View(attention, shown, cancellation), shown.Stack)])
        {
            Text = attention.Segment.Text,
            Set = shown.Selection.Set,
        };

    private static StackResult Stack(SegmentAttention attention, AttentionView view, AttentionStack stack)
    {
        AttendedToken[] queries = Tokens(attention, attention.Queries(stack));
        return new StackResult(view, stack, queries, stack.Kind == AttentionKind.Cross ? Tokens(attention, attention.Keys(stack)) : queries);
    }

    private static AttendedToken[] Tokens(SegmentAttention attention, Token[] tokens) =>
        Array.ConvertAll(tokens, t => new AttendedToken(t.Id, t.Text, t.Start, t.End, t.Special, t.Sequence, t.TypeId) { Readable = attention.Readable(t) });

    private static long Count(Attended result) =>
        result.Stacks.Sum(stack => (long)result.Selections(stack).Count() * stack.View.Queries * stack.View.Keys);
}
