using AttentionLens.Cli.Text;
using CsCheck;

namespace AttentionLens.Cli.Tests;

public sealed class DisplayTextTests
{
    [Theory]
    [InlineData("cat", 3)]
    [InlineData("小猫", 4)]
    [InlineData("e\u0301", 1)]
    [InlineData("😀", 2)]
    [InlineData("👨🏻‍🚒", 2)]
    [InlineData("❤️", 2)]
    [InlineData("한국", 4)]
    [InlineData("ｶﾅ", 2)]
    [InlineData("Ａ", 2)]
    [InlineData("שלום", 4)]
    [InlineData("", 0)]
    public void Width(string text, int expected) => Assert.Equal(expected, DisplayText.Width(text));

    [Theory]
    [InlineData("a\u001b[2Jb", "a␛[2Jb")]
    [InlineData("a\nb\tc\r", "a⏎b⇥c␍")]
    [InlineData("\u202eevil\u2066", "<U+202E>evil<U+2066>")]
    [InlineData("\u009bx\u007f", "<U+009B>x␡")]
    [InlineData("👨‍🚒", "👨‍🚒")]
    public void Clean(string text, string expected) => Assert.Equal(expected, DisplayText.Clean(text));

    [Fact]
    public void LoneSurrogatesAreReplaced() => Assert.Equal("a\ufffdb", DisplayText.Clean("a\ud83db"));

    [Theory]
    [InlineData("cat", 5, "cat  ")]
    [InlineData("elephant", 5, "elep…")]
    [InlineData("小猫猫", 5, "小猫…")]
    [InlineData("小猫猫", 4, "小… ")]
    public void Fit(string text, int columns, string expected) => Assert.Equal(expected, DisplayText.Fit(text, columns));

    [Fact]
    public void WhateverComesFitsAndIsHarmless()
    {
        var parts = new[] { "a", "猫", "😀", "\u0301", "\u200d", "\u001b", "\ud83d", "\ude00", "\u202e", "ש", "\n", "\u009b", "\ufe0f", "\u3000" };
        Gen.Select(Gen.Int[0, parts.Length - 1].Array[0, 20].Select(i => string.Concat(i.Select(n => parts[n]))), Gen.Int[1, 12]).Sample((text, columns) =>
        {
            var clean = DisplayText.Clean(text);
            Assert.All(clean, c => Assert.False(char.IsControl(c) || c is '\u202e'));
            Assert.Equal(columns, DisplayText.Width(DisplayText.Fit(clean, columns)));
        });
    }
}
