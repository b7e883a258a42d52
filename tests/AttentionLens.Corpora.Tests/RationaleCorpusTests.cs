using System.Text;

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
        return (RationaleCorpus.Read(path, content, ReaderOptions.Default, label, problems.Add), problems);
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
