using System.Security.Cryptography;
using System.Text.Json;

namespace AttentionLens.Tokenization.Loading;

/// <summary>Finds out what kind of tokenizer a Hugging Face folder holds and loads it.</summary>
internal static class TokenizerFolder
{
    /// <summary>The largest tokenizer.json in use (Gemma 3) has 33 MB.</summary>
    private const long LargestFile = 256L << 20;

    private static readonly string[] SentencePieceNames = ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "source.spm"];

    public static bool Exists(string folder) => Directory.Exists(folder)
        && (Has(folder, "tokenizer.json") || Has(folder, "vocab.txt") || (Has(folder, "vocab.json") && Has(folder, "merges.txt"))
            || SentencePieceNames.Any(name => Has(folder, name)));

    public static Tokenizer Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new TokenizerException($"The model folder '{folder}' does not exist.");
        var files = new FolderFiles(folder);
        var config = files.Json("tokenizer_config.json");
        var specialMap = files.Json("special_tokens_map.json");
        TokenizerPipeline pipeline;
        try
        {
            if (files.Json("tokenizer.json") is { } json)
                pipeline = TokenizerJson.Load(json);
            else if (files.Lines("vocab.txt") is { } vocabulary)
                pipeline = VocabularyFiles.WordPiece(vocabulary, config);
            else
                throw new TokenizerException(
                    "The folder holds no tokenizer: tokenizer.json, vocab.txt, vocab.json with merges.txt, or a SentencePiece model is needed.");
        }
        catch (TokenizerException problem)
        {
            throw new TokenizerException($"The tokenizer in '{folder}' cannot be used. {problem.Message}");
        }
        var roles = new SpecialTokenRoles(pipeline, config, specialMap);
        return new Tokenizer(pipeline, roles.Tokens(), MaxLength(config), files.Fingerprint());
    }

    private static bool Has(string folder, string name) => File.Exists(Path.Combine(folder, name));

    private static int? MaxLength(JsonPart? config) =>
        // "No limit" is written as 1e30.
        config?.Optional("model_max_length") is { Element.ValueKind: JsonValueKind.Number } length
        && length.Element.TryGetInt32(out var value) && value is > 0 and < 100_000_000 ? value : null;

    /// <summary>Reads files once, within bounds, and hashes what was read.</summary>
    private sealed class FolderFiles(string folder)
    {
        private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public string Fingerprint() => Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));

        public JsonPart? Json(string name)
        {
            if (Bytes(name) is not { } bytes)
                return null;
            try
            {
                using var document = JsonDocument.Parse(WithoutBom(bytes));
                return new JsonPart(document.RootElement.Clone(), name);
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
