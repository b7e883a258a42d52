using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Formats;

namespace AttentionLens.Corpora.Tests.Annotations;

public sealed class FormatTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("attention-lens-formats-").FullName;
    private readonly List<Loss> _losses = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path) ?? _folder);
        File.WriteAllText(path, content);
        return path;
    }

    private AnnotatedDocument ImportOne(string format, string path) => Assert.Single(AnnotationFormat.Of(format).Import(path, _losses.Add));

    private static string[] Spans(AnnotatedDocument document) =>
    [
        .. document.Annotations.Where(a => a.Kind == AnnotationKind.Span).OrderBy(a => a.Fragments[0].Start)
            .Select(a => $"{a.Label}:{string.Join('+', a.Fragments.Select(f => f.Of(document.Text).ToString()))}"),
    ];

    private static string[] Relations(AnnotatedDocument document)
    {
        var byId = document.Annotations.ToDictionary(a => a.Id);
        return
        [
            .. document.Annotations.Where(a => a.Kind == AnnotationKind.Relation)
                .Select(r => $"{r.Label}({byId[r.From ?? ""].Fragments[0].Of(document.Text)},{byId[r.To ?? ""].Fragments[0].Of(document.Text)})").Order(StringComparer.Ordinal),
        ];
    }

    [Fact]
    public void Brat_standoff_with_everything_in_it()
    {
        Write("a.txt", "😊 Sony and Ericsson formed a joint venture.\nIt was big.");
        var path = Write("a.ann", "T1\tOrganization 2 6\tSony\nT2\tOrganization 11 19\tEricsson\nT3\tVenture 20 26;29 42\tformed joint venture\nE1\tVenture:T3 Party:T1 Party2:T2\nR1\tPartner Arg1:T1 Arg2:T2\nA1\tNegation E1\nA2\tConfidence T1 high\nN1\tReference T2 Wikipedia:1\tEricsson\n#1\tAnnotatorNotes T1\tcheck this\n*\tEquiv T1 T2\nwhat is this\n");
        var document = ImportOne("brat", path);
        Assert.Equal(["Organization:Sony", "Organization:Ericsson", "Venture:formed+joint venture"], Spans(document));
        Assert.Equal(["Equiv(Sony,Ericsson)", "Partner(Sony,Ericsson)", "Party(formed,Sony)", "Party2(formed,Ericsson)"], Relations(document));
        var sony = document.Annotations.Single(a => a.Label == "Organization" && a.Attributes.ContainsKey("Confidence"));
        Assert.Equal(("high", "check this"), (sony.Attributes["Confidence"], sony.Attributes[Annotation.Note]));
        Assert.Equal("what is this", _losses[0].Message.Split('"')[1]);
        Assert.StartsWith("1 event(s) were read as relations", _losses[1].Message, StringComparison.Ordinal);
        Assert.Equal(2, _losses.Count);
    }

    [Fact]
    public void Brat_says_which_quote_disagrees_with_the_text()
    {
        Write("a.txt", "Sony and Ericsson");
        var document = ImportOne("brat", Write("a.ann", "T1\tORG 0 4\tSoni\nT2\tORG 5 99\tfar\n"));
        Assert.Equal(["ORG:Sony"], Spans(document));
        Assert.Equal(2, _losses.Count);
    }

    [Theory]
    [InlineData("IOB1", "I-ORG O B-ORG I-ORG O I-PER")]
    [InlineData("IOB2", "B-ORG O B-ORG I-ORG O B-PER")]
    [InlineData("IOBES", "S-ORG O B-ORG E-ORG O S-PER")]
    [InlineData("BILOU", "U-ORG O B-ORG L-ORG O U-PER")]
    public void Conll_in_every_tag_scheme(string scheme, string tags)
    {
        string[] words = ["EU", "rejects", "German", "Press", "says", "李娜"];
        var path = Write($"{scheme}.conll", "-DOCSTART- -X- O O\n\n" + string.Concat(words.Zip(tags.Split(' ')).Select(p => $"{p.First} NN O {p.Second}\n")) + "\nOne O\n");
        var document = ImportOne("conll", path);
        Assert.Equal("EU rejects German Press says 李娜\nOne\n", document.Text);
        Assert.Equal(["ORG:EU", "ORG:German Press", "PER:李娜"], Spans(document));
    }

    [Fact]
    public void Conll_I_after_a_span_of_the_same_label_needs_its_B()
    {
        var document = ImportOne("conll", Write("x.conll", "A I-LOC\nB B-LOC\nC I-ORG\n"));
        Assert.Equal(["LOC:A", "LOC:B", "ORG:C"], Spans(document));
    }

    [Fact]
    public void Conllu_with_multiword_tokens_and_tight_spacing()
    {
        const string rows = "# newdoc id = d\n# text = Vámonos, Ana.\n1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n3\t,\t,\tPUNCT\t_\t_\t1\tpunct\t_\t_\n4\tAna\tAna\tPROPN\t_\t_\t1\tvocative\t_\tNER=B-PER|SpaceAfter=No\n4.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n5\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\n";
        var document = ImportOne("conllu", Write("x.conllu", rows));
        Assert.Equal("Vámonos, Ana.\n", document.Text);
        Assert.Equal(["PER:Ana"], Spans(document));
    }

    [Fact]
    public void Doccano_in_its_documented_shapes()
    {
        const string lines = """
            {"id": 1, "text": "EU rejects 😊 German call", "label": [[0, 2, "ORG"], [13, 19, "MISC"]]}
            {"text": "Google was founded", "entities": [{"id": 0, "start_offset": 0, "end_offset": 6, "label": "ORG"}, {"id": 1, "start_offset": 11, "end_offset": 18, "label": "EVENT"}], "relations": [{"from_id": 0, "to_id": 1, "type": "was"}]}
            {"text": "Great film", "label": ["positive"]}
            """;
        var documents = AnnotationFormat.Of("doccano").Import(Write("x.jsonl", lines), _losses.Add);
        Assert.Equal(["ORG:EU", "MISC:German"], Spans(documents[0]));
        Assert.Equal(["was(Google,founded)"], Relations(documents[1]));
        Assert.Equal("positive", Assert.Single(documents[2].Annotations).Label);
        Assert.Empty(_losses);
    }

    [Fact]
    public void Prodigy_relations_join_the_spans_at_their_tokens()
    {
        const string line = """{"text":"Ada met Linus","tokens":[{"text":"Ada","start":0,"end":3,"id":0},{"text":"met","start":4,"end":7,"id":1},{"text":"Linus","start":8,"end":13,"id":2}],"spans":[{"start":0,"end":3,"token_start":0,"token_end":0,"label":"PER"},{"start":8,"end":13,"token_start":2,"token_end":2,"label":"PER"}],"relations":[{"head":0,"child":2,"label":"met"},{"head":1,"child":2,"label":"lost"}],"answer":"accept"}""";
        var document = ImportOne("prodigy", Write("x.jsonl", line));
        Assert.Equal(["met(Ada,Linus)"], Relations(document));
        Assert.Contains("\"lost\"", Assert.Single(_losses).Message.Replace("relation lost", "\"lost\"", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Label_studio_counts_as_its_quote_says()
    {
        const string tasks = """
            [{"id": 7, "data": {"text": "😊 Ada met Linus"}, "predictions": [], "annotations": [{"completed_by": 3, "result": [
              {"id": "x", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 2, "end": 5, "text": "Ada", "labels": ["PER"]}},
              {"id": "y", "from_name": "label", "to_name": "text", "type": "labels", "value": {"start": 11, "end": 16, "text": "Linus", "labels": ["PER"]}},
              {"type": "relation", "from_id": "y", "to_id": "x", "direction": "left", "labels": ["met"]},
              {"type": "choices", "from_name": "s", "to_name": "text", "value": {"choices": ["news"]}}]}]}]
            """;
        var document = ImportOne("label-studio", Write("x.json", tasks));
        // The first offsets count code points, the second UTF-16 units: both kinds are met in the wild.
        Assert.Equal(["PER:Ada", "PER:Linus"], Spans(document));
        Assert.Equal(["met(Ada,Linus)"], Relations(document));
        Assert.Contains(document.Annotations, a => a is { Kind: AnnotationKind.Document, Label: "news", By: "3" });
    }

    [Fact]
    public void Web_annotations_trust_the_quote_over_the_position()
    {
        Write("page.txt", "A new beginning. Ada met Linus in Paris.");
        const string item = """{"@context":"http://www.w3.org/ns/anno.jsonld","id":"http://example.org/1","type":"Annotation","body":{"type":"TextualBody","value":"PER"},"target":{"source":"http://example.org/page.txt","selector":[{"type":"TextPositionSelector","start":0,"end":3},{"type":"TextQuoteSelector","exact":"Ada","prefix":"beginning. ","suffix":" met Linus"}]}}""";
        Assert.Equal(["PER:Ada"], Spans(ImportOne("web-annotation", Write("x.jsonld", item))));
    }

    [Fact]
    public void A_web_annotation_opens_no_file_outside_its_folder()
    {
        var inner = Directory.CreateDirectory(Path.Combine(_folder, "inner")).FullName;
        Write("secret.txt", "secret");
        File.WriteAllText(Path.Combine(inner, "x.jsonld"), """{"type":"Annotation","body":"L","target":{"source":"../secret.txt"}}""");
        Assert.Throws<SidecarException>(() => AnnotationFormat.Of("web-annotation").Import(Path.Combine(inner, "x.jsonld"), _losses.Add));
    }

    [Fact]
    public void Eraser_rationales_by_token()
    {
        Write("docs/m_1", "this is a great film .\nreally great .");
        Write("val.jsonl", """{"annotation_id": "m_1", "classification": "POS", "query": "What is it?", "evidences": [[{"text": "a great film", "docid": "m_1", "start_token": 2, "end_token": 5, "start_sentence": -1, "end_sentence": -1}], [{"text": "?", "docid": "m_1", "start_token": 90, "end_token": 95}]]}""" + "\n");
        var document = ImportOne("eraser", _folder);
        Assert.Equal(["rationale:a great film"], Spans(document));
        Assert.Contains(document.Annotations, a => a is { Kind: AnnotationKind.Document, Label: "POS" });
        Assert.Single(_losses);
    }

    [Theory]
    [InlineData("brat", true, false)]
    [InlineData("conll", false, false)]
    [InlineData("conllu", false, false)]
    [InlineData("doccano", true, true)]
    [InlineData("prodigy", true, true)]
    [InlineData("label-studio", true, true)]
    [InlineData("web-annotation", true, true)]
    public void What_goes_out_comes_back_and_the_rest_is_reported(string format, bool relations, bool documentLabels)
    {
        const string text = "Zoë 😊 met 李娜 in New York.\nThen they left for Paris.\n";
        var a = AnchoringTests.Span("a", 0, 6, "PER");
        var b = AnchoringTests.Span("b", 11, 13, "PER");
        var c = AnchoringTests.Span("c", 17, 25, "LOC");
        var document = new AnnotatedDocument("doc", text,
        [
            a, b, c,
            new Annotation { Id = "r", Kind = AnnotationKind.Relation, Label = "met", From = "a", To = "b" },
            new Annotation { Id = "d", Kind = AnnotationKind.Document, Label = "travel" },
        ]);
        Assert.Equal(["PER:Zoë 😊", "PER:李娜", "LOC:New York"], Spans(document));
        var path = Path.Combine(_folder, "out" + format switch { "brat" => "", "web-annotation" => ".jsonld", _ => ".x" });
        AnnotationFormat.Of(format).Export([document], path, _losses.Add);
        var spacing = format != "conll";
        Assert.Equal((relations ? 0 : 1) + (documentLabels ? 0 : 1) + (spacing ? 0 : 1), _losses.Count);
        var back = ImportOne(format, path);
        Assert.Equal(["PER:Zoë 😊", spacing ? "PER:李娜" : "PER:李 娜", "LOC:New York"], Spans(back));
        if (relations) Assert.Equal(["met(Zoë 😊,李娜)"], Relations(back));
        if (documentLabels) Assert.Contains(back.Annotations, x => x is { Kind: AnnotationKind.Document, Label: "travel" });
        if (spacing) Assert.Equal(text, back.Text);
    }

    [Theory]
    [InlineData("  Lead and  two spaces,\ttab.\r\n\r\nNext Ada Lovelace paragraph")]
    [InlineData("Ada.\n\n\n")]
    [InlineData("北京大学 Ada😊Lovelace\n")]
    public void Conllu_brings_back_every_space(string text)
    {
        var ada = text.IndexOf("Ada", StringComparison.Ordinal);
        var document = new AnnotatedDocument("doc", text, [AnchoringTests.Span("a", ada, ada + 3, "First name|x")]);
        var path = Path.Combine(_folder, "x.conllu");
        AnnotationFormat.Of("conllu").Export([document], path, _losses.Add);
        var back = ImportOne("conllu", path);
        Assert.Equal(text, back.Text);
        Assert.Equal(["First_name_x:Ada"], Spans(back));
        Assert.Contains("First name|x were written with _", Assert.Single(_losses).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_span_over_a_line_end_becomes_two_in_formats_of_sentences()
    {
        var document = new AnnotatedDocument("doc", "New\nYork is big.\n", [AnchoringTests.Span("a", 0, 8)]);
        foreach (var format in new[] { "conll", "conllu" })
        {
            var path = Path.Combine(_folder, format);
            AnnotationFormat.Of(format).Export([document], path, _losses.Add);
            Assert.Equal(["LOC:New", "LOC:York"], Spans(ImportOne(format, path)));
        }

        Assert.Equal(2, _losses.Count(l => l.Message.Contains("cross a line end", StringComparison.Ordinal)));
    }

    [Fact]
    public void Brat_says_what_it_renames_and_that_an_id_stands_twice()
    {
        var document = new AnnotatedDocument("doc", "Ada", [AnchoringTests.Span("a", 0, 3, "First name")]);
        AnnotationFormat.Of("brat").Export([document], _folder, _losses.Add);
        Assert.Contains("First name", Assert.Single(_losses).Message, StringComparison.Ordinal);
        File.AppendAllText(Path.Combine(_folder, "doc.ann"), "T1\tX 0 1\tA\n");
        Assert.Equal(["First_name:Ada"], Spans(ImportOne("brat", Path.Combine(_folder, "doc.ann"))));
        Assert.Equal(2, _losses.Count);
    }

    [Theory]
    [InlineData("brat", "a", "b")]
    [InlineData("doccano", "inner/a", "other/b")]
    [InlineData("prodigy", "inner/a", "other/b")]
    [InlineData("label-studio", "inner/a", "other/b")]
    [InlineData("eraser", "inner_a", "other_b")]
    public void Documents_of_a_corpus_keep_their_names(string format, string first, string second)
    {
        AnnotatedDocument Make(string name, string text) => new(name, text, [AnchoringTests.Span("x", 0, 3, "rationale")]);
        var path = Path.Combine(_folder, "out");
        AnnotationFormat.Of(format).Export([Make("inner/a", "Ada met Linus."), Make("other/b", "Bob met Linus.")], path, _losses.Add);
        Assert.Empty(_losses);
        var back = AnnotationFormat.Of(format).Import(path, _losses.Add);
        Assert.Equal([(first, "rationale:Ada"), (second, "rationale:Bob")], back.Select(d => (d.Name, Spans(d).Single())));
    }

    [Fact]
    public void Web_annotations_of_documents_in_folders_lie_beside_their_texts()
    {
        var documents = new[] { "inner/a", "other/a" }.Select(n => new AnnotatedDocument(n, $"Ada of {n}.", [AnchoringTests.Span("x", 0, 3)])).ToArray();
        AnnotationFormat.Of("web-annotation").Export(documents, _folder, _losses.Add);
        foreach (var document in documents)
            Assert.Equal((document.Text, "LOC:Ada"), ImportOne("web-annotation", Path.Combine(_folder, document.Name + ".jsonld")) is var back ? (back.Text, Spans(back).Single()) : default);
    }

    [Theory]
    [InlineData("doccano", "{\"text\": ")]
    [InlineData("prodigy", "[1, 2]")]
    [InlineData("label-studio", "{\"data\": 5}")]
    [InlineData("conllu", "1\tonly three\tcolumns")]
    [InlineData("conll", "\n\n")]
    [InlineData("web-annotation", "{}")]
    [InlineData("brat", "T1\tX 0 1\tx")]
    public void A_file_that_is_not_of_the_format_gets_one_clear_sentence(string format, string content)
    {
        var error = Assert.Throws<SidecarException>(() => AnnotationFormat.Of(format).Import(Write("bad.ann", content), _losses.Add));
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}

public sealed class AgreementTests
{
    /// <summary>The data and the value of Krippendorff's own worked example (2011): four observers, twelve units, alpha = 0.743.</summary>
    [Fact]
    public void Nominal_alpha_of_the_published_example()
    {
        string?[][] observers =
        [
            ["1", "2", "3", "3", "2", "1", "4", "1", "2", null, null, null],
            ["1", "2", "3", "3", "2", "2", "4", "1", "2", "5", null, "3"],
            [null, "3", "3", "3", "2", "3", "4", "2", "2", "5", "1", null],
            ["1", "2", "3", "3", "2", "4", "4", "1", "2", "5", "1", null],
        ];
        var units = Enumerable.Range(0, 12).Select(u => (IReadOnlyList<string?>)[.. observers.Select(o => o[u])]);
        Assert.Equal(0.743, Agreement.KrippendorffNominal(units) ?? 0, 3);
    }

    [Fact]
    public void Kappa_corrects_for_chance()
    {
        // 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, chance 0.5, kappa 0.4.
        var first = Enumerable.Repeat("y", 25).Concat(Enumerable.Repeat("n", 25)).ToArray();
        var second = Enumerable.Repeat("y", 20).Concat(Enumerable.Repeat("n", 5)).Concat(Enumerable.Repeat("y", 10)).Concat(Enumerable.Repeat("n", 15)).ToArray();
        Assert.Equal(0.4, Agreement.CohenKappa(first, second) ?? 0, 9);
        Assert.Null(Agreement.CohenKappa(["a", "a"], ["a", "a"]));
    }

    [Fact]
    public void Span_f1_matches_one_to_one()
    {
        Annotation[] first = [AnchoringTests.Span("1", 0, 3), AnchoringTests.Span("2", 0, 3), AnchoringTests.Span("3", 5, 9)];
        Annotation[] second = [AnchoringTests.Span("4", 0, 3), AnchoringTests.Span("5", 5, 9, "ORG")];
        var score = Agreement.SpanF1(first, second);
        Assert.Equal((1, 3, 2), (score.Matches, score.First, score.Second));
        Assert.Equal(0.4, score.F1 ?? 0, 9);
        Assert.Null(Agreement.SpanF1([], []).F1);
    }

    [Fact]
    public void Unitizing_alpha_is_one_for_equals_and_near_zero_for_strangers()
    {
        Assert.Equal(1.0, Agreement.KrippendorffUnitizing(100, [[new(3, 9), new(40, 60)], [new(3, 9), new(40, 60)]]) ?? 0, 9);
        Assert.Null(Agreement.KrippendorffUnitizing(100, [[], []]));
        var random = new Random(5);
        var mean = Enumerable.Range(0, 400).Average(_ => Agreement.KrippendorffUnitizing(1000, [Units(), Units()]) ?? 0);
        // By construction the expected disagreement is that of units thrown at random; 400 throws have a standard error of about 0.01.
        Assert.InRange(mean, -0.06, 0.06);

        List<TextRange> Units()
        {
            var units = new List<TextRange>();
            for (var i = random.Next(60); i < 980; i += 20 + random.Next(100)) units.Add(new TextRange(i, i + 15));
            return units;
        }
    }
}
