using System.CommandLine;
using System.Globalization;
using System.Text;
using AttentionLens.Corpora.Search;

namespace AttentionLens.Cli.Corpus;

/// <summary><c>corpus index</c>: a finished run becomes searchable.</summary>
internal static class IndexCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = new Argument<string>("RUN") { Description = "The folder of a finished run." };
        var least = new Option<float>("--least") { Description = "Weights of attention below this are left out: most of them are near 0, and would be most of the index.", DefaultValueFactory = _ => 0.1f };
        var command = new Command("index", "Make a run searchable: an index of its tokens, attention, predictions and hidden states.") { run, least };
        command.SetWork((parsed, cancellation) =>
        {
            var folder = Path.GetFullPath(parsed.GetRequiredValue(run));
            var smallest = parsed.GetValue(least) is > 0 and <= 1 and var value ? value : throw new UsageException("--least must be above 0 and at most 1.");
            var from = RunFolder.Open(folder);
            var path = Path.Combine(folder, SearchIndex.FileName);
            int texts;
            using (var bar = new Progress(terminal, "index"))
            {
                texts = new IndexBuilder(from, CorpusRun.Load(folder), smallest).Build(path, bar, cancellation);
            }

            OutputFile.Write(terminal, null, stream => stream.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"{texts:N0} texts in {SearchIndex.FileName}, {new FileInfo(path).Length / 1e6:N1} MB\n"))));
        });
        return command;
    }
}
