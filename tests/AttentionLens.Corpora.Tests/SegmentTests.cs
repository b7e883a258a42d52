using CsCheck;

namespace AttentionLens.Corpora.Tests;

public sealed class SegmentTests
{
    private static string[] Texts(string text, SegmentUnit unit, string? path = null) =>
        [.. DocumentFormats.For(null, path, new ReaderOptions { Unit = unit }).Read(text).Segments.Select(s => s.Text)];

    internal static Gen<T> AnyOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [Fact]
    public void ParagraphsAreSeparatedByBlankLinesAndTrimmed()
    {
        string[] expected = ["One\r\ntwo.", "Three."];
        Assert.Equal(expected, Texts("\uFEFF  One\r\ntwo.\r\n \t\r\n\r\nThree. \r\n", SegmentUnit.Paragraph));
    }

    [Theory]
    [InlineData("He saw Dr. Smith. She left.", "He saw Dr. Smith.", "She left.")]
    [InlineData("It is 3.5 km. Go!", "It is 3.5 km.", "Go!")]
    [InlineData("See example.com for more. Bye.", "See example.com for more.", "Bye.")]
    [InlineData("\"Stop!\" he said. \"Why?\" Nobody knew.", "\"Stop!\"", "he said.", "\"Why?\"", "Nobody knew.")]
    [InlineData("J. Smith and e.g. Jones met. They talked.", "J. Smith and e.g. Jones met.", "They talked.")]
    [InlineData("Wait... what? Yes.", "Wait... what?", "Yes.")]
    [InlineData("我来了。你呢?好!", "我来了。", "你呢?", "好!")]
    [InlineData("他说:「走吧。」然后走了。", "他说:「走吧。」", "然后走了。")]
    [InlineData("यह एक वाक्य है। यह दूसरा है।", "यह एक वाक्य है।", "यह दूसरा है।")]
    [InlineData("هل أنت هنا؟ نعم.", "هل أنت هنا؟", "نعم.")]
    [InlineData("A wrapped\nline. And 😀. Then more", "A wrapped\nline.", "And 😀.", "Then more")]
    [InlineData("no end", "no end")]
    public void Sentences(string text, params string[] expected) => Assert.Equal(expected, Texts(text, SegmentUnit.Sentence));

    [Fact]
    public void LinesKeepEveryLineEndKind()
    {
        string[] expected = ["a", "b", "c", "d"];
        Assert.Equal(expected, Texts("a\rb\r\nc\n\n d \n", SegmentUnit.Line));
    }

    [Fact]
    public void MarkdownLeavesOutBlockMarkers()
    {
        var text = "---\ntitle: x\n---\n# Title #\n\nA *b*\nc.\n\n- one\n- [x] two\n  more\n\n> quoted\n\n```cs\nvar x;\n\ny();\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n***\n";
        string[] expected = ["Title", "A *b*\nc.", "one", "two\n  more", "quoted", "var x;", "y();", "| a | b |", "| 1 | 2 |"];
        Assert.Equal(expected, Texts(text, SegmentUnit.Paragraph, "notes.md"));
    }

    [Fact]
    public void AQuoteOfSeveralLinesIsOneText()
    {
        const string Text = "> He said that\r\n> it rained. She\n> > left.\n\n> Another.\n>\n> Third.\nlazy\n> - item\n";
        var document = DocumentFormats.For("markdown", null).Read(Text);
        string[] expected = ["He said that\nit rained. She\nleft.", "Another.", "Third.\nlazy", "item"];
        Assert.Equal(expected, document.Segments.Select(s => s.Text));
        var quote = document.Segments[0];
        var at = quote.Text.IndexOf("rained", StringComparison.Ordinal);
        var (start, end) = quote.ToDocument(at, at + 6);
        Assert.Equal("rained", Text[start..end]);
        string[] sentences = ["He said that\nit rained.", "She\nleft.", "Another.", "Third.\nlazy", "item"];
        Assert.Equal(sentences, Texts(Text, SegmentUnit.Sentence, "a.md"));
    }

    [Fact]
    public void AtFindsTheSegmentOfAnOffset()
    {
        var document = DocumentFormats.For("plaintext", null).Read("  One.\n\nTwo.  \n");
        Assert.Equal("One.", document.At(0)?.Text);
        Assert.Equal("One.", document.At(6)?.Text);
        Assert.Null(document.At(7));
        Assert.Equal("Two.", document.At(8)?.Text);
        Assert.Equal("Two.", document.At(14)?.Text);
        Assert.Null(document.At(15));
        Assert.Null(DocumentFormats.For("plaintext", null).Read("").At(0));
    }

    [Fact]
    public void EverySegmentIsItsSliceAndNeverSplitsAPair()
    {
        var chars = AnyOf("a", "B", ".", "!", "。", " ", "\n", "\r\n", "\r", "\"", "😀", "e\u0301", "\uFEFF", "1", "Dr", "#", ">", "-", "|", "`", "」");
        Gen.Select(chars.Array[0, 60].Select(string.Concat), Gen.Enum<SegmentUnit>(), AnyOf("x.txt", "x.md")).Sample((text, unit, path) =>
        {
            var end = 0;
            foreach (var segment in DocumentFormats.For(null, path, new ReaderOptions { Unit = unit }).Read(text).Segments)
            {
                Assert.True(segment.Start >= end && segment.End > segment.Start && segment.End <= text.Length);
                Assert.True(!segment.Map.IsVerbatim || text[segment.Start..segment.End] == segment.Text);
                Assert.False(char.IsLowSurrogate(text[segment.Start]));
                Assert.False(segment.End < text.Length && char.IsLowSurrogate(text[segment.End]));
                Assert.Equal((segment.Start, segment.End), segment.ToDocument(0, segment.Text.Length));
                end = segment.End;
            }
        });
    }

    [Fact]
    public void NothingButWhiteSpaceIsLostInPlainText()
    {
        var chars = AnyOf("a", "B", ".", "!", "。", " ", "\n", "\r\n", "😀", "\"", ")", "Dr.");
        Gen.Select(chars.Array[0, 60].Select(string.Concat), Gen.Enum<SegmentUnit>()).Sample((text, unit) =>
        {
            var kept = string.Concat(Texts(text, unit));
            Assert.Equal(string.Concat(text.Where(c => !char.IsWhiteSpace(c))), string.Concat(kept.Where(c => !char.IsWhiteSpace(c))));
        });
    }
}
