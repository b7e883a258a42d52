using System.Text;
using CsCheck;

namespace AttentionLens.Corpora.Tests;

/// <summary>Blocks of a file are the file: nothing between them, nothing twice, no character cut in two.</summary>
public sealed class CorpusPlanTests
{
    private static readonly string[] Pieces = ["a", "word ", "é", "猫", "😊", "\n", "\r\n", "\n\n", "\r\n\r\n", " "];

    private static readonly Gen<string> Text = Gen.Int[0, Pieces.Length - 1].Array[0, 400].Select(static chosen => string.Concat(chosen.Select(static i => Pieces[i])));

    [Theory]
    [InlineData(".txt", false)]
    [InlineData(".txt", true)]
    [InlineData(".jsonl", false)]
    public void Blocks_together_are_the_file(string extension, bool mark)
    {
        var path = Path.Combine(Path.GetTempPath(), $"attention-lens-{Guid.NewGuid():N}{extension}");
        try
        {
            Gen.Select(Text, Gen.Int[1, 300]).Sample(
                (text, target) =>
                {
                    File.WriteAllText(path, text, new UTF8Encoding(mark));
                    CorpusBlock[] blocks = [.. CorpusPlan.Blocks(path, target, default)];
                    Assert.Equal(text, string.Concat(blocks.Select(CorpusPlan.Read)));
                    long chars = 0;
                    foreach (CorpusBlock block in blocks)
                    {
                        Assert.Equal(chars, block.FirstChar);
                        chars += CorpusPlan.Read(block).Length;
                    }
                },
                iter: 300,
                threads: 1);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Paragraphs_are_read_as_in_the_whole_file()
    {
        var path = Path.Combine(Path.GetTempPath(), $"attention-lens-{Guid.NewGuid():N}.txt");
        try
        {
            var text = string.Concat(Enumerable.Range(0, 500).Select(i => $"Paragraph {i}, with 😊 and é.\nIts second line.{(i % 2 == 0 ? "\n\n" : "\r\n\r\n")}"));
            File.WriteAllText(path, text);
            string[] whole = [.. DocumentFormats.For(null, path).Read(text).Segments.Select(segment => segment.Text)];
            CorpusBlock[] blocks = [.. CorpusPlan.Blocks(path, 1000, default)];
            Assert.True(blocks.Length > 10);
            Assert.Equal(whole, blocks.SelectMany(block => DocumentFormats.For(null, path).Read(CorpusPlan.Read(block)).Segments.Select(segment => segment.Text)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>A line without an end is cut between characters.</summary>
    [Fact]
    public void A_single_line_is_cut_between_two_characters()
    {
        var path = Path.Combine(Path.GetTempPath(), $"attention-lens-{Guid.NewGuid():N}.txt");
        try
        {
            var text = string.Concat(Enumerable.Repeat("猫😊é", 400_000));
            File.WriteAllText(path, text);
            CorpusBlock[] blocks = [.. CorpusPlan.Blocks(path, 100_001, default)];
            Assert.True(blocks.Length > 1);
            Assert.Equal(text, string.Concat(blocks.Select(CorpusPlan.Read)));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
