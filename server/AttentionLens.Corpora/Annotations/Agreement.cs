namespace AttentionLens.Corpora.Annotations;

/// <summary>
/// How far annotators agree. Units are UTF-16 positions for the character-wise measures; a value is null where the measure is not defined
/// (nothing labelled at all, or no variation), which is not the same as no agreement.
/// </summary>
public static class Agreement
{
    public sealed record F1Score(int Matches, int First, int Second)
    {
        public double? Precision => Second == 0 ? null : (double)Matches / Second;

        public double? Recall => First == 0 ? null : (double)Matches / First;

        public double? F1 => First + Second == 0 ? null : 2.0 * Matches / (First + Second);
    }

    /// <summary>Spans of equal label and range, matched one to one; with the first annotator as reference.</summary>
    public static F1Score SpanF1(IEnumerable<Annotation> first, IEnumerable<Annotation> second)
    {
        var (a, b) = (Keys(first), Keys(second));
        return new F1Score(a.Sum(p => Math.Min(p.Value, b.GetValueOrDefault(p.Key))), a.Values.Sum(), b.Values.Sum());

        static Dictionary<string, int> Keys(IEnumerable<Annotation> annotations) =>
            annotations.Where(x => x.Kind == AnnotationKind.Span && !x.Fragments.IsEmpty)
                .GroupBy(x => $"{x.Label}\0{string.Join(';', x.Fragments.Select(f => $"{f.Start} {f.End}"))}").ToDictionary(g => g.Key, g => g.Count());
    }

    /// <summary>
    /// Cohen's kappa (1960) over units with one label each ("" = unlabelled). Chance agreement is estimated from both annotators' own
    /// label shares, so on rare labels kappa can be low while nearly everything agrees: report it beside F1, not alone.
    /// </summary>
    public static double? CohenKappa(IReadOnlyList<string> first, IReadOnlyList<string> second)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(first.Count, second.Count);
        if (first.Count == 0) return null;
        double n = first.Count;
        var observed = first.Zip(second).Count(p => p.First == p.Second) / n;
        var shares = second.GroupBy(l => l).ToDictionary(g => g.Key, g => g.Count() / n);
        var chance = first.GroupBy(l => l).Sum(g => g.Count() / n * shares.GetValueOrDefault(g.Key));
        return chance >= 1 ? null : (observed - chance) / (1 - chance);
    }

    /// <summary>
    /// Krippendorff's alpha for nominal labels (Krippendorff 2011): any number of annotators, null where one did not judge a unit.
    /// alpha = 1 - observed / expected disagreement over the coincidences of paired judgements.
    /// </summary>
    /// <param name="units">[unit][annotator].</param>
    public static double? KrippendorffNominal(IEnumerable<IReadOnlyList<string?>> units)
    {
        var totals = new Dictionary<string, double>();
        double pairable = 0, disagreement = 0;
        foreach (var unit in units)
        {
            var values = unit.OfType<string>().ToArray();
            if (values.Length < 2) continue;
            pairable += values.Length;
            var counts = values.GroupBy(v => v).Select(g => (g.Key, Count: g.Count())).ToArray();
            foreach (var (label, count) in counts) totals[label] = totals.GetValueOrDefault(label) + count;
            disagreement += counts.Sum(c => (double)c.Count * (values.Length - c.Count)) / (values.Length - 1);
        }

        if (pairable <= 1) return null;
        var expected = totals.Values.Sum(t => t * (pairable - t)) / (pairable - 1);
        return expected == 0 ? null : 1 - disagreement / expected;
    }

    /// <summary>
    /// Krippendorff's alpha for unitizing (Krippendorff 1995, alpha_U) of one label over a continuum of <paramref name="length"/> characters:
    /// how well annotators agree on where units begin and end. Spans of one annotator must not overlap; overlapping ones are merged.
    /// </summary>
    public static double? KrippendorffUnitizing(int length, IReadOnlyList<IReadOnlyList<TextRange>> annotators)
    {
        if (annotators.Count < 2 || length == 0) return null;
        var sections = annotators.Select(a => Sections(length, a)).ToArray();
        double observed = 0;
        for (var i = 0; i < sections.Length; i++)
            for (var j = 0; j < sections.Length; j++)
                if (i != j) observed += Difference(sections[i], sections[j]);
        double m = annotators.Count, l = length;
        observed /= m * (m - 1) * l * l;

        // Expected disagreement: every unit of one annotator against every section at every place in the continuum (1995, eq. 10).
        var units = sections.SelectMany(s => s.Where(x => x.IsUnit).Select(x => (double)x.Range.Length)).ToArray();
        var gaps = sections.SelectMany(s => s.Where(x => !x.IsUnit).Select(x => (double)x.Range.Length)).ToArray();
        if (units.Length == 0) return null;
        // Sums over the gaps that a unit fits into, from the longest gap down: a corpus has as many gaps as units, and each against each is too much.
        Array.Sort(gaps);
        var fitting = new double[gaps.Length + 1];
        for (var i = gaps.Length - 1; i >= 0; i--) fitting[i] = fitting[i + 1] + gaps[i] + 1;
        double count = units.Length, sum = 0;
        foreach (var u in units)
        {
            sum += (count - 1) / 3 * (2 * u * u * u - 3 * u * u + u);
            var first = FirstNotBelow(gaps, u);
            sum += u * u * (fitting[first] - (gaps.Length - first) * u);
        }

        var total = m * l;
        var denominator = total * (total - 1) - units.Sum(u => u * (u - 1));
        var expected = denominator == 0 ? 0 : 2 / l * sum / denominator;
        return expected == 0 ? null : 1 - observed / expected;
    }

    private static int FirstNotBelow(double[] sorted, double value)
    {
        int lo = 0, hi = sorted.Length;
        while (lo < hi)
        {
            var mid = (lo + hi) / 2;
            if (sorted[mid] < value) lo = mid + 1;
            else hi = mid;
        }

        return lo;
    }

    private static List<(TextRange Range, bool IsUnit)> Sections(int length, IReadOnlyList<TextRange> spans)
    {
        var merged = new List<TextRange>();
        foreach (var s in spans.Where(s => s.Length > 0).OrderBy(s => s.Start))
        {
            if (merged.Count > 0 && s.Start < merged[^1].End) merged[^1] = new TextRange(merged[^1].Start, Math.Max(merged[^1].End, s.End));
            else merged.Add(s);
        }

        var sections = new List<(TextRange, bool)>();
        var at = 0;
        foreach (var s in merged)
        {
            if (s.Start > at) sections.Add((new TextRange(at, s.Start), false));
            sections.Add((s, true));
            at = s.End;
        }

        if (at < length) sections.Add((new TextRange(at, length), false));
        return sections;
    }

    /// <summary>Sum over intersecting sections of the squared differences at both ends; a unit inside a gap counts with its squared length.</summary>
    private static double Difference(List<(TextRange Range, bool IsUnit)> first, List<(TextRange Range, bool IsUnit)> second)
    {
        double sum = 0;
        var start = 0;
        foreach (var (a, aUnit) in first)
        {
            while (start < second.Count && second[start].Range.End <= a.Start) start++;
            for (var k = start; k < second.Count && second[k].Range.Start < a.End; k++)
            {
                var (b, bUnit) = second[k];
                if (aUnit && bUnit) sum += Math.Pow(a.Start - b.Start, 2) + Math.Pow(a.End - b.End, 2);
                else if (aUnit && b.Contains(a)) sum += Math.Pow(a.Length, 2);
                else if (bUnit && a.Contains(b)) sum += Math.Pow(b.Length, 2);
            }
        }

        return sum;
    }
}
