using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli.Evaluation;

/// <summary>A metric of one method over a corpus.</summary>
/// <param name="Mean">Over the texts where it is defined.</param>
/// <param name="Low">Of the 95 % interval of the mean, by bootstrap over texts.</param>
/// <param name="Chance">Mean of what chance gives on the same texts; null where there is nothing to compare with.</param>
/// <param name="GainLow">Of the 95 % interval of (value - chance) over the same texts.</param>
/// <param name="Verdict">"better", "worse" or "same": whether that interval lies on one side of 0; null where no direction is the good one, or the texts are too few to say.</param>
/// <param name="Texts">How many.</param>
internal sealed record MetricReport(double Mean, double Low, double High, double? Chance, double? GainLow, double? GainHigh, string? Verdict, int Texts);

internal sealed record MethodReport(string Name, string Title, SortedDictionary<string, MetricReport> Metrics);

internal sealed record MetricText(string Name, string Title, string Family, string Better, string Means, string DoesNotMean);

/// <summary>What <c>evaluate</c> found.</summary>
internal sealed record EvaluationReport(
    int Format, string Model, string Fingerprint, string Corpus, int Texts, int Marked, int Skipped, int Outputs, double Probability, int Seed, double? RationaleShare,
    MethodReport[] Methods, MetricText[] Metrics, string[] Problems)
{
    public static EvaluationReport Of(
        string model, string fingerprint, string corpus, IReadOnlyList<Method> methods, EvaluatorOptions options, int marked, IReadOnlyList<TextScores> results, IReadOnlyList<string> skipped)
    {
        var reports = new List<MethodReport>();
        foreach (var method in methods)
        {
            var metrics = new SortedDictionary<string, MetricReport>(StringComparer.Ordinal);
            foreach (var metric in Analysis.Evaluation.Metrics.All)
            {
                Measured[] measured = [.. results.Select(r => r.Scores.GetValueOrDefault(method.Name)?.GetValueOrDefault(metric.Name) ?? Measured.None).Where(m => m.Value is not null)];
                if (Bootstrap.Mean([.. measured.Select(m => m.Value ?? 0)], options.Seed) is { } interval)
                {
                    var compared = measured.Where(m => m.Chance is not null).ToArray();
                    var gain = metric.Better == Direction.None ? null : Bootstrap.Mean([.. compared.Select(m => (m.Value ?? 0) - (m.Chance ?? 0))], options.Seed);
                    metrics[metric.Name] = new MetricReport(
                        interval.Mean, interval.Low, interval.High, compared.Length > 0 ? compared.Average(m => m.Chance) : null, gain?.Low, gain?.High,
                        Verdict(metric, gain), interval.Count);
                }
            }

            if (metrics.Count > 0)
            {
                reports.Add(new MethodReport(method.Name, method.Title, metrics));
            }
        }

        return new EvaluationReport(
            1, model, fingerprint, corpus, results.Count, marked, skipped.Count, results.Sum(r => r.Outputs), results.Average(r => r.Probability), options.Seed,
            options.RationaleShare, [.. reports],
            [.. Analysis.Evaluation.Metrics.All.Where(m => reports.Any(r => r.Metrics.ContainsKey(m.Name))).Select(m => new MetricText(
                m.Name, m.Title, $"{m.Family}".ToLowerInvariant(), $"{m.Better}".ToLowerInvariant(), m.Means, m.DoesNotMean))],
            [.. skipped.Concat(results.SelectMany(r => r.Problems)).GroupBy(p => p).OrderByDescending(g => g.Count()).Take(10).Select(g => g.Count() > 1 ? $"{g.Key} ({g.Count()} times)" : g.Key)]);
    }

    public void Write(Stream stream, string format)
    {
        if (format == "json")
        {
            JsonSerializer.Serialize(stream, this, ReportJson.Default.EvaluationReport);
            stream.Write("\n"u8);
            return;
        }

        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        if (format == "html")
        {
            WriteHtml(writer);
        }
        else
        {
            WriteMarkdown(writer);
        }
    }

    /// <summary>With fewer texts nothing is told from chance: five that agree do so by luck once in sixteen times (sign test), and resampling one text gives no interval at all.</summary>
    private const int LeastTexts = 6;

    private static string? Verdict(Metric metric, Interval? gain) => (metric.Better, gain) switch
    {
        (Direction.None, _) or (_, null) or (_, { Count: < LeastTexts }) => null,
        (Direction.Higher, { Low: > 0 }) or (Direction.Lower, { High: < 0 }) => "better",
        (Direction.Higher, { High: < 0 }) or (Direction.Lower, { Low: > 0 }) => "worse",
        _ => "same",
    };

    private static readonly (string Family, string Question)[] Questions =
    [
        ("clarity", "Is the picture sharp?"),
        ("faithfulness", "Does it agree with what the model does?"),
        ("plausibility", "Does it agree with people?"),
        ("robustness", "Does it stay when nothing that matters changes?"),
    ];

    private string Subject() => string.Create(
        CultureInfo.InvariantCulture,
        $"{DisplayText.Clean(Model)} on {DisplayText.Clean(Corpus)}: {Count(Texts, "text")}, {Count(Outputs, "output")} explained, to which the model gave a probability of {Number(Probability)} on average; {(Marked == 0 ? "no text with marked reasons" : $"{Count(Marked, "text")} with marked reasons")}{(Skipped > 0 ? $", {Skipped} left out" : "")}. Seed {Seed}.");

    private const string Reading =
        "Each number is a mean over texts, with the interval in which it would lie 95 times of 100 with other texts of the same kind (bootstrap). "
        + "Chance is what a picture of random numbers gets on the same texts. ▲ better than chance, ▼ worse, ≈ not to be told from it by these texts.";

    /// <summary>How the tables are read; what too few texts leave out is said.</summary>
    private string Guide => Texts < LeastTexts ? $"{Reading} Of fewer than {LeastTexts} texts none of this is said, and the intervals are too narrow." : Reading;

    private static string Count(int n, string what) => string.Create(CultureInfo.InvariantCulture, $"{n:N0} {what}{(n == 1 ? "" : "s")}");

    /// <summary>Two significant digits below 0.1, where probabilities of unsure models lie; no minus before nothing.</summary>
    private static string Number(double value)
    {
        var shown = value.ToString(Math.Abs(value) < 0.0995 ? "0.000" : Math.Abs(value) < 9.995 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
        return shown == "-0.000" ? "0.000" : shown.Replace('-', '−');
    }

    private static string Mark(string? verdict) => verdict switch { "better" => " ▲", "worse" => " ▼", "same" => " ≈", _ => "" };

    private static string Arrow(string better) => better switch { "higher" => " ↑", "lower" => " ↓", _ => "" };

    private static string Cell(MetricReport? m) => m is null ? "–" : $"{Number(m.Mean)} [{Number(m.Low)}, {Number(m.High)}]{Mark(m.Verdict)}";

    /// <summary>Chance is the same for every method but for the texts where a method has no answer: the row shows the first method's.</summary>
    private string Chance(string metric) => Methods.Select(m => m.Metrics.GetValueOrDefault(metric)?.Chance).FirstOrDefault(c => c is not null) is { } chance ? Number(chance) : "–";

    private void WriteMarkdown(StreamWriter writer)
    {
        writer.WriteLine($"# Can these pictures be trusted?\n\n{Subject()}\n\n{Guide}");
        foreach (var (family, question) in Questions)
        {
            var metrics = Metrics.Where(m => m.Family == family).ToArray();
            if (metrics.Length == 0)
            {
                continue;
            }

            writer.WriteLine($"\n## {question}\n");
            writer.WriteLine($"| | {string.Join(" | ", metrics.Select(m => m.Title + Arrow(m.Better)))} |");
            writer.WriteLine($"|---|{string.Concat(metrics.Select(_ => "---|"))}");
            foreach (var method in Methods)
            {
                writer.WriteLine($"| {method.Title} | {string.Join(" | ", metrics.Select(m => Cell(method.Metrics.GetValueOrDefault(m.Name))))} |");
            }

            writer.WriteLine($"| *{Reference(family)}* | {string.Join(" | ", metrics.Select(m => $"*{Chance(m.Name)}*"))} |");
            writer.WriteLine();
            foreach (var metric in metrics)
            {
                writer.WriteLine($"- **{metric.Title}**: {metric.Means} But: {char.ToLowerInvariant(metric.DoesNotMean[0])}{metric.DoesNotMean[1..]}");
            }
        }

        if (Problems.Length > 0)
        {
            writer.WriteLine("\n## What could not be measured\n");
            foreach (var problem in Problems)
            {
                writer.WriteLine($"- {DisplayText.Clean(problem)}");
            }
        }
    }

    /// <summary>A flat picture is what clarity is compared with; random ones are as unclear as they are random.</summary>
    private static string Reference(string family) => family == "clarity" ? "the same weight everywhere" : "chance";

    /// <summary>One page without scripts; intervals as bars on a common scale, chance as a line.</summary>
    private void WriteHtml(StreamWriter writer)
    {
        writer.WriteLine("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">");
        writer.WriteLine("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        writer.WriteLine("<meta name=\"viewport\" content=\"width=device-width\">");
        writer.WriteLine($"<title>Can these pictures be trusted? {Escape(Model)}</title>");
        writer.WriteLine("""
            <style>
            :root { color-scheme: light dark; --bar: #1f6fb2; --line: #b3541e; --muted: #616161; --rule: #d0d0d0; }
            @media (prefers-color-scheme: dark) { :root { --bar: #6cb2f0; --line: #f0a268; --muted: #a8a8a8; --rule: #454545; } }
            body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1.5rem; }
            h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
            table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
            th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
            thead th { font-weight: 600; vertical-align: bottom; } tbody th { font-weight: 400; white-space: nowrap; }
            .scroll { overflow-x: auto; } .muted, .interval { color: var(--muted); } .interval { font-size: .85em; }
            svg { display: block; } .range { stroke: var(--bar); stroke-width: 3; } .mean { fill: var(--bar); } .chance { stroke: var(--line); stroke-width: 1.5; stroke-dasharray: 3 2; }
            dt { font-weight: 600; margin-top: .6rem; } dd { margin: 0; max-width: 46rem; }
            </style>
            </head>
            <body>
            """);
        writer.WriteLine($"<h1>Can these pictures be trusted?</h1>\n<p>{Escape(Subject())}</p>\n<p class=\"muted\">{Escape(Guide)} The dashed line is chance.</p>");
        foreach (var (family, question) in Questions)
        {
            var metrics = Metrics.Where(m => m.Family == family).ToArray();
            if (metrics.Length == 0)
            {
                continue;
            }

            writer.WriteLine($"<h2>{Escape(question)}</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><td></td>{string.Concat(metrics.Select(m => $"<th scope=\"col\">{Escape(m.Title)}{Arrow(m.Better)}</th>"))}</tr></thead>\n<tbody>");
            foreach (var method in Methods)
            {
                writer.WriteLine($"<tr><th scope=\"row\">{Escape(method.Title)}</th>{string.Concat(metrics.Select(m => HtmlCell(m.Name, method.Metrics.GetValueOrDefault(m.Name))))}</tr>");
            }

            writer.WriteLine($"<tr class=\"muted\"><th scope=\"row\">{Reference(family)}</th>{string.Concat(metrics.Select(m => $"<td>{Chance(m.Name)}</td>"))}</tr>\n</tbody>\n</table>\n</div>\n<dl>");
            foreach (var metric in metrics)
            {
                writer.WriteLine($"<dt>{Escape(metric.Title)}</dt><dd>{Escape(metric.Means)} <span class=\"muted\">{Escape(metric.DoesNotMean)}</span></dd>");
            }

            writer.WriteLine("</dl>");
        }

        if (Problems.Length > 0)
        {
            writer.WriteLine($"<h2>What could not be measured</h2>\n<ul>{string.Concat(Problems.Select(p => $"<li>{Escape(DisplayText.Clean(p))}</li>"))}</ul>");
        }

        writer.WriteLine("</body>\n</html>");
    }

    private string HtmlCell(string metric, MetricReport? m)
    {
        if (m is null)
        {
            return "<td class=\"muted\">–</td>";
        }

        // One scale for a column, from the least to the largest number in it.
        var all = Methods.Select(x => x.Metrics.GetValueOrDefault(metric)).OfType<MetricReport>().SelectMany(x => new[] { x.Low, x.High, x.Chance ?? x.Low, 0 }).ToArray();
        double least = all.Min(), span = Math.Max(all.Max() - least, 1e-9);
        string X(double value) => (4 + (112 * (value - least) / span)).ToString("0.0", CultureInfo.InvariantCulture);
        var chance = m.Chance is { } c ? $"<line class=\"chance\" x1=\"{X(c)}\" x2=\"{X(c)}\" y1=\"1\" y2=\"15\"/>" : "";
        return $"<td>{Number(m.Mean)}{Mark(m.Verdict)} <span class=\"interval\">[{Number(m.Low)}, {Number(m.High)}]</span>"
            + $"<svg width=\"120\" height=\"16\" aria-hidden=\"true\">{chance}<line class=\"range\" x1=\"{X(m.Low)}\" x2=\"{X(m.High)}\" y1=\"8\" y2=\"8\"/><circle class=\"mean\" cx=\"{X(m.Mean)}\" cy=\"8\" r=\"4\"/></svg></td>";
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(EvaluationReport))]
internal sealed partial class ReportJson : JsonSerializerContext;

/// <summary>Lines of the journal.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(JournalHeader))]
[JsonSerializable(typeof(JournalLine))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
