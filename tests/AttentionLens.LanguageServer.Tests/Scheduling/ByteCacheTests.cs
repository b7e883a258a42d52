using AttentionLens.LanguageServer.Scheduling;

namespace AttentionLens.LanguageServer.Tests.Scheduling;

public sealed class ByteCacheTests
{
    [Fact]
    public void The_least_recently_used_goes_first_and_the_bound_holds()
    {
        var cache = new ByteCache<string, int>(100);
        cache.Add("a", 1, 40);
        cache.Add("b", 2, 40);
        Assert.True(cache.TryGet("a", out _));
        cache.Add("c", 3, 40);
        Assert.False(cache.TryGet("b", out _));
        Assert.True(cache.TryGet("a", out int a));
        Assert.Equal(1, a);
        Assert.Equal((2, 80L), (cache.Count, cache.Bytes));
    }

    [Fact]
    public void An_entry_over_the_bound_stays_until_the_next_one()
    {
        var cache = new ByteCache<string, int>(100);
        cache.Add("small", 1, 10);
        cache.Add("huge", 2, 1000);
        Assert.Equal((1, 1000L), (cache.Count, cache.Bytes));
        cache.Add("next", 3, 10);
        Assert.Equal((1, 10L), (cache.Count, cache.Bytes));
    }

    [Fact]
    public void Adding_again_replaces_and_resizing_trims()
    {
        var cache = new ByteCache<string, int>(100);
        cache.Add("a", 1, 40);
        cache.Add("a", 2, 50);
        Assert.True(cache.TryGet("a", out int a));
        Assert.Equal((2, 50L), (a, cache.Bytes));
        cache.Add("b", 3, 50);
        cache.Resize(60);
        Assert.False(cache.TryGet("a", out _));
        cache.Clear();
        Assert.Equal((0, 0L), (cache.Count, cache.Bytes));
    }
}
