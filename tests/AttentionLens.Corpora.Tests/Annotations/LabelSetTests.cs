using System.Text.Json;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.Corpora.Tests.Annotations;

public sealed class LabelSetTests
{
    internal static readonly string Root = FindRoot();

    [Fact]
    public void The_sample_set_is_read_without_a_problem_and_with_all_it_says()
    {
        var (set, problems) = LabelSet.Load(Path.Combine(Root, "samples", LabelSet.FileName));
        Assert.Empty(problems);
        Assert.Equal(["PER", "ORG", "LOC", "MISC", "rationale"], set.Spans.Select(s => s.Name));
        Assert.Equal(('1', "blue", "Person"), (set.Spans[0].Key, set.Spans[0].Color, set.Spans[0].Title));
        Assert.Equal((false, true), (set.Spans[0].Overlap, set.Spans[4].Overlap));
        Assert.Equal(["ORG", "LOC"], set.Relations[1].From.AsEnumerable());
        Assert.True(set.Relations[2].Symmetric);
        Assert.Equal(["certainty", "wikidata"], set.AttributesOf("ORG").Select(a => a.Name));
        Assert.True(set.OneDocumentLabel);
    }

    [Theory]
    [InlineData("", "", "The file is empty")]
    [InlineData("[1]", "[1]", "A label set is an object in braces")]
    [InlineData("""{"spans": ["PER" "ORG"]}""", "\"", "This is not valid JSON")]
    [InlineData("""{"spans": ["PER"]} x""", "x", "This is not valid JSON")]
    [InlineData("""{"spans": ["PER"], "version": 2}""", "2", "later format")]
    [InlineData("""{"spans": ["PER"], "span": []}""", "\"span\"", "(is \"spans\" meant?)")]
    [InlineData("""{"spans": [{"name": "PER", "colour": "red"}]}""", "\"colour\"", "(is \"color\" meant?)")]
    [InlineData("""{"spans": [{"name": "PER", "color": "rot"}]}""", "\"rot\"", "#rrggbb or one of blue")]
    [InlineData("""{"spans": [{"name": "😊PER", "color": "#12345"}]}""", "\"#12345\"", "is no color here")]
    [InlineData("""{"spans": [{"name": "PER", "key": "F1"}]}""", "\"F1\"", "one digit or one lower-case letter")]
    [InlineData("""{"spans": [{"name": "PER", "key": "p"}], "documents": [{"name": "x", "key": "p"}]}""", "\"p\"", "already belongs to PER")]
    [InlineData("""{"spans": ["PER", "PER"]}""", "\"PER\"", "stands twice in \"spans\"")]
    [InlineData("""{"spans": [{"title": "Person"}]}""", """{"title": "Person"}""", "needs a \"name\"")]
    [InlineData("""{"spans": [" PER"]}""", "\" PER\"", "begins or ends with a space")]
    [InlineData("""{"spans": ["a\nb"]}""", "\"a\\nb\"", "control characters")]
    [InlineData("""{"spans": [5]}""", "5", "a name in quotes or an object in braces")]
    [InlineData("""{"spans": {"PER": {}}}""", """{"PER": {}}""", "\"spans\" is a list in brackets")]
    [InlineData("""{"spans": [{"name": "PER", "nest": "yes"}]}""", "\"yes\"", "true or false")]
    [InlineData("""{"spans": ["PER"], "relations": [{"name": "r", "from": ["PERS"]}]}""", "\"PERS\"", "There is no span label \"PERS\" (is \"PER\" meant?)")]
    [InlineData("""{"spans": ["PER"], "attributes": [{"name": "a", "on": "ORG"}]}""", "\"ORG\"", "There is no label \"ORG\"")]
    [InlineData("""{"spans": ["PER"], "attributes": [{"name": "a", "values": ["x"], "default": "y"}]}""", "\"y\"", "not among the values x")]
    [InlineData("""{"spans": ["PER"], "constraints": {"documentLabels": "two"}}""", "\"two\"", "one of one, many")]
    [InlineData("""{"spans": ["PER"], "constraints": {"nest": true, "nest": false}}""", "\"nest\"", "given twice")]
    [InlineData("// nothing\n{}", "{}", "The set has no labels")]
    public void Every_mistake_is_named_at_its_place(string text, string place, string message)
    {
        var problem = Assert.Single(LabelSet.Parse(text).Problems);
        Assert.Equal(place, text[problem.Start..problem.End]);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_right_beside_a_mistake_is_read()
    {
        var (set, problems) = LabelSet.Parse("\uFEFF// names\n{ \"spans\": [\"PER\", 5, { \"name\": \"ORG\", \"color\": \"rot\", \"key\": \"o\" },], \"relations\": [{ \"name\": \"r\", \"to\": [\"PER\", \"X\"] }] }");
        Assert.Equal(3, problems.Length);
        Assert.Equal(["PER", "ORG"], set.Spans.Select(s => s.Name));
        Assert.Equal((null, 'o'), (set.Spans[1].Color, set.Spans[1].Key));
        Assert.Equal(["PER"], set.Relations[0].To.AsEnumerable());
    }

    [Fact]
    public void The_nearest_file_above_a_document_applies_and_the_root_ends_the_way_up()
    {
        var folder = Directory.CreateTempSubdirectory("attention-lens-labels-");
        try
        {
            var inner = folder.CreateSubdirectory("a/b");
            var upper = Path.Combine(folder.FullName, "a", LabelSet.FileName);
            File.WriteAllText(Path.Combine(folder.FullName, LabelSet.FileName), "{}");
            File.WriteAllText(upper, "{}");
            Assert.Equal(upper, LabelSet.Nearest(Path.Combine(inner.FullName, "doc.txt")));
            Assert.Equal(upper, LabelSet.Nearest(inner.FullName, folder.FullName));
            Assert.Null(LabelSet.Nearest(inner.FullName, inner.FullName));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The schema that the editor completes by and the reader must not drift apart.</summary>
    [Fact]
    public void The_schema_knows_the_keys_that_the_reader_knows()
    {
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(Root, "client", "schemas", "labels.schema.json")));
        var root = schema.RootElement;
        foreach (var (kind, keys) in LabelSetReader.Keys)
        {
            var place = kind switch
            {
                "set" => root,
                "constraints" => root.GetProperty("properties").GetProperty("constraints"),
                _ => root.GetProperty("definitions").GetProperty(kind).GetProperty("anyOf")[1],
            };
            Assert.Equal(keys.Order(StringComparer.Ordinal), place.GetProperty("properties").EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal));
        }
    }

    private const string Text = "Ada Lovelace met IBM\nin Paris.";

    private static readonly LabelSet Set = LabelSet.Parse("""
        {
          "spans": [{"name": "PER", "multiline": false}, "ORG", {"name": "why", "overlap": true}],
          "relations": [{"name": "works-for", "from": "PER", "to": "ORG"}, {"name": "same", "from": "PER", "to": "ORG", "symmetric": true}],
          "documents": ["news", "letter"],
          "attributes": [{"name": "certainty", "on": ["PER"], "values": ["sure", "unsure"]}],
          "constraints": {"overlap": false, "nest": false, "discontinuous": false, "documentLabels": "one"}
        }
        """).Set;

    [Fact]
    public void What_a_set_does_not_allow_is_said_and_what_it_allows_is_not()
    {
        var ada = AnchoringTests.Span("ada", 0, 12, "PER");
        var ibm = AnchoringTests.Span("ibm", 17, 20, "ORG");
        Annotation[] good =
        [
            ada with { Attributes = ada.Attributes.Add("certainty", "sure").Add(Annotation.Note, "free") }, ibm,
            AnchoringTests.Span("why", 4, 19, "why"),
            Link("works-for", "ada", "ibm"), Link("same", "ibm", "ada"), Document("news"),
        ];
        Assert.Empty(Set.Check(Text, good));

        Says("is no span label of the set (is \"PER\" meant?)", AnchoringTests.Span("x", 0, 3, "PERS"));
        Says("PER \"Lovelace\" lies inside PER \"Ada Lovelace\"", ada, AnchoringTests.Span("x", 4, 12, "PER"));
        Says("ORG \"Lovelace met\" overlaps PER \"Ada Lovelace\"", ada, AnchoringTests.Span("x", 4, 16, "ORG"));
        Says("labelled PER twice", ada, ada with { Id = "x" });
        Says("has 2 parts", ibm with { Fragments = [new(17, 20), new(24, 29)] });
        Says("must stay on one line; \"IBM in\" does not", AnchoringTests.Span("x", 17, 23, "PER"));
        Says("leads from PER to ORG, not from ORG to PER", ada, ibm, Link("works-for", "ibm", "ada"));
        Says("lacks one of its spans", ada, Link("works-for", "ada", "gone"));
        Says("\"spam\" is no document label", Document("spam"));
        Says("has 2 labels (news, letter)", Document("news"), Document("letter"));
        Says("can be sure, unsure", ada with { Attributes = ada.Attributes.Add("certainty", "maybe") });
        Says("ORG has no attribute \"certainty\"", ibm with { Attributes = ibm.Attributes.Add("certainty", "sure") });
        Says("is no attribute of the set", ada with { Attributes = ada.Attributes.Add("x", "y") });

        // The same answers before the annotation is made.
        Assert.Null(Set.Refuses(Text, good[2], good));
        Assert.Contains("overlaps", Set.Refuses(Text, AnchoringTests.Span("x", 4, 16, "ORG"), good), StringComparison.Ordinal);
        Assert.Contains("already labelled news", Set.Refuses(Text, Document("letter"), good), StringComparison.Ordinal);

        void Says(string what, params Annotation[] annotations) =>
            Assert.Contains(what, Assert.Single(Set.Check(Text, annotations)).Message, StringComparison.Ordinal);

        static Annotation Link(string label, string from, string to) =>
            new() { Id = label + from, Kind = AnnotationKind.Relation, Label = label, From = from, To = to };

        static Annotation Document(string label) => new() { Id = label, Kind = AnnotationKind.Document, Label = label };
    }

    private static string FindRoot()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "AttentionLens.sln"))) root = root.Parent ?? throw new DirectoryNotFoundException("The tests run inside the repository.");
        return root.FullName;
    }
}
