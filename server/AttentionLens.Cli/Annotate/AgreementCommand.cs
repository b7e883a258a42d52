using System.CommandLine;
using System.Globalization;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate agreement</c>: how far the annotators of a corpus agree.</summary>
internal static class AgreementCommand
{
    private const string Caveat =
        "kappa is over words, most of which carry no label: it rewards agreeing on those and is low on rare labels; quote it beside F1, never alone.";

    public static Command Create(Terminal terminal)
    {
        var corpus = AnnotateCommand.CorpusArgument();
        var by = new Option<string[]>("--by") { Description = "The annotators to compare, each with --by; absent: all.", HelpName = "NAME" };
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("agreement", "Measure how far annotators agree: span F1, Krippendorff's alpha (labels of words, and borders), Cohen's kappa.") { corpus, by, format };
        command.SetWork((parsed, cancellation) =>
        {
            var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
            var asked = parsed.GetValue(by) is { Length: > 0 } names ? names.Select(n => AnnotateCommand.Annotator(n)).Distinct().ToArray() : [.. index.Annotators];
            if (asked.Length < 2) throw new CommandException(asked.Length == 0 ? "There are no annotations to compare." : "There is one annotator; agreement needs two or more.");
            if (asked.Except(index.Annotators).FirstOrDefault() is { } stranger) throw new CommandException($"Nothing here was annotated by {stranger}; there is {string.Join(", ", index.Annotators.Select(Shown))}.");
            var common = index.Documents.Where(d => asked.All(a => d.By(a) is not null) && File.Exists(d.Path)).ToArray();
            var some = index.Documents.Count(d => asked.Any(a => d.By(a) is not null));
            if (common.Length == 0) throw new CommandException($"No document was annotated by all of {string.Join(", ", asked.Select(Shown))}.");
            AgreementReport report;
            using (var bar = new Progress(terminal, "comparing"))
            {
                var done = 0;
                report = AgreementReport.Of([.. asked.Select(Shown)], common.Select(d =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    bar.Report((double)done++ / common.Length);
                    var sides = asked.Select(a => CorpusIndex.Load(d.Path, d.By(a)?.Name)).ToArray();
                    return new AnnotatedText(sides[0].Text, sides.Select((s, i) => (Shown(asked[i]), s)).ToDictionary(p => p.Item1, p => (IReadOnlyList<Annotation>)p.s.Annotations));
                }));
            }

            if (some > common.Length) terminal.Error.WriteLine($"{some - common.Length} document(s) that not all of them annotated were left out.");
            if (parsed.GetValue(format) == "json") WriteJson(terminal, report);
            else WriteTable(terminal, report);
        });
        return command;
    }

    private static string Shown(string? annotator) => annotator ?? "(none)";

    private static void WriteTable(Terminal terminal, AgreementReport report) => AnnotateCommand.WriteLines(terminal, null, write =>
    {
        write(string.Create(CultureInfo.InvariantCulture, $"{report.Documents} document(s), {report.Words} words, {report.Annotators.Length} annotators."));
        write($"Krippendorff's alpha over words: {AnnotateCommand.Coefficient(report.Alpha)}");
        var width = Math.Clamp(report.Unitizing.Keys.Select(DisplayText.Width).DefaultIfEmpty(0).Max(), 5, 40);
        foreach (var pair in report.Pairs)
        {
            write("");
            write($"{pair.First} and {pair.Second}: Cohen's kappa {AnnotateCommand.Coefficient(pair.Kappa)}");
            write($"  {DisplayText.Fit("label", width)} {"F1",8} {"both",7} {pair.First,12} {pair.Second,12}");
            foreach (var (label, f1) in pair.ByLabel.Append(new("all", pair.Spans)))
                write(string.Create(CultureInfo.InvariantCulture, $"  {DisplayText.Fit(DisplayText.Clean(label), width)} {AnnotateCommand.Percent(f1.F1),8} {f1.Matches,7} {f1.First,12} {f1.Second,12}"));
        }

        write("");
        write("Krippendorff's alpha for unitizing, by label:");
        foreach (var (label, alpha) in report.Unitizing) write($"  {DisplayText.Fit(DisplayText.Clean(label), width)} {AnnotateCommand.Coefficient(alpha),8}");
        write("");
        write($"Note: {Caveat}");
    });

    private static void WriteJson(Terminal terminal, AgreementReport report) => AnnotateCommand.WriteJson(terminal, null, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("documents", report.Documents);
        json.WriteNumber("words", report.Words);
        json.WriteNumber("alpha", report.Alpha);
        json.WriteStartArray("pairs");
        foreach (var pair in report.Pairs)
        {
            json.WriteStartObject();
            json.WriteString("first", pair.First);
            json.WriteString("second", pair.Second);
            json.WriteNumber("kappa", pair.Kappa);
            Score("spans", pair.Spans);
            json.WriteStartObject("labels");
            foreach (var (label, f1) in pair.ByLabel) Score(label, f1);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("unitizing");
        foreach (var (label, alpha) in report.Unitizing) json.WriteNumber(label, alpha);
        json.WriteEndObject();
        json.WriteString("note", Caveat);
        json.WriteEndObject();

        void Score(string name, Agreement.F1Score f1)
        {
            json.WriteStartObject(name);
            json.WriteNumber("f1", f1.F1);
            json.WriteNumber("both", f1.Matches);
            json.WriteNumber("first", f1.First);
            json.WriteNumber("second", f1.Second);
            json.WriteEndObject();
        }
    });
}
