using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace AttentionLens.Corpora.Search;

/// <summary>A weight of attention between two tokens of a text.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct SearchEdge(int Query, int Key, float Weight);

/// <summary>A token as it is searched for.</summary>
/// <param name="Word">The whole word that it belongs to, as it stands in the document; "" for special tokens.</param>
/// <param name="Start">UTF-16 offset in the document; -1 for special tokens.</param>
/// <param name="End">One past its last character.</param>
/// <param name="First">The first token of its word.</param>
/// <param name="Inner">Not the first word of a sentence.</param>
public readonly record struct SearchToken(string Word, long Start, long End, bool First, bool Inner);

/// <summary>What a model puts in place of a mask.</summary>
/// <param name="Start">Of the mask in the document.</param>
public readonly record struct SearchPrediction(long Start, long End, string Word, float Probability);

/// <summary>
/// Builds the file that <see cref="SearchIndex"/> reads: a SQLite database with, of each text, its tokens; of each head and text, the weights that are
/// not small, together, so that a question about one head reads nothing of the others; of each token, its hidden state as bytes.
/// </summary>
public sealed class SearchIndexWriter : IDisposable
{
    /// <summary>As SQLite keeps the statements, so that a reader can tell an index from any other database.</summary>
    internal static readonly string[] Schema =
    [
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT NOT NULL)",
        "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL, inner INTEGER NOT NULL)",
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, start INTEGER NOT NULL, tokens BLOB NOT NULL)",
        "CREATE TABLE edges (head INTEGER, text INTEGER, weights BLOB NOT NULL, PRIMARY KEY (head, text)) WITHOUT ROWID",
        "CREATE TABLE predictions (document INTEGER, start INTEGER, end INTEGER, text INTEGER, word TEXT NOT NULL, probability REAL, PRIMARY KEY (document, start)) WITHOUT ROWID",
        "CREATE TABLE states (text INTEGER PRIMARY KEY, vectors BLOB NOT NULL)",
    ];

    private readonly string path;
    private readonly string temporary;
    private readonly SqliteConnection connection;
    private readonly SqliteTransaction transaction;
    private readonly SqliteCommand addText;
    private readonly SqliteCommand addEdges;
    private readonly SqliteCommand addPrediction;
    private readonly SqliteCommand addStates;
    private readonly Dictionary<string, (int Id, bool Inner)> words = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> documents = new(StringComparer.Ordinal);
    private bool finished;

    /// <param name="path">Where the index appears when it is finished.</param>
    /// <param name="facts">What is known of the run, by name.</param>
    /// <exception cref="IOException">It cannot be written, here or later: the folder is read-only, the disk is full.</exception>
    public SearchIndexWriter(string path, IEnumerable<KeyValuePair<string, string>> facts)
    {
        this.path = path;
        temporary = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".{Path.GetFileName(path)}.{Guid.NewGuid():N}.tmp");
        connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = temporary, Pooling = false }.ToString());
        try
        {
            connection.Open();
            // Nobody reads it before it has its name, so nothing needs to survive a crash.
            Execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;");
            foreach (string table in Schema)
            {
                Execute(table);
            }

            transaction = connection.BeginTransaction();
            foreach ((string name, string value) in facts)
            {
                Execute("INSERT INTO facts VALUES ($0, $1)", name, value);
            }
        }
        catch (Exception error) when (error is SqliteException or IOException)
        {
            transaction?.Dispose();
            connection.Dispose();
            File.Delete(temporary);
            throw Unwritable(error);
        }

        addText = Prepare("INSERT INTO texts VALUES ($0, $1, $2, $3)", 4);
        addEdges = Prepare("INSERT INTO edges VALUES ($0, $1, $2)", 3);
        addPrediction = Prepare("INSERT OR REPLACE INTO predictions VALUES ($0, $1, $2, $3, $4, $5)", 6);
        addStates = Prepare("INSERT INTO states VALUES ($0, $1)", 2);
    }

    /// <summary>Texts added so far.</summary>
    public int Texts { get; private set; }

    /// <summary>Adds a text.</summary>
    /// <param name="document">The file.</param>
    /// <param name="start">Where the text begins in it.</param>
    /// <param name="tokens">All, special ones too: edges and states are counted by them.</param>
    /// <param name="edges">By layer and head.</param>
    /// <param name="predictions">For the masks of the text.</param>
    /// <param name="states">[tokens, width], or empty.</param>
    public void Add(
        string document,
        long start,
        IReadOnlyList<SearchToken> tokens,
        IEnumerable<(int Layer, int Head, SearchEdge[] Edges)> edges,
        IEnumerable<SearchPrediction> predictions,
        ReadOnlySpan<float> states)
    {
        int text = Texts++;
        if (!documents.TryGetValue(document, out int file))
        {
            documents[document] = file = documents.Count;
        }

        StoredToken[] stored = new StoredToken[tokens.Count];
        for (int i = 0; i < stored.Length; i++)
        {
            SearchToken token = tokens[i];
            ref (int Id, bool Inner) word = ref CollectionsMarshal.GetValueRefOrAddDefault(words, token.Word, out bool known);
            word = known ? (word.Id, word.Inner || token.Inner) : (words.Count - 1, token.Inner);
            stored[i] = new StoredToken(word.Id, token.Start < 0 ? -1 : (int)(token.Start - start), token.Start < 0 ? -1 : (int)(token.End - start), token.First ? 1 : 0);
        }

        Run(addText, text, file, start, MemoryMarshal.AsBytes<StoredToken>(stored).ToArray());
        foreach ((int layer, int head, SearchEdge[] kept) in edges)
        {
            if (kept.Length > 0)
            {
                Run(addEdges, SearchIndex.HeadId(layer, head), text, MemoryMarshal.AsBytes<SearchEdge>(kept).ToArray());
            }
        }

        foreach (SearchPrediction prediction in predictions)
        {
            Run(addPrediction, file, prediction.Start, prediction.End, text, prediction.Word, prediction.Probability);
        }

        if (!states.IsEmpty)
        {
            Run(addStates, text, SearchIndex.Quantise(states, tokens.Count));
        }
    }

    /// <summary>Writes what is left; the index appears under its name.</summary>
    public void Finish()
    {
        foreach ((string path, int id) in documents)
        {
            Execute("INSERT INTO documents VALUES ($0, $1)", id, path);
        }

        using (SqliteCommand add = Prepare("INSERT INTO words VALUES ($0, $1, $2)", 3))
        {
            foreach ((string word, (int id, bool inner)) in words)
            {
                Run(add, id, word, inner ? 1 : 0);
            }
        }

        try
        {
            transaction.Commit();
        }
        catch (SqliteException error)
        {
            throw Unwritable(error);
        }

        Close();
        File.Move(temporary, path, overwrite: true);
        finished = true;
    }

    public void Dispose()
    {
        if (!finished)
        {
            Close();
            File.Delete(temporary);
        }
    }

    private void Close()
    {
        foreach (SqliteCommand command in (SqliteCommand[])[addText, addEdges, addPrediction, addStates])
        {
            command.Dispose();
        }

        transaction.Dispose();
        connection.Dispose();
    }

    private SqliteCommand Prepare(string sql, int parameters)
    {
        SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements stand in this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        for (int i = 0; i < parameters; i++)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = $"${i}" });
        }

        return command;
    }

    private void Run(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i];
        }

        try
        {
            command.ExecuteNonQuery();
        }
        catch (SqliteException error)
        {
            throw Unwritable(error);
        }
    }

    private IOException Unwritable(Exception error) => error as IOException ?? new IOException($"'{path}' could not be written: {error.Message.TrimEnd('.')}.", error);

    private void Execute(string sql, params ReadOnlySpan<object> values)
    {
        using SqliteCommand command = Prepare(sql, values.Length);
        Run(command, values);
    }
}

/// <summary>A token in its blob; offsets count from the text's start.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct StoredToken(int Word, int Start, int End, int First);
