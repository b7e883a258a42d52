using System.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Corpora.Tests;

public sealed class RationaleCorpusTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("attention-lens").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private (IReadOnlyList<CorpusText> Texts, List<string> Problems) Read(string name, string content, string? label = null)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!); // the folder of a file below a folder
        File.WriteAllText(path, content, new UTF8Encoding(false));
        var problems = new List<string>();
        return (RationaleCorpus.Read(path, content, ReaderOptions.Default, new RationaleSource(label), problems.Add), problems);
    }

    /// <summary>Annotates a document's text as the editor would: each label on the first place where its quote stands.</summary>
    private string Annotate(string name, string content, string? by, bool approved, params (string Label, string Quote)[] spans)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, content, new UTF8Encoding(false));
        var annotations = spans.Select(s => new Annotation
        {
            Id = Annotation.NewId(),
            Kind = AnnotationKind.Span,
            Label = s.Label,
            Fragments = [new TextRange(content.IndexOf(s.Quote, StringComparison.Ordinal), content.IndexOf(s.Quote, StringComparison.Ordinal) + s.Quote.Length)],
            By = by,
            Time = DateTimeOffset.UnixEpoch,
        });
        if (approved)
        {
            annotations = annotations.Append(new Annotation { Id = Annotation.NewId(), Kind = AnnotationKind.Approval, Label = Annotation.Approved, Time = DateTimeOffset.UnixEpoch });
        }

        using var sidecar = SidecarFile.Open(new SidecarName(path, by).Path);
        var described = Anchoring.Describe(content, [.. annotations]).ToArray();
        foreach (var annotation in described)
        {
            sidecar.Put(annotation);
        }

        sidecar.Save(content, described);
        return path;
    }

    private static string[] Marked(CorpusText text) =>
        [.. (text.Rationale ?? []).Select(s => (s.Sequence == 1 ? text.Pair ?? "" : text.Text)[s.Start..s.End])];

    [Fact]
    public void Spans_count_code_points_and_are_given_in_code_units()
    {
        var (texts, problems) = Read("a.jsonl", """{"text": "😀 It was 👨🏻‍🚒 good", "label": "positive", "rationales": [[2, 4], [14, 18]]}""");
        Assert.Empty(problems);
        Assert.Equal(["It", "good"], Marked(Assert.Single(texts)));
    }

    [Fact]
    public void Spans_of_other_tools_are_read_and_labels_chosen()
    {
        const string Lines = """
            {"text": "big cat", "label": [[0, 3, "reason"], [4, 7, "animal"]]}
            {"text": "big cat", "spans": [{"start": 4, "end": 7, "label": "reason", "token_start": 1, "token_end": 1}]}
            {"text": "big cat", "entities": [{"id": 1, "start_offset": 0, "end_offset": 7, "label": "other"}]}
            {"premise": "a cat", "hypothesis": "an animal", "rationales": [{"sequence": 1, "start": 3, "end": 9}, [2, 5]]}
            """;
        var (texts, _) = Read("b.jsonl", Lines, "reason");
        Assert.Equal([["big"], ["cat"], [], ["animal", "cat"]], texts.Select(Marked));
        Assert.Equal("an animal", texts[3].Pair);
        Assert.Equal(["big", "cat"], Marked(Read("b.jsonl", Lines).Texts[0]));
    }

    [Fact]
    public void Annotations_beside_a_document_are_reasons_in_the_text_that_its_format_reads()
    {
        // Escapes, markup and columns: what is marked in the file is found in the text that the model reads.
        const string Json = "{\"text\": \"a \\u00e9 \\\"bad\\\" 😀 soup\", \"note\": \"x\"}\n{\"text\": \"good bread\", \"note\": \"x\"}\n";
        var path = Annotate("a.jsonl", Json, null, approved: false, ("rationale", "\\\"bad\\\" 😀"), ("food", "soup"));
        var problems = new List<string>();
        var texts = RationaleCorpus.Read(path, Json, new ReaderOptions { Fields = ["text"] }, default, problems.Add);
        Assert.Empty(problems);
        Assert.Equal([["\"bad\" 😀"], []], texts.Select(Marked));
        // Nobody said that the second was looked at.
        Assert.Null(texts[1].Rationale);
        Assert.Equal([["soup"], []], RationaleCorpus.Read(path, Json, new ReaderOptions { Fields = ["text"] }, new RationaleSource("food"), problems.Add).Select(Marked));

        const string Tsv = "premise\thypothesis\na cat sleeps\tan animal rests\n";
        path = Annotate("b.tsv", Tsv, null, approved: true, ("rationale", "cat"), ("rationale", "animal rests"));
        var pair = Assert.Single(RationaleCorpus.Read(path, Tsv, ReaderOptions.Default, default, problems.Add));
        Assert.Equal(["cat", "animal rests"], Marked(pair));
        Assert.Equal([0, 1], pair.Rationale!.Select(r => r.Sequence));

        // A folder is all its annotated documents.
        Assert.Equal([["\"bad\" 😀"], [], ["cat", "animal rests"]], RationaleCorpus.Read(_folder, "", ReaderOptions.Default, default, problems.Add).Select(Marked));
        Assert.Empty(problems);
    }

    [Fact]
    public void Whose_annotations_and_which_label_is_asked_where_it_is_not_clear()
    {
        const string Text = "One bad soup.\n\nOne good bread.\n";
        var path = Annotate("c.txt", Text, "ada", approved: true, ("rationale", "bad"));
        Annotate("c.txt", Text, "lin", approved: false, ("reason", "good bread"));
        var problems = new List<string>();
        var refused = Assert.Throws<SidecarException>(() => RationaleCorpus.Read(path, Text, ReaderOptions.Default, default, problems.Add));
        Assert.Contains("ada, lin: say whose reasons count with --by NAME", refused.Message, StringComparison.Ordinal);
        var texts = RationaleCorpus.Read(path, Text, ReaderOptions.Default, new RationaleSource(Annotator: "ada"), problems.Add);
        Assert.Equal([["bad"], []], texts.Select(Marked));
        Assert.Empty(texts[1].Rationale!); // ada is done with the document
        Assert.Empty(problems);
        Assert.All(RationaleCorpus.Read(path, Text, ReaderOptions.Default, new RationaleSource(Annotator: "lin"), problems.Add), t => Assert.Null(t.Rationale));
        Assert.Equal("c.txt: nothing is labelled 'rationale'; there are reason.", Assert.Single(problems));
        Assert.Throws<SidecarException>(() => RationaleCorpus.Read(path, Text, ReaderOptions.Default, new RationaleSource(Annotator: "bob"), problems.Add));
    }

    [Fact]
    public void Nothing_marked_is_not_the_same_as_nobody_asked()
    {
        var (texts, _) = Read("c.jsonl", "{\"text\": \"one\", \"rationales\": []}\n{\"text\": \"two\"}\n");
        Assert.Empty(texts[0].Rationale!);
        Assert.Null(texts[1].Rationale);
    }

    [Fact]
    public void What_is_wrong_is_said_and_the_rest_is_read()
    {
        var (texts, problems) = Read("d.jsonl", "{\"text\": \"one\", \"rationales\": [[0, 9], [1, 1], [\"a\", 2], [0, 3]]}\n{\"rationales\": [[0, 1]]}\n");
        Assert.Equal(["one"], Marked(Assert.Single(texts)));
        Assert.Equal(4, problems.Count);
        Assert.Contains("record 2: there is no text", problems[3], StringComparison.Ordinal);
        var (before, broken) = Read("e.jsonl", "{\"text\": \"one\", \"rationales\": [[0, 3]]}\n{\"text\": \n");
        Assert.Single(before);
        Assert.Contains("line 2", Assert.Single(broken), StringComparison.Ordinal);
    }

    [Fact]
    public void Documents_without_spans_are_read_as_documents()
    {
        Assert.Equal(["One two.", "Three."], Read("f.txt", "One two.\n\nThree.\n").Texts.Select(t => t.Text));
        var (reviews, _) = Read("g.jsonl", "{\"text\": \"It was good.\", \"label\": \"positive\"}\n");
        Assert.Null(Assert.Single(reviews).Rationale);
        Assert.Equal(("a", "b"), (Read("h.tsv", "sentence1\tsentence2\na\tb\n").Texts.Select(t => (t.Text, t.Pair)).Single()));
    }

    [Fact]
    public void An_eraser_folder_gives_the_question_and_the_document_with_its_evidence()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "docs"));
        File.WriteAllText(Path.Combine(_folder, "docs", "d1"), "the plot is thin but the acting shines");
        var (texts, problems) = Read("test.jsonl", """
            {"annotation_id": "d1", "query": "Was it liked?", "classification": "POS", "evidences": [[{"docid": "d1", "start_token": 6, "end_token": 8, "text": "acting shines"}]]}
            """);
        Assert.Empty(problems);
        var text = Assert.Single(texts);
        Assert.Equal(("Was it liked?", "the plot is thin but the acting shines"), (text.Text, text.Pair));
        Assert.Equal(["acting shines"], Marked(text));
    }
}
