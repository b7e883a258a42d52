using System.Security.Cryptography;
using System.Text.Json;

namespace AttentionLens.Tokenization.Loading;

/// <summary>Finds out what kind of tokenizer a Hugging Face folder holds and loads it.</summary>
internal static class TokenizerFolder
{
    /// <summary>The largest tokenizer.json in use (Gemma 3) has 33 MB.</summary>
    private const long LargestFile = 256L << 20;

    private static readonly string[] SentencePieceNames = ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model"];

    public static bool Exists(string folder) => Directory.Exists(folder)
        && (Has(folder, "tokenizer.json") || Has(folder, "vocab.txt") || (Has(folder, "vocab.json") && (Has(folder, "merges.txt") || Has(folder, "source.spm")))
            || SentencePieceNames.Any(name => Has(folder, name)));

    public static Tokenizer Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new TokenizerException($"The model folder '{folder}' does not exist.");
        using var files = new FolderFiles(folder);
        var config = new FolderConfiguration(files.Json("tokenizer_config.json"), files.Json("special_tokens_map.json"), files.Json("config.json"));
        try
        {
            var pipeline = Load(files, config);
            return new Tokenizer(pipeline, new SpecialTokenRoles(pipeline, config).Tokens(), MaxLength(config.Tokenizer), files.Fingerprint());
        }
        catch (TokenizerException problem)
        {
            throw new TokenizerException($"The tokenizer in '{folder}' cannot be used. {problem.Message}");
        }
    }

    private static TokenizerPipeline Load(FolderFiles files, FolderConfiguration config)
    {
        if (files.Json("tokenizer.json") is { } json)
            return TokenizerJson.Load(json);
        var pipeline = LoadOlder(files, config);
        return pipeline with { AddedTokens = pipeline.AddedTokens.With(VocabularyFiles.Added(config, files.Json("added_tokens.json"), pipeline.Model.Vocabulary)) };
    }

    private static TokenizerPipeline LoadOlder(FolderFiles files, FolderConfiguration config)
    {
        if (files.Lines("vocab.txt") is { } vocabulary)
            return VocabularyFiles.WordPiece(vocabulary, config);
        if (files.Lines("merges.txt") is { } merges && files.Json("vocab.json") is { } ids)
            return VocabularyFiles.BytePairs(ids, merges, config);
        if (files.Bytes("source.spm") is { } source && files.Json("vocab.json") is { } marianIds)
            return VocabularyFiles.Marian(source, marianIds, config);
        foreach (var name in SentencePieceNames)
        {
            if (files.Bytes(name) is { } model)
                return VocabularyFiles.SentencePiece(model, config);
        }
        throw new TokenizerException(
            "It needs tokenizer.json, vocab.txt, vocab.json with merges.txt, or a SentencePiece model (spiece.model, sentencepiece.bpe.model, tokenizer.model).");
    }

    private static bool Has(string folder, string name) => File.Exists(Path.Combine(folder, name));

    private static int? MaxLength(JsonPart? config) =>
        // "No limit" is written as 1e30.
        config is { IsObject: true } map && map.Optional("model_max_length") is { Element.ValueKind: JsonValueKind.Number } length
        && length.Element.TryGetInt32(out var value) && value is > 0 and < 100_000_000 ? value : null;

    /// <summary>Reads files once, within bounds, and hashes what was read. Parsed files live until it is disposed.</summary>
    private sealed class FolderFiles(string folder) : IDisposable
    {
        private readonly List<JsonDocument> documents = [];
        private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public string Fingerprint() => Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));

        public void Dispose()
        {
            hash.Dispose();
            documents.ForEach(document => document.Dispose());
        }

        public JsonPart? Json(string name)
        {
            if (Bytes(name) is not { } bytes)
                return null;
            try
            {
                var document = JsonDocument.Parse(WithoutBom(bytes));
                documents.Add(document);
                return new JsonPart(document.RootElement, name);
            }
            catch (JsonException problem)
            {
                throw new TokenizerException($"'{Path.Combine(folder, name)}' is not valid JSON: line {problem.LineNumber + 1}, byte {problem.BytePositionInLine + 1}.");
            }
        }

        public string[]? Lines(string name) =>
            Bytes(name) is { } bytes ? System.Text.Encoding.UTF8.GetString(WithoutBom(bytes).Span).Split('\n') : null;

        public byte[]? Bytes(string name)
        {
            var path = Path.Combine(folder, name);
            try
            {
                var file = new FileInfo(path);
                if (!file.Exists)
                    return null;
                if (file.Length > LargestFile)
                    throw new TokenizerException($"'{path}' has {file.Length >> 20} MB; a tokenizer file may have at most {LargestFile >> 20} MB.");
                var bytes = File.ReadAllBytes(path);
                hash.AppendData(System.Text.Encoding.UTF8.GetBytes(name));
                hash.AppendData(bytes);
                return bytes;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                throw new TokenizerException($"'{path}' cannot be read: {problem.Message}");
            }
        }

        private static ReadOnlyMemory<byte> WithoutBom(byte[] bytes) =>
            bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
    }
}
