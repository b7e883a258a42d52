using System.Globalization;
using System.Text;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Hover;

/// <summary><c>textDocument/hover</c>: the token, what it attends to most, what attends to it most.</summary>
internal sealed class HoverHandler(AttentionService service)
{
    private const string Method = "textDocument/hover";

    /// <summary>Set from the client's capabilities: some clients show Markdown as it is written.</summary>
    public bool PlainText { get; set; }

    public async Task<HoverResult?> HandleAsync(AttentionPositionParams request, ServerState state, CancellationToken cancellation)
    {
        try
        {
            SegmentAttention attention = await service.AskAsync(
                state, request.Scope ?? new Scope(request.TextDocument, new TextRange(request.Position, request.Position)), request.View, request.Position, Method,
                Priority.Interactive, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(attention, request.View);
            return Answer(attention, request, cancellation);
        }
        catch (AttentionException stale) when (stale.Status == AttentionStatus.Stale)
        {
            throw new RpcException(ErrorCodes.ContentModified, stale.Message);
        }
        catch (AttentionException empty) when (empty.Status == AttentionStatus.Empty)
        {
            return null;
        }
#pragma warning disable CA1031 // The user hovers and reads why there is no answer.
        catch (Exception failure) when (failure is not (OperationCanceledException or RpcException))
        {
            (_, string message) = service.Describe(failure, Method);
            return new HoverResult(Content($"AttentionLens: {(PlainText ? message : Markdown.Escape(message))}"), new TextRange(request.Position, request.Position));
        }
#pragma warning restore CA1031
    }

    private HoverResult? Answer(SegmentAttention attention, AttentionPositionParams request, CancellationToken cancellation)
    {
        Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
        AttentionStack stack = weighing.Stack;
        Token[] keys = attention.Keys(stack), queries = attention.Queries(stack);
        int offset = attention.Document.Text.Offset(request.Position);
        int query = attention.TokenAt(queries, offset), key = attention.TokenAt(keys, offset);
        Token token;
        if (query >= 0)
            token = queries[query];
        else if (key >= 0)
            token = keys[key];
        else
            return null;
        if (attention.RangeOf(token) is not { } range)
            return null;

        SinkResult? sinks = null;
        List<(Token Token, float Weight)> to = [], by = [];
        if (weighing.Method.Explain is not null)
        {
            float[] shares = new float[stack.Keys];
            TokenScores scores = service.Explained(attention, weighing, query >= 0 ? query : null, shares, cancellation);
            sinks = Sinks.Apply(shares, Sinks.Of(keys, stack.Causal), attention.Settings.SpecialTokens);
            to = Top(keys, shares, attention.Settings.HoverTop);
            by = Top(keys, Array.ConvertAll(shares, static share => -share), attention.Settings.HoverTop);
            return new HoverResult(Content(Write(attention, token, weighing, sinks, to, by, scores.About.Name)), range);
        }
        if (query >= 0)
        {
            float[] row = new float[stack.Keys];
            service.Row(attention, weighing, [query], row, cancellation);
            sinks = Sinks.Apply(row, Sinks.Of(keys, stack.Causal), attention.Settings.SpecialTokens);
            to = Top(keys, row, attention.Settings.HoverTop);
        }
        if (key >= 0)
        {
            float[] column = new float[stack.Queries];
            Weights.Column(service.Selected(attention, weighing, cancellation), new HeadSelection(0, 0), key, column, cancellation);
            // Special queries attend too, but what they are is no fact about the text; they go when they are not to be shown.
            if (attention.Settings.SpecialTokens != SinkHandling.Show)
            {
                for (int i = 0; i < column.Length; i++)
                    column[i] = queries[i].Special ? 0 : column[i];
            }
            by = Top(queries, column, attention.Settings.HoverTop);
        }
        return new HoverResult(Content(Write(attention, token, weighing, sinks, to, by)), range);
    }

    private string Write(
        SegmentAttention attention, Token token, Weighing weighing, SinkResult? sinks,
        List<(Token Token, float Weight)> to, List<(Token Token, float Weight)> by, string? about = null)
    {
        var text = new StringBuilder();
        string kind = attention.Trace.Stacks.Count > 1 ? $" · {SegmentAttention.NameOf(weighing.Stack.Kind)}" : "";
        if (weighing.Method != Methods.Raw)
            kind += $" · {weighing.Method.Title}";
        string name = PlainText ? Markdown.Plain(attention.TextOf(token)) : $"**{Markdown.Code(attention.TextOf(token))}**";
        string spelling = attention.TextOf(token) == token.Text ? "" : PlainText ? $" ({Markdown.Plain(token.Text)})" : $" ({Markdown.Code(token.Text)})";
        string heads = weighing.Method.JoinsLayers ? "" : $" · {(PlainText ? weighing.Selection.ToString() : Markdown.Escape(weighing.Selection.ToString()))}";
        text.Append(CultureInfo.InvariantCulture, $"{name}{spelling}{heads}{kind} · {(PlainText ? attention.Model.Name : Markdown.Escape(attention.Model.Name))}\n\n");
        (string left, string right) = about is null ? ("attends to", "attended by") : ("speaks for it", by.Count > 0 ? "speaks against it" : "");
        if (about is not null)
            text.Append(CultureInfo.InvariantCulture, $"{(PlainText ? about : Markdown.Escape(about))}\n\n");
        if (PlainText)
        {
            List(left, to);
            List(right, by);
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"| {left} | | {right} | |\n|:--|--:|:--|--:|\n");
            for (int i = 0; i < Math.Max(to.Count, by.Count); i++)
                text.Append(CultureInfo.InvariantCulture, $"| {Cell(to, i)} | {Cell(by, i)} |\n");
            text.Append('\n');
        }
        if (sinks is { } done)
            text.Append(CultureInfo.InvariantCulture, $"{done}");
        if (attention.Text.Notice is { } notice)
            text.Append(CultureInfo.InvariantCulture, $"\n\n{(PlainText ? notice : Markdown.Escape(notice))}");
        if (attention.Pair is { } pair)
        {
            string file = Path.GetFileName(Uri.UnescapeDataString(pair.Uri));
            string which = pair.Source ? "source" : "target";
            text.Append(CultureInfo.InvariantCulture, $"\n\n{which}: {(PlainText ? Markdown.Plain(file) : Markdown.Code(file))}, line {pair.Range.Start.Line + 1}");
        }
        return text.ToString();

        string Cell(List<(Token Token, float Weight)> list, int i) => i < list.Count
            ? string.Create(CultureInfo.InvariantCulture, $"{Markdown.Code(attention.TextOf(list[i].Token))} | {list[i].Weight:F3}")
            : " | ";

        void List(string title, List<(Token Token, float Weight)> list)
        {
            if (list.Count == 0)
                return;
            text.Append(CultureInfo.InvariantCulture, $"{title}:\n");
            foreach ((Token other, float weight) in list)
                text.Append(CultureInfo.InvariantCulture, $"  {weight:F3}  {Markdown.Plain(attention.TextOf(other))}\n");
        }
    }

    private MarkupContent Content(string text) => new(PlainText ? "plaintext" : "markdown", text);

    private static List<(Token Token, float Weight)> Top(Token[] tokens, float[] weights, int count) =>
        [.. Enumerable.Range(0, weights.Length)
            .Where(i => weights[i] > 0)
            .OrderByDescending(i => weights[i])
            .ThenBy(static i => i)
            .Take(count)
            .Select(i => (tokens[i], weights[i]))];
}
