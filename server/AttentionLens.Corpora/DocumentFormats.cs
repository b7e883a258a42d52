using System.Collections.Frozen;

namespace AttentionLens.Corpora;

/// <summary>What the user's settings say about reading documents.</summary>
public sealed record ReaderOptions
{
    public static ReaderOptions Default { get; } = new();

    /// <summary>The unit of running text.</summary>
    public SegmentUnit Unit { get; init; } = SegmentUnit.Paragraph;

    /// <summary>Fields (JSON) or columns (tables) to read; two make a pair. Empty = those that are known or look like text.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>Divides the two texts of a line ("\t", " ||| "); null = only where every line has a known one.</summary>
    public string? PairSeparator { get; init; }

    /// <summary>What a pair made by <see cref="Fields"/> or <see cref="PairSeparator"/> is.</summary>
    public PairKind PairKind { get; init; }

    /// <summary>Whether a table's first row names its columns; null = see what it looks like.</summary>
    public bool? Header { get; init; }
}

/// <summary>Chooses the reader of a document.</summary>
public static class DocumentFormats
{
    private static readonly FrozenDictionary<string, string> ByExtension = new[]
    {
        ("markdown", ".md .markdown .qmd .rmd"),
        ("json", ".json"),
        ("jsonl", ".jsonl .ndjson .jsonlines"),
        ("conll", ".conll .conll2002 .conll2003 .conll03 .iob .iob2 .bio"),
        ("conllu", ".conllu"),
        ("csv", ".csv"),
        ("tsv", ".tsv .tab"),
        ("xml", ".xml .tei"),
        ("html", ".html .htm .xhtml"),
        ("plaintext", ".txt .text .tex .rst .adoc .org"),
    }.SelectMany(f => f.Item2.Split(' ').Select(e => (Extension: e, Format: f.Item1)))
    .ToFrozenDictionary(f => f.Extension, f => f.Format, StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> Code = new[]
    {
        "bat", "bibtex", "c", "clojure", "coffeescript", "cpp", "csharp", "css", "cuda-cpp", "dart", "dockerfile", "elixir", "erlang", "fsharp", "go",
        "groovy", "haskell", "ini", "java", "javascript", "javascriptreact", "julia", "kotlin", "less", "lua", "makefile", "objective-c", "ocaml",
        "perl", "php", "powershell", "properties", "python", "r", "ruby", "rust", "scala", "scss", "shellscript", "sql", "swift", "toml", "typescript",
        "typescriptreact", "vb", "yaml", "zig",
        ".bash", ".bat", ".c", ".cc", ".clj", ".cpp", ".cs", ".css", ".dart", ".ex", ".fs", ".go", ".h", ".hpp", ".hs", ".java", ".jl", ".js", ".jsx",
        ".kt", ".lua", ".ml", ".php", ".pl", ".ps1", ".py", ".r", ".rb", ".rs", ".scala", ".scss", ".sh", ".sql", ".swift", ".toml", ".ts", ".tsx",
        ".vb", ".yaml", ".yml", ".zig",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a file is a document of a corpus by its name: the formats that corpora come in, not source code.</summary>
    public static bool IsCorpusFile(string path) => ByExtension.ContainsKey(Path.GetExtension(path));

    /// <summary>Whether the extension is one of a corpus format: neither of a program nor unknown.</summary>
    public static bool IsCorpus(string path) => ByExtension.ContainsKey(Path.GetExtension(path));

    /// <param name="languageId">The editor's language id, or null.</param>
    /// <param name="path">The document's path or URI. A corpus extension decides before the language id: editors call most of them plain text.</param>
    /// <param name="options">The user's settings.</param>
    public static DocumentReader For(string? languageId, string? path, ReaderOptions? options = null)
    {
        options ??= ReaderOptions.Default;
        var extension = Path.GetExtension(path ?? "");
        var known = ByExtension.GetValueOrDefault(extension);
        var format = languageId is null or "plaintext" or "" ? known ?? (Code.Contains(extension) ? "code" : "plaintext")
            : known is "jsonl" or "conll" or "conllu" ? known
            : languageId;
        return format switch
        {
            "markdown" or "quarto" or "rmd" => new MarkdownReader(options),
            "json" or "jsonc" or "json5" => new JsonReader(options, lines: false),
            "jsonl" or "ndjson" or "jsonlines" => new JsonReader(options, lines: true),
            "conll" => new ConllReader(),
            "conllu" or "conll-u" => new ConllReader(universal: true),
            "csv" or "csv (semicolon)" or "csv (pipe)" => new DelimitedReader(options),
            "tsv" => new DelimitedReader(options, '\t'),
            "xml" or "xsl" or "tei" => new MarkupReader(options, html: false),
            "html" or "vue" or "handlebars" => new MarkupReader(options, html: true),
            // The sentences of a program are its lines.
            _ when format == "code" || Code.Contains(format) =>
                new PlainTextReader(options.Unit == SegmentUnit.Sentence ? options with { Unit = SegmentUnit.Line } : options, isCode: true),
            _ => new PlainTextReader(options),
        };
    }
}
