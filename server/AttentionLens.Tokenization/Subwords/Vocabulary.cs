namespace AttentionLens.Tokenization.Subwords;

/// <summary>Ids and spellings, both ways.</summary>
internal sealed class Vocabulary
{
    private readonly string?[] texts;
    private readonly Dictionary<string, int> ids;

    private Vocabulary(string?[] texts, Dictionary<string, int> ids)
    {
        this.texts = texts;
        this.ids = ids;
        Lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public int Count => ids.Count;

    /// <summary>One past the highest id.</summary>
    public int Size => texts.Length;

    public Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> Lookup { get; }

    public IEnumerable<KeyValuePair<string, int>> Entries => ids;

    /// <exception cref="TokenizerException">An id that cannot index an embedding of any real model.</exception>
    /// <param name="size">One past the highest id, where that is more than the entries say.</param>
    public static Vocabulary Create(Dictionary<string, int> ids, int size = 0)
    {
        var highest = size - 1;
        foreach (var (text, id) in ids)
        {
            // Vocabularies have holes, but an id far beyond their size would only make us allocate.
            if (id < 0 || id > 2L * ids.Count + 100_000)
                throw new TokenizerException($"The vocabulary gives '{Shorten(text)}' the id {id}, which {ids.Count} entries cannot need.");
            highest = Math.Max(highest, id);
        }
        var texts = new string?[highest + 1];
        foreach (var (text, id) in ids)
            texts[id] = text;
        return new Vocabulary(texts, ids);
    }

    public int? Find(ReadOnlySpan<char> text) => Lookup.TryGetValue(text, out var id) ? id : null;

    public string? Text(int id) => (uint)id < (uint)texts.Length ? texts[id] : null;

    internal static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
