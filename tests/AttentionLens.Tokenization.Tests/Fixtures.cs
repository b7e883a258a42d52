using System.Text.Json;

namespace AttentionLens.Tokenization.Tests;

/// <summary>Files under tests/fixtures, and the trained models beside the repository where there are any.</summary>
internal static class Fixtures
{
    public static JsonElement Json(string name) => JsonDocument.Parse(File.ReadAllBytes(Find("tests/fixtures/tokenizers", name))).RootElement;

    /// <summary>The tokenizer of a model that comes with the project.</summary>
    public static Tokenizer Embedded(string model) => Tokenizer.Load(Path.GetDirectoryName(Find("models/" + model, "tokenizer.json"))!); // a file is in a folder

    /// <summary>JSON strings of the fixtures may hold lone surrogates, which System.Text.Json refuses.</summary>
    public static string Unescape(JsonElement value)
    {
        var raw = value.GetRawText();
        var text = new System.Text.StringBuilder();
        for (var i = 1; i < raw.Length - 1; i++)
        {
            if (raw[i] != '\\')
            {
                text.Append(raw[i]);
                continue;
            }
            Assert.Equal('u', raw[++i]); // the only escape that the fixtures use
            text.Append((char)Convert.ToInt32(raw.Substring(i + 1, 4), 16));
            i += 4;
        }
        return text.ToString();
    }

    private static string Find(string folder, string name)
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var path = Path.Combine(at.FullName, folder, name);
            if (File.Exists(path))
                return path;
        }
        throw new FileNotFoundException($"{folder}/{name}");
    }
}
