using System.Text.Json;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Cli.Tests;

public sealed class AnnotateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string At(string name) => Path.Combine(_folder.Path, name);

    private string Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name)) ?? _folder.Path);
        File.WriteAllText(At(name), content);
        return At(name);
    }

    private string Brat()
    {
        Write("brat/news.txt", "😊 Ada Lovelace met Linus in New York.\nThey left Paris.");
        Write("brat/news.ann", "T1\tPER 2 14\tAda Lovelace\nT2\tPER 19 24\tLinus\nT3\tLOC 28 36\tNew York\nT4\tLOC 48 53\tParis\nR1\tmet Arg1:T1 Arg2:T2\n");
        return At("brat");
    }

    [Theory]
    [InlineData("brat", "out", false)]
    [InlineData("conll", "out.conll", true)]
    [InlineData("conllu", "out.conllu", true)]
    [InlineData("doccano", "out.jsonl", false)]
    [InlineData("prodigy", "out.jsonl", false)]
    [InlineData("label-studio", "out.json", false)]
    [InlineData("web-annotation", "out", false)]
    [InlineData("eraser", "out", true)]
    public void What_is_exported_can_be_imported_again_and_what_cannot_be_held_is_said(string format, string file, bool loses)
    {
        Assert.Equal("1 document(s), 5 annotation(s) added.\n", Cli.Good("annotate", "import", "brat", Brat(), "-o", At("corpus")).Output);
        var exported = Cli.Run("annotate", "export", format, At("corpus"), "-o", At(file));
        Assert.Equal(0, exported.Status);
        Assert.Equal(loses, exported.Error.Length > 0);
        Assert.All(exported.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => Assert.EndsWith(".", l, StringComparison.Ordinal));
        if (loses)
        {
            Cli.Refused(1, "--strict", Lines(Cli.Run("annotate", "export", format, At("corpus"), "-o", At("strict"), "--strict")));
            Assert.False(File.Exists(At("strict")) || Directory.Exists(At("strict")));
            return;
        }

        Assert.Equal(0, Cli.Run("annotate", "import", format, format == "web-annotation" ? Path.Combine(At(file), "news.jsonld") : At(file), "-o", At("back"), "--by", "ada").Status);
        var back = CorpusIndex.Open(At("back"));
        var document = Assert.Single(back.Documents, d => !d.Sidecars.IsEmpty);
        var loaded = CorpusIndex.Load(document.Path, document.By("ada")?.Name);
        Assert.Equal(
            ["PER Ada Lovelace", "PER Linus", "LOC New York", "LOC Paris"],
            loaded.Annotations.Where(a => a.Kind == AnnotationKind.Span).OrderBy(a => a.Fragments[0].Start).Select(a => $"{a.Label} {a.Fragments[0].Of(loaded.Text)}"));
        Assert.Single(loaded.Annotations, a => a is { Kind: AnnotationKind.Relation, Label: "met" });

        // The last line alone is the refusal; the losses stand before it.
        static Answer Lines(Answer answer) => answer with { Error = answer.Error.TrimEnd().Split('\n')[^1] + "\n" };
    }

    [Fact]
    public void Every_format_is_offered_and_another_is_refused_by_name()
    {
        var help = Cli.Good("annotate", "import", "--help").Output;
        Assert.All(AnnotationFormat.All, f => Assert.Contains(f.Name, help, StringComparison.Ordinal));
        Cli.Refused(1, "no annotation format \"excel\"", "annotate", "import", "excel", Brat(), "-o", At("x"));
        Cli.Refused(1, "no file or folder", "annotate", "import", "brat", At("absent"), "-o", At("x"));
        Cli.Refused(2, "no annotator's name", "annotate", "import", "brat", Brat(), "-o", At("x"), "--by", "a b");
    }

    [Fact]
    public void A_strict_import_writes_nothing_when_something_is_lost()
    {
        Write("brat/bad.txt", "Ada");
        Write("brat/bad.ann", "T1\tPER 0 3\tAda\nnonsense\n");
        var answer = Cli.Run("annotate", "import", "brat", At("brat/bad.ann"), "-o", At("x"), "--strict");
        Assert.Equal(1, answer.Status);
        Assert.Contains("nonsense", answer.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(At("x")));
    }

    [Fact]
    public void Stats_count_by_annotator_and_label()
    {
        Cli.Good("annotate", "import", "brat", Brat(), "-o", At("corpus"), "--by", "ada");
        var table = Cli.Good("annotate", "stats", At("corpus")).Output.Split('\n');
        Assert.Equal("1 document(s), 1 annotated, 0 approved.", table[0]);
        Assert.Equal(["ada", "span", "PER", "2", "1", "0", "0", "0"], table[2].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        using var json = JsonDocument.Parse(Cli.Good("annotate", "stats", At("corpus"), "--format", "json").Output);
        Assert.Equal(3, json.RootElement.GetProperty("labels").GetArrayLength());
        var found = Cli.Good("annotate", "find", At("corpus"), "--label", "LOC", "--text", "york", "--state", "anchored").Output.TrimEnd('\n').Split('\t');
        Assert.Equal(["news.txt", "ada", "LOC", "New York"], [found[0], found[1], found[3], found[4]]);
        Assert.Equal("", Cli.Good("annotate", "find", At("corpus"), "--status", "suggested").Output);
    }

    [Fact]
    public void A_clean_corpus_passes_the_check_and_a_faulty_one_names_its_faults_and_fails()
    {
        Cli.Good("annotate", "import", "brat", Brat(), "-o", At("corpus"));
        var clean = Cli.Run("annotate", "check", At("corpus"));
        Assert.Equal((0, ""), (clean.Status, clean.Output));
        Write("corpus/attention-lens.labels.json", """{ "spans": ["PER"], "relations": ["met"] }""");
        var faulty = Cli.Run("annotate", "check", At("corpus"));
        Assert.Equal(1, faulty.Status);
        Assert.Matches(@"news\.txt:1:\d+: ""LOC"" is no span label of the set\.\n.*news\.txt:2:11: ""LOC"" is no span label", faulty.Output);
        using var json = JsonDocument.Parse(Cli.Run("annotate", "check", At("corpus"), "--format", "json").Output);
        Assert.Equal(2, json.RootElement.GetArrayLength());
    }

    [Fact]
    public void Agreement_and_adjudication_of_two_annotators()
    {
        Cli.Good("annotate", "import", "brat", Brat(), "-o", At("corpus"), "--by", "ada");
        Write("brat/news.ann", "T1\tPER 2 14\tAda Lovelace\nT2\tORG 19 24\tLinus\nT3\tLOC 28 36\tNew York\n");
        Cli.Good("annotate", "import", "brat", At("brat"), "-o", At("corpus"), "--by", "ben");
        using (var json = JsonDocument.Parse(Cli.Good("annotate", "agreement", At("corpus"), "--format", "json").Output))
        {
            var pair = json.RootElement.GetProperty("pairs")[0];
            Assert.Equal("ada ben", $"{pair.GetProperty("first")} {pair.GetProperty("second")}");
            // Two of four and of three spans are the same: 2 * 2 / 7.
            Assert.Equal(4 / 7.0, pair.GetProperty("spans").GetProperty("f1").GetDouble(), 9);
            Assert.True(json.RootElement.GetProperty("alpha").GetDouble() is > 0 and < 1);
            Assert.Contains("never alone", json.RootElement.GetProperty("note").GetString(), StringComparison.Ordinal);
        }

        var table = Cli.Good("annotate", "agreement", At("corpus")).Output;
        Assert.Contains("57.1 %", table, StringComparison.Ordinal);
        Assert.Contains("kappa is over words", table, StringComparison.Ordinal);
        Cli.Refused(1, "annotated by carla", "annotate", "agreement", At("corpus"), "--by", "ada", "--by", "carla");

        var compared = Cli.Good("annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben").Output;
        Assert.Equal(
            [
                "news.txt: label: PER \"Linus\" | ORG \"Linus\"", "news.txt: only left: LOC \"Paris\" | -", "news.txt: only left: met | -",
                "1 document(s): 2 agreed, 3 differ, 3 open.",
            ],
            compared.TrimEnd().Split('\n'));
        Cli.Good("annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben", "--into", "gold", "--take", "right");
        var gold = CorpusIndex.Open(At("corpus")).Documents[0].By("gold");
        Assert.NotNull(gold);
        Assert.Equal(["PER", "ORG", "LOC"], gold.Annotations.Where(a => a.Status == AnnotationStatus.Accepted).Select(a => a.Label));
        var written = File.ReadAllText(gold.Name.Path);
        Cli.Good("annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben", "--into", "gold");
        Assert.Equal(written, File.ReadAllText(gold.Name.Path));

        // What a person makes of it stays until it is asked for otherwise.
        var byHand = written.Replace("\"ORG\"", "\"PRODUCT\"", StringComparison.Ordinal);
        Assert.NotEqual(written, byHand);
        File.WriteAllText(gold.Name.Path, byHand);
        var again = Cli.Run("annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben", "--into", "gold", "--take", "left");
        Assert.Equal(byHand, File.ReadAllText(gold.Name.Path));
        Assert.Equal(0, again.Status);
        Assert.Contains("1 label(s) of gold are not what ada and ben say", again.Error, StringComparison.Ordinal);
        Cli.Good("annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben", "--into", "gold", "--force");
        Assert.Equal(["PER", "ORG", "LOC"], CorpusIndex.Open(At("corpus")).Documents[0].By("gold")?.Annotations.Where(a => a.Status == AnnotationStatus.Accepted).Select(a => a.Label));
        Cli.Refused(2, "third name", "annotate", "adjudicate", At("corpus"), "--left", "ada", "--right", "ben", "--into", "ada");
        Cli.Refused(1, "by ada, ben, gold", "annotate", "export", "conllu", At("corpus"), "-o", At("x.conllu"));
    }

    public static TheoryData<string> Crashed => Crashes.Of("labels-to-add");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void What_broke_adding_by_lines_once_is_said_with_its_line(string name) =>
        Cli.Refused(1, "Line 1", Cli.Run(Crashes.Bytes("labels-to-add", name), static terminal => terminal, "annotate", "add", Write("doc.txt", "Ada met Linus."), "--batch"));

    [Fact]
    public void Merging_two_versions_keeps_both_and_names_what_time_decided()
    {
        var path = Write("doc.txt", "Ada met Linus.");
        Cli.Good("annotate", "add", path, "--label", "PER", "--start", "0", "--end", "3");
        File.Copy(path + ".al.jsonl", At("base"));
        File.Copy(path + ".al.jsonl", At("theirs"));
        Cli.Good("annotate", "add", path, "--label", "PER", "--start", "8", "--end", "13");
        File.WriteAllText(At("theirs"), File.ReadAllText(At("theirs")).Replace("\"PER\"", "\"ORG\"", StringComparison.Ordinal));
        var merged = Cli.Good("annotate", "merge", path + ".al.jsonl", At("theirs"), "--base", At("base")).Output.TrimEnd().Split('\n');
        Assert.Equal(["ORG", "PER"], merged.Skip(1).Select(l => l.Split("\"label\":\"")[1].Split('"')[0]));
        Cli.Refused(1, "does not exist", "annotate", "merge", path + ".al.jsonl", At("absent"));
    }

    [Fact]
    public void Adding_labels_holds_to_the_label_set()
    {
        Write("attention-lens.labels.json", """{ "spans": ["PER"], "documents": ["news", "letter"], "constraints": { "documentLabels": "one" } }""");
        var path = Write("doc.txt", "Ada met Linus.");
        Assert.Matches("^[0-9a-f]{12}\n$", Cli.Good("annotate", "add", path, "--label", "news", "--by", "ada").Output);
        Cli.Refused(1, "already labelled news", "annotate", "add", path, "--label", "letter", "--by", "ada");
        Cli.Refused(1, "is no span label", "annotate", "add", path, "--label", "LOC", "--start", "0", "--end", "3");
        Cli.Refused(2, "--batch", "annotate", "add", path);
        Cli.Refused(2, "both its start and its end", "annotate", "add", path, "--label", "PER", "--start", "0");
        Assert.True(File.Exists(path + "@ada.al.jsonl"));
        Assert.False(File.Exists(path + ".al.jsonl"));
    }
}
