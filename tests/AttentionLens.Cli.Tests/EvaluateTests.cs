using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Evaluation;
using AttentionLens.Cli.Evaluation;
using AttentionLens.Models;

namespace AttentionLens.Cli.Tests;

public sealed class EvaluateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private const string Corpus = """
        {"text": "the cat sat on the mat .", "rationales": [[4, 7]]}
        {"text": "the mat sat on the cats .", "rationales": [[4, 7], [19, 23]]}
        {"text": "😀 the cat sat .", "rationales": []}

        """;

    private string[] Asked(params string[] more) =>
        ["evaluate", "-f", _folder.Write("corpus.jsonl", System.Text.Encoding.UTF8.GetBytes(Corpus)), "-m", _folder.TextModel(), "--methods", "raw,saliency", "--outputs", "2", .. more];

    [Fact]
    public void A_report_says_every_measure_with_its_interval_and_chance()
    {
        using var json = JsonDocument.Parse(Cli.Good(Asked("--format", "json")).Bytes);
        var report = json.RootElement;
        Assert.Equal(1, report.GetProperty("format").GetInt32());
        Assert.Equal((3, 2, 6), (report.GetProperty("texts").GetInt32(), report.GetProperty("marked").GetInt32(), report.GetProperty("outputs").GetInt32()));
        var methods = report.GetProperty("methods").EnumerateArray().ToArray();
        Assert.Equal(["raw", "saliency"], methods.Select(m => m.GetProperty("name").GetString()));
        foreach (var metric in methods.SelectMany(m => m.GetProperty("metrics").EnumerateObject()))
        {
            double low = metric.Value.GetProperty("low").GetDouble(), mean = metric.Value.GetProperty("mean").GetDouble(), high = metric.Value.GetProperty("high").GetDouble();
            Assert.True(low <= mean + 1e-12 && mean <= high + 1e-12, metric.Name);
            // Nothing is marked in the third text, so plausibility is defined for two.
            Assert.Equal(metric.Name is "auprc" or "tokenF1" or "spanF1" ? 2 : 3, metric.Value.GetProperty("texts").GetInt32() + (metric.Name == "robustness" ? 3 - metric.Value.GetProperty("texts").GetInt32() : 0));
        }

        Assert.Equal(report.GetProperty("metrics").EnumerateArray().Count(), methods.Max(m => m.GetProperty("metrics").EnumerateObject().Count()));
    }

    [Fact]
    public void A_handful_of_texts_is_told_from_nothing()
    {
        // All texts alike: the interval has no width, and says nothing about other texts.
        string Report(int texts)
        {
            var corpus = _folder.Write($"{texts}.txt", System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the cat sat on the mat .\n\n", texts))));
            return Cli.Good("evaluate", "-f", corpus, "-m", _folder.TextModel(), "--methods", "leave-one-out", "--measures", "faithfulness", "--outputs", "1").Output;
        }

        var few = Report(5);
        Assert.Contains("Of fewer than 6 texts none of this is said", few, StringComparison.Ordinal);
        Assert.DoesNotContain('▲', few[few.IndexOf("## ", StringComparison.Ordinal)..]);
        var enough = Report(6);
        Assert.DoesNotContain("Of fewer than", enough, StringComparison.Ordinal);
        Assert.Contains('▲', enough[enough.IndexOf("## ", StringComparison.Ordinal)..]);
    }

    [Theory]
    [InlineData("# a comment\ncat\tmat\tdog\n\nsat\tlay down\r\n", "line 4: 'lay down' is not one word")]
    [InlineData("{\"Cat\": [\"mat\", \"dog\"], \"sat\": \"lay down\"}", "'sat': 'lay down' is not one word")]
    public void Synonyms_come_from_a_file_and_are_measured_beside_typos(string file, string problem)
    {
        var list = _folder.Write("list", System.Text.Encoding.UTF8.GetBytes(file));
        var answer = Cli.Run(Asked("--format", "json", "--measures", "robustness", "--synonyms", list));
        Assert.Equal(0, answer.Status);
        Assert.Contains(problem, Assert.Single(answer.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        using var json = JsonDocument.Parse(answer.Bytes);
        var measured = json.RootElement.GetProperty("methods")[0].GetProperty("metrics").GetProperty("synonyms");
        // Explained are two words of each text; 'cat' is replaced where it is not one of them.
        Assert.InRange(measured.GetProperty("texts").GetInt32(), 1, 3);
        Assert.InRange(measured.GetProperty("mean").GetDouble(), -1, 1);
        Assert.Contains(json.RootElement.GetProperty("metrics").EnumerateArray(), m => m.GetProperty("name").GetString() == "synonyms");
        Assert.DoesNotContain("\"synonyms\"", Cli.Good(Asked("--format", "json", "--measures", "robustness")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Robustness_under_synonyms_is_the_rank_correlation_of_words_before_and_after()
    {
        using var model = Model.Load(_folder.TextModel());
        var list = new Dictionary<string, IReadOnlyList<string>> { ["cat"] = ["mats"] };
        var options = new EvaluatorOptions(1, Families: new HashSet<MetricFamily> { MetricFamily.Robustness }, Synonyms: list);
        const string Text = "the cat sat on the mat .";
        var found = new Evaluator(model, [Methods.Raw], options).Evaluate(new EvaluatedText(Text)).Scores["raw"]["synonyms"].Value!.Value;

        // The same by hand: "mats" is two pieces of one word, and what is explained stands one token further.
        var tokenizer = model.Tokenizer!;
        double[] Words(string text, int row, int skip)
        {
            var tokens = tokenizer.Encode(text);
            var target = AttentionLens.Analysis.Outputs.OutputTarget.Of(model, new ModelInput { InputIds = [.. tokens.Tokens.Select(t => t.Id)] }, new(row));
            var scores = AttentionLens.Analysis.Outputs.TokenScores.Of(Methods.Raw, model, target).Source;
            var words = Robustness.Words(text);
            return [.. words.Select(w => tokens.Tokens.Select((t, i) => (t, i)).Where(p => p.i != row && !p.t.Special && p.t.Start < w.End && w.Start < p.t.End).Sum(p => (double)scores[p.i]))];
        }

        // One output of six words and a full stop: the one in the middle, "on".
        var expected = RankCorrelation.Spearman(Words(Text, 4, 0), Words("the mats sat on the mat .", 5, 1));
        Assert.Equal(expected!.Value, found, 1e-9);
    }

    [Theory]
    [InlineData("cat", "'{0}', line 1")]
    [InlineData("\n", "holds no synonyms")]
    [InlineData("{\"cat\": 3}", "a word or a list of words")]
    [InlineData("{\"cat\"", "not valid JSON")]
    public void A_file_without_synonyms_is_refused(string file, string problem)
    {
        var list = _folder.Write("list", System.Text.Encoding.UTF8.GetBytes(file));
        Cli.Refused(1, problem.Replace("{0}", list, StringComparison.Ordinal), Asked("--synonyms", list));
    }

    public static TheoryData<string> Crashed => Crashes.Of("synonyms");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void What_broke_a_list_of_synonyms_once_is_refused(string name) =>
        Assert.EndsWith(".", Assert.Throws<CommandException>(() => SynonymFile.Read(name, Crashes.Text("synonyms", name), static _ => { })).Message, StringComparison.Ordinal);

    [Fact]
    public void Annotations_beside_a_document_are_its_reasons()
    {
        var document = _folder.Write("notes.txt", "the cat sat on the mat .\n\nthe mat sat .\n"u8.ToArray());
        Cli.Good("annotate", "add", document, "--label", "rationale", "--start", "4", "--end", "7");
        Cli.Good("annotate", "add", document, "--label", "reason", "--start", "11", "--end", "22");
        // The word in the middle, "on", is explained and no token to be found: one of six others is marked, or two. Of a random order the expected average precision
        // is ((r - 1) / (n - 1) (n - H) + H) / n with H the sum of 1/k up to n.
        const double H = 1 + (1.0 / 2) + (1.0 / 3) + (1.0 / 4) + (1.0 / 5) + (1.0 / 6);
        foreach (var (label, chance) in new[] { ((string?)null, H / 6), ("reason", (((6 - H) / 5) + H) / 6) })
        {
            string[] asked = ["evaluate", "-f", document, "-m", _folder.TextModel(), "--methods", "raw", "--measures", "plausibility", "--outputs", "1", "--format", "json", .. label is null ? [] : new[] { "--label", label }];
            using var json = JsonDocument.Parse(Cli.Good(asked).Bytes);
            Assert.Equal((2, 1), (json.RootElement.GetProperty("texts").GetInt32(), json.RootElement.GetProperty("marked").GetInt32()));
            var auprc = json.RootElement.GetProperty("methods")[0].GetProperty("metrics").GetProperty("auprc");
            Assert.Equal(chance, auprc.GetProperty("chance").GetDouble(), 1e-9);
        }
    }

    [Fact]
    public void The_same_question_gets_the_same_bytes()
    {
        var first = Cli.Good(Asked("--format", "json"));
        Assert.Equal(first.Bytes, Cli.Good(Asked("--format", "json")).Bytes);
        Assert.NotEqual(first.Bytes, Cli.Good(Asked("--format", "json", "--seed", "1")).Bytes);
    }

    [Fact]
    public void Markdown_and_html_carry_the_tables_and_what_they_do_not_mean()
    {
        var markdown = Cli.Good(Asked("--measures", "clarity,plausibility")).Output;
        Assert.Contains("## Is the picture sharp?", markdown, StringComparison.Ordinal);
        Assert.DoesNotContain("Comprehensiveness", markdown, StringComparison.Ordinal);
        Assert.Contains("| Raw attention | ", markdown, StringComparison.Ordinal);
        Assert.Contains("But: agreeing with people", markdown, StringComparison.Ordinal);
        var page = Cli.Good(Asked("--format", "html", "--measures", "clarity")).Output;
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_run_goes_on_where_it_was()
    {
        var target = Path.Combine(_folder.Path, "report.json");
        string[] asked = Asked("--format", "json", "-o", target);
        Cli.Good(asked);
        var expected = File.ReadAllBytes(target);
        Assert.False(File.Exists($"{target}.partial.jsonl"));

        // What a run leaves that is killed in its third text: a header, two texts, half a line.
        using (var model = Model.Load(_folder.TextModel()))
        {
            var options = new EvaluatorOptions(2, 3, 0, RationaleShare());
            Method[] methods = [Methods.Raw, Methods.Saliency];
            var evaluator = new Evaluator(model, methods, options);
            using var journal = EvaluationJournal.Open(target, model.Info, methods, options);
            foreach (var text in Texts().Take(2))
            {
                journal.Add(text, evaluator.Evaluate(text));
            }
        }

        File.AppendAllText($"{target}.partial.jsonl", "{\"text\":\"abc");
        var resumed = Cli.Run(asked);
        Assert.Equal(0, resumed.Status);
        Assert.StartsWith("2 texts were measured by a run that was stopped", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(expected, File.ReadAllBytes(target));
        Assert.False(File.Exists($"{target}.partial.jsonl"));
    }

    [Fact]
    public void The_journal_of_another_question_is_begun_anew()
    {
        var target = Path.Combine(_folder.Path, "report.json");
        using var model = Model.Load(_folder.TextModel());
        var scores = new TextScores(3, 1, .5, new(StringComparer.Ordinal), []);
        var text = new EvaluatedText("the cat");
        using (var journal = EvaluationJournal.Open(target, model.Info, [Methods.Raw], new EvaluatorOptions()))
        {
            journal.Add(text, scores);
            Assert.Throws<CommandException>(() => EvaluationJournal.Open(target, model.Info, [Methods.Raw], new EvaluatorOptions()));
        }

        using (var same = EvaluationJournal.Open(target, model.Info, [Methods.Raw], new EvaluatorOptions()))
        {
            Assert.Equal(.5, same.Find(text)?.Probability);
            Assert.Null(same.Find(text with { Pair = "" }));
        }

        using var other = EvaluationJournal.Open(target, model.Info, [Methods.Raw], new EvaluatorOptions(Seed: 1));
        Assert.Equal(0, other.Count);
        Assert.Null(other.Find(text));
    }

    [Fact]
    public void Wrong_questions_get_one_sentence()
    {
        Cli.Refused(2, "Give a corpus with -f", "evaluate");
        Cli.Refused(2, "no method 'beauty'", "evaluate", "-f", _folder.Write("some.txt", "the cat"u8.ToArray()), "--methods", "beauty");
        Cli.Refused(2, "not 'beauty'", Asked("--measures", "beauty"));
        Cli.Refused(2, "--outputs takes", "evaluate", "-f", "some.txt", "--outputs", "0");
        Cli.Refused(1, "does not exist", "evaluate", "-f", "nowhere.jsonl");
        Cli.Refused(1, "There are no texts", "evaluate", "-f", _folder.Write("empty.jsonl", []), "-m", _folder.TextModel());
        Cli.Refused(1, "No text could be measured", "evaluate", "-f", _folder.Write("dots.txt", "... ..."u8.ToArray()), "-m", _folder.TextModel());
    }

    [Fact]
    public void What_cannot_be_read_is_said_and_the_rest_is_measured()
    {
        var file = _folder.Write("some.jsonl", "{\"text\": \"the cat sat .\", \"rationales\": [[4, 70]]}\n{\"no\": 1}\n{\"text\": \"the mat .\", \"rationales\": [[0, 3]]}\n"u8.ToArray());
        var answer = Cli.Run("evaluate", "-f", file, "-m", _folder.TextModel(), "--methods", "raw", "--measures", "clarity");
        Assert.Equal(0, answer.Status);
        Assert.Contains("record 1: the span [4, 70] lies outside its text", answer.Error, StringComparison.Ordinal);
        Assert.Contains("record 2: there is no text in it", answer.Error, StringComparison.Ordinal);
        Assert.Contains("2 texts", answer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Heads_are_listed_found_and_written_as_json()
    {
        var table = Cli.Good("heads", "the cat sat on the mat .", "-m", _folder.TextModel(), "--find", "previous", "--top", "3").Output;
        Assert.Contains("3 of 12 heads", table, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(Cli.Good("heads", "the cat sat on the mat .", "-m", _folder.TextModel(), "--find", "like 1.2", "--format", "json").Bytes);
        var first = json.RootElement.GetProperty("heads")[0];
        Assert.Equal((1, 2), (first.GetProperty("layer").GetInt32(), first.GetProperty("head").GetInt32()));
        Assert.Equal(1, first.GetProperty("likeness").GetSingle(), 1e-5f);
        Assert.Contains("| head | previous |", Cli.Good("heads", "-m", _folder.TextModel(), "--find", "previous", "--format", "md").Output, StringComparison.Ordinal);
        Cli.Refused(2, "'purple'", "heads", "--find", "purple");
        Cli.Refused(1, "no head 9.0", "heads", "the cat", "-m", _folder.TextModel(), "--find", "like 9.0");
        Cli.Refused(1, "no cross attention", "heads", "the cat", "-m", _folder.TextModel(), "--stack", "cross");
        Cli.Refused(2, "--top", "heads", "the cat", "--top", "0");
    }

    private static IEnumerable<EvaluatedText> Texts() =>
    [
        new("the cat sat on the mat .", null, [(0, 4, 7)]), new("the mat sat on the cats .", null, [(0, 4, 7), (0, 19, 23)]), new("😀 the cat sat .", null, []),
    ];

    private double RationaleShare()
    {
        using var model = Model.Load(_folder.TextModel());
        return Texts().Select(t => new Evaluator(model, [Methods.Raw], new EvaluatorOptions()).MarkedShare(t)).OfType<double>().Average();
    }
}
