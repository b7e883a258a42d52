using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.CodeLens;

/// <summary><c>textDocument/codeLens</c>, off by default: one lens a segment, which opens the head view on it. Costs no forward pass.</summary>
internal static class CodeLensHandler
{
    /// <summary>The client's command; without it a lens would have nothing to do.</summary>
    public const string OpenCommand = "attentionLens.openHeadView";

    /// <summary>An editor lays out every lens of a document; a corpus of a million lines would hang it.</summary>
    private const int MaxLenses = 1000;

    public static Task<CodeLensItem[]?> HandleAsync(DocumentParams request, ServerState state, CancellationToken cancellation)
    {
        if (!state.Settings.CodeLens || !state.Settings.ClientCommands.Contains(OpenCommand)
            || !state.Documents.TryGetValue(request.TextDocument.Uri, out DocumentSnapshot? document))
            return Task.FromResult<CodeLensItem[]?>(null);
        string shown = state.Settings switch
        {
            { Heads: { Length: > 0 } heads } => $"heads {heads}",
            { Layer.IsAuto: true } => "clearest head",
            var chosen => new HeadSelection(chosen.Layer.Index, chosen.Head.Index).ToString(),
        };
        string title = $"{shown} · open head view";
        var lenses = new List<CodeLensItem>();
        foreach (Segment segment in document.Segments(state.ReaderOf(document)).Segments.Take(MaxLenses))
        {
            cancellation.ThrowIfCancellationRequested();
            TextRange range = document.Text.Range(segment.Start, segment.End);
            lenses.Add(new CodeLensItem(
                new TextRange(range.Start, range.Start), new Command(title, OpenCommand, [Argument(new PlaceArgument(document.Uri, range))])));
        }
        return Task.FromResult<CodeLensItem[]?>([.. lenses]);
    }

    public static JsonElement Argument(PlaceArgument place) => JsonSerializer.SerializeToElement(place, AttentionJson.Default.PlaceArgument);
}
