using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Every file of samples/ as an editor would send it: what is said about a place is about the characters that stand there.</summary>
public sealed partial class SamplesTests
{
    private static readonly string Folder = Beside();

    private static string Beside([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "samples");

    public static TheoryData<string> Files() => [.. Directory.EnumerateFiles(Folder).Select(Path.GetFileName).OfType<string>().Where(IsText).Order(StringComparer.Ordinal)];

    /// <summary>Notebooks come cell by cell, label sets are no texts, and npm start writes the large one anew.</summary>
    private static bool IsText(string name) => !name.EndsWith(".ipynb", StringComparison.Ordinal) && !name.Contains(".al", StringComparison.Ordinal) && name is not ("attention-lens.labels.json" or "large.txt");

    // What comes before, and what one token is there: as it stands in the file, and as text.
    [Theory]
    [InlineData("README.md", "of them were ", "written", "written")]
    [InlineData("agreement.txt", "The key to the ", "cabinets", "cabinets")]
    [InlineData("ambiguity.txt", "the man with the ", "telescop", "telescop")] // the model's pieces are of eight letters
    [InlineData("attention.py", "def ", "softmax", "softmax")]
    [InlineData("chinese.txt", "", "灯塔已经十一年没", "灯塔已经十一年没")]
    [InlineData("coreference.txt", "", "The", "The")]
    [InlineData("entities.conll", "NNP B-NP B-PER\n", "Lindqvis", "Lindqvis")]
    [InlineData("letter.xml", "<persName>Captain ", "Holm", "Holm")]
    [InlineData("letter.xml", "three days ", "&amp;", "&")]
    [InlineData("letter.xml", "<hi rend=\"italic\">", "not", "not")]
    [InlineData("lighthouse.txt", "on the ", "northern", "northern")]
    [InlineData("messages.json", "The ", "caf\\u00e9", "café")]
    [InlineData("messages.json", "until spring\\\" ", "\\ud83d\\ude2e", "😮")]
    [InlineData("messages.json", "coffee.\\n", "Two", "Two")]
    [InlineData("page.html", "dark for <em>", "eleven", "eleven")]
    [InlineData("page.html", "keeper", "&rsquo;", "’")]
    [InlineData("pairs.tsv", "on the sofa.\t", "Somebody", "Somebody")]
    [InlineData("parallel.de", "Endlich wurde die ", "Lampe", "Lampe")]
    [InlineData("parallel.en", "The ", "lamp", "lamp")]
    [InlineData("questions.csv", "captain call \"\"the old ", "chart", "chart")]
    [InlineData("questions.csv", "the light\n", "was", "was")]
    [InlineData("rationales.jsonl", "The ", "soup", "soup")]
    [InlineData("reading-attention.md", "Put the cursor in any ", "paragrap", "paragrap")]
    [InlineData("reviews.jsonl", "Not ", "bad", "bad")]
    [InlineData("translations.txt", "||| Endlich wurde die ", "Lampe", "Lampe")]
    [InlineData("translations.txt", "", "The", "The")]
    [InlineData("trees.conllu", "\n2\t", "keys", "keys")]
    [InlineData("unicode.txt", "of three code points, ", "👍", "👍")]
    [InlineData("unicode.txt", "Ein ", "Mädchen", "Mädchen")]
    [InlineData("unicode.txt", "في ", "المدينة", "المدينة")]
    [InlineData("windows.txt", "", "This", "This")]
    [InlineData("windows.txt", "The ", "second", "second")]
    public async Task A_hover_lands_exactly_on_the_characters_of_its_token(string file, string before, string written, string text)
    {
        string content = Read(file);
        int start = content.IndexOf(before + written, StringComparison.Ordinal) + before.Length;
        Assert.True(start >= before.Length, "the sample has changed");
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(content, uri: UriOf(file));
            foreach (int at in new[] { start, start + (written.Length / 2) })
            {
                (int line, int character) = Place(content, at);
                JsonNode hover = await client.Request("textDocument/hover", TestClient.At(line, character, UriOf(file)));
                Assert.True(hover is not null, $"nothing is said at {line}:{character}");
                Assert.Equal((start, start + written.Length), Range(content, hover["range"]!));
                Assert.StartsWith($"**`{text}`**", (string)hover["contents"]!["value"]!, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Wherever_a_hover_speaks_it_names_what_stands_there(string file)
    {
        string content = Read(file);
        (TestClient client, _) = await TestClient.StartAsync();
        await using (client)
        {
            await client.Open(content, uri: UriOf(file));
            int said = 0;
            for (int at = 0; at < content.Length; at += Math.Max(1, content.Length / 50))
            {
                if (content[at] is '\r' or '\n')
                    continue;
                (int line, int character) = Place(content, at);
                if (await client.Request("textDocument/hover", TestClient.At(line, character, UriOf(file))) is not { } hover)
                    continue;
                said++;
                (int start, int end) = Range(content, hover["range"]!);
                Assert.InRange(at, start, end);
                Assert.False(char.IsLowSurrogate(content[start]) || (end < content.Length && char.IsLowSurrogate(content[end])), "half of a character");
                string slice = content[start..end], name = Name().Match((string)hover["contents"]!["value"]!).Groups[1].Value.Replace("\\|", "|", StringComparison.Ordinal);
                Assert.True(name == slice || name == WebUtility.HtmlDecode(slice) || name == Unescaped(slice), $"'{name}' is said of '{slice}' at {line}:{character}");
            }
            // Of CoNLL one column of ten is text.
            Assert.True(said > 2, $"only {said} of 50 places had something to say");
        }
    }

    [GeneratedRegex(@"^\*\*`+ ?(.*?) ?`+\*\*")]
    private static partial Regex Name();

    /// <summary>An editor keeps the byte order mark to itself.</summary>
    private static string Read(string file) => File.ReadAllText(Path.Combine(Folder, file));

    private static string UriOf(string file) => $"file:///samples/{file}";

    private static string? Unescaped(string slice)
    {
        try
        {
            return JsonSerializer.Deserialize<string>($"\"{slice}\"");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static (int Line, int Character) Place(string content, int offset)
    {
        string before = content[..offset];
        return (before.Count(static c => c == '\n'), offset - (before.LastIndexOf('\n') + 1));
    }

    private static (int Start, int End) Range(string content, JsonNode range)
    {
        string[] lines = content.Split('\n');
        int At(JsonNode position) => lines.Take((int)position["line"]!).Sum(static l => l.Length + 1) + (int)position["character"]!;
        return (At(range["start"]!), At(range["end"]!));
    }
}
