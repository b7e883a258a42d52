using System.CommandLine;
using System.Text;
using AttentionLens.Cli.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Cli.Annotate;

/// <summary><c>annotate find</c>: the annotations of a corpus that fit a filter, one a line.</summary>
internal static class FindCommand
{
    public static Command Create(Terminal terminal)
    {
        var corpus = AnnotateCommand.CorpusArgument();
        var label = new Option<string?>("--label") { Description = "With this label.", HelpName = "NAME" };
        var text = new Option<string?>("--text") { Description = "With this in their text, whatever the case.", HelpName = "TEXT" };
        var document = new Option<string?>("--document") { Description = "In documents with this in their name.", HelpName = "TEXT" };
        var state = new Option<string>("--state") { Description = "anchored, review (found again by the quote alone) or orphan (its text is gone).", HelpName = "STATE" };
        state.OneOf(["anchored", "review", "orphan"]);
        var status = new Option<string>("--status") { Description = "accepted, suggested or rejected.", HelpName = "STATUS" };
        status.OneOf(["accepted", "suggested", "rejected"]);
        var by = AnnotateCommand.AnnotatorOption("Of this annotator.");
        var command = new Command("find", "List annotations as document, annotator, id, label and text with tabs between them, in the order of the text.") { corpus, label, text, document, state, status, by };
        command.SetWork((parsed, cancellation) =>
        {
            var index = AnnotateCommand.Open(terminal, parsed.GetRequiredValue(corpus), cancellation);
            var filter = new AnnotationFilter
            {
                Label = parsed.GetValue(label),
                Text = parsed.GetValue(text),
                Document = parsed.GetValue(document),
                Annotator = AnnotateCommand.Annotator(parsed.GetValue(by)),
                State = Value<AnchorState>(parsed.GetValue(state)),
                Status = Value<AnnotationStatus>(parsed.GetValue(status)),
            };
            OutputFile.Write(terminal, null, stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
                foreach (var (found, sidecar, a) in index.Find(filter))
                {
                    string[] columns = [found.Name, sidecar.Name.Annotator ?? "", a.Id, a.Label, a.Quote.ReplaceLineEndings(" ").Replace('\t', ' ')];
                    writer.WriteLine(string.Join('\t', columns.Select(DisplayText.Clean)));
                }
            });
        });
        return command;
    }

    private static T? Value<T>(string? name)
        where T : struct, Enum => name is null ? null : Enum.Parse<T>(name, ignoreCase: true);
}
