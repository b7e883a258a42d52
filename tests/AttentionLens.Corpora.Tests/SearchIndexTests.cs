using AttentionLens.Corpora.Search;
using Microsoft.Data.Sqlite;

namespace AttentionLens.Corpora.Tests;

/// <summary>An index comes from wherever its user found it: it is read, never written, and what is wrong with it costs a sentence.</summary>
public sealed class SearchIndexTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("plain")]
    [InlineData("50% #1 what?")]
    [InlineData("索引 é")]
    public void Is_opened_by_any_name_and_leaves_nothing_beside_it(string name)
    {
        string path = Write(name);
        string other = Write($"{name} other");
        string[] before = [.. Directory.GetFiles(folder).Order()];
        // A journal that SQLite would roll back into the file.
        File.WriteAllBytes($"{path}-journal", [1, 2, 3]);
        byte[] content = File.ReadAllBytes(path);
        using (SearchIndex index = SearchIndex.Open(path))
        {
            Assert.Single(index.Attention(0, 0, WordPattern.Parse("cat"), WordPattern.Parse("any"), 0, null, default));
            Assert.Empty(index.Changed(other, default));
            Assert.Equal(before.Append($"{path}-journal").Order(), Directory.GetFiles(folder).Order());
        }
        Assert.Equal(content, File.ReadAllBytes(path));
    }

    [Fact]
    public void Other_files_are_none()
    {
        Assert.Contains("has no index", Refused(folder), StringComparison.Ordinal);
        string text = Path.Combine(folder, "text.sqlite");
        File.WriteAllText(text, new string('x', 5000));
        Assert.Contains("is no index", Refused(text), StringComparison.Ordinal);
        Assert.Contains("is no index", Refused(Path.Combine(folder, "none.sqlite")), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            string device = Path.Combine(folder, "device.sqlite");
            File.CreateSymbolicLink(device, "/dev/zero");
            Assert.Contains("is no index", Refused(device), StringComparison.Ordinal);
        }
    }

    /// <summary>A view answers the same question by whatever it computes: here without end.</summary>
    [Fact]
    public void A_view_in_place_of_a_table_is_refused()
    {
        string path = Write("view");
        using (var connection = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "DROP TABLE words; CREATE VIEW words AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, 'cat' AS word, 1 AS inner FROM n";
            command.ExecuteNonQuery();
        }
        Assert.Contains("is no index", Refused(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Damage_costs_a_sentence()
    {
        byte[] whole = File.ReadAllBytes(Write("whole"));
        var random = new Random(20261126);
        int damaged = 0;
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = i % 10 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (int n = random.Next(1, 40); n > 0 && bytes.Length > 0; n--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            string path = Path.Combine(folder, "damaged.sqlite");
            File.WriteAllBytes(path, bytes);
            try
            {
                using SearchIndex index = SearchIndex.Open(path);
                _ = index.Attention(0, 0, WordPattern.Parse("any"), WordPattern.Parse("any"), 0, null, default).Take(1000).Count();
                _ = index.Changed(path, default).Take(1000).Count();
                _ = index.Nearest(index.Find(WordPattern.Parse("cat"), null, null, true, default), 10, null, default);
            }
            catch (SearchException)
            {
                damaged++;
            }
        }
        Assert.InRange(damaged, 10, 300);
    }

    [Fact]
    public void A_search_ends_when_nobody_waits()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        using SearchIndex index = SearchIndex.Open(Write("cancelled"));
        Assert.Throws<OperationCanceledException>(() => index.Attention(0, 0, WordPattern.Parse("any"), WordPattern.Parse("any"), 0, null, cancelled.Token).Count());
        Assert.Throws<OperationCanceledException>(() => index.Changed(Path.Combine(folder, "cancelled.sqlite"), cancelled.Token).Count());
        Assert.Throws<OperationCanceledException>(() => index.Find(WordPattern.Parse("cat"), null, null, true, cancelled.Token));
    }

    private static string Refused(string path) => Assert.Throws<SearchException>(() => SearchIndex.Open(path)).Message;

    private string Write(string name)
    {
        string path = Path.Combine(folder, $"{name}.sqlite");
        using var writer = new SearchIndexWriter(path, new Dictionary<string, string>
        {
            ["model"] = "mini",
            ["fingerprint"] = "0",
            ["layers"] = "1",
            ["heads"] = "1",
            ["keep"] = "heads,hidden,predictions",
            ["least"] = "0.1",
        });
        writer.Add(
            "/story.txt", 0, [new("", -1, -1, true, false), new("the", 0, 3, true, false), new("cat", 4, 7, true, true), new("cats", 8, 11, true, true), new("cats", 11, 12, false, true)],
            [(0, 0, [new SearchEdge(2, 1, 0.5f), new SearchEdge(4, 3, 0.5f)])], [new SearchPrediction(4, 7, "dog", 0.5f)], new float[5 * 8]);
        writer.Finish();
        return path;
    }
}
