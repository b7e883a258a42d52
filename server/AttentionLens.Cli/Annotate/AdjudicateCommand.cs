using System.CommandLine;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate adjudicate</c>: two annotators' work side by side, and a third sidecar made of it by a rule.</summary>
internal static class AdjudicateCommand
{
    public static Command Create(Terminal terminal)
    {
        var corpus = AnnotateCommand.CorpusArgument();
        var left = new Option<string>("--left") { Description = "The first annotator.", HelpName = "NAME", Required = true };
        var right = new Option<string>("--right") { Description = "The second annotator.", HelpName = "NAME", Required = true };
        var into = new Option<string?>("--into") { Description = "Write a sidecar of this name; absent: only compare.", HelpName = "NAME" };
        var take = new Option<string>("--take") { Description = "What of that in which they differ: agreed (nothing), left, right, both.", DefaultValueFactory = _ => "agreed", HelpName = "SIDE" };
        take.OneOf(["agreed", "left", "right", "both"]);
        var force = new Option<bool>("--force") { Description = "Write what was decided before anew from both sides, also where it was changed by hand since." };
        var format = AttendCommand.FormatOption(["table", "json"]);
        var command = new Command("adjudicate", "Show where two annotators differ, and write what is agreed, or one side's or both sides' version, as a third sidecar.") { corpus, left, right, into, take, force, format };
        command.SetWork((parsed, cancellation) =>
        {
            var (a, b) = (AnnotateCommand.Annotator(parsed.GetRequiredValue(left)), AnnotateCommand.Annotator(parsed.GetRequiredValue(right)));
            var third = AnnotateCommand.Annotator(parsed.GetValue(into));
            if (third is not null && (third == a || third == b)) throw new UsageException("The result must not replace one of the sides: give --into a third name.");
            var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
            var documents = index.Documents.Where(d => d.By(a) is not null && d.By(b) is not null).ToArray();
            if (documents.Length == 0) throw new CommandException($"No document was annotated by both {a} and {b}.");
            var results = new List<(CorpusDocument Document, string Text, Adjudication Adjudication)>();
            var kept = 0;
            using (var bar = new Progress(terminal, "comparing"))
            {
                foreach (var document in documents)
                {
                    cancellation.ThrowIfCancellationRequested();
                    bar.Report((double)results.Count / documents.Length);
                    var (l, r) = (CorpusIndex.Load(document.Path, document.By(a)?.Name), CorpusIndex.Load(document.Path, document.By(b)?.Name));
                    var adjudication = Adjudication.Of(l.Annotations, r.Annotations);
                    var before = third is not null && document.By(third) is { } sidecar ? CorpusIndex.Load(document.Path, sidecar.Name).Annotations : [];
                    adjudication = adjudication.Resume(before);
                    var resumed = adjudication;
                    if (parsed.GetValue(take) is "left" or "right" or "both")
                        adjudication = adjudication.WithAllOpen(parsed.GetValue(take) switch { "left" => Choice.Left, "right" => Choice.Right, _ => Choice.Both });
                    if (third is not null && parsed.GetValue(force)) AnnotationStore.Replace(new SidecarName(document.Path, third), l.Text, adjudication.Result(third, DateTimeOffset.UtcNow), Adjudication.Source);
                    else if (third is not null)
                    {
                        var decided = resumed.Pairs.Zip(adjudication.Pairs).Select((p, i) => (p, i)).Where(x => x.p.First.Choice != x.p.Second.Choice).Select(x => x.i).ToHashSet();
                        AnnotationStore.Change(new SidecarName(document.Path, third), l.Text, adjudication.Changes(before, decided, third, DateTimeOffset.UtcNow));
                        kept += adjudication.Differing(before);
                    }

                    results.Add((document, l.Text, adjudication));
                }
            }

            if (kept > 0) terminal.Error.WriteLine($"{kept} label(s) of {third} are not what {a} and {b} say, by hand or because theirs have changed since; they were kept. --force writes them anew.");
            var differing = results.SelectMany(x => x.Adjudication.Pairs.Where(p => p.Difference != Difference.None).Select(p => (x.Document, x.Text, Pair: p))).ToArray();
            if (parsed.GetValue(format) == "json")
            {
                AnnotateCommand.WriteJson(terminal, null, json =>
                {
                    json.WriteStartArray();
                    foreach (var (document, text, pair) in differing)
                    {
                        json.WriteStartObject();
                        json.WriteString("document", document.Name);
                        json.WriteString("difference", Name(pair.Difference));
                        json.WriteString("choice", pair.Choice.ToString().ToLowerInvariant());
                        Side("left", pair.Left, text);
                        Side("right", pair.Right, text);
                        json.WriteEndObject();
                    }

                    json.WriteEndArray();

                    void Side(string name, Annotation? side, string text)
                    {
                        if (side is null)
                        {
                            json.WriteNull(name);
                            return;
                        }

                        json.WriteStartObject(name);
                        json.WriteString("id", side.Id);
                        json.WriteString("label", side.Label);
                        if (!side.Fragments.IsEmpty)
                        {
                            json.WriteNumber("start", side.Fragments[0].Start);
                            json.WriteNumber("end", side.Fragments[^1].End);
                            json.WriteString("text", Quote(side, text));
                        }

                        json.WriteEndObject();
                    }
                });
            }
            else
            {
                AnnotateCommand.WriteLines(terminal, null, write =>
                {
                    foreach (var (document, text, pair) in differing)
                        write($"{document.Name}: {Name(pair.Difference)}: {Side(pair.Left, text)} | {Side(pair.Right, text)}{(pair.Choice == Choice.Open ? "" : $" -> {pair.Choice.ToString().ToLowerInvariant()}")}");
                    var all = results.Sum(x => x.Adjudication.Pairs.Length);
                    write($"{documents.Length} document(s): {all - differing.Length} agreed, {differing.Length} differ, {results.Sum(x => x.Adjudication.Open)} open.");
                });
            }
        });
        return command;
    }

    private static string Name(Difference difference) => difference switch
    {
        Difference.OnlyLeft => "only left",
        Difference.OnlyRight => "only right",
        Difference.LabelAndExtent => "label and extent",
        _ => difference.ToString().ToLowerInvariant(),
    };

    private static string Side(Annotation? a, string text) => a is null ? "-" : a.Fragments.IsEmpty ? a.Label : $"{a.Label} \"{DisplayText.Clean(Quote(a, text))}\"";

    private static string Quote(Annotation a, string text) => string.Join(" … ", a.Fragments.Select(f => f.Of(text).ToString()));
}
