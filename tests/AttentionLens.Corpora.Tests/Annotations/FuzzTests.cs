using System.Text;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Tests.Annotations;

/// <summary>Damaged files: an answer or one clear sentence, never another exception. Seeded, so that a failure can be run again.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Trials = 400;

    private static readonly string[] Pieces = ["", "\n", "\t", " ", "\"", "{", "}", "[", "]", ",", ":", "-1", "99999999999", "null", "true", "\\", "\\ud800", "\uD83D", "😊", ";", "T1", "#", "|", "B-", "\0"];

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
                foreach (var back in AnnotationFormat.Of(format).Import(source, l => Assert.NotEmpty(l.Message)))
                {
                    Assert.All(back.Annotations.SelectMany(a => a.Fragments), f => Assert.True(0 <= f.Start && f.Start <= f.End && f.End <= back.Text.Length));
                    read++;
                }
            }
            catch (SidecarException e)
            {
                Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"trial {trial}: {e}\n{damaged}");
            }
        }

        Assert.True(read > Trials / 20, $"{read} of {Trials} were read: the damage is too great to test anything");
    }

    [Fact]
    public void A_damaged_label_set_is_read_as_far_as_it_is_right()
    {
        var whole = File.ReadAllText(Path.Combine(LabelSetTests.Root, "samples", LabelSet.FileName));
        var random = new Random(12);
        for (var trial = 0; trial < 2 * Trials; trial++)
        {
            var damaged = Damaged(whole, random);
            var (set, problems) = LabelSet.Parse(damaged);
            Assert.NotNull(set);
            Assert.All(problems, p => Assert.True(0 <= p.Start && p.Start <= p.End && p.End <= damaged.Length, $"{p} in trial {trial}"));
        }
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

            Assert.Equal(read.Problems.Count(p => !p.Message.Contains("conflict", StringComparison.Ordinal)), read.Unread.Length);
            foreach (var a in Anchoring.Place(text, read.Annotations))
                Assert.All(a.Fragments, f => Assert.True(0 <= f.Start && f.Start <= f.End && f.End <= text.Length));
            // Written and read again, nothing more is lost.
            Assert.Equal(read.Annotations.Length, Sidecar.Parse(read.Format()).Annotations.Length);
        }
    }

    private static string Damaged(string whole, Random random)
    {
        var text = whole;
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(text.Length + 1);
            var length = Math.Min(random.Next(3) == 0 ? random.Next(40) : random.Next(2), text.Length - at);
            text = string.Concat(text.AsSpan(0, at), Pieces[random.Next(Pieces.Length)], text.AsSpan(at + length));
        }

        return text;
    }
}
