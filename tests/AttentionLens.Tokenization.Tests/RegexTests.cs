using AttentionLens.Tokenization.Patterns;

namespace AttentionLens.Tokenization.Tests;

/// <summary>The expression engine: bounded on hostile patterns, clear about what it does not know.</summary>
public sealed class RegexTests
{
    [Theory]
    [InlineData(@"\p{L}+", "a𝒳b 漢", "0-4 5-6")]
    [InlineData(@"(a+)+b", "aaab aab", "0-4 5-8")]
    [InlineData(@"a{2,3}", "aaaaaaa", "0-3 3-6")]
    [InlineData(@"a{,2}b", "aaab", "1-4")]
    [InlineData(@"a{x", "a{x", "0-3")]
    [InlineData(@"(?<!\d)\d(?!\d)", "1 23 4", "0-1 5-6")]
    [InlineData(@"(?i:'S|K)", "'ſ \u212A k", "0-2 3-4 5-6")]
    [InlineData(@"(?i)a(?-i)b", "AbAB", "0-2")]
    [InlineData(@"[^\W\d_]+", "ab1_é", "0-2 4-5")]
    [InlineData(@"[a-z&&[^aeiou]]+", "hello", "0-1 2-4")]
    [InlineData(@"x*?y|", "xxy", "0-3")]
    [InlineData(@"(?:a*)*", "aab", "0-2 3-3")]
    [InlineData(@"\x{1F600}|\u00e9", "😀é", "0-2 2-3")]
    [InlineData(@"(?:a|ab)(?>c|bcd)", "abcd", "0-4")]
    [InlineData(@"\bfoo\B", "foo food", "4-7")]
    [InlineData(@"[[:alpha:]]+", "ab1", "0-2")]
    [InlineData(@"[\]\-]+", "]-a", "0-2")]
    [InlineData(@"\R", "\r\n\n\u2028", "0-2 2-3 3-4")]
    public void Matches(string pattern, string text, string expected) =>
        Assert.Equal(expected, string.Join(' ', Find(pattern, text).Select(match => $"{match.Start}-{match.End}")));

    [Theory]
    [InlineData("(a")]
    [InlineData("a)")]
    [InlineData("[a")]
    [InlineData("*a")]
    [InlineData(@"\")]
    [InlineData(@"\p{Klingon}")]
    [InlineData(@"(a)\1")]
    [InlineData(@"\k<x>")]
    [InlineData("(?<=a+)b")]
    [InlineData("(?z)a")]
    [InlineData("[z-a]")]
    [InlineData("a{3,2}")]
    [InlineData("a{100000}")]
    [InlineData(@"\x{110000}")]
    [InlineData("(?:(?:(?:a{999}){999}){999}){999}")]
    [InlineData("(?:(?:(?:){999}){999}){999}")]
    public void BadPatternsAreRefused(string pattern) =>
        Assert.Throws<TokenizerException>(() => new RegexPattern(pattern));

    [Fact]
    public void NestingIsBounded()
    {
        Assert.Throws<TokenizerException>(() => new RegexPattern(new string('(', 10_000) + new string(')', 10_000)));
        Assert.Throws<TokenizerException>(() => new RegexPattern(new string('[', 10_000)));
        Assert.Throws<TokenizerException>(() => new RegexPattern("a" + new string('*', 10_000)));
        Assert.Throws<TokenizerException>(() => new RegexPattern(new string('a', 100_000)));
    }

    /// <summary>Exponential or quadratic for a plain backtracker; linear once failures are marked.</summary>
    [Theory]
    [InlineData("(a+)+b")]
    [InlineData("(a|a)*b")]
    [InlineData("(?:a?){30}a{30}b")]
    [InlineData("[a-z]+\\d")]
    [InlineData("(?:a*)*b")]
    [InlineData(@"\s+$|a*a*a*a*c")]
    public void CatastrophicPatternsStayLinear(string pattern) => Assert.Empty(Find(pattern, new string('a', 100_000)));

    [Fact]
    public void WhatCannotBeBoundedEndsWithAnError() =>
        Assert.Throws<TokenizerException>(() => Find("(?:(?=(?:a|a)*b)a|a)+", new string('a', 200_000)));

    [Fact]
    public void LongSpacesAreLinear()
    {
        // \s*[\r\n]+ reads to the end of the spaces and back before \s+ takes them.
        var matches = Find(@" ?\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+", new string(' ', 1_000_000) + "x");
        Assert.Equal([new Match(0, 999_999), new Match(999_999, 1_000_001)], matches);
    }

    private static List<Match> Find(string pattern, string text)
    {
        var matches = new List<Match>();
        new RegexPattern(pattern).Find(text, matches, CancellationToken.None);
        return matches;
    }
}
