using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Tests.Annotations;

/// <summary>Damaged files: an answer or one clear sentence, never another exception. Seeded, so that a failure can be run again.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Trials = 400;

    private static readonly string[] Pieces = ["", "\n", "\t", " ", "\"", "{", "}", "[", "]", ",", ":", "-1", "99999999999", "null", "true", "\\", "\\ud800", "\uD83D", "😊", ";", "T1", "#", "|", "B-", "\0"];

    private static readonly string[] Values = ["null", "-1", "5", "99999999999", "1e300", "\"\"", "\"x\"", "true", "[]", "[5]", "[[]]", "{}", "{\"a\":1}"];

    private readonly string _folder = Directory.CreateTempSubdirectory("attention-lens-fuzz-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("brat", "doc.ann")]
    [InlineData("conll", "x.conll")]
    [InlineData("conllu", "x.conllu")]
    [InlineData("doccano", "x.jsonl")]
    [InlineData("prodigy", "x.jsonl")]
    [InlineData("label-studio", "x.json")]
    [InlineData("web-annotation", "doc.jsonld")]
    [InlineData("eraser", "annotations.jsonl")]
    public void A_damaged_file_of_a_format_is_read_or_refused(string format, string name)
    {
        const string text = "Zoë 😊 met 李娜 in New York.\nThen they left.\n";
        var document = new AnnotatedDocument("doc", text,
        [
            AnchoringTests.Span("a", 0, 6, "PER") with { Attributes = new Annotation { Id = "x", Kind = AnnotationKind.Span, Label = "x" }.Attributes.Add("certainty", "sure").Add(Annotation.Note, "why") },
            AnchoringTests.Span("b", 11, 13, "PER"),
            new Annotation { Id = "r", Kind = AnnotationKind.Relation, Label = "met", From = "a", To = "b" },
            new Annotation { Id = "d", Kind = AnnotationKind.Document, Label = "travel" },
        ]);
        var path = Path.Combine(_folder, name);
        AnnotationFormat.Of(format).Export([document], format is "brat" or "eraser" or "web-annotation" ? _folder : path, _ => { });
        var whole = File.ReadAllText(path);
        var source = format == "eraser" ? _folder : path;
        Assert.NotEmpty(AnnotationFormat.Of(format).Import(source, _ => { }));
        var random = new Random(11);
        var read = 0;
        for (var trial = 0; trial < Trials; trial++)
        {
            var damaged = Damaged(whole, random);
            File.WriteAllText(path, damaged, new UTF8Encoding(false));
            try
            {
                read += Import(format, source);
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"trial {trial}: {e}\n{damaged}");
            }
        }

        Assert.True(read > Trials / 20, $"{read} of {Trials} were read: the damage is too great to test anything");
    }

    /// <returns>Documents that were read.</returns>
    private static int Import(string format, string source)
    {
        var read = 0;
        try
        {
            foreach (var document in AnnotationFormat.Of(format).Import(source, l => Assert.NotEmpty(l.Message)))
            {
                Assert.All(document.Annotations.SelectMany(a => a.Fragments), f => Assert.True(0 <= f.Start && f.Start <= f.End && f.End <= document.Text.Length));
                read++;
            }
        }
        catch (SidecarException e)
        {
            Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
        }

        return read;
    }

    public static TheoryData<string> CrashedFormats => Crashes.Of("annotations");

    public static TheoryData<string> CrashedLabelSets => Crashes.Of("label-sets");

    public static TheoryData<string> CrashedSidecars => Crashes.Of("sidecars");

    [Theory]
    [MemberData(nameof(CrashedFormats))]
    public void What_broke_a_format_once_is_read_or_refused(string name) => Import(name.Split('/')[0], Crashes.File("annotations", name));

    [Theory]
    [MemberData(nameof(CrashedLabelSets))]
    public void What_broke_a_label_set_once_is_read_as_far_as_it_is_right(string name) => Check(Crashes.Text("label-sets", name));

    [Theory]
    [MemberData(nameof(CrashedSidecars))]
    public void What_broke_a_sidecar_once_keeps_every_line(string name) => Check(Sidecar.Parse(Crashes.Text("sidecars", name)), "Ada met Linus.");

    [Fact]
    public void A_damaged_label_set_is_read_as_far_as_it_is_right()
    {
        var whole = File.ReadAllText(Path.Combine(LabelSetTests.Root, "samples", LabelSet.FileName));
        var random = new Random(12);
        for (var trial = 0; trial < 2 * Trials; trial++)
        {
            Check(Damaged(whole, random));
        }
    }

    private static void Check(string labelSet)
    {
        var (set, problems) = LabelSet.Parse(labelSet);
        Assert.NotNull(set);
        Assert.All(problems, p => Assert.True(0 <= p.Start && p.Start <= p.End && p.End <= labelSet.Length, $"{p} in {labelSet}"));
    }

    [Fact]
    public void A_damaged_sidecar_keeps_every_line_and_is_placed_without_a_fault()
    {
        var (text, gold) = GoldCorpus.Make(13, 20);
        var whole = new Sidecar([.. Anchoring.Describe(text, gold)], [], []).Format();
        var random = new Random(13);
        for (var trial = 0; trial < Trials; trial++)
        {
            var damaged = Damaged(whole, random);
            Sidecar read;
            try
            {
                read = Sidecar.Parse(damaged);
            }
            catch (SidecarException)
            {
                continue; // a version of the future, by chance
            }

            Check(read, text);
        }
    }

    /// <summary>A journal comes with a folder as a sidecar does: what can be read of it is taken over, whatever the rest is.</summary>
    [Fact]
    public void A_damaged_journal_never_keeps_a_document_from_its_annotations()
    {
        var (text, gold) = GoldCorpus.Make(14, 10);
        var deletions = gold.Select(a => $$"""{"delete":"{{a.Id}}","time":"2026-01-02T03:04:05.0000000Z"}""" + "\n");
        var whole = string.Concat(Anchoring.Describe(text, gold).Select(Sidecar.Write).Select(line => line + "\n").Concat(deletions));
        var random = new Random(14);
        for (var trial = 0; trial < Trials; trial++) TakeOver(Damaged(whole, random), text);
    }

    public static TheoryData<string> CrashedJournals => Crashes.Of("journals");

    [Theory]
    [MemberData(nameof(CrashedJournals))]
    public void What_broke_a_journal_once_keeps_no_document_from_its_annotations(string name) => TakeOver(Crashes.Text("journals", name), "Ada met Linus.");

    private void TakeOver(string journal, string text)
    {
        var sidecar = Path.Combine(_folder, "doc.txt.al.jsonl");
        File.Delete(sidecar);
        File.WriteAllText($"{sidecar}.0a.journal", journal, new UTF8Encoding(false));
        try
        {
            using var file = SidecarFile.Open(sidecar);
            file.Save(text, [.. Anchoring.Place(text, [.. file.Annotations.Values])]);
        }
        catch (SidecarException e)
        {
            Assert.EndsWith(".", e.Message, StringComparison.Ordinal); // a version of the future, by chance
        }
    }

    private static void Check(Sidecar read, string text)
    {
        Assert.Equal(read.Problems.Count(p => !p.Message.Contains("conflict", StringComparison.Ordinal)), read.Unread.Length);
        foreach (var a in Anchoring.Place(text, read.Annotations))
            Assert.All(a.Fragments, f => Assert.True(0 <= f.Start && f.Start <= f.End && f.End <= text.Length));
        // Written and read again, nothing more is lost.
        Assert.Equal(read.Annotations.Length, Sidecar.Parse(read.Format()).Annotations.Length);
    }

    private static string Damaged(string whole, Random random)
    {
        // JSON that is still JSON reaches further into a reader than what its parser refuses.
        if (random.Next(2) == 0 && Grafted(whole, random) is { } grafted) return grafted;
        var text = whole;
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(text.Length + 1);
            var length = Math.Min(random.Next(3) == 0 ? random.Next(40) : random.Next(2), text.Length - at);
            text = string.Concat(text.AsSpan(0, at), Pieces[random.Next(Pieces.Length)], text.AsSpan(at + length));
        }

        return text;
    }

    /// <summary>The text, or one of its lines, with a wrong value in a random place; null where that is not JSON.</summary>
    private static string? Grafted(string whole, Random random)
    {
        if (Parsed(whole) is { } all) return Graft(all);
        var lines = whole.Split('\n');
        var line = random.Next(lines.Length);
        if (Parsed(lines[line]) is not { } one) return null;
        lines[line] = Graft(one);
        return string.Join('\n', lines);

        string Graft(JsonNode root)
        {
            var places = new List<JsonNode>();
            Collect(root, places);
            if (places.Count > 0) places[random.Next(places.Count)].ReplaceWith(JsonNode.Parse(Values[random.Next(Values.Length)]));
            return root.ToJsonString();
        }

        static void Collect(JsonNode node, List<JsonNode> places)
        {
            foreach (var child in (node switch { JsonObject map => map.Select(m => m.Value), JsonArray list => list, _ => [] }).OfType<JsonNode>())
            {
                places.Add(child);
                Collect(child, places);
            }
        }
    }

    private static JsonNode? Parsed(string text)
    {
        try
        {
            return JsonNode.Parse(text, null, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
