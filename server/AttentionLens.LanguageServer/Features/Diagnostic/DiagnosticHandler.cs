using System.Globalization;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.ForeignAttention;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Features.Diagnostic;

/// <summary>
/// <c>textDocument/diagnostic</c>: real problems only. A malformed line of a corpus, bytes that were no text in the file's encoding, segments
/// longer than the model's window.
/// </summary>
internal sealed class DiagnosticHandler(ModelHost models)
{
    private const string Source = "AttentionLens";

    /// <summary>A file in a wrong encoding has thousands; the first ones say it.</summary>
    private const int MaxOfAKind = 100;

    public Task<DiagnosticReport> HandleAsync(DiagnosticParams request, ServerState state, CancellationToken cancellation)
    {
        if (!state.Documents.TryGetValue(request.TextDocument.Uri, out DocumentSnapshot? document) || ForeignDocuments.Holds(document.Uri))
            return Task.FromResult(new DiagnosticReport("full", "none", []));
        HeldModel? model = models.Current;
        ReaderOptions options = state.ReaderOf(document);
        // Everything the answer depends on, so that "unchanged" is never wrong.
        string id = string.Create(
            CultureInfo.InvariantCulture, $"{document.Version}:{options.GetHashCode()}:{model?.Runner.Info.Fingerprint}");
        if (request.PreviousResultId == id)
            return Task.FromResult(new DiagnosticReport("unchanged", id));
        // Editors ask at each keystroke; a document of megabytes is not read for an answer that is no longer wanted.
        cancellation.ThrowIfCancellationRequested();
        SegmentedDocument segments = document.Segments(options);
        var items = new List<DiagnosticItem>();
        foreach (DocumentProblem problem in segments.Problems.Take(MaxOfAKind))
            items.Add(new DiagnosticItem(document.Text.Range(problem.Start, problem.End), 2, Source, "malformed", problem.Message));
        AddUndecodable(document, items);
        if (model is not null)
            AddTooLong(document, segments, model.Runner, items, cancellation);
        return Task.FromResult(new DiagnosticReport("full", id, [.. items]));
    }

    /// <summary>Editors put U+FFFD where bytes are no text in the encoding they read.</summary>
    private static void AddUndecodable(DocumentSnapshot document, List<DiagnosticItem> items)
    {
        string text = document.Text.ToString();
        int at = 0;
        for (int found = 0; found < MaxOfAKind; found++)
        {
            int step = text.AsSpan(at).IndexOf('\ufffd');
            if (step < 0)
                return;
            int start = at + step, end = start + 1;
            while (end < text.Length && text[end] == '\ufffd')
                end++;
            items.Add(new DiagnosticItem(
                document.Text.Range(start, end), 3, Source, "undecodable",
                "Bytes that are no text in this encoding stand here; the model sees replacement characters. Reopen the file with its own encoding."));
            at = end;
        }
    }

    private static void AddTooLong(
        DocumentSnapshot document, SegmentedDocument segments, IModelRunner model, List<DiagnosticItem> items, CancellationToken cancellation)
    {
        int found = 0;
        foreach (Segment segment in segments.Segments)
        {
            // A token has at least one character: what is shorter than the window in characters fits, and costs no tokenization.
            if (segment.Text.Length + (segment.Pair?.Text.Length ?? 0) < model.Info.MaxPositions - 4)
                continue;
            cancellation.ThrowIfCancellationRequested();
            string? notice;
            try
            {
                notice = EncodedText.Of(model, segment, 0, Keep.Attention, generate: false, cancellation).Notice;
            }
            catch (AttentionException)
            {
                return; // an image model, or nothing to read: hover says so
            }
            if (notice is null)
                continue;
            items.Add(new DiagnosticItem(
                document.Text.Range(segment.Start, segment.Start), 3, Source, "window",
                string.Create(CultureInfo.InvariantCulture, $"This segment is longer than the {model.Info.MaxPositions:N0} tokens that {model.Info.Name} reads at once; attention is shown for the part around the cursor. Sentences or lines as segments may fit.")));
            if (++found == MaxOfAKind)
                return;
        }
    }
}
