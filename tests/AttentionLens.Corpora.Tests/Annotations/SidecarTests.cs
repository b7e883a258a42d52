using System.Diagnostics;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Tests.Annotations;

public sealed class SidecarTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("attention-lens-sidecar-").FullName;

    private string Sidecar => Path.Combine(_folder, "doc.txt.al.jsonl");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_written_is_read_back_and_written_the_same()
    {
        var (text, gold) = GoldCorpus.Make(1, 50);
        gold.Add(new Annotation { Id = "r", Kind = AnnotationKind.Relation, Label = "knows", From = gold[0].Id, To = gold[1].Id, By = "ada", Time = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) });
        gold.Add(new Annotation { Id = "d", Kind = AnnotationKind.Document, Label = "news" });
        gold.Add(AnchoringTests.Span("two", 3, 9) with { Fragments = [new TextRange(3, 9), new TextRange(14, 20)] });
        var written = new Sidecar([.. Anchoring.Describe(text, gold)], [], []).Format();
        var read = Corpora.Annotations.Sidecar.Parse(written);
        Assert.Empty(read.Problems);
        Assert.Equal(written, (read with { Annotations = [.. Anchoring.Place(text, read.Annotations)] }).Format());
        Assert.Equal(gold.Count, read.Annotations.Length);
        Assert.StartsWith(Corpora.Annotations.Sidecar.Header + "\n", written, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', written);
    }

    [Fact]
    public void Suggestions_and_approval_are_written_read_and_left_out_of_exports()
    {
        const string text = "Ada met Linus in Paris.";
        var seen = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var open = AnchoringTests.Span("s", 8, 13) with { Status = AnnotationStatus.Suggested, Source = "exact", Score = 0.75, Shown = seen };
        Annotation[] all =
        [
            AnchoringTests.Span("a", 0, 3), open, AnchoringTests.Span("x", 17, 22) with { Status = AnnotationStatus.Rejected, Source = "similar" },
            new() { Id = "r", Kind = AnnotationKind.Relation, Label = "knows", From = "a", To = "s" },
            new() { Id = "ok", Kind = AnnotationKind.Approval, Label = Annotation.Approved, By = "ada", Time = seen },
        ];
        var written = new Sidecar([.. Anchoring.Describe(text, all)], [], []).Format();
        Assert.Contains("\"status\":\"suggested\",\"source\":\"exact\",\"score\":0.75,\"shown\":\"2026-01-02T03:04:05.000Z\"", written, StringComparison.Ordinal);
        var read = Corpora.Annotations.Sidecar.Parse(written);
        Assert.Empty(read.Problems);
        Assert.Equal(written, (read with { Annotations = [.. Anchoring.Place(text, read.Annotations)] }).Format());
        Assert.Equal((AnnotationStatus.Suggested, "exact", seen), read.Annotations.Where(a => a.Id == "s").Select(a => (a.Status, a.Source, a.Shown ?? default)).Single());

        var losses = new List<Loss>();
        var path = Path.Combine(_folder, "out.jsonl");
        AnnotationFormat.Of("doccano").Export([new AnnotatedDocument("doc", text, [.. all])], path, losses.Add);
        var back = Assert.Single(AnnotationFormat.Of("doccano").Import(path, losses.Add));
        Assert.Equal(new TextRange(0, 3), Assert.Single(Assert.Single(back.Annotations).Fragments));
        Assert.Equal(2, losses.Count); // the open suggestion and the relation on it
    }

    [Fact]
    public void A_sidecar_names_its_document_and_its_annotator()
    {
        string[] names = ["doc.txt.al.jsonl", "doc.txt@anna.al.jsonl", "doc.txt@b.txt.al.jsonl", "doc.txt.md", "doc.txt.al.jsonl.0a.journal"];
        foreach (var name in names) File.WriteAllText(Path.Combine(_folder, name), "");
        var document = Path.Combine(_folder, "doc.txt");
        Assert.Equal([new(document, null), new(document, "anna")], SidecarName.Beside(document));
        Assert.Equal(names[..2], SidecarName.Beside(document).Select(s => Path.GetFileName(s.Path)));
        Assert.Equal([new("doc.txt@b.txt", null)], new[] { SidecarName.Of(names[2]) }.OfType<SidecarName>());
        Assert.Null(SidecarName.Of(names[3]));
        Assert.False(SidecarName.IsAnnotator("a.b"));
        Assert.Empty(SidecarName.Beside(Path.Combine(_folder, "nowhere", "doc.txt")));
    }

    /// <summary>What a cloned repository may bring: links to a file that is not ours, and to a device without an end.</summary>
    [Fact]
    public void Links_beside_a_document_are_not_followed_to_the_end_of_memory()
    {
        if (OperatingSystem.IsWindows()) return; // no such devices, and links need a right
        var outside = Path.Combine(_folder, "outside");
        File.WriteAllText(outside, "precious");
        File.CreateSymbolicLink($"{Sidecar}.0a.journal", outside);
        File.CreateSymbolicLink($"{Sidecar}.0b.journal", "/dev/zero");
        const string text = "Ada met Linus.";
        var live = Live(text, ("a", 0, 3));
        using (var file = SidecarFile.Open(Sidecar))
        {
            Assert.Empty(file.Annotations);
            file.Put(live[0]);
            file.Save(text, live);
        }

        Assert.Equal("precious", File.ReadAllText(outside));
        File.Delete(Sidecar);
        File.CreateSymbolicLink(Sidecar, outside);
        using (var file = SidecarFile.Open(Sidecar))
        {
            file.Put(live[0]);
            file.Save(text, live);
        }

        Assert.Equal("precious", File.ReadAllText(outside));
        Assert.Null(new FileInfo(Sidecar).LinkTarget);
        var labels = Path.Combine(_folder, LabelSet.FileName);
        File.CreateSymbolicLink(labels, "/dev/zero");
        Assert.Contains("more than", Assert.Throws<SidecarException>(() => LabelSet.Load(labels)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_operations_are_one_flush_and_survive_a_crash()
    {
        const string text = "Ada met Linus in Paris.";
        var live = Live(text, ("a", 0, 3), ("b", 8, 13));
        using (var crashed = SidecarFile.Open(Sidecar))
        {
            crashed.Put(live[0]);
            crashed.Change([live[1]], ["a"]);
        }

        using var next = SidecarFile.Open(Sidecar);
        Assert.Equal(["b"], next.Annotations.Keys);
    }

    [Fact]
    public void Unknown_fields_and_unreadable_lines_survive_a_rewrite()
    {
        const string future = """{"id":"a","type":"span","label":"LOC","at":[{"line":"x","from":0,"to":5,"quote":"Paris"}],"before":"","after":"","confidence":0.75,"tags":["x",{"y":1}]}""";
        var content = $"{Corpora.Annotations.Sidecar.Header}\n{future}\nnot json at all\n{{\"id\":\"b\",\"type\":\"span\",\"label\":\"LOC\"}}\n";
        var read = Corpora.Annotations.Sidecar.Parse(content);
        Assert.Equal([3, 4], read.Problems.Select(p => p.Line));
        Assert.Equal(content, read.Format());
    }

    [Fact]
    public void A_later_format_is_refused_and_left_alone()
    {
        File.WriteAllText(Sidecar, "{\"al\":2}\n");
        var error = Assert.Throws<SidecarException>(() => SidecarFile.Open(Sidecar));
        Assert.Contains("later version", error.Message, StringComparison.Ordinal);
        Assert.Equal("{\"al\":2}\n", File.ReadAllText(Sidecar));
    }

    [Fact]
    public void What_a_crashed_session_had_journalled_is_taken_over()
    {
        const string text = "Ada met Linus in Paris.";
        var live = Live(text, ("a", 0, 3), ("b", 8, 13));
        using (var crashed = SidecarFile.Open(Sidecar))
        {
            crashed.Put(live[0]);
            crashed.Put(live[1]);
            crashed.Remove("a");
        }

        Assert.False(File.Exists(Sidecar));
        var left = Assert.Single(Directory.GetFiles(_folder, "*.journal"));
        File.AppendAllText(left, """{"id":"c","type":"span","label":"L""");
        using var next = SidecarFile.Open(Sidecar);
        Assert.Equal(["b"], next.Annotations.Keys);
        next.Save(text, [live[1]]);
        Assert.Empty(Directory.GetFiles(_folder, "*.journal"));
        Assert.Contains("\"quote\":\"Linus\"", File.ReadAllText(Sidecar), StringComparison.Ordinal);
    }

    /// <summary>The clock was put back, or a colleague's is ahead: what a session does is newer than what it saw, whatever the times say.</summary>
    [Fact]
    public void A_clock_that_jumps_back_loses_no_operation_of_a_crashed_session()
    {
        const string text = "Ada met Linus in Paris.";
        var ahead = DateTimeOffset.UtcNow.AddHours(1);
        var live = Live(text, ("a", 0, 3), ("b", 8, 13), ("c", 17, 22)).Select(a => a with { Time = ahead }).ToArray();
        using (var file = SidecarFile.Open(Sidecar))
        {
            file.Change(live, []);
            file.Save(text, live);
        }

        using (var crashed = SidecarFile.Open(Sidecar))
        {
            crashed.Put(live[0] with { Label = "CHANGED", Time = ahead.AddHours(-1) });
            crashed.Put(live[1] with { Label = "UNTIMED", Time = null });
            crashed.Remove("c");
        }

        using var next = SidecarFile.Open(Sidecar);
        Assert.Equal(["CHANGED", "UNTIMED"], next.Annotations.Values.OrderBy(a => a.Id).Select(a => a.Label));
    }

    [Fact]
    public void Two_sessions_on_one_document_keep_each_others_labels_and_the_later_change_of_one()
    {
        const string text = "Ada met Linus in Paris.";
        var live = Live(text, ("a", 0, 3), ("b", 8, 13), ("c", 17, 22));
        using var one = SidecarFile.Open(Sidecar);
        one.Put(live[0] with { Time = At(1) });
        one.Save(text, [one.Annotations["a"]]);
        using var two = SidecarFile.Open(Sidecar);
        two.Put(live[1]);
        two.Put(live[0] with { Label = "LATER", Time = At(3) });
        one.Put(live[2]);
        one.Put(live[0] with { Label = "EARLIER", Time = At(2) });
        two.Save(text, []);
        one.Save(text, []);
        two.Reload();
        Assert.Equal(["a", "b", "c"], two.Annotations.Keys.Order());
        Assert.Equal("LATER", two.Annotations["a"].Label);
        Assert.Equal("LATER", one.Annotations["a"].Label);
        Assert.Equal(["Ada", "Linus", "Paris"], File.ReadLines(Sidecar).Skip(1).Select(l => l.Split("\"quote\":\"")[1].Split('"')[0]));
    }

    /// <summary>Two that replayed one journal would bring back what the first removed since.</summary>
    [Fact]
    public void What_a_crashed_session_left_is_taken_over_by_one_session_only()
    {
        const string text = "Ada met Linus in Paris.";
        var live = Live(text, ("a", 0, 3), ("b", 8, 13));
        using (var crashed = SidecarFile.Open(Sidecar)) crashed.Put(live[0]);
        File.WriteAllText(Sidecar + ".0a.tmp", "half a sid");
        using var one = SidecarFile.Open(Sidecar);
        using var two = SidecarFile.Open(Sidecar);
        Assert.Equal(["a"], one.Annotations.Keys);
        Assert.Empty(two.Annotations);
        one.Remove("a");
        one.Save(text, []);
        two.Put(live[1]);
        two.Save(text, []);
        using var three = SidecarFile.Open(Sidecar);
        Assert.Equal(["b"], three.Annotations.Keys);
        Assert.Empty(Directory.GetFiles(_folder, "*.tmp"));
    }

    [Fact]
    public void A_sidecar_that_is_no_text_is_refused_and_left_alone()
    {
        byte[] bytes = [0x7b, 0xff, 0xfe, 0x80, 0x0a];
        File.WriteAllBytes(Sidecar, bytes);
        Assert.Contains("not UTF-8", Assert.Throws<SidecarException>(() => SidecarFile.Open(Sidecar)).Message, StringComparison.Ordinal);
        Assert.Equal(bytes, File.ReadAllBytes(Sidecar));
    }

    [Fact]
    public void A_file_that_cannot_be_written_says_so_and_loses_nothing()
    {
        const string text = "Ada met Linus in Paris.";
        var live = Live(text, ("a", 0, 3));
        File.WriteAllText(Sidecar, Corpora.Annotations.Sidecar.Header + "\n");
        File.SetAttributes(Sidecar, FileAttributes.ReadOnly);
        using (var file = SidecarFile.Open(Sidecar))
        {
            file.Put(live[0]);
            var error = Assert.Throws<SidecarException>(() => file.Save(text, live));
            Assert.Contains("doc.txt.al.jsonl", error.Message, StringComparison.Ordinal);
            Assert.Contains("read-only", error.Message, StringComparison.Ordinal);
        }

        File.SetAttributes(Sidecar, FileAttributes.Normal);
        using var next = SidecarFile.Open(Sidecar);
        next.Save(text, [next.Annotations["a"]]);
        Assert.Contains("\"id\":\"a\"", File.ReadAllText(Sidecar), StringComparison.Ordinal);
    }

    /// <summary>Fifty merges by git itself: two branches edit five lines each, none of which touch, and label what they wrote.</summary>
    [Fact]
    public void Git_merges_two_annotators_without_a_conflict_when_they_touch_different_lines()
    {
        const int Edits = 5;
        Repository();
        var document = Path.Combine(_folder, "doc.txt");
        for (var trial = 0; trial < 50; trial++)
        {
            var random = new Random(trial);
            // Every line begins with its number: equal neighbours would make the text itself ambiguous to merge.
            var (text, gold) = GoldCorpus.Make(trial, 80);
            File.WriteAllText(document, text);
            File.WriteAllText(Sidecar, Format(text, gold));
            Git("add", "-A");
            Git("commit", "-q", "-m", $"base {trial}");
            var lines = text.Split('\n').Length - 1;
            // Git merges hunks that do not touch: leave a line between the two.
            Branch($"left{trial}", Lines(0, lines / 2 - 1), "inserted words ");
            Branch($"right{trial}", Lines(lines / 2 + 1, lines), "some other words ");
            Git("checkout", "-q", $"left{trial}");
            Git("merge", "-q", "--no-edit", $"right{trial}");

            var merged = File.ReadAllText(document);
            var placed = Anchoring.Place(merged, Corpora.Annotations.Sidecar.Parse(File.ReadAllText(Sidecar)).Annotations);
            Assert.Equal(gold.Count + 2 * Edits, placed.Count);
            Assert.All(placed, a => Assert.Equal(AnchorState.Anchored, a.State));
            var names = gold.ToDictionary(g => g.Id, g => g.Fragments[0].Of(text).ToString());
            Assert.All(placed.Where(a => names.ContainsKey(a.Id)), a => Assert.Equal(names[a.Id], a.Fragments[0].Of(merged).ToString()));

            // From the end to the start, so that earlier places stay what they were.
            int[] Lines(int from, int to) => [.. Enumerable.Range(from, to - from).OrderBy(_ => random.Next()).Take(Edits).OrderDescending()];

            void Branch(string name, int[] edited, string words)
            {
                Git("checkout", "-q", "-B", name, "main");
                var live = new LiveAnnotations(text, gold);
                foreach (var line in edited)
                {
                    var at = text.Split('\n').Take(line).Sum(l => l.Length + 1);
                    live.Apply(new TextRange(at, at), words);
                    live.Put(AnchoringTests.Span(Annotation.NewId(), at, at + words.Length - 1, "NEW"));
                }

                File.WriteAllText(document, live.Text);
                File.WriteAllText(Sidecar, Format(live.Text, live.Items.Values));
                Git("commit", "-q", "-a", "-m", name);
            }

            Git("checkout", "-q", "main");
        }
    }

    /// <summary>Both branches label one line: git cannot merge that, and what it leaves is read as both sides.</summary>
    [Fact]
    public void A_conflict_of_git_in_one_line_loses_no_label()
    {
        const string text = "Ada met Linus in Paris.\n";
        Repository();
        var (ada, linus, paris) = (AnchoringTests.Span("ada", 0, 3), AnchoringTests.Span("linus", 8, 13), AnchoringTests.Span("paris", 17, 22));
        File.WriteAllText(Path.Combine(_folder, "doc.txt"), text);
        Commit("main", ada);
        Git("branch", "other");
        Commit("main", ada with { Label = "OURS", Time = At(1) }, linus);
        Git("checkout", "-q", "other");
        Commit("other", ada with { Label = "THEIRS", Time = At(2) }, paris);
        Assert.NotEqual(0, TryGit("merge", "-q", "main").Status);
        Assert.Contains("<<<<<<<", File.ReadAllText(Sidecar), StringComparison.Ordinal);

        using var file = SidecarFile.Open(Sidecar);
        Assert.Contains("conflict", Assert.Single(file.Problems).Message, StringComparison.Ordinal);
        file.Save(text, [.. Anchoring.Place(text, [.. file.Annotations.Values])]);
        Assert.Equal(Format(text, [ada with { Label = "THEIRS", Time = At(2) }, linus, paris]), File.ReadAllText(Sidecar));

        void Commit(string name, params Annotation[] annotations)
        {
            File.WriteAllText(Sidecar, Format(text, annotations));
            Git("add", "-A");
            Git("commit", "-q", "-m", name);
        }
    }

    private void Repository()
    {
        Git("init", "-q", "-b", "main");
        Git("config", "user.email", "a@example.org");
        Git("config", "user.name", "A");
    }

    private static string Format(string text, IEnumerable<Annotation> annotations) =>
        new Sidecar([.. Anchoring.Describe(text, annotations)], [], []).Format();

    private static Annotation[] Live(string text, params (string Id, int Start, int End)[] spans) =>
        [.. Anchoring.Describe(text, spans.Select(s => AnchoringTests.Span(s.Id, s.Start, s.End) with { Time = At(0) }))];

    private static DateTimeOffset At(int minute) => new(2026, 1, 1, 0, minute, 0, TimeSpan.Zero);

    private void Git(params string[] arguments)
    {
        var (status, said) = TryGit(arguments);
        Assert.True(status == 0, $"git {string.Join(' ', arguments)}: {said}");
    }

    private (int Status, string Said) TryGit(params string[] arguments)
    {
        var start = new ProcessStartInfo("git", arguments) { WorkingDirectory = _folder, RedirectStandardError = true, RedirectStandardOutput = true };
        using var git = Process.Start(start);
        Assert.NotNull(git);
        var said = git.StandardOutput.ReadToEnd() + git.StandardError.ReadToEnd();
        git.WaitForExit();
        return (git.ExitCode, said);
    }
}
