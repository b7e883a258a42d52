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
    public void Lines_end_as_the_protocol_says(string text, int lines) => Assert.Equal(lines, new LineIndex(text).Count);

    [Fact]
    public void Positions_are_utf16_code_units()
    {
        var lines = new LineIndex("\ufeffa🔎b\r\nאב");
        Assert.Equal(4, lines.Offset(new Position(0, 4)));
        Assert.Equal(new Position(0, 5), lines.Position(5));
        Assert.Equal(7, lines.Offset(new Position(1, 0)));
        Assert.Equal(new Position(1, 2), lines.Position(9));
    }

    [Fact]
    public void Positions_outside_are_clamped()
    {
        var lines = new LineIndex("ab\r\ncd");
        Assert.Equal(2, lines.Offset(new Position(0, 99)));
        Assert.Equal(6, lines.Offset(new Position(99, 99)));
        Assert.Equal(0, lines.Offset(new Position(-1, -1)));
        Assert.Equal(new Position(0, 2), lines.Position(3)); // between CR and LF
        Assert.Equal(new Position(1, 2), lines.Position(100));
    }

    [Fact]
    public void Every_offset_outside_of_a_line_end_survives_the_way_there_and_back() => Text.Sample(static text =>
    {
        var lines = new LineIndex(text);
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
            var server = new DocumentSnapshot("u", "", 1, start);
            var changes = new List<ContentChange>();
            var fromStart = server;
            for (int i = 0; i < edits.Length; i++)
            {
                (int a, int b, string insert) = edits[i];
                // A client cannot name a place between CR and LF: take the positions that it can.
                var lines = new LineIndex(mine);
                Position p = lines.Position(Math.Min(a, b) % (mine.Length + 1)), q = lines.Position(Math.Max(a, b) % (mine.Length + 1));
                int from = Math.Min(lines.Offset(p), lines.Offset(q)), to = Math.Max(lines.Offset(p), lines.Offset(q));
                var change = new ContentChange(insert, new TextRange(lines.Position(from), lines.Position(to)));
                mine = mine[..from] + insert + mine[to..];
                server = server.Apply(i + 2, [change]);
                changes.Add(change);
                Assert.Equal(mine, server.Text);
                Assert.Equal(i + 2, server.Version);
            }
            Assert.Equal(mine, fromStart.Apply(99, changes).Text); // the same in one notification
            Assert.Equal(start, fromStart.Text); // and the old version is untouched
        });

    [Fact]
    public void A_change_without_a_range_is_the_whole_text()
    {
        DocumentSnapshot next = new DocumentSnapshot("u", "", 1, "old").Apply(2, [new ContentChange("new"), new ContentChange("er", new TextRange(new(0, 3), new(0, 3)))]);
        Assert.Equal("newer", next.Text);
    }

    [Fact]
    public void A_change_of_nothing_is_a_new_version()
    {
        DocumentSnapshot next = new DocumentSnapshot("u", "", 1, "text").Apply(2, []);
        Assert.Equal((2, "text"), (next.Version, next.Text));
    }

    /// <summary>The index that follows an edit is that of the text read anew.</summary>
    [Fact]
    public void Lines_after_an_edit_are_those_of_the_new_text() => Gen.Select(Text, Gen.Int[0, 60], Gen.Int[0, 60], Text).Sample(static (text, a, b, insert) =>
    {
        int start = Math.Min(a, b) % (text.Length + 1), end = Math.Max(start, Math.Max(a, b) % (text.Length + 1));
        string next = text[..start] + insert + text[end..];
        LineIndex expected = new(next), actual = new LineIndex(text).Replaced(start, end, next);
        Assert.Equal(expected.Count, actual.Count);
        for (int offset = 0; offset <= next.Length; offset++)
            Assert.Equal(expected.Position(offset), actual.Position(offset));
    }, iter: 20_000);

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void In_a_long_text_the_segment_at_a_place_is_that_of_the_whole_text(string lineEnd)
    {
        var random = new Random(5);
        string text = string.Concat(Enumerable.Range(0, 14_000).Select(i =>
            $"Paragraph {i} of {random.Next(1000)}. It goes on.{(random.Next(3) == 0 ? lineEnd + "And on." : "")}{lineEnd}{(random.Next(9) == 0 ? "  " : "")}{lineEnd}"));
        Assert.True(text.Length > 400_000);
        foreach (SegmentUnit unit in Enum.GetValues<SegmentUnit>())
        {
            var options = new ReaderOptions { Unit = unit };
            var opened = new DocumentSnapshot("file:///a.txt", "plaintext", 1, text);
            opened.Segments(options);
            for (int i = 0; i < 200; i++)
            {
                int at = i == 0 ? 0 : i == 1 ? text.Length : random.Next(text.Length);
                DocumentSnapshot local = opened.Apply(2, []), whole = opened.Apply(2, []);
                Segment? expected = whole.Segments(options).At(at), actual = local.SegmentAt(options, at);
                Assert.Equal((expected?.Start, expected?.End, expected?.Text), (actual?.Start, actual?.End, actual?.Text));
            }
        }
    }
}
