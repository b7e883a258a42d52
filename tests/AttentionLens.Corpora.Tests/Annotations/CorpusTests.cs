using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Tests.Annotations;

public sealed class CorpusTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("attention-lens-corpus-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Document(string name, string text, string? annotator = null, params Annotation[] annotations)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path) ?? _folder);
        File.WriteAllText(path, text);
        if (annotations.Length > 0) AnnotationStore.Add(new SidecarName(path, annotator), text, annotations);
        return path;
    }

    [Fact]
    public void The_index_lists_documents_and_sidecars_and_filters_without_opening_them()
    {
        Document("doc10.txt", "Ada met Linus.", null, AnchoringTests.Span("a", 0, 3, "PER"), AnchoringTests.Span("b", 8, 13, "PER") with { Status = AnnotationStatus.Suggested });
        Document("doc9.txt", "Paris and Rome.", "ada", AnchoringTests.Span("c", 0, 5), new Annotation { Id = "ok", Kind = AnnotationKind.Approval, Label = Annotation.Approved });
        Document("inner/plain.md", "Nothing.");
        Document(".git/x.txt", "no document");
        Document("node_modules/y.txt", "no document");
        File.WriteAllText(Path.Combine(_folder, LabelSet.FileName), "{}");
        File.WriteAllText(Path.Combine(_folder, "gone.txt.al.jsonl"), "not json\n");

        var index = CorpusIndex.Open(_folder);
        Assert.Equal(["doc9.txt", "doc10.txt", "gone.txt", "inner/plain.md"], index.Documents.Select(d => d.Name));
        Assert.Equal([null, "ada"], index.Annotators);
        Assert.True(index.Documents[0].Sidecars[0].Approved);
        Assert.Equal(1, index.Documents[2].Sidecars[0].Problems.Single().Line);
        Assert.Equal(["Ada", "Linus"], index.Find(new AnnotationFilter { Label = "PER" }).Select(f => f.Annotation.Quote));
        Assert.Equal(["Linus"], index.Find(new AnnotationFilter { Status = AnnotationStatus.Suggested }).Select(f => f.Annotation.Quote));
        Assert.Equal(["Paris"], index.Find(new AnnotationFilter { Text = "ARI" }).Select(f => f.Annotation.Quote));
        Assert.Equal(["Paris"], index.Find(new AnnotationFilter { Document = "DOC9", Annotator = "ada", Kind = AnnotationKind.Span }).Select(f => f.Annotation.Quote));
        Assert.Empty(index.Find(new AnnotationFilter { Annotator = "nobody" }));
        Assert.Throws<SidecarException>(() => CorpusIndex.Open(Path.Combine(_folder, "absent")));
    }

    [Fact]
    public void A_refresh_reads_only_what_changed()
    {
        for (var i = 0; i < 20; i++) Document($"d{i}.txt", "Ada met Linus.", null, AnchoringTests.Span("a", 0, 3, "PER"));
        var before = CorpusIndex.Open(_folder);
        AnnotationStore.Add(new SidecarName(Path.Combine(_folder, "d7.txt"), null), "Ada met Linus.", [AnchoringTests.Span("b", 8, 13, "PER")]);
        File.Delete(Path.Combine(_folder, "d8.txt"));
        File.Delete(Path.Combine(_folder, "d8.txt.al.jsonl"));
        var after = before.Refresh();
        Assert.Equal(19, after.Documents.Length);
        var old = before.Documents.SelectMany(d => d.Sidecars).ToHashSet(ReferenceEqualityComparer.Instance);
        Assert.Equal("d7.txt", Path.GetFileName(Assert.Single(after.Documents.SelectMany(d => d.Sidecars), s => !old.Contains(s)).Name.Document));
        Assert.Equal(20, after.Find(new AnnotationFilter()).Count());
    }

    [Fact]
    public void Importing_twice_adds_nothing_and_relations_find_the_spans_that_are_there()
    {
        const string text = "Ada met Linus.";
        AnnotatedDocument Imported(int run) => new("d", text,
        [
            AnchoringTests.Span("x" + run, 0, 3, "PER"), AnchoringTests.Span("y" + run, 8, 13, "PER"),
            new Annotation { Id = "r" + run, Kind = AnnotationKind.Relation, Label = "met", From = "x" + run, To = "y" + run },
            new Annotation { Id = "d" + run, Kind = AnnotationKind.Document, Label = "news" },
        ]);
        Assert.Equal(new AnnotationStore.Added(4, 0), AnnotationStore.Write(_folder, "ada", Imported(1)));
        Assert.Equal(new AnnotationStore.Added(0, 4), AnnotationStore.Write(_folder, "ada", Imported(2)));
        var loaded = CorpusIndex.Load(Path.Combine(_folder, "d.txt"), new SidecarName(Path.Combine(_folder, "d.txt"), "ada"));
        var relation = loaded.Annotations.Single(a => a.Kind == AnnotationKind.Relation);
        Assert.Contains(loaded.Annotations, a => a.Id == relation.From && a.Fragments[0].Start == 0 && a.By == "ada");
        Assert.Throws<SidecarException>(() => AnnotationStore.Write(_folder, "ada", Imported(3) with { Text = "Another text." }));
        Assert.Equal(text, File.ReadAllText(Path.Combine(_folder, "d.txt")));
    }

    [Theory]
    [InlineData("../../escape", "_.._escape.txt")]
    [InlineData("a/b.txt", "a_b.txt")]
    [InlineData("CON: \"x\"?", "CON_ _x__.txt")]
    [InlineData("...", "document.txt")]
    [InlineData("wsj_0001.a", "wsj_0001.a.txt")]
    public void An_imported_document_stays_in_its_folder(string name, string file)
    {
        AnnotationStore.Write(_folder, null, new AnnotatedDocument(name, "x", [AnchoringTests.Span("a", 0, 1)]));
        Assert.Equal([file, file + ".al.jsonl"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_check_names_the_line_and_column_of_every_fault()
    {
        File.WriteAllText(Path.Combine(_folder, LabelSet.FileName), "{\n  \"spans\": [\"PER\", { \"name\": \"LOC\", \"colour\": \"red\" }],\n  \"constraints\": { \"overlap\": false }\n}\n");
        var path = Document("d.txt", "Ada met\nLinus in Paris.", null, AnchoringTests.Span("a", 0, 3, "PER"), AnchoringTests.Span("b", 8, 13, "PERS"), AnchoringTests.Span("c", 17, 22));
        File.AppendAllText(path + ".al.jsonl", "nonsense\n");
        File.WriteAllText(path, "Ada met\nLinus in town.");
        Assert.Equal(
            [
                // The misspelt key; the line that is no record; Linus found by his quote alone, Paris gone; PERS unknown.
                "attention-lens.labels.json 2:37", "d.txt.al.jsonl 5:1", "d.txt 2:1", "d.txt 0:0", "d.txt 2:1",
            ],
            CorpusCheck.Of(CorpusIndex.Open(_folder)).Select(p => $"{Path.GetFileName(p.Path)} {p.Line}:{p.Column}"));
        Assert.All(CorpusCheck.Of(CorpusIndex.Open(_folder)), p => Assert.EndsWith(".", p.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_label_set_is_checked_where_no_document_lies_beside_it()
    {
        File.WriteAllText(Path.Combine(_folder, LabelSet.FileName), "{ \"spans\": [5] }");
        Assert.Equal(1, Assert.Single(CorpusCheck.Of(CorpusIndex.Open(_folder))).Line);
    }

    [Fact]
    public void Agreement_over_a_corpus_is_agreement_over_its_texts_laid_end_to_end()
    {
        const string text = "Ada met Linus in Paris.";
        IReadOnlyList<Annotation> one = [AnchoringTests.Span("1", 0, 3, "PER"), AnchoringTests.Span("2", 8, 13, "PER")];
        IReadOnlyList<Annotation> two = [AnchoringTests.Span("3", 0, 3, "PER"), AnchoringTests.Span("4", 17, 22, "LOC"), AnchoringTests.Span("5", 4, 7, "X") with { Status = AnnotationStatus.Suggested }];
        var report = AgreementReport.Of(["a", "b"],
        [
            new AnnotatedText(text, new Dictionary<string, IReadOnlyList<Annotation>> { ["a"] = one, ["b"] = two }),
            new AnnotatedText(text, new Dictionary<string, IReadOnlyList<Annotation>> { ["a"] = one, ["b"] = one }),
        ]);
        var pair = Assert.Single(report.Pairs);
        Assert.Equal((3, 4, 4), (pair.Spans.Matches, pair.Spans.First, pair.Spans.Second));
        Assert.Equal(0.75, pair.Spans.F1 ?? 0, 9);
        Assert.Equal(["LOC", "PER"], pair.ByLabel.Keys);
        Assert.Equal(12, report.Words);
        // By hand: 12 words, 10 agree. Shares a: PER 4/12, none 8/12; b: PER 3/12, LOC 1/12, none 8/12.
        var chance = 4 / 12.0 * 3 / 12 + 8 / 12.0 * 8 / 12;
        Assert.Equal((10 / 12.0 - chance) / (1 - chance), pair.Kappa ?? 0, 9);
        Assert.NotNull(report.Alpha);
        Assert.True(report.Unitizing["PER"] > report.Unitizing["LOC"]);
    }
}
