using System.Text;
using System.Text.Json;
using CsCheck;

namespace AttentionLens.Corpora.Tests;

public sealed class ReaderTests
{
    private static SegmentedDocument Read(string path, string text, ReaderOptions? options = null) =>
        DocumentFormats.For(null, path, options).Read(text);

    private static string[] Texts(string path, string text, ReaderOptions? options = null) =>
        [.. Read(path, text, options).Segments.Select(s => s.Pair is { } pair ? $"{s.Text} / {pair.Text}" : s.Text)];

    /// <summary>What the document holds where text[start, end) of the first segment stands.</summary>
    private static string Source(SegmentedDocument document, string part)
    {
        var segment = document.Segments[0];
        var at = segment.Text.IndexOf(part, StringComparison.Ordinal);
        Assert.True(at >= 0);
        var (start, end) = segment.ToDocument(at, at + part.Length);
        return document.Text[start..end];
    }

    [Fact]
    public void JsonLinesMapEveryEscape()
    {
        var document = Read("a.jsonl", """
            {"id": 7, "text": "a \"b\" caf\u00e9 \ud83d\ude00 x\ty\\z\/", "label": "pos"}
            {"text": "two\nlines", "n": [1, 2.5e3, true, null]}

            """);
        Assert.Empty(document.Problems);
        Assert.Equal("a \"b\" café 😀 x\ty\\z/", document.Segments[0].Text);
        Assert.Equal("\\\"b\\\"", Source(document, "\"b\""));
        Assert.Equal("\\u00e9", Source(document, "é"));
        Assert.Equal("\\ud83d\\ude00", Source(document, "😀"));
        Assert.Equal("\\\\z\\/", Source(document, "\\z/"));
        Assert.Equal("two\nlines", document.Segments[1].Text);
        Assert.Equal("text", document.Segments[1].Name);
        Assert.Same(document.Segments[1], document.At(document.Text.IndexOf("lines", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("\\u12")]
    [InlineData("\\u12g4")]
    [InlineData("\\u 121")]
    [InlineData("\\u121\0")]
    public void AnEscapeOfFewerThanFourDigitsIsTextAndReported(string escape)
    {
        var document = Read("a.jsonl", $"{{\"text\": \"a {escape} b\"}}");
        Assert.Equal($"a {escape} b", document.Segments[0].Text);
        Assert.Contains("escape", Assert.Single(document.Problems).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"premise": "A man eats.", "hypothesis": "He is hungry.", "label": 1}""", "A man eats. / He is hungry.")]
    [InlineData("""{"question": "Who?", "context": "Ada did.", "title": "x y"}""", "Who? / Ada did.")]
    [InlineData("""{"translation": {"en": "The dog", "de": "Der Hund"}}""", "The dog / Der Hund")]
    [InlineData("""{"tokens": ["The", "caf\u00e9", "."], "ner_tags": [0, 0, 0]}""", "The café .")]
    [InlineData("""{"foo": "some words here", "id": "x1"}""", "some words here")]
    [InlineData("""["one two", "three"]""", "one two", "three")]
    [InlineData("""{"text": "First one. Second one."}""", "First one. Second one.")]
    public void JsonFieldsAreFound(string line, params string[] expected)
    {
        Assert.Equal(expected, Texts("a.jsonl", line));
        Assert.Equal(expected, Texts("a.json", line));
        Assert.Empty(Read("a.jsonl", line).Problems);
    }

    [Fact]
    public void ChosenFieldsWinAndUnitsSplitDecodedText()
    {
        const string Line = """{"text": "no", "claim": "Yes it is.\nReally! No."}""";
        string[] expected = ["Yes it is.", "Really!", "No."];
        Assert.Equal(expected, Texts("a.jsonl", Line, new ReaderOptions { Fields = ["claim"], Unit = SegmentUnit.Sentence }));
        string[] pair = ["no / Yes it is.\nReally! No."];
        Assert.Equal(pair, Texts("a.jsonl", Line, new ReaderOptions { Fields = ["text", "claim"] }));
    }

    [Theory]
    [InlineData("""{"text": "open """, "closing")]
    [InlineData("""{"text": "a" "b": 1}""", "','")]
    [InlineData("""{"text": "bad \x escape"}""", "escape")]
    [InlineData("""{"text": "fine"} trailing""", "more after")]
    [InlineData("""{"text": "fine", }} """, "closes nothing")]
    [InlineData("""{"text": truth}""", "neither")]
    [InlineData("""{"text": "fine" """, "missing at the end")]
    public void MalformedJsonIsAProblemWithAPlaceAndTheRestIsRead(string line, string message)
    {
        var text = line + "\n{\"text\": \"next line\"}\n";
        var document = Read("a.jsonl", text);
        var problem = Assert.Single(document.Problems);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
        Assert.InRange(problem.Start, 0, line.Length);
        Assert.InRange(problem.End, problem.Start, line.Length);
        Assert.Equal("next line", document.Segments[^1].Text);
    }

    [Fact]
    public void ConllSentencesAreJoinedAndMapped()
    {
        var document = Read("train.txt", "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n. . O O\n\n我 N O O\n们 N O O\n");
        Assert.Empty(document.Problems);
        Assert.Equal("EU rejects .", document.Segments[0].Text);
        Assert.Equal("我们", document.Segments[1].Text);
        Assert.Equal("rejects", Source(document, " rejects"));
        Assert.Equal([(20 + 2, 24), (40, 47)], document.Segments[0].Map.Ranges(0, 10));
    }

    [Fact]
    public void ConlluKeepsMultiwordTokensAndSpaces()
    {
        const string Text = "# sent_id = s1\n# text = Vámonos al mar.\n1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_\n1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n"
            + "3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_\n3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_\n4\tel\tel\tDET\t_\t_\t5\tdet\t_\t_\n5\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\tSpaceAfter=No\n5.1\tx\tx\t_\t_\t_\t_\t_\t_\t_\n6\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_\n\n";
        var document = Read("es.conllu", Text);
        Assert.Empty(document.Problems);
        var segment = Assert.Single(document.Segments);
        Assert.Equal("Vámonos al mar.", segment.Text);
        Assert.Equal("s1", segment.Name);
        Assert.Equal("mar", Source(document, "mar"));

        var broken = Read("es.conllu", "1\tone\n" + Text);
        Assert.Contains("10 columns", Assert.Single(broken.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TablesFindTextColumnsAndMapQuotes()
    {
        var document = Read("a.csv", "id,text,label\r\n1,\"He said \"\"hi\"\",\r\nthen left.\",pos\r\n2,Plain words here,neg\r\n");
        Assert.Empty(document.Problems);
        Assert.Equal("He said \"hi\",\r\nthen left.", document.Segments[0].Text);
        Assert.Equal("\"\"hi\"\"", Source(document, "\"hi\""));
        Assert.Equal("Plain words here", document.Segments[1].Text);
        Assert.Equal("text", document.Segments[1].Name);
    }

    [Theory]
    [InlineData("a.tsv", "premise\thypothesis\tgold\nA b.\tC d.\tx\n", "A b. / C d.")]
    [InlineData("a.csv", "1;Ein langer Satz hier;x\n2;Noch ein Satz hier;y\n", "Ein langer Satz hier", "Noch ein Satz hier")]
    [InlineData("a.csv", "question,context\n\"a, b?\",yes it is\n", "a, b? / yes it is")]
    [InlineData("a.txt", "The dog . ||| Der Hund .\nA cat ||| Eine Katze\n", "The dog . / Der Hund .", "A cat / Eine Katze")]
    [InlineData("a.txt", "The dog\tDer Hund\nA cat\tEine Katze", "The dog / Der Hund", "A cat / Eine Katze")]
    [InlineData("a.txt", "\tindented\n\tcode", "indented\n\tcode")]
    [InlineData("a.py", "def f():\n\treturn 1\n\nx = 2\n", "def f():\n\treturn 1", "x = 2")]
    public void RowsAndPairs(string path, string text, params string[] expected)
    {
        Assert.Equal(expected, Texts(path, text));
        Assert.Empty(Read(path, text).Problems);
    }

    [Fact]
    public void KindsOfPairs()
    {
        Assert.Equal(PairKind.Translation, Read("a.txt", "x y ||| z").Segments[0].PairKind);
        Assert.Equal(PairKind.Sentences, Read("a.tsv", "premise\thypothesis\na b\tc d\n").Segments[0].PairKind);
        Assert.Equal(PairKind.Sentences, Read("a.txt", "one -- two", new ReaderOptions { PairSeparator = " -- " }).Segments[0].PairKind);
    }

    [Fact]
    public void TableMistakesAreReported()
    {
        var document = Read("a.csv", "id,text\n1,one two,three\n2,\"never closed\n3,fine words\n");
        Assert.Equal(2, document.Problems.Count);
        Assert.Contains("closing", document.Problems[0].Message, StringComparison.Ordinal);
        Assert.Contains("3 cells", document.Problems[1].Message, StringComparison.Ordinal);
        Assert.Contains("fine words", document.Segments.Select(s => s.Text));
        Assert.Contains("None of the chosen columns", Read("a.csv", "id,text\n1,a b\n", new ReaderOptions { Fields = ["body"] }).Problems[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HtmlTextIsWhatAReaderSees()
    {
        var document = Read("a.html", "<!DOCTYPE html><html><head><title>T &amp; U</title><style>p > a {}</style><script>if (a<b) x();</script></head><body>"
            + "<p>Fish &amp; <b>chips</b>,\n   &quot;caf&eacute;&quot;&nbsp;&#x1F600;.</p><!-- no --><ul><li>one<li>two</ul><p>a < b</p></body></html>");
        Assert.Empty(document.Problems);
        string[] expected = ["T & U", "Fish & chips, \"café\" 😀.", "one", "two", "a < b"];
        Assert.Equal(expected, document.Segments.Select(s => s.Text));
        var fish = document.Segments[1];
        var at = fish.Text.IndexOf("😀", StringComparison.Ordinal);
        var (start, end) = fish.ToDocument(at, at + 2);
        Assert.Equal("&#x1F600;", document.Text[start..end]);
        (start, end) = fish.ToDocument(0, 12);
        Assert.Equal("Fish &amp; <b>chips", document.Text[start..end]);
        Assert.Equal(["Fish &amp; ", "chips"], fish.Map.Ranges(0, 12).Select(r => document.Text[r.Start..r.End]));
    }

    [Fact]
    public void TeiWordsAndNotesRunTogetherAndTheHeaderIsLeftOut()
    {
        const string Text = """
            <?xml version="1.0"?>
            <TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><title>Meta</title></teiHeader>
            <text><body><head>Kapitel 1</head>
              <p>Da sprach <persName ref="#x">der
                 König</persName>:<lb/>nein.</p>
              <s><w>The</w><w>cat</w><pc>.</pc></s>
              <p><![CDATA[1 < 2 & more]]></p>
            </body></text></TEI>
            """;
        var document = Read("a.xml", Text);
        Assert.Empty(document.Problems);
        string[] expected = ["Kapitel 1", "Da sprach der König: nein.", "The cat .", "1 < 2 & more"];
        Assert.Equal(expected, document.Segments.Select(s => s.Text));
    }

    [Fact]
    public void OtherXmlLearnsItsInlineElements()
    {
        string[] expected = ["Hello bold world", "Next"];
        Assert.Equal(expected, Texts("a.xml", "<r><e>Hello <x>bold</x> world</e><e><x>Next</x></e></r>"));
    }

    [Theory]
    [InlineData("<a><b>x</a>", "</a> stands where </b> is needed")]
    [InlineData("<a>x &unknown; y</a>", "'&'")]
    [InlineData("<a>1 < 2</a>", "'<'")]
    [InlineData("<a>x", "never closed")]
    [InlineData("<a>x</a></b>", "closes nothing")]
    [InlineData("<a>x</a><!-- ", "comment is never closed")]
    public void MalformedXmlIsAProblem(string text, string message)
    {
        var document = Read("a.xml", text);
        Assert.Contains(message, Assert.Single(document.Problems).Message, StringComparison.Ordinal);
        Assert.StartsWith(text[3] == '>' ? "x" : document.Segments[0].Text, document.Segments[0].Text, StringComparison.Ordinal);
        Assert.NotEmpty(document.Segments);
    }

    [Fact]
    public void EverySampleIsReadWithoutAProblem()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "AttentionLens.sln")))
        {
            root = root.Parent ?? throw new DirectoryNotFoundException("The tests run inside the repository.");
        }

        var read = 0;
        foreach (var path in Directory.EnumerateFiles(Path.Combine(root.FullName, "samples")).Where(f => !f.EndsWith(".ipynb", StringComparison.Ordinal)))
        {
            var text = File.ReadAllText(path);
            var document = DocumentFormats.For(null, path).Read(text);
            Assert.True(document.Problems.Count == 0, $"{Path.GetFileName(path)}: {string.Join("; ", document.Problems)}");
            Assert.NotEmpty(document.Segments);
            Assert.All(document.Segments, segment => Check(text, segment));
            read++;
        }

        Assert.True(read > 10);
    }

    [Theory]
    [InlineData("jsonl", "x.txt", "JSON Lines")]
    [InlineData("plaintext", "x.conllu", "CoNLL-U")]
    [InlineData("json", "x.jsonl", "JSON Lines")]
    [InlineData(null, "X.JSON", "JSON")]
    [InlineData("python", null, "source code")]
    [InlineData(null, "a.rs", "source code")]
    [InlineData("latex", "a.tex", "plain text")]
    [InlineData("xml", "a.svg", "XML")]
    [InlineData(null, null, "plain text")]
    [InlineData("tsv", null, "TSV")]
    public void FormatsAreChosen(string? language, string? path, string expected) =>
        Assert.Equal(expected, DocumentFormats.For(language, path).Name);

    private static readonly string[] Paths = ["a.json", "a.jsonl", "a.conll", "a.conllu", "a.csv", "a.tsv", "a.xml", "a.html", "a.md", "a.txt", "a.py"];

    private static readonly Gen<string> Hostile = SegmentTests.AnyOf(
        "\"", "\\", "\\n", "\\u00e9", "\\ud83d", "\\u12", "{", "}", "[", "]", ":", ",", "text", "\"text\":", "tokens", "a b", "😀", "\ud83d", "\ude00", "é",
        "\n", "\r\n", "\r", "\t", " ", "\uFEFF", "<", ">", "</", "<p>", "</p>", "<b>", "</b>", "<w>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&#x1F600;", "&",
        ";", "&nbsp;", "<br/>", "'", "=", "1", "1-2", "#", "\"\"", "|||", " ||| ", "-", "。", ". ", "我", "_\t_\t_\t_\t_\t_\t_", "<script>", "\0", "\u00a0")
        .Array[0, 40].Select(string.Concat);

    [Fact]
    public void EveryCharacterMapsToItsPlaceInEveryFormat() =>
        Gen.Select(Hostile, SegmentTests.AnyOf(Paths), Gen.Enum<SegmentUnit>()).Sample(Check, iter: 20_000);

    public static TheoryData<string> Crashed => Crashes.Of("documents");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void WhatBrokeAReaderOnceMapsInEveryUnit(string name)
    {
        foreach (var unit in Enum.GetValues<SegmentUnit>())
        {
            Check(Crashes.Text("documents", name), name, unit);
        }
    }

    private static void Check(string text, string path, SegmentUnit unit)
    {
        var document = Read(path, text, new ReaderOptions { Unit = unit });
        var last = 0;
        foreach (var segment in document.Segments)
        {
            Assert.True(segment.Start >= last, "segments are in order");
            last = segment.Start;
            Check(text, segment);
            if (segment.Pair is { } pair)
            {
                Check(text, pair);
            }
        }

        foreach (var problem in document.Problems)
        {
            Assert.True(problem.Start >= 0 && problem.Start <= problem.End && problem.End <= text.Length);
            Assert.False(string.IsNullOrWhiteSpace(problem.Message));
        }

        for (var offset = 0; offset <= text.Length; offset++)
        {
            _ = document.At(offset);
        }
    }

    private static void Check(string text, Segment segment)
    {
        Assert.NotEqual("", segment.Text);
        Assert.True(segment.Start >= 0 && segment.Start < segment.End && segment.End <= text.Length);
        var map = segment.Map;
        for (var i = 0; i < segment.Text.Length; i++)
        {
            var (start, end) = map.ToDocument(i, i + 1);
            Assert.True(start >= segment.Start && end <= segment.End && start <= end);
            var source = text[start..end];
            if (source.Length == 0)
            {
                Assert.Equal(' ', segment.Text[i]); // inserted between words
                continue;
            }

            Assert.Contains(segment.Text[i], Decoded(source));
            if (source.Length > 1)
            {
                continue;
            }

            Assert.Equal(i, map.ToText(start));
        }

        var middle = segment.Text.Length / 2;
        Assert.Equal(map.ToDocument(middle, segment.Text.Length), map.Slice(middle, segment.Text.Length).ToDocument(0, segment.Text.Length - middle));
    }

    /// <summary>Everything a piece of a document can stand for, decoded by other code than the readers'.</summary>
    private static string Decoded(string source)
    {
        var all = new StringBuilder(source);
        all.Append(System.Net.WebUtility.HtmlDecode(source).Replace('\u00A0', ' ')).Append(System.Net.WebUtility.HtmlDecode(source));
        if (source.StartsWith('\\') && source.Length > 1)
        {
            // A lone surrogate is valid JSON but no valid string: read as a number.
            all.Append(source.StartsWith("\\u", StringComparison.Ordinal)
                ? (char)Convert.ToUInt16(source[2..], 16)
                : JsonDocument.Parse($"\"{source}\"").RootElement.GetString());
        }

        if (string.IsNullOrWhiteSpace(source.Replace("\uFEFF", "", StringComparison.Ordinal)))
        {
            all.Append(' ');
        }

        return all.ToString();
    }

    [Theory]
    [InlineData("a.json", "[")]
    [InlineData("a.json", "{\"a\":")]
    [InlineData("a.jsonl", "{\"text\":\"a\",\"b\":{")]
    [InlineData("a.xml", "<a>")]
    [InlineData("a.xml", "</a>")]
    [InlineData("a.xml", "<a b='")]
    [InlineData("a.html", "<p")]
    [InlineData("a.html", "<script>")]
    [InlineData("a.html", "&amp")]
    [InlineData("a.html", "<!")]
    [InlineData("a.csv", "\"a\"\"")]
    [InlineData("a.csv", "\"a,")]
    [InlineData("a.csv", "\"")]
    [InlineData("a.tsv", "\t")]
    [InlineData("a.conll", "x ")]
    [InlineData("a.conllu", "1\tx\n")]
    [InlineData("a.txt", "a. ")]
    [InlineData("a.txt", ".")]
    [InlineData("a.txt", "\" ")]
    [InlineData("a.md", "> ")]
    [InlineData("a.md", "```\n")]
    [InlineData("a.txt", "a ||| ")]
    public void HostileRepetitionStaysLinearAndBounded(string path, string unit)
    {
        // A quadratic reader would take hours on this; the run as a whole is what fails then.
        var text = string.Concat(Enumerable.Repeat(unit, 1_000_000 / unit.Length));
        var document = Read(path, text, new ReaderOptions { Unit = SegmentUnit.Sentence });
        Assert.True(document.Problems.Count <= 100);
        Assert.All(document.Segments.Take(3), s => Assert.True(s.End <= text.Length));
    }
}
