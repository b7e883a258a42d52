using System.Collections.Concurrent;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;
using AttentionLens.LanguageServer.Features.Attention;
using Indexed = AttentionLens.Corpora.Annotations.CorpusDocument;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>How far the documents of a corpus are annotated. An index is kept for each folder that was asked about; only what changed is read again.</summary>
internal sealed class CorpusProgress
{
    private readonly ConcurrentDictionary<string, CorpusIndex> known = [];

    /// <summary>The documents under the folder that holds the label set of a document or folder, or under its own.</summary>
    /// <exception cref="AttentionException">The folder cannot be read.</exception>
    public AnnotatedCorpusResult Read(string path, string? annotator, CancellationToken cancellation)
    {
        string folder = Path.GetDirectoryName(LabelSet.Nearest(path) ?? (Directory.Exists(path) ? Path.Combine(path, LabelSet.FileName) : path)) ?? path;
        try
        {
            CorpusIndex index = known.TryGetValue(folder, out CorpusIndex? before) ? before.Refresh(null, cancellation) : CorpusIndex.Open(folder, null, cancellation);
            known[folder] = index;
            return new AnnotatedCorpusResult
            {
                Folder = new Uri(folder).AbsoluteUri,
                // A sidecar whose document is gone has nothing to open.
                Documents = [.. index.Documents.Where(static d => d.Sidecars.IsEmpty || File.Exists(d.Path)).Select(d => Summarize(d, annotator))],
            };
        }
        catch (SidecarException unreadable)
        {
            throw new AttentionException(AttentionStatus.Failed, unreadable.Message);
        }
    }

    private static CorpusDocument Summarize(Indexed document, string? annotator)
    {
        IndexedSidecar? own = document.By(annotator);
        IndexedAnnotation[] accepted = own is null ? [] : [.. own.Annotations.Where(static a => a is { Status: AnnotationStatus.Accepted, Kind: not AnnotationKind.Approval })];
        IndexedAnnotation[] open = own is null ? [] : [.. own.Annotations.Where(static a => a.Status == AnnotationStatus.Suggested)];
        double[] doubts = [.. open.Where(static a => a.Score is not null).Select(static a => 1 - Math.Abs((2 * a.Score.GetValueOrDefault()) - 1))];
        return new CorpusDocument(
            new Uri(document.Path).AbsoluteUri,
            document.Name,
            accepted.GroupBy(static a => a.Label).ToDictionary(static g => g.Key, static g => g.Count()),
            open.Length,
            accepted.Count(static a => a.State == AnchorState.Review),
            accepted.Count(static a => a.State == AnchorState.Orphan),
            own?.Approved ?? false,
            doubts.Length == 0 ? null : Math.Round(doubts.Average(), 4),
            Disagreement([.. document.Sidecars.Select(static s => s.Annotations
                .Where(static a => a is { Kind: AnnotationKind.Span, Status: AnnotationStatus.Accepted }).Select(static a => (a.Label, a.Place)).ToHashSet())]));
    }

    /// <summary>1 - F1 of equal spans, mean over pairs of annotators who labelled anything.</summary>
    private static double? Disagreement(HashSet<(string Label, ulong Place)>[] annotators)
    {
        var pairs = new List<double>();
        for (int i = 0; i < annotators.Length; i++)
        {
            for (int j = i + 1; j < annotators.Length; j++)
            {
                int total = annotators[i].Count + annotators[j].Count;
                if (total > 0)
                    pairs.Add(1 - (2.0 * annotators[i].Count(annotators[j].Contains) / total));
            }
        }
        return pairs.Count == 0 ? null : Math.Round(pairs.Average(), 4);
    }
}
