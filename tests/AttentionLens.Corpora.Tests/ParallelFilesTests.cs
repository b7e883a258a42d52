namespace AttentionLens.Corpora.Tests;

public sealed class ParallelFilesTests
{
    [Theory]
    [InlineData("/c/news.de", "/c/news.en", true)]
    [InlineData("/c/news.en", "/c/news.de", false)]
    [InlineData("file:///c/train.source", "file:///c/train.target", true)]
    [InlineData("train.tgt", "train.src", false)]
    [InlineData("a.en.txt", "a.pt-BR.txt", true)]
    [InlineData("a.b.zh_Hans", "a.b.en", false)]
    [InlineData("/c/news.en", "/c/news.en", null)]
    [InlineData("/c/news.en", "/d/news.de", null)]
    [InlineData("/c/news.en", "/c/olds.de", null)]
    [InlineData("/c/news.en.txt", "/c/news.de.md", null)]
    [InlineData("/c/a.source", "/c/a.src", null)]
    [InlineData("/c/a.source", "/c/a.de", null)]
    [InlineData("/c/a.txt", "/c/a.md", null)]
    [InlineData("/c/.en", "/c/.de", null)]
    [InlineData("en", "de", null)]
    [InlineData("", "", null)]
    public void Names_say_which_files_belong_together(string path, string other, bool? isSource) =>
        Assert.Equal(isSource, ParallelFiles.IsSource(path, other));
}
