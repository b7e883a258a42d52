using System.Text.Json;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.CodeLens;
using AttentionLens.LanguageServer.Features.ExecuteCommand;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.CodeAction;

/// <summary>
/// <c>textDocument/codeAction</c>: pin the selection as query, compare with the pinned one, annotate, open the panel. Everything an action needs
/// is in its arguments. Only when the user asks for actions: a light bulb on every word of a text would be a nuisance.
/// </summary>
internal static class CodeActionHandler
{
    private const string Kind = "attentionLens";

    /// <summary>Offered when the client says that it has them.</summary>
    private static readonly (string Command, string Title)[] ClientActions =
    [
        ("attentionLens.annotate", "Annotate with attention as evidence"),
        ("attentionLens.openHeatmap", "Open the attention heatmap"),
    ];

    private const string Compare = "attentionLens.compareWithPinned";

    public static Task<CodeActionItem[]?> HandleAsync(CodeActionParams request, ServerState state, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (request.Context.TriggerKind == 2 || request.Context.Only is { } only && !only.Any(static kind => Kind == kind || kind.Length == 0)
            || !state.Documents.TryGetValue(request.TextDocument.Uri, out DocumentSnapshot? document))
            return Task.FromResult<CodeActionItem[]?>(null);
        int start = document.Text.Offset(request.Range.Start), end = document.Text.Offset(request.Range.End);
        if (start == end)
            (start, end) = Word(document.Text, start);
        Segment? segment = document.SegmentAt(state.ReaderOf(document), start);
        var actions = new List<CodeActionItem>();
        if (segment is null || start == end)
            return Task.FromResult<CodeActionItem[]?>([]);
        var here = new PlaceArgument(document.Uri, document.Text.Range(start, end));
        JsonElement place = CodeLensHandler.Argument(here);
        Add("Pin as attention query", DocumentCommands.Pin, place);
        if (document.Pin is not null)
            Add("Unpin the attention query", DocumentCommands.Unpin, JsonSerializer.SerializeToElement(new DocumentArgument(document.Uri), AttentionJson.Default.DocumentArgument));
        // A text is compared with another one; two words of one text are two rows of one matrix.
        if (state.Settings.ClientCommands.Contains(Compare) && document.Pin is { } pin && !(segment.Contains(pin.Start) || segment.Pair?.Contains(pin.Start) == true))
            Add("Compare with the text of the pinned query", Compare, CodeLensHandler.Argument(here with { Pinned = document.Text.Range(pin.Start, pin.End) }));
        foreach ((string command, string title) in ClientActions)
        {
            if (state.Settings.ClientCommands.Contains(command))
                Add(title, command, place);
        }
        return Task.FromResult<CodeActionItem[]?>([.. actions]);

        void Add(string title, string command, JsonElement argument) => actions.Add(new CodeActionItem(title, Kind, new Command(title, command, [argument])));
    }

    /// <summary>The run of letters, digits and marks around an offset; empty where there is none.</summary>
    private static (int Start, int End) Word(DocumentText text, int at)
    {
        int start = at, end = at;
        while (start > 0 && IsPart(text[start - 1]))
            start--;
        while (end < text.Length && IsPart(text[end]))
            end++;
        return (start, end);

        static bool IsPart(char c) => char.IsLetterOrDigit(c) || char.IsSurrogate(c) || char.GetUnicodeCategory(c) is System.Globalization.UnicodeCategory.NonSpacingMark;
    }
}
