using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Data.Sqlite;

namespace AttentionLens.Corpora.Search;

/// <summary>A place that was found: a word, whole, whatever number of tokens the model reads it as.</summary>
/// <param name="Document">The file.</param>
/// <param name="Start">UTF-16 offset of the place in it.</param>
/// <param name="End">One past its end.</param>
/// <param name="OtherStart">Of attention the place that is attended to, else -1.</param>
/// <param name="OtherEnd">One past its end, or -1.</param>
/// <param name="Score">The weight, the likeness, or the probability.</param>
/// <param name="Word">At the place; of changed predictions what this model predicts.</param>
/// <param name="Other">The word attended to; what the other model predicts.</param>
/// <param name="Context">Some words around.</param>
/// <param name="Quote">What stands at the place in the document, in Unicode's form C.</param>
/// <param name="ContextStart">Where the quote begins in the context.</param>
/// <param name="OtherContextStart">Where the word attended to begins in the context; -1 when it stands outside.</param>
public sealed record SearchHit(
    string Document, long Start, long End, long OtherStart, long OtherEnd, float Score, string Word, string? Other, string Context, string Quote, int ContextStart, int OtherContextStart);

/// <summary>A word whose contexts are compared with others.</summary>
/// <param name="Hit">Where it stands.</param>
/// <param name="Text">Its text in the index.</param>
/// <param name="Token">Its first token there.</param>
public sealed record SearchPlace(SearchHit Hit, int Text, int Token);

/// <summary>Why a question has no answer, in one sentence for the user.</summary>
public sealed class SearchException(string message) : Exception(message);

/// <summary>
/// Questions to what <see cref="SearchIndexWriter"/> has written. Each reads through what it is about, in the order of the corpus. An index may come from
/// a stranger: nothing is written beside it, and what does not hold together is a <see cref="SearchException"/>.
/// </summary>
public sealed class SearchIndex : IDisposable
{
    /// <summary>In the folder of a run.</summary>
    public const string FileName = "search.sqlite";

    /// <summary>The header alone has 100 bytes, and a page no fewer than 512. A link to a device has none at all.</summary>
    private const int SmallestFile = 512;

    /// <summary>Words of context on each side.</summary>
    private const int Around = 7;

    private readonly string path;
    private readonly SqliteConnection connection;
    private readonly (string Word, bool Inner)[] words;
    private readonly string[] documents;

    private SearchIndex(string path, SqliteConnection connection)
    {
        (this.path, this.connection) = (path, connection);
        string[] schema = [.. Read("SELECT sql FROM sqlite_schema").Select(static row => row.GetString(0))];
        // A view in place of a table could compute without end.
        if (!schema.Order(StringComparer.Ordinal).SequenceEqual(SearchIndexWriter.Schema.Order(StringComparer.Ordinal)))
        {
            throw NoIndex(path);
        }

        Facts = Read("SELECT name, value FROM facts").ToDictionary(row => row.GetString(0), row => row.GetString(1), StringComparer.Ordinal);
        words = [.. Read("SELECT word, inner FROM words ORDER BY id").Select(row => (row.GetString(0), row.GetInt32(1) != 0))];
        documents = [.. Read("SELECT path FROM documents ORDER BY id").Select(row => row.GetString(0))];
        Texts = Read("SELECT count(*) FROM texts").Select(static row => row.GetInt32(0)).Single();
        (Model, Layers, Heads) = (Facts["model"], Number("layers"), Number("heads"));
        Least = float.Parse(Facts["least"], CultureInfo.InvariantCulture);
        Keep = Facts["keep"].Split(',');

        int Number(string name) => int.Parse(Facts[name], CultureInfo.InvariantCulture);
    }

    /// <summary>What is known of the run.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; }

    public string Model { get; }

    /// <summary>Of the stack that is searched.</summary>
    public int Layers { get; }

    public int Heads { get; }

    /// <summary>Smaller weights are not in the index.</summary>
    public float Least { get; }

    /// <summary>What the run kept.</summary>
    public IReadOnlyList<string> Keep { get; }

    public int Texts { get; }

    public int Documents => documents.Length;

    /// <param name="path">An index, or the folder of a run that has one.</param>
    /// <exception cref="SearchException">There is no index.</exception>
    public static SearchIndex Open(string path)
    {
        if (Directory.Exists(path))
        {
            string inside = Path.Combine(path, FileName);
            return File.Exists(inside) ? Open(inside) : throw new SearchException($"{path} has no index; 'attention-lens corpus index {path}' makes one.");
        }

        SqliteConnection? connection = null;
        try
        {
            var file = new FileInfo(path);
            FileSystemInfo meant = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
            if (meant is not FileInfo { Exists: true, Length: >= SmallestFile })
            {
                throw NoIndex(path);
            }

            connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Address(path), Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
            connection.Open();
            return new SearchIndex(path, connection);
        }
        catch (Exception failure) when (IsDamage(failure) || failure is SearchException or IOException or UnauthorizedAccessException)
        {
            connection?.Dispose();
            throw failure as SearchException ?? NoIndex(path);
        }
    }

    internal static int HeadId(int layer, int head) => (layer * 1000) + head;

    /// <summary>Where a head attends from one word to another; of the weights between their tokens the largest.</summary>
    /// <exception cref="SearchException">There is no such head, no attention was kept, or the index is damaged.</exception>
    public IEnumerable<SearchHit> Attention(int layer, int head, WordPattern from, WordPattern to, float least, IProgress<double>? progress, CancellationToken cancellation)
    {
        if (layer < 0 || layer >= Layers || head < 0 || head >= Heads)
        {
            (string asked, string last) = ($"{layer}.{head}", $"{Layers - 1}.{Heads - 1}");
            throw new SearchException($"There is no head {asked}; the heads are 0.0 to {last}.");
        }

        return Keep.Contains("heads") || Keep.Contains("edges")
            ? Guarded(AttentionOf(HeadId(layer, head), Matching(from), Matching(to), least, progress, cancellation), cancellation)
            : throw new SearchException("The run kept no attention; run it with --keep heads or --keep edges, and index it again.");
    }

    /// <summary>Masks in whose place two models see different words; the score is this model's probability.</summary>
    /// <param name="other">The index of the other run, or its folder.</param>
    /// <param name="cancellation">Ends the search.</param>
    /// <exception cref="SearchException">The other is no index, no predictions were kept, or an index is damaged.</exception>
    public IEnumerable<SearchHit> Changed(string other, CancellationToken cancellation)
    {
        using SearchIndex opened = Open(other);
        return Keep.Contains("predictions") && opened.Keep.Contains("predictions")
            ? Guarded(ChangedIn(Address(opened.path), cancellation), cancellation)
            : throw new SearchException("Both runs must have kept predictions; run them with --keep predictions, and index them again.");
    }

    /// <summary>Where a word stands whose contexts are to be compared.</summary>
    /// <param name="word">The word.</param>
    /// <param name="document">The end of the path of the file in which it stands; null = any.</param>
    /// <param name="offset">Its UTF-16 offset there; null = where it stands first.</param>
    /// <param name="about">Where it does not stand there, the place nearest to that, or else its first, will do.</param>
    /// <param name="cancellation">Ends the search.</param>
    /// <exception cref="SearchException">There is no such word, no hidden states were kept, or the index is damaged.</exception>
    public SearchPlace Find(WordPattern word, string? document, long? offset, bool about, CancellationToken cancellation)
    {
        if (!Keep.Contains("hidden"))
        {
            throw new SearchException("The run kept no hidden states; run it with --keep hidden, and index it again.");
        }

        bool[] wanted = Matching(word);
        return Reading(() => Place(wanted, document, offset, about, cancellation), cancellation)
            ?? throw new SearchException(document is null || about ? $"The word '{word.Text}' does not stand in the corpus." : $"The word '{word.Text}' does not stand there.");
    }

    /// <summary>The places whose hidden state is most like that of a word (cosine), most like first.</summary>
    /// <exception cref="SearchException">The index is damaged.</exception>
    public IReadOnlyList<SearchHit> Nearest(SearchPlace place, int most, IProgress<double>? progress, CancellationToken cancellation) =>
        Reading(() => NearestTo(place, most, progress, cancellation), cancellation);

    private IEnumerable<SearchHit> AttentionOf(int head, bool[] queries, bool[] keys, float least, IProgress<double>? progress, CancellationToken cancellation)
    {
        Dictionary<(int Query, int Key), float> found = [];
        foreach (SqliteDataReader row in Read("SELECT e.weights, t.tokens, t.start, t.document, e.text FROM edges e JOIN texts t ON t.id = e.text WHERE e.head = $0 ORDER BY e.text", head))
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report((double)row.GetInt32(4) / Texts);
            byte[] tokens = (byte[])row[1];
            found.Clear();
            foreach (SearchEdge edge in MemoryMarshal.Cast<byte, SearchEdge>((byte[])row[0]))
            {
                (StoredToken query, StoredToken key) = (Token(tokens, edge.Query), Token(tokens, edge.Key));
                if (edge.Weight >= least && query.Start >= 0 && key.Start >= 0 && queries[query.Word] && keys[key.Word])
                {
                    ref float weight = ref CollectionsMarshal.GetValueRefOrAddDefault(found, (First(tokens, edge.Query), First(tokens, edge.Key)), out _);
                    weight = Math.Max(weight, edge.Weight);
                }
            }

            foreach (((int query, int key), float weight) in found)
            {
                yield return Hit(tokens, row.GetInt64(2), row.GetInt32(3), query, key, weight);
            }
        }
    }

    private IEnumerable<SearchHit> ChangedIn(string other, CancellationToken cancellation)
    {
        Execute("ATTACH DATABASE $0 AS other", other);
        try
        {
            foreach (SqliteDataReader row in Read("""
                SELECT t.tokens, t.start, p.document, p.start, p.word, p.probability, q.word
                FROM predictions p JOIN texts t ON t.id = p.text JOIN documents d ON d.id = p.document
                JOIN other.documents e ON e.path = d.path JOIN other.predictions q ON q.document = e.id AND q.start = p.start
                WHERE p.word <> q.word ORDER BY p.text, p.start
                """))
            {
                cancellation.ThrowIfCancellationRequested();
                byte[] tokens = (byte[])row[0];
                int at = IndexAt(tokens, row.GetInt64(3) - row.GetInt64(1));
                if (at >= 0)
                {
                    yield return Hit(tokens, row.GetInt64(1), row.GetInt32(2), at, -1, row.GetFloat(5)) with { Word = row.GetString(4), Other = row.GetString(6) };
                }
            }
        }
        finally
        {
            Execute("DETACH DATABASE other");
        }
    }

    private SearchPlace? Place(bool[] wanted, string? document, long? offset, bool about, CancellationToken cancellation)
    {
        (SearchPlace? Place, long Distance) best = (null, long.MaxValue);
        foreach (SqliteDataReader row in Read("SELECT s.text, t.tokens, t.start, t.document FROM states s JOIN texts t ON t.id = s.text ORDER BY s.text"))
        {
            cancellation.ThrowIfCancellationRequested();
            bool there = document is null || documents[row.GetInt32(3)].EndsWith(document, StringComparison.Ordinal);
            // A place elsewhere is taken once, and given up for any that is there.
            if (!there && (!about || best.Place is not null))
            {
                continue;
            }

            byte[] tokens = (byte[])row[1];
            for (int i = 0; i < tokens.Length / Marshal.SizeOf<StoredToken>(); i++)
            {
                StoredToken token = Token(tokens, i);
                if (token.Start < 0 || token.First == 0 || !wanted[token.Word])
                {
                    continue;
                }

                long distance = !there ? long.MaxValue - 1 : offset is { } place ? Math.Abs(row.GetInt64(2) + token.Start - place) : 0;
                if (distance < best.Distance && (about || distance == 0))
                {
                    best = (new SearchPlace(Hit(tokens, row.GetInt64(2), row.GetInt32(3), i, -1, 1), row.GetInt32(0), i), distance);
                    if (distance == 0)
                    {
                        return best.Place;
                    }
                }
            }
        }

        return best.Place;
    }

    private IReadOnlyList<SearchHit> NearestTo(SearchPlace place, int most, IProgress<double>? progress, CancellationToken cancellation)
    {
        (byte[] source, byte[] its) = Read("SELECT s.vectors, t.tokens FROM states s JOIN texts t ON t.id = s.text WHERE s.text = $0", place.Text)
            .Select(static row => ((byte[])row[0], (byte[])row[1])).Single();
        int width = source.Length / (its.Length / Marshal.SizeOf<StoredToken>());
        float[] sought = new float[width];
        float[] row = new float[width];
        Widen(source, place.Token, sought);
        float size = TensorPrimitives.Norm<float>(sought);
        var best = new PriorityQueue<SearchHit, float>();
        foreach (SqliteDataReader found in Read("SELECT s.text, s.vectors, t.tokens, t.start, t.document FROM states s JOIN texts t ON t.id = s.text ORDER BY s.text"))
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report((double)found.GetInt32(0) / Texts);
            (byte[] states, byte[] tokens) = ((byte[])found[1], (byte[])found[2]);
            for (int i = 0; i < states.Length / width; i++)
            {
                StoredToken at = Token(tokens, i);
                if (at.Start < 0 || at.First == 0 || (found.GetInt32(0) == place.Text && i == place.Token))
                {
                    continue;
                }

                Widen(states, i, row);
                float likeness = TensorPrimitives.Dot<float>(sought, row) / Math.Max(1e-6f, size * TensorPrimitives.Norm<float>(row));
                if (best.Count < most || likeness > best.Peek().Score)
                {
                    best.Enqueue(Hit(tokens, found.GetInt64(3), found.GetInt32(4), i, -1, likeness), likeness);
                    if (best.Count > most)
                    {
                        best.Dequeue();
                    }
                }
            }
        }

        return [.. best.UnorderedItems.Select(static pair => pair.Element).OrderByDescending(static hit => hit.Score).ThenBy(static hit => hit.Document, StringComparer.Ordinal).ThenBy(static hit => hit.Start)];

        void Widen(byte[] states, int token, float[] into) =>
            TensorPrimitives.ConvertTruncating<sbyte, float>(MemoryMarshal.Cast<byte, sbyte>(states.AsSpan(token * width, width)), into);
    }

    public void Dispose() => connection.Dispose();

    /// <summary>Each vector as bytes, 127 being its largest value: a quarter of the size, and cosines to two digits and a half.</summary>
    internal static byte[] Quantise(ReadOnlySpan<float> states, int tokens)
    {
        int width = states.Length / tokens;
        byte[] bytes = new byte[states.Length];
        for (int i = 0; i < tokens; i++)
        {
            ReadOnlySpan<float> state = states.Slice(i * width, width);
            float scale = 127 / Math.Max(1e-30f, Math.Abs(TensorPrimitives.MaxMagnitude(state)));
            for (int d = 0; d < width; d++)
            {
                bytes[(i * width) + d] = (byte)(sbyte)MathF.Round(state[d] * scale);
            }
        }

        return bytes;
    }

    private SearchHit Hit(byte[] tokens, long start, int document, int at, int other, float score)
    {
        if (!float.IsFinite(score))
        {
            throw new ArithmeticException("A score that is no number.");
        }

        (int Start, int End) place = Word(tokens, at);
        (int Start, int End)? key = other < 0 ? null : Word(tokens, other);
        string word = words[Token(tokens, at).Word].Word;
        (string context, int contextStart, int otherContextStart) = Context(tokens, First(tokens, at), other < 0 ? -1 : First(tokens, other));
        return new SearchHit(
            documents[document], start + place.Start, start + place.End, key is { } k ? start + k.Start : -1, key is { } e ? start + e.End : -1,
            score, word, other < 0 ? null : words[Token(tokens, other).Word].Word, context, word, contextStart, otherContextStart);
    }

    private static int First(byte[] tokens, int at)
    {
        ReadOnlySpan<StoredToken> all = MemoryMarshal.Cast<byte, StoredToken>(tokens);
        while (all[at].First == 0 && at > 0)
        {
            at--;
        }

        return at;
    }

    private static (int Start, int End) Word(byte[] tokens, int at)
    {
        ReadOnlySpan<StoredToken> all = MemoryMarshal.Cast<byte, StoredToken>(tokens);
        int first = First(tokens, at), last = at;
        while (last + 1 < all.Length && all[last + 1].First == 0)
        {
            last++;
        }

        return (all[first].Start, all[last].End);
    }

    private (string Text, int Start, int OtherStart) Context(byte[] tokens, int at, int other)
    {
        ReadOnlySpan<StoredToken> all = MemoryMarshal.Cast<byte, StoredToken>(tokens);
        int first = at, last = at;
        for (int found = 0; first > 0 && all[first - 1].Start >= 0 && found < Around; first--)
        {
            found += all[first - 1].First;
        }

        for (int found = 0; last < all.Length - 1 && all[last + 1].Start >= 0 && found < Around; last++)
        {
            found += all[last + 1].First;
        }

        var text = new StringBuilder();
        (int end, int start, int otherStart) = (-1, -1, -1);
        for (int i = first; i <= last; i++)
        {
            if (all[i].First != 0)
            {
                text.Append(end >= 0 && all[i].Start > end ? " " : "");
                start = i == at ? text.Length : start;
                otherStart = i == other ? text.Length : otherStart;
                text.Append(words[all[i].Word].Word);
            }

            end = all[i].End;
        }

        return (text.ToString(), start, otherStart);
    }

    private bool[] Matching(WordPattern pattern) => Array.ConvertAll(words, word => word.Word.Length > 0 && pattern.Matches(word.Word, word.Inner));

    private static StoredToken Token(byte[] tokens, int index) => MemoryMarshal.Cast<byte, StoredToken>(tokens)[index];

    private static int IndexAt(byte[] tokens, long start)
    {
        ReadOnlySpan<StoredToken> all = MemoryMarshal.Cast<byte, StoredToken>(tokens);
        for (int i = 0; i < all.Length; i++)
        {
            if (all[i].Start == start)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>As a URI, because only that can say that nobody writes: then SQLite looks for no journal beside the file and makes none.</summary>
    private static string Address(string path)
    {
        string full = Path.GetFullPath(path).Replace(Path.DirectorySeparatorChar, '/')
            .Replace("%", "%25", StringComparison.Ordinal).Replace("?", "%3f", StringComparison.Ordinal).Replace("#", "%23", StringComparison.Ordinal);
        return $"file://{(full.StartsWith('/') ? "" : "/")}{full}?mode=ro&immutable=1";
    }

    private static SearchException NoIndex(string path) => new SearchException($"{path} is no index of a run; 'attention-lens corpus index' makes one.");

    private static bool IsDamage(Exception failure) => failure is SqliteException or IndexOutOfRangeException or InvalidCastException or InvalidOperationException
        or ArgumentException or ArithmeticException or FormatException or KeyNotFoundException;

    private IEnumerable<SearchHit> Guarded(IEnumerable<SearchHit> hits, CancellationToken cancellation)
    {
        using IEnumerator<SearchHit> each = hits.GetEnumerator();
        while (Reading(each.MoveNext, cancellation))
        {
            yield return each.Current;
        }
    }

    /// <summary>What is wrong with the file becomes a sentence; SQLite is told to stop when nobody waits any more.</summary>
    private T Reading<T>(Func<T> read, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        using CancellationTokenRegistration stop = cancellation.Register(() => SQLitePCL.raw.sqlite3_interrupt(connection.Handle));
        try
        {
            return read();
        }
        catch (SqliteException) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation);
        }
        catch (Exception failure) when (IsDamage(failure))
        {
            throw new SearchException($"{path} is damaged; 'attention-lens corpus index' makes it again.");
        }
    }

    private void Execute(string sql, params object[] values)
    {
        using SqliteCommand command = Command(sql, values);
        command.ExecuteNonQuery();
    }

    private IEnumerable<SqliteDataReader> Read(string sql, params object[] values)
    {
        using SqliteCommand command = Command(sql, values);
        using SqliteDataReader reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return reader;
        }
    }

    private SqliteCommand Command(string sql, object[] values)
    {
        SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements stand in this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue($"${i}", values[i]);
        }

        return command;
    }
}
