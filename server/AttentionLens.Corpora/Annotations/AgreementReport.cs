using System.Collections.Immutable;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Corpora.Annotations;

/// <summary>One annotator's settled annotations of one text.</summary>
public sealed record AnnotatedText(string Text, IReadOnlyDictionary<string, IReadOnlyList<Annotation>> ByAnnotator);

/// <summary>How two annotators agree.</summary>
/// <param name="Kappa">
/// Cohen's kappa over words, "unlabelled" being a label. Most words carry none, so that it says more about where nothing is than about
/// labels, and it is low on rare labels while nearly everything agrees: never quote it alone.
/// </param>
public sealed record PairAgreement(string First, string Second, Agreement.F1Score Spans, ImmutableSortedDictionary<string, Agreement.F1Score> ByLabel, double? Kappa);

/// <summary>Agreement over a corpus, on the documents that all of the annotators labelled.</summary>
/// <param name="Alpha">Krippendorff's nominal alpha over words.</param>
/// <param name="Unitizing">Krippendorff's alpha for unitizing by label: how well borders agree.</param>
public sealed record AgreementReport(
    ImmutableArray<string> Annotators, int Documents, int Words, ImmutableArray<PairAgreement> Pairs, double? Alpha, ImmutableSortedDictionary<string, double?> Unitizing)
{
    public static AgreementReport Of(IReadOnlyList<string> annotators, IEnumerable<AnnotatedText> texts)
    {
        // Documents are laid end to end: a measure over a corpus is then the measure over one text.
        var all = annotators.Select(_ => new List<Annotation>()).ToArray();
        var words = annotators.Select(_ => new List<string>()).ToArray();
        int length = 0, documents = 0;
        foreach (var text in texts)
        {
            documents++;
            var tokens = Pieces.Words(text.Text, new TextRange(0, text.Text.Length)).Where(w => !w.Of(text.Text).IsWhiteSpace()).ToArray();
            for (var i = 0; i < annotators.Count; i++)
            {
                var spans = text.ByAnnotator[annotators[i]].Where(a => a is { Kind: AnnotationKind.Span, Status: AnnotationStatus.Accepted, Fragments.IsEmpty: false }).ToArray();
                words[i].AddRange(Labels(tokens, spans));
                all[i].AddRange(spans.Select(a => a with { Fragments = [.. a.Fragments.Select(f => new TextRange(f.Start + length, f.End + length))] }));
            }

            length += text.Text.Length + 1;
        }

        var labels = all.SelectMany(a => a.Select(x => x.Label)).Distinct().Order(StringComparer.Ordinal).ToArray();
        var pairs = ImmutableArray.CreateBuilder<PairAgreement>();
        for (var i = 0; i < annotators.Count; i++)
        {
            for (var j = i + 1; j < annotators.Count; j++)
            {
                var byLabel = labels.ToImmutableSortedDictionary(l => l, l => Agreement.SpanF1(all[i].Where(a => a.Label == l), all[j].Where(a => a.Label == l)), StringComparer.Ordinal);
                pairs.Add(new PairAgreement(annotators[i], annotators[j], Agreement.SpanF1(all[i], all[j]), byLabel, Agreement.CohenKappa(words[i], words[j])));
            }
        }

        var units = Enumerable.Range(0, words[0].Count).Select(w => (IReadOnlyList<string?>)[.. words.Select(a => a[w])]);
        var unitizing = labels.ToImmutableSortedDictionary(
            l => l,
            l => Agreement.KrippendorffUnitizing(length, [.. all.Select(a => (IReadOnlyList<TextRange>)[.. a.Where(x => x.Label == l).SelectMany(x => x.Fragments)])]),
            StringComparer.Ordinal);
        return new AgreementReport([.. annotators], documents, words[0].Count, pairs.ToImmutable(), Agreement.KrippendorffNominal(units), unitizing);
    }

    /// <summary>Of overlapping labels the one that begins first, then the longest: a word has one label in a nominal measure.</summary>
    private static string[] Labels(TextRange[] words, Annotation[] spans)
    {
        var labels = new string[words.Length];
        Array.Fill(labels, "");
        foreach (var (label, range) in spans.SelectMany(a => a.Fragments.Select(f => (a.Label, f))).OrderBy(s => s.f.Start).ThenByDescending(s => s.f.End))
        {
            for (var w = TokenTags.FirstEndingAfter(words, range.Start); w < words.Length && words[w].Start < range.End; w++)
                if (labels[w].Length == 0) labels[w] = label;
        }

        return labels;
    }
}
