using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Protocol;
using CsCheck;

namespace AttentionLens.LanguageServer.Tests.Documents;

public sealed class DocumentTests
{
    /// <summary>What makes lines and positions hard: every line end, BOM, surrogates whole and alone, combining marks.</summary>
    private static readonly Gen<string> Text = Gen.Int[0, 11].Array[0, 40].Select(static parts =>
        string.Concat(parts.Select(static p => new[] { "a", "é", "\n", "\r\n", "\r", "🔎", "\ud83d", "\udd0e", "\ufeff", "e\u0301", "אב", " " }[p])));

    [Theory]
    [InlineData("", 1)]
    [InlineData("a", 1)]
    [InlineData("a\n", 2)]
    [InlineData("a\r\nb", 2)]
    [InlineData("a\rb", 2)]
    [InlineData("\r\r\n\n", 4)]
    [InlineData("\n\r", 3)]
    public void Lines_end_as_the_protocol_says(string text, int lines) => Assert.Equal(lines, new DocumentText(text).LineCount);

    [Fact]
    public void Positions_are_utf16_code_units()
    {
        var lines = new DocumentText("\ufeffa🔎b\r\nאב");
        Assert.Equal(4, lines.Offset(new Position(0, 4)));
        Assert.Equal(new Position(0, 5), lines.Position(5));
        Assert.Equal(7, lines.Offset(new Position(1, 0)));
        Assert.Equal(new Position(1, 2), lines.Position(9));
    }

    [Fact]
    public void Positions_outside_are_clamped()
    {
        var lines = new DocumentText("ab\r\ncd");
        Assert.Equal(2, lines.Offset(new Position(0, 99)));
        Assert.Equal(6, lines.Offset(new Position(99, 99)));
        Assert.Equal(0, lines.Offset(new Position(-1, -1)));
        Assert.Equal(new Position(0, 2), lines.Position(3)); // between CR and LF
        Assert.Equal(new Position(1, 2), lines.Position(100));
    }

    [Fact]
    public void Every_offset_outside_of_a_line_end_survives_the_way_there_and_back() => Text.Sample(static text =>
    {
        var lines = new DocumentText(text);
        for (int offset = 0; offset <= text.Length; offset++)
        {
            bool insideCrLf = offset > 0 && offset < text.Length && text[offset - 1] == '\r' && text[offset] == '\n';
            int expected = insideCrLf ? offset - 1 : offset;
            Assert.Equal(expected, lines.Offset(lines.Position(offset)));
        }
    });

    /// <summary>A client that keeps its own text, and the server that is told the changes, have the same text after each.</summary>
    [Fact]
    public void Incremental_changes_give_the_text_that_the_client_has() =>
        Gen.Select(Text, Gen.Select(Gen.Int[0, 60], Gen.Int[0, 60], Text).Array[0, 8]).Sample((start, edits) =>
        {
            string mine = start;
            var server = new DocumentSnapshot("u", "", 1, new DocumentText(start));
            var changes = new List<ContentChange>();
            var fromStart = server;
            for (int i = 0; i < edits.Length; i++)
            {
                (int a, int b, string insert) = edits[i];
                // A client cannot name a place between CR and LF: take the positions that it can.
                var lines = new DocumentText(mine);
                Position p = lines.Position(Math.Min(a, b) % (mine.Length + 1)), q = lines.Position(Math.Max(a, b) % (mine.Length + 1));
                int from = Math.Min(lines.Offset(p), lines.Offset(q)), to = Math.Max(lines.Offset(p), lines.Offset(q));
                var change = new ContentChange(insert, new TextRange(lines.Position(from), lines.Position(to)));
                mine = mine[..from] + insert + mine[to..];
                server = server.Apply(i + 2, [change]);
                changes.Add(change);
                Assert.Equal(mine, server.Text.ToString());
                Assert.Equal(i + 2, server.Version);
            }
            Assert.Equal(mine, fromStart.Apply(99, changes).Text.ToString()); // the same in one notification
            Assert.Equal(start, fromStart.Text.ToString()); // and the old version is untouched
        });

    [Fact]
    public void A_change_without_a_range_is_the_whole_text()
    {
        DocumentSnapshot next = new DocumentSnapshot("u", "", 1, new DocumentText("old")).Apply(2, [new ContentChange("new"), new ContentChange("er", new TextRange(new(0, 3), new(0, 3)))]);
        Assert.Equal("newer", next.Text.ToString());
    }

    [Fact]
    public void A_pin_survives_a_whole_text_that_still_holds_it()
    {
        DocumentSnapshot pinned = new DocumentSnapshot("u", "", 1, new DocumentText("one two three two")).WithPin(new OffsetRange(8, 13));
        DocumentSnapshot next = pinned.Apply(2, [new ContentChange("ONE, one two three two and more")]);
        Assert.Equal("ONE, one two three two and more", next.Text.ToString());
        Assert.Null(next.Pin);
        Assert.Null(pinned.Apply(2, [new ContentChange("one two")]).Pin);
        Assert.Equal(pinned.Pin, pinned.Apply(2, [new ContentChange("one two three four")]).Pin);
        Assert.Equal(new OffsetRange(10, 15), pinned.Apply(2, [new ContentChange("- one two three two")]).Pin);
        Assert.Equal(pinned.Pin, pinned.Apply(2, [new ContentChange("one two three two")]).Pin);
    }

    [Fact]
    public void A_change_of_nothing_is_a_new_version()
    {
        DocumentSnapshot next = new DocumentSnapshot("u", "", 1, new DocumentText("text")).Apply(2, []);
        Assert.Equal((2, "text"), (next.Version, next.Text.ToString()));
    }

    /// <summary>Whatever edits a text has gone through, it says of itself what the same characters in a row say.</summary>
    [Fact]
    public void A_text_after_many_edits_is_what_a_plain_string_is() =>
        Gen.Select(Text, Gen.Int[0, 30_000], Gen.Select(Gen.Double[0, 1], Gen.Double[0, 1], Gen.Int[0, 9], Text).Array[0, 12]).Sample(static (some, length, edits) =>
        {
            // Longer than a piece, or there would be nothing but one; each of the hard characters comes to stand at the ends of pieces.
            string mine = Repeat(some, length);
            var text = new DocumentText(mine);
            AssertSame(mine, text);
            foreach ((double a, double b, int kind, string insert) in edits)
            {
                int start = (int)(Math.Min(a, b) * mine.Length), end = (int)(Math.Max(a, b) * mine.Length);
                // Mostly typing; sometimes a large part goes or comes.
                end = kind < 6 ? Math.Min(mine.Length, start + kind) : end;
                string added = kind == 9 ? Repeat(insert, length / 2) : insert;
                DocumentText next = text.Replace(start, end, added);
                AssertSame(mine, text); // the old one is untouched
                mine = mine[..start] + added + mine[end..];
                text = next;
                AssertSame(mine, text);
            }
        }, iter: 100);

    private static string Repeat(string text, int length) => text.Length == 0 ? "" : string.Concat(Enumerable.Repeat(text, (length / text.Length) + 1));

    private static void AssertSame(string expected, DocumentText actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        // Not by ToString first: it would be what the rest is read from.
        int[] places = [0, expected.Length, .. Enumerable.Range(1, 12).Select(i => (int)((long)expected.Length * i / 13))];
        List<int> starts = [0];
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] == '\n' || (expected[i] == '\r' && !(i + 1 < expected.Length && expected[i + 1] == '\n')))
                starts.Add(i + 1);
        }
        Assert.Equal(starts.Count, actual.LineCount);
        foreach (int at in places)
        {
            int line = starts.BinarySearch(at) is >= 0 and var found ? found : ~starts.BinarySearch(at) - 1;
            int end = line + 1 < starts.Count ? starts[line + 1] : expected.Length;
            while (line + 1 < starts.Count && end > starts[line] && end > starts[line + 1] - 2 && expected[end - 1] is '\n' or '\r')
            {
                end--;
                if (expected[end] == '\r')
                    break;
            }
            Assert.Equal(new Position(line, Math.Min(at, end) - starts[line]), actual.Position(at));
            Assert.Equal(new OffsetRange(starts[line], end), actual.Line(line));
            Assert.Equal(Math.Min(at, end), actual.Offset(new Position(line, at - starts[line])));
            if (at < expected.Length)
                Assert.Equal(expected[at], actual[at]);
            foreach (int to in places)
            {
                if (to >= at && to - at < 10_000)
                    Assert.Equal(expected[at..to], actual.Slice(at, to));
            }
        }
        Assert.Equal(expected, actual.ToString());
    }

    [Fact]
    public void An_edit_of_megabytes_makes_next_to_nothing_anew()
    {
        string line = "Nobody on the quay had seen it come, and nobody would have believed it. 🔎\r\n";
        var text = new DocumentText(string.Concat(Enumerable.Repeat(line, 70_000))); // 5.4 million code units
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            text = text.Replace(1_000_000 + i, 1_000_000 + i, "x");
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / 100;
        Assert.True(each < 100_000, $"{each} bytes an edit"); // a copy of the text would be eleven million
        Assert.Equal(70_001, text.LineCount);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void In_a_long_text_the_segment_at_a_place_is_that_of_the_whole_text(string lineEnd)
    {
        var random = new Random(5);
        string text = string.Concat(Enumerable.Range(0, 14_000).Select(i =>
            $"Paragraph {i} of {random.Next(1000)}. It goes on.{(random.Next(3) == 0 ? lineEnd + "And on." : "")}{lineEnd}{(random.Next(9) == 0 ? "  " : "")}{lineEnd}"));
        foreach (SegmentUnit unit in Enum.GetValues<SegmentUnit>())
            AssertReadInParts("file:///a.txt", text, new ReaderOptions { Unit = unit });
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void In_a_long_corpus_the_segment_at_a_place_is_that_of_the_whole_corpus(string lineEnd)
    {
        var random = new Random(6);
        string lines = string.Concat(Enumerable.Range(0, 7_000).Select(i => (random.Next(20) == 0 ? "{\"text\": \"broken" : random.Next(20) == 0 ? ""
            : $$"""{"id": {{i}}, "text": "Line {{i}} with \"quotes\", \u00e9 and \ud83d\ude00.", "label": {{random.Next(3)}}}""") + lineEnd));
        AssertReadInParts("file:///a.jsonl", lines, ReaderOptions.Default);
        AssertReadInParts("file:///a.jsonl", lines.Replace("\"label\"", "\"summary\"", StringComparison.Ordinal), new ReaderOptions { Fields = ["text", "summary"] });
        string sentences = string.Concat(Enumerable.Range(0, 7_000).Select(i =>
            string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(w => $"word{i} NN I-NP O{lineEnd}")) + $"Ürümqi NNP I-NP I-LOC{lineEnd}{lineEnd}"));
        AssertReadInParts("file:///a.conll", sentences, ReaderOptions.Default);
        AssertReadInParts("file:///a.txt", sentences, ReaderOptions.Default); // known by its look: read as a whole
    }

    private static void AssertReadInParts(string uri, string text, ReaderOptions options)
    {
        Assert.True(text.Length > 350_000);
        var random = new Random(7);
        var opened = new DocumentSnapshot(uri, "plaintext", 1, new DocumentText(text));
        opened.Segments(options);
        DocumentSnapshot whole = opened.Apply(2, []);
        whole.Segments(options);
        for (int i = 0; i < 200; i++)
        {
            int at = i == 0 ? 0 : i == 1 ? text.Length : random.Next(text.Length);
            Segment? expected = whole.SegmentAt(options, at), actual = opened.Apply(2, []).SegmentAt(options, at);
            Assert.Equal((expected?.Start, expected?.End, expected?.Text, expected?.Name), (actual?.Start, actual?.End, actual?.Text, actual?.Name));
            Assert.Equal((expected?.Pair?.Start, expected?.Pair?.Text), (actual?.Pair?.Start, actual?.Pair?.Text));
            if (expected is null)
                continue;
            for (int c = 0; c < expected.Text.Length; c++)
                Assert.Equal(expected.ToDocument(c, c + 1), actual!.ToDocument(c, c + 1));
        }
    }
}
