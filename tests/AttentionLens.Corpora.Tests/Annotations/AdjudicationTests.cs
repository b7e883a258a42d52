using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Corpora.Tests.Annotations;

public sealed class AdjudicationTests
{
    private const string Text = "Ada Lovelace met Charles Babbage of IBM in New York City.";
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static Annotation Span(string id, string quote, string label) =>
        AnchoringTests.Span(id, Text.IndexOf(quote, StringComparison.Ordinal), Text.IndexOf(quote, StringComparison.Ordinal) + quote.Length, label);

    private static Annotation Link(string id, string from, string to, string label = "met") =>
        new() { Id = id, Kind = AnnotationKind.Relation, Label = label, From = from, To = to };

    private static readonly Annotation[] Left =
    [
        Span("l1", "Ada Lovelace", "PER"), Span("l2", "Charles Babbage", "PER"), Span("l3", "IBM", "ORG"), Span("l4", "New York", "LOC"),
        Link("lr", "l1", "l2"), new() { Id = "ld", Kind = AnnotationKind.Document, Label = "news" },
        Span("ls", "met", "EVENT") with { Status = AnnotationStatus.Suggested },
    ];

    private static readonly Annotation[] Right =
    [
        Span("r1", "Ada Lovelace", "PER"), Span("r2", "Charles Babbage", "ORG"), Span("r4", "New York City", "LOC"), Span("r5", "of", "MISC"),
        Link("rr", "r1", "r2"), Link("rr2", "r2", "r4", "in"), new() { Id = "rd", Kind = AnnotationKind.Document, Label = "news" },
    ];

    [Fact]
    public void Both_sides_are_paired_one_to_one_and_in_order()
    {
        var adjudication = Adjudication.Of(Left, Right);
        Assert.Equal(
            ["l1 r1 None", "l2 r2 Label", "- r5 OnlyRight", "l3 - OnlyLeft", "l4 r4 Extent", "lr rr None", "- rr2 OnlyRight", "ld rd None"],
            adjudication.Pairs.Select(p => $"{p.Left?.Id ?? "-"} {p.Right?.Id ?? "-"} {p.Difference}"));
        Assert.Equal(5, adjudication.Open);
    }

    [Fact]
    public void Choices_become_a_third_set_and_are_found_in_it_again()
    {
        var decided = Adjudication.Of(Left, Right).With(1, Choice.Left).With(2, Choice.Neither).With(3, Choice.Left).With(4, Choice.Both).With(6, Choice.Right);
        var third = decided.Result("carla", Now);
        var accepted = third.Where(a => a.Status == AnnotationStatus.Accepted).ToArray();
        Assert.Equal(
            ["PER Ada Lovelace", "PER Charles Babbage", "ORG IBM", "LOC New York", "LOC New York City"],
            accepted.Where(a => a.Kind == AnnotationKind.Span).Select(a => $"{a.Label} {a.Fragments[0].Of(Text)}"));
        Assert.Equal("of", Assert.Single(third, a => a.Status == AnnotationStatus.Rejected).Fragments[0].Of(Text).ToString());
        var byId = third.ToDictionary(a => a.Id);
        // The right side's relation joins spans of which one was taken from the left: it leads to what was taken.
        Assert.Equal(
            ["met Ada Lovelace Charles Babbage", "in Charles Babbage New York City"],
            accepted.Where(a => a.Kind == AnnotationKind.Relation).Select(a => $"{a.Label} {byId[a.From ?? ""].Fragments[0].Of(Text)} {byId[a.To ?? ""].Fragments[0].Of(Text)}"));
        Assert.All(third, a => Assert.Equal(("carla", Now, Adjudication.Source), (a.By, a.Time, a.Source)));

        var resumed = Adjudication.Of(Left, Right).Resume(third);
        Assert.Equal(decided.Pairs.Select(p => p.Choice), resumed.Pairs.Select(p => p.Choice));
        Assert.Equal(third.Select(a => a.Id), resumed.Result("carla", Now).Select(a => a.Id));
    }

    [Theory]
    [InlineData(Choice.Left, "Ada Lovelace,Charles Babbage,IBM,New York")]
    [InlineData(Choice.Right, "Ada Lovelace,Charles Babbage,of,New York City")]
    [InlineData(Choice.Both, "Ada Lovelace,Charles Babbage,Charles Babbage,of,IBM,New York,New York City")]
    public void A_side_taken_in_batch_is_that_sides_version(Choice choice, string spans)
    {
        var all = Adjudication.Of(Left, Right).WithAllOpen(choice);
        Assert.Equal(0, all.Open);
        Assert.Equal(spans, string.Join(',', all.Result(null, Now).Where(a => a is { Kind: AnnotationKind.Span, Status: AnnotationStatus.Accepted }).Select(a => a.Fragments[0].Of(Text).ToString())));
    }

    /// <summary>The third set as a program or an editor would keep it.</summary>
    private static Annotation[] Apply(IEnumerable<Annotation> third, AdjudicationChange change) =>
        [.. third.Where(a => !change.Remove.Contains(a.Id) && !change.Put.Any(p => p.Id == a.Id)), .. change.Put];

    private static string[] Said(IEnumerable<Annotation> third) =>
    [
        .. third.Where(a => a.Status == AnnotationStatus.Accepted)
            .Select(a => a.Fragments.IsEmpty ? a.Label : $"{a.Label} {a.Fragments[0].Of(Text)}").Order(StringComparer.Ordinal),
    ];

    [Fact]
    public void A_decision_changes_its_own_pair_and_leaves_what_a_person_made_of_the_others()
    {
        var adjudication = Adjudication.Of(Left, Right);
        // The first decision takes over what both agree on; the relation waits for its second span.
        var third = Apply([], adjudication.With(3, Choice.Left).Changes([], new HashSet<int> { 3 }, "carla", Now));
        Assert.Equal(["ORG IBM", "PER Ada Lovelace", "news"], Said(third));
        third = [.. third.Select(a => a.Label == "ORG" ? a with { Label = "COMPANY" } : a)];

        adjudication = Adjudication.Of(Left, Right).Resume(third).With(1, Choice.Right);
        third = Apply(third, adjudication.Changes(third, new HashSet<int> { 1 }, "carla", Now));
        Assert.Equal(["COMPANY IBM", "ORG Charles Babbage", "PER Ada Lovelace", "met", "news"], Said(third));

        // The other side's span: the relation leads to that one now, and is gone with it.
        adjudication = Adjudication.Of(Left, Right).Resume(third).With(1, Choice.Left);
        third = Apply(third, adjudication.Changes(third, new HashSet<int> { 1 }, "carla", Now));
        Assert.Equal("PER", third.Single(a => a.Id == third.Single(r => r.Label == "met").To).Label);
        Annotation byHand = Link("hand", third.Single(a => a.Label == "COMPANY").Id, third.Single(a => a.Label == "PER" && a.Fragments[0].Start > 0).Id, "employs");
        adjudication = Adjudication.Of(Left, Right).Resume([.. third, byHand]).With(1, Choice.Neither);
        third = Apply([.. third, byHand], adjudication.Changes([.. third, byHand], new HashSet<int> { 1 }, "carla", Now));
        Assert.Equal(["COMPANY IBM", "PER Ada Lovelace", "news"], Said(third));
        Assert.Equal(Choice.Neither, Adjudication.Of(Left, Right).Resume(third).Pairs[1].Choice);
    }

    [Fact]
    public void A_relation_that_was_led_elsewhere_by_hand_stays_there()
    {
        var adjudication = Adjudication.Of(Left, Right);
        var third = Apply([], adjudication.With(1, Choice.Left).Changes([], new HashSet<int> { 1 }, "carla", Now));
        Annotation added = AnchoringTests.Span("own", 0, 3, "PER");
        Annotation met = third.Single(a => a.Label == "met");
        third = [added, .. third.Select(a => a.Id == met.Id ? a with { From = added.Id } : a)];
        foreach (var choice in new[] { Choice.Right, Choice.Both, Choice.Left })
        {
            adjudication = Adjudication.Of(Left, Right).Resume(third).With(1, choice);
            Assert.Equal(1, adjudication.Differing(third.Where(a => a.Id == met.Id)));
            third = Apply(third, adjudication.Changes(third, new HashSet<int> { 1 }, "carla", Now));
            Assert.Equal(added.Id, third.Single(a => a.Id == met.Id).From);
        }
    }

    [Fact]
    public void A_relation_can_be_turned_down_before_and_after_its_spans()
    {
        var adjudication = Adjudication.Of(Left, Right).With(6, Choice.Neither);
        var third = Apply([], adjudication.Changes([], new HashSet<int> { 6 }, "carla", Now));
        Assert.Equal(Choice.Neither, Adjudication.Of(Left, Right).Resume(third).Pairs[6].Choice);
        adjudication = Adjudication.Of(Left, Right).Resume(third).With([(1, Choice.Neither), (4, Choice.Neither)]);
        third = Apply(third, adjudication.Changes(third, new HashSet<int> { 1, 4 }, "carla", Now));
        Assert.Equal(Choice.Neither, Adjudication.Of(Left, Right).Resume(third).Pairs[6].Choice);
        // A relation that is taken needs them.
        Assert.DoesNotContain(adjudication.With(6, Choice.Right).Result("carla", Now), a => a.Label == "in");
    }

    [Fact]
    public void Taking_the_side_that_has_nothing_takes_its_silence()
    {
        var adjudication = Adjudication.Of(Left, Right).With([(2, Choice.Left), (3, Choice.Right)]);
        Assert.Equal([Choice.Neither, Choice.Neither], adjudication.Pairs[2..4].Select(p => p.Choice));
        Assert.Equal(Choice.Right, adjudication.With(2, Choice.Both).Pairs[2].Choice);
    }

    /// <summary>Both began with the same import: one of them moved a border and a relation.</summary>
    [Fact]
    public void Sides_with_the_same_ids_are_not_mixed_up()
    {
        Annotation[] right =
        [
            Left[0], Left[1], Left[2], AnchoringTests.Span("l4", Text.IndexOf("New York", StringComparison.Ordinal), Text.Length - 1, "LOC"),
            Link("lr", "l2", "l4"),
        ];
        var adjudication = Adjudication.Of(Left, right);
        Assert.Equal(["l1 l1 None", "l2 l2 None", "l3 l3 None", "l4 l4 Extent", "lr - OnlyLeft", "- lr OnlyRight", "ld - OnlyLeft"], adjudication.Pairs.Select(p => $"{p.Left?.Id ?? "-"} {p.Right?.Id ?? "-"} {p.Difference}"));
        var both = adjudication.WithAllOpen(Choice.Both).Result(null, Now);
        Assert.Equal(8, both.Select(a => a.Id).Distinct().Count());
        var byId = both.ToDictionary(a => a.Id);
        Assert.Equal(
            ["Charles Babbage", "New York City"],
            both.Where(a => a.Kind == AnnotationKind.Relation).Select(a => byId[a.To ?? ""].Fragments[0].Of(Text).ToString()));
        Assert.Equal(both.Select(a => a.Id), Adjudication.Of(Left, right).Resume(both).Result(null, Now).Select(a => a.Id));
    }

    [Fact]
    public void Overlaps_are_paired_by_how_much_they_share_whatever_stands_around_them()
    {
        // A long span before the one that is meant must not hide it from the search by start.
        Annotation[] left = [AnchoringTests.Span("l", 50, 56)];
        Annotation[] right = [AnchoringTests.Span("long", 0, 57), AnchoringTests.Span("near", 49, 56), AnchoringTests.Span("far", 55, 57)];
        Assert.Equal("near", Adjudication.Of(left, right).Pairs.Single(p => p.Left is not null).Right?.Id);
    }
}

public sealed class SidecarMergeTests
{
    private static readonly (string Text, List<Annotation> Gold) Corpus = GoldCorpus.Make(4, 30);

    private static string Written(IEnumerable<Annotation> annotations) => new Sidecar([.. Anchoring.Describe(Corpus.Text, annotations)], [], []).Format();

    private static Sidecar Of(IEnumerable<Annotation> annotations) => Sidecar.Parse(Written(annotations));

    [Fact]
    public void Additions_deletions_and_changes_of_both_sides_come_together_in_order()
    {
        var gold = Corpus.Gold;
        var @base = Of(gold);
        var ours = Of(gold.Skip(1).Select(g => g.Id == gold[5].Id ? g with { Label = "OURS" } : g).Append(AnchoringTests.Span("new-left", 0, 3)));
        var theirs = Of(gold.Where(g => g.Id != gold[2].Id).Select(g => g.Id == gold[6].Id ? g with { Label = "THEIRS" } : g).Append(AnchoringTests.Span("new-right", 200, 205)));
        var (content, decided) = SidecarMerge.Merge(ours, theirs, @base);
        var merged = Sidecar.Parse(content);
        Assert.Empty(decided);
        Assert.Empty(merged.Problems);
        var expected = Written(gold.Where(g => g.Id != gold[0].Id && g.Id != gold[2].Id)
            .Select(g => g.Id == gold[5].Id ? g with { Label = "OURS" } : g.Id == gold[6].Id ? g with { Label = "THEIRS" } : g)
            .Append(AnchoringTests.Span("new-left", 0, 3)).Append(AnchoringTests.Span("new-right", 200, 205)));
        // Without the text the order is that of the two sides, which is that of the text.
        Assert.Equal(expected, content);
    }

    [Fact]
    public void What_both_changed_is_decided_by_time_and_said()
    {
        var a = AnchoringTests.Span("a", 0, 3) with { Time = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) };
        var (content, decided) = SidecarMerge.Merge(Of([a with { Label = "L" }]), Of([a with { Label = "R", Time = new(2026, 1, 2, 0, 0, 0, TimeSpan.Zero) }]), Of([a]));
        Assert.Equal("R", Assert.Single(Sidecar.Parse(content).Annotations).Label);
        Assert.Contains("changed on both sides; the second was kept, being later", Assert.Single(decided), StringComparison.Ordinal);

        (content, decided) = SidecarMerge.Merge(Of([]), Of([a with { Label = "R" }]), Of([a]));
        Assert.Single(Sidecar.Parse(content).Annotations);
        Assert.Contains("deleted on one side and changed on the other", Assert.Single(decided), StringComparison.Ordinal);
    }

    [Fact]
    public void A_conflict_that_git_left_is_read_as_both_sides()
    {
        var lines = Written([AnchoringTests.Span("a", 0, 3) with { Label = "OLD", Time = DateTimeOffset.UnixEpoch }]).Split('\n');
        var newer = lines[1].Replace("OLD", "NEW", StringComparison.Ordinal).Replace("1970", "2026", StringComparison.Ordinal);
        var other = lines[1].Replace("\"a\"", "\"b\"", StringComparison.Ordinal);
        var read = Sidecar.Parse(string.Join('\n', lines[0], "<<<<<<< HEAD", lines[1], "||||||| base", lines[1].Replace("\"a\"", "\"gone\"", StringComparison.Ordinal), "=======", newer, other, ">>>>>>> branch", ""));
        Assert.Equal(["a NEW", "b OLD"], read.Annotations.Select(x => $"{x.Id} {x.Label}"));
        Assert.Contains("conflict", Assert.Single(read.Problems).Message, StringComparison.Ordinal);
        Assert.Empty(read.Unread);
    }
}
