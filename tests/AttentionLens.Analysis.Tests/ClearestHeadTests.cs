using AttentionLens.Models;

namespace AttentionLens.Analysis.Tests;

public sealed class ClearestHeadTests
{
    private const int Tokens = 8;
    private static readonly bool[] Nothing = new bool[Tokens];

    /// <summary>Heads that models have, each as the key that a query looks at; -1 looks everywhere.</summary>
    private static readonly (string Name, Func<int, int> Key)[] Kinds =
    [
        ("everywhere", _ => -1),
        ("itself", q => q),
        ("the token before", q => Math.Max(0, q - 1)),
        ("always the same token", _ => 5),
        ("a token of its own, far away", q => (q + 4) % Tokens),
    ];

    [Fact]
    public void Of_heads_that_look_everywhere_at_neighbours_or_at_one_token_and_one_that_tells_tokens_apart_the_last_is_chosen()
    {
        for (var place = 0; place < Kinds.Length; place++)
        {
            // Whatever the order.
            var kinds = Kinds.Skip(place).Concat(Kinds.Take(place)).ToArray();
            var view = View(AttentionKind.Encoder, [.. kinds.Select(static kind => kind.Key)]);
            var expected = Array.FindIndex(kinds, static kind => kind.Name.StartsWith("a token", StringComparison.Ordinal));
            Assert.Equal(new HeadSelection(0, expected), ClearestHead.Of(view, Nothing, Nothing));
        }
    }

    [Fact]
    public void A_head_that_keeps_its_weight_for_special_tokens_is_not_clear()
    {
        bool[] special = [true, .. new bool[Tokens - 2], true];
        var view = View(AttentionKind.Encoder, [static q => q % 2 == 0 ? 0 : Tokens - 1, static q => q < 4 ? 6 : 1]);
        Assert.Equal(new HeadSelection(0, 1), ClearestHead.Of(view, special, special));
        Assert.Equal(0, ClearestHead.Clarity(view, 0, 0, [1, 2, 3], special));
    }

    [Fact]
    public void In_cross_attention_the_diagonal_is_the_best_alignment_and_elsewhere_it_says_nothing()
    {
        Func<int, int>[] heads = [static _ => -1, static q => q];
        Assert.Equal(1, ClearestHead.Clarity(View(AttentionKind.Cross, heads), 0, 1, [.. Enumerable.Range(0, Tokens)], Nothing), 1e-6f);
        Assert.Equal(0, ClearestHead.Clarity(View(AttentionKind.Encoder, heads), 0, 1, [.. Enumerable.Range(0, Tokens)], Nothing), 1e-6f);
        Assert.Equal(new HeadSelection(0, 1), ClearestHead.Of(View(AttentionKind.Cross, heads), Nothing, Nothing));
    }

    [Fact]
    public void A_text_of_one_token_has_some_head()
    {
        var view = new DenseView(AttentionKind.Decoder, 2, 2, 1, 1, true, [[1], [1], [1], [1]]);
        Assert.Equal(new HeadSelection(0, 0), ClearestHead.Of(view, [true], [true]));
    }

    private static DenseView View(AttentionKind kind, Func<int, int>[] heads)
    {
        var matrices = heads.Select(key =>
        {
            var matrix = new float[Tokens * Tokens];
            for (var q = 0; q < Tokens; q++)
            {
                for (var k = 0; k < Tokens; k++)
                    matrix[(q * Tokens) + k] = key(q) < 0 ? 1f / Tokens : key(q) == k ? 1 : 0;
            }
            return matrix;
        });
        return new DenseView(kind, 1, heads.Length, Tokens, Tokens, false, [.. matrices]);
    }
}
