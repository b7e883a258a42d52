using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Data.Sqlite;

namespace AttentionLens.Corpora.Search;

/// <summary>A place that was found.</summary>
/// <param name="Document">The file.</param>
/// <param name="Start">UTF-16 offset of the place in it.</param>
/// <param name="End">One past its end.</param>
/// <param name="OtherStart">Of attention the place that is attended to, else -1.</param>
/// <param name="OtherEnd">One past its end, or -1.</param>
/// <param name="Score">The weight, the likeness, or the probability.</param>
/// <param name="Word">At the place.</param>
/// <param name="Other">The word attended to; what the other model predicts.</param>
/// <param name="Context">Some words around.</param>
public sealed record SearchHit(string Document, long Start, long End, long OtherStart, long OtherEnd, float Score, string Word, string? Other, string Context);

/// <summary>Questions to what <see cref="SearchIndexWriter"/> has written. Each reads through what it is about, in the order of the corpus.</summary>
public sealed class SearchIndex : IDisposable
{
    /// <summary>Words of context on each side.</summary>
    private const int Around = 7;

    private readonly SqliteConnection connection;
    private readonly (string Word, bool Inner)[] words;
    private readonly string[] documents;

    private SearchIndex(SqliteConnection connection)
    {
        this.connection = connection;
        Facts = Read("SELECT name, value FROM facts").ToDictionary(row => row.GetString(0), row => row.GetString(1), StringComparer.Ordinal);
        words = [.. Read("SELECT word, inner FROM words ORDER BY id").Select(row => (row.GetString(0), row.GetInt32(1) != 0))];
        documents = [.. Read("SELECT path FROM documents ORDER BY id").Select(row => row.GetString(0))];
    }

    /// <summary>What is known of the run.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; }

    /// <exception cref="InvalidDataException">Not such a file; one sentence.</exception>
    public static SearchIndex Open(string path)
    {
        SqliteConnection? connection = null;
        try
        {
            connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
            connection.Open();
            return new SearchIndex(connection);
        }
        catch (SqliteException)
        {
            connection?.Dispose();
            throw new InvalidDataException($"'{path}' is no index of a run; 'attention-lens corpus index' makes one.");
        }
    }

    internal static int HeadId(int layer, int head) => (layer * 1000) + head;

    /// <summary>Where a head attends from one word to another.</summary>
    public IEnumerable<SearchHit> Attention(int layer, int head, WordPattern from, WordPattern to, float least, CancellationToken cancellation)
    {
        (bool[] queries, bool[] keys) = (Matching(from), Matching(to));
        foreach (SqliteDataReader row in Read(
            "SELECT e.weights, t.tokens, t.start, t.document FROM edges e JOIN texts t ON t.id = e.text WHERE e.head = $0 ORDER BY e.text", HeadId(layer, head)))
        {
            cancellation.ThrowIfCancellationRequested();
            byte[] tokens = (byte[])row[1];
            foreach (SearchEdge edge in MemoryMarshal.Cast<byte, SearchEdge>((byte[])row[0]).ToArray())
            {
                (StoredToken query, StoredToken key) = (Token(tokens, edge.Query), Token(tokens, edge.Key));
                if (edge.Weight >= least && query.Start >= 0 && key.Start >= 0 && queries[query.Word] && keys[key.Word])
                {
                    yield return Hit(tokens, row.GetInt64(2), row.GetInt32(3), edge.Query, edge.Key, edge.Weight, words[key.Word].Word);
                }
            }
        }
    }

    /// <summary>Masks in whose place two models see different words; the score is this model's probability.</summary>
    /// <exception cref="InvalidDataException">The other is no index.</exception>
    public IEnumerable<SearchHit> Changed(string other, CancellationToken cancellation)
    {
        using (Open(other))
        {
            // It can be opened.
        }

        using (SqliteCommand attach = connection.CreateCommand())
        {
            attach.CommandText = "ATTACH DATABASE $0 AS other";
            attach.Parameters.AddWithValue("$0", other);
            attach.ExecuteNonQuery();
        }

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
                    yield return Hit(tokens, row.GetInt64(1), row.GetInt32(2), at, -1, row.GetFloat(5), row.GetString(6)) with { Word = row.GetString(4) };
                }
            }
        }
        finally
        {
            using SqliteCommand detach = connection.CreateCommand();
            detach.CommandText = "DETACH DATABASE other";
            detach.ExecuteNonQuery();
        }
    }

    /// <summary>The places whose hidden state is most like that of a word (cosine), most like first.</summary>
    /// <param name="word">The word.</param>
    /// <param name="document">The end of the path of the file in which it stands; null = any.</param>
    /// <param name="offset">Its UTF-16 offset there; null = where it stands first.</param>
    /// <param name="most">Hits.</param>
    /// <param name="cancellation">Checked per text.</param>
    /// <exception cref="InvalidDataException">There is no such word, or no hidden states were kept; one sentence.</exception>
    public IReadOnlyList<SearchHit> Nearest(WordPattern word, string? document, long? offset, int most, CancellationToken cancellation)
    {
        (int text, int token, sbyte[] vector) = Place(word, document, offset, cancellation);
        var best = new PriorityQueue<SearchHit, float>();
        float[] sought = Array.ConvertAll(vector, static v => (float)v);
        float[] row = new float[sought.Length];
        float size = TensorPrimitives.Norm(sought);
        foreach (SqliteDataReader found in Read("SELECT s.text, s.vectors, t.tokens, t.start, t.document FROM states s JOIN texts t ON t.id = s.text ORDER BY s.text"))
        {
            cancellation.ThrowIfCancellationRequested();
            (byte[] states, byte[] tokens) = ((byte[])found[1], (byte[])found[2]);
            for (int i = 0; i < states.Length / vector.Length; i++)
            {
                StoredToken at = Token(tokens, i);
                if (at.Start < 0 || at.First == 0 || (found.GetInt32(0) == text && i == token))
                {
                    continue;
                }

                TensorPrimitives.ConvertTruncating<sbyte, float>(MemoryMarshal.Cast<byte, sbyte>(states.AsSpan(i * vector.Length, vector.Length)), row);
                float likeness = TensorPrimitives.Dot(sought, row) / Math.Max(1e-6f, size * TensorPrimitives.Norm<float>(row));
                if (best.Count < most || likeness > best.Peek().Score)
                {
                    best.Enqueue(Hit(tokens, found.GetInt64(3), found.GetInt32(4), i, -1, likeness, null), likeness);
                    if (best.Count > most)
                    {
                        best.Dequeue();
                    }
                }
            }
        }

        return [.. best.UnorderedItems.Select(static pair => pair.Element).OrderByDescending(static hit => hit.Score).ThenBy(static hit => hit.Document, StringComparer.Ordinal).ThenBy(static hit => hit.Start)];
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

    private (int Text, int Token, sbyte[] Vector) Place(WordPattern word, string? document, long? offset, CancellationToken cancellation)
    {
        bool[] wanted = Matching(word);
        bool kept = false;
        foreach (SqliteDataReader row in Read("SELECT s.text, s.vectors, t.tokens, t.start, t.document FROM states s JOIN texts t ON t.id = s.text ORDER BY s.text"))
        {
            cancellation.ThrowIfCancellationRequested();
            kept = true;
            if (document is not null && !documents[row.GetInt32(4)].EndsWith(document, StringComparison.Ordinal))
            {
                continue;
            }

            byte[] tokens = (byte[])row[2];
            int count = tokens.Length / Marshal.SizeOf<StoredToken>();
            for (int i = 0; i < count; i++)
            {
                StoredToken token = Token(tokens, i);
                if (token.Start >= 0 && token.First != 0 && wanted[token.Word] && (offset is not { } place || row.GetInt64(3) + token.Start == place))
                {
                    byte[] states = (byte[])row[1];
                    int width = states.Length / count;
                    return (row.GetInt32(0), i, MemoryMarshal.Cast<byte, sbyte>(states.AsSpan(i * width, width)).ToArray());
                }
            }
        }

        throw new InvalidDataException(kept
            ? $"'{word.Text}' does not stand there."
            : "The run kept no hidden states; run it with --keep hidden, and index it again.");
    }

    private SearchHit Hit(byte[] tokens, long start, int document, int at, int other, float score, string? word)
    {
        StoredToken token = Token(tokens, at);
        StoredToken? key = other < 0 ? null : Token(tokens, other);
        return new SearchHit(
            documents[document], start + token.Start, start + token.End, key is { } k ? start + k.Start : -1, key is { } e ? start + e.End : -1,
            score, words[token.Word].Word, word, Context(tokens, at));
    }

    private string Context(byte[] tokens, int at)
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
        int end = -1;
        for (int i = first; i <= last; i++)
        {
            if (all[i].First != 0)
            {
                text.Append(end >= 0 && all[i].Start > end ? " " : "").Append(words[all[i].Word].Word);
            }

            end = all[i].End;
        }

        return text.ToString();
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

    private IEnumerable<SqliteDataReader> Read(string sql, params object[] values)
    {
        using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements stand in this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue($"${i}", values[i]);
        }

        using SqliteDataReader reader = command.ExecuteReader();
        while (reader.Read())
        {
            yield return reader;
        }
    }
}
