using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli.Tests;

public sealed class AttendTests : IClassFixture<TemporaryFolder>
{
    private readonly TemporaryFolder _folder;

    public AttendTests(TemporaryFolder folder) => _folder = folder;

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (var model in Directory.EnumerateDirectories(Cli.Fixture("oracle")).Where(f => File.Exists(Path.Combine(f, "config.json"))).Order(StringComparer.Ordinal))
        {
            foreach (var expected in Directory.EnumerateFiles(model, "expected*.safetensors").Order(StringComparer.Ordinal))
            {
                cases.Add(Path.GetFileName(model), Path.GetFileName(expected));
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void SafetensorsReproduceTheOracle(string model, string file)
    {
        var source = Path.Combine(Cli.Fixture("oracle"), model);
        var input = Path.Combine(source, file);
        var output = Path.Combine(_folder.Path, $"{model}.{file}");
        Assert.Equal("", Cli.Good("attend", "--model", source, "--input", input, "--layer", "all", "--head", "all", "--format", "safetensors", "-o", output).Output);
        var actual = Tensors.Floats(output);
        var compared = 0;
        foreach (var (name, (shape, values)) in Tensors.Floats(input))
        {
            Assert.True(actual.ContainsKey(name), $"{name} is missing");
            Assert.Equal(shape, actual[name].Shape);
            // The oracle's own tolerances for float32 (tests/fixtures/oracle/README.md).
            var isAttention = name.Contains("attentions.", StringComparison.Ordinal);
            for (var i = 0; i < values.Length; i++)
            {
                var tolerance = isAttention ? 5e-6 : 5e-5 + (1e-5 * Math.Abs(values[i]));
                Assert.True(Math.Abs(values[i] - actual[name].Values[i]) <= tolerance, $"{name}[{i}] is {actual[name].Values[i]}, not {values[i]}");
            }

            compared += isAttention ? 1 : 0;
        }

        Assert.True(compared > 0);
    }

    [Fact]
    public void AnImageFileGivesWhatItsPreparedPixelsGive()
    {
        foreach (var file in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(Path.Combine(Cli.Fixture("oracle/vit"), file), Path.Combine(_folder.Path, file));
        }

        var image = Path.Combine(Cli.Fixture("images"), "progressive-420.jpg");
        Cli.Refused(1, "preprocessor_config.json", "attend", "--model", _folder.Path, "--image", image);
        _folder.Write("preprocessor_config.json", """{"feature_extractor_type": "ViTFeatureExtractor", "size": 30, "resample": 2}"""u8.ToArray());
        var (first, second) = (Path.Combine(_folder.Path, "image.safetensors"), Path.Combine(_folder.Path, "pixels.safetensors"));
        Cli.Good("attend", "--model", _folder.Path, "--image", image, "--format", "safetensors", "-o", first);
        Cli.Good("attend", "--model", _folder.Path, "--input", first, "--format", "safetensors", "-o", second);
        Assert.Equal(File.ReadAllBytes(first), File.ReadAllBytes(second));
        Assert.Equal([3, 30, 30], Tensors.Floats(first)["pixel_values"].Shape);
        Assert.Contains("4,4", Cli.Good("attend", "--model", _folder.Path, "--image", image).Output, StringComparison.Ordinal);
        Assert.Contains("5 x 5 patches of 6 x 6 pixels\n", Cli.Good("model", "show", _folder.Path).Output, StringComparison.Ordinal);

        Cli.Refused(1, "does not exist", "attend", "--model", _folder.Path, "--image", "none.png");
        Cli.Refused(1, "neither a PNG nor a JPEG", "attend", "--model", _folder.Path, "--image", Path.Combine(_folder.Path, "config.json"));
        Cli.Refused(1, "reads no text", "attend", "--model", _folder.Path, "--image", image, "text");
        Cli.Refused(1, "--image", "attend", "--model", _folder.Path, "text");
        Cli.Refused(1, "reads text, not images", "attend", "--model", _folder.TextModel(), "--image", image);
    }

    [Fact]
    public void JsonHoldsTokensWithOffsetsAndExactRows()
    {
        var model = _folder.TextModel();
        var answer = Cli.Good("attend", "The cats sat.", "--pair", "小猫 😀", "--model", model, "--format", "json");
        using var json = JsonDocument.Parse(answer.Output);
        var root = json.RootElement;
        Assert.Equal("bert", root.GetProperty("model").GetProperty("type").GetString());
        Assert.Equal("encoder", root.GetProperty("model").GetProperty("kind").GetString());
        Assert.Equal("raw", root.GetProperty("method").GetString());
        Assert.Equal("The cats sat.", root.GetProperty("text").GetString());
        var stack = Assert.Single(root.GetProperty("stacks").EnumerateArray());
        var tokens = stack.GetProperty("queries").EnumerateArray().Select(t => (
            t.GetProperty("text").GetString(), t.GetProperty("start").GetInt32(), t.GetProperty("end").GetInt32(), t.GetProperty("special").GetBoolean(),
            t.GetProperty("sequence").GetInt32())).ToArray();
        (string?, int, int, bool, int)[] expected =
        [
            ("[CLS]", 0, 0, true, -1), ("the", 0, 3, false, 0), ("cat", 4, 7, false, 0), ("##s", 7, 8, false, 0), ("sat", 9, 12, false, 0),
            (".", 12, 13, false, 0), ("[SEP]", 13, 13, true, -1), ("小", 0, 1, false, 1), ("猫", 1, 2, false, 1), ("😀", 3, 5, false, 1), ("[SEP]", 5, 5, true, -1),
        ];
        Assert.Equal(expected.Select(t => t.Item1), tokens.Select(t => t.Item1));
        Assert.All(expected.Zip(tokens), pair => Assert.Equal(pair.First.Item4, pair.Second.Item4));
        Assert.All(expected.Zip(tokens).Where(p => !p.First.Item4), pair => Assert.Equal(pair.First, pair.Second));
        Assert.False(stack.TryGetProperty("keys", out _)); // the same tokens

        var layers = stack.GetProperty("layers").EnumerateArray().ToArray();
        var oracle = Cli.Good("attend", "The cats sat.", "--pair", "小猫 😀", "--model", model, "--format", "safetensors", "-o", Path.Combine(_folder.Path, "pair.safetensors"));
        Assert.Equal("", oracle.Output);
        var tensors = Tensors.Floats(Path.Combine(_folder.Path, "pair.safetensors"));
        for (var layer = 0; layer < layers.Length; layer++)
        {
            Assert.Equal(layer, layers[layer].GetProperty("layer").GetInt32());
            var values = tensors[string.Create(CultureInfo.InvariantCulture, $"attentions.{layer}")].Values;
            var read = layers[layer].GetProperty("heads").EnumerateArray().SelectMany(h => h.GetProperty("rows").EnumerateArray())
                .SelectMany(r => r.EnumerateArray()).Select(w => w.GetSingle()).ToArray();
            Assert.Equal(values, read);
        }
    }

    [Fact]
    public void MeansAreOfTheSelection()
    {
        var model = _folder.TextModel();
        float[] Row(params string[] selection)
        {
            using var json = JsonDocument.Parse(Cli.Good(["attend", "the cat sat", "--model", model, "--format", "json", .. selection]).Output);
            return [.. json.RootElement.GetProperty("stacks")[0].GetProperty("layers")[0].GetProperty("heads")[0].GetProperty("rows")[1].EnumerateArray().Select(w => w.GetSingle())];
        }

        var mean = Row("--layer", "1", "--head", "mean");
        var heads = Enumerable.Range(0, 4).Select(h => Row("--layer", "1", "--head", h.ToString(CultureInfo.InvariantCulture))).ToArray();
        for (var i = 0; i < mean.Length; i++)
        {
            Assert.Equal(heads.Average(h => (double)h[i]), mean[i], 1e-6);
        }

        // Hidden and renormalized weights: 0 on [CLS] and [SEP], the others to scale.
        var raw = Row("--layer", "0", "--head", "0");
        var hidden = Row("--layer", "0", "--head", "0", "--special", "hide");
        var scaled = Row("--layer", "0", "--head", "0", "--special", "renormalize");
        Assert.Equal([0, raw[1], raw[2], raw[3], 0], hidden);
        Assert.Equal(1, scaled.Sum(), 1e-5f);
        Assert.Equal(raw[1] / hidden.Sum(), scaled[1], 1e-6f);
    }

    [Fact]
    public void SeveralHeadsAreOneMatrix()
    {
        var model = _folder.TextModel();
        JsonElement Layer(params string[] selection) =>
            JsonDocument.Parse(Cli.Good(["attend", "the cat sat", "--model", model, "--format", "json", .. selection]).Output)
                .RootElement.GetProperty("stacks")[0].GetProperty("layers")[0];
        static float[] Row(JsonElement layer, int head = 0) => [.. layer.GetProperty("heads")[head].GetProperty("rows")[1].EnumerateArray().Select(w => w.GetSingle())];

        float[][] heads = [Row(Layer("--layer", "0"), 1), .. Enumerable.Range(0, 4).Select(h => Row(Layer("--layer", "2"), h))];
        var some = Layer("--heads", "0.1,2.*");
        Assert.Equal(("heads", "0.1,2.*"), (some.GetProperty("layer").GetString(), some.GetProperty("heads")[0].GetProperty("head").GetString()));
        Assert.Equal(1, some.GetProperty("heads").GetArrayLength());
        var largest = Row(Layer("--heads", "0.1,2.*", "--method", "max"));
        for (var i = 0; i < largest.Length; i++)
        {
            Assert.Equal(heads.Average(h => (double)h[i]), Row(some)[i], 1e-6);
            Assert.Equal(heads.Max(h => h[i]), largest[i]);
        }

        Assert.Equal(Row(Layer("--heads", "0-1.*")), Row(Layer("--layers", "0-1")));
        // Every format takes them: the picture says which, the tensors what they are.
        Assert.Contains("heads 0.1,2.*", Cli.Good("attend", "the cat sat", "--model", model, "--heads", "0.1,2.*").Output, StringComparison.Ordinal);
        Assert.Contains("heads 0.1,2.*", Cli.Good("attend", "the cat sat", "--model", model, "--heads", "0.1,2.*", "--format", "svg").Output, StringComparison.Ordinal);
        var path = Path.Combine(_folder.Path, "some.safetensors");
        Cli.Good("attend", "the cat sat", "--model", model, "--heads", "0.1,2.*", "--format", "safetensors", "-o", path);
        Assert.Equal([1, 5, 5], Tensors.Floats(path)["attentions.heads"].Shape);
    }

    [Fact]
    public void TheTableReadsAtAGlance()
    {
        var answer = Cli.Run([], t => t with { Width = 60 }, "attend", "the 猫 😀", "--model", _folder.TextModel(), "--layer", "0", "--head", "1");
        Assert.Equal(0, answer.Status);
        var lines = answer.Output.TrimEnd('\n').Split('\n');
        Assert.Matches(@"^words · encoder · layer 0 · head 1 · 5 tokens · special tokens shown \(\d+% of the weight\)$", lines[0]);
        Assert.Equal(6, lines.Length);
        Assert.Matches(@"^1  the    [█▉▊▋▌▍▎▏ ]{8} +\d+% \S+", lines[2]);
        Assert.StartsWith("2  猫     ", lines[3], StringComparison.Ordinal); // two columns wide
        Assert.StartsWith("3  😀     ", lines[4], StringComparison.Ordinal);
        Assert.All(lines.Skip(1), line => Assert.True(DisplayText.Width(line) <= 60, line));
        Assert.DoesNotContain('\u001b', answer.Output);

        var colored = Cli.Run([], t => t with { Color = true }, "attend", "the cat", "--model", _folder.TextModel());
        Assert.Contains("\u001b[", colored.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTokenCanCommandTheTerminal()
    {
        // A hostile vocabulary: its tokens clear the screen, set the title, reverse the text.
        var model = Path.Combine(_folder.Path, "hostile");
        Directory.CreateDirectory(model);
        foreach (var file in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(Path.Combine(Cli.Fixture("oracle/bert"), file), Path.Combine(model, file));
        }

        File.WriteAllText(Path.Combine(model, "vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u001b[2J\n\u001b]0;owned\u0007\n\u202eevil\n\u009b31m\nx\n");
        foreach (var format in new[] { "table", "svg", "html", "json" })
        {
            var answer = Cli.Good("attend", "--ids", "5 6 7 8 9", "--model", model, "--format", format);
            Assert.DoesNotContain('\u001b', answer.Output);
            Assert.DoesNotContain('\u009b', answer.Output);
            Assert.DoesNotContain('\u0007', answer.Output);
            if (format != "json")
            {
                Assert.DoesNotContain('\u202e', answer.Output);
            }
        }

        Assert.DoesNotContain('\u001b', Cli.Good("tokenize", "x", "--model", model).Output);
        var refused = Cli.Run("attend", "--ids", "5", "--model", "\u001b[2Jnowhere");
        Assert.DoesNotContain('\u001b', refused.Error);
    }

    [Fact]
    public void TokenizeWritesTheContractsJson()
    {
        var answer = Cli.Good("tokenize", "The 😀 cats", "--model", _folder.TextModel(), "--format", "json");
        using var json = JsonDocument.Parse(answer.Output);
        var tokens = json.RootElement.EnumerateArray().ToArray();
        Assert.All(tokens, t => Assert.Equal(["id", "text", "start", "end", "special"], t.EnumerateObject().Select(p => p.Name)));
        Assert.Equal((14, "😀", 4, 6, false), Read(tokens[2]));
        Assert.Equal((8, "##s", 10, 11, false), Read(tokens[4]));
        Assert.All(tokens.Where(t => t.GetProperty("special").GetBoolean()), t => Assert.Equal(t.GetProperty("start").GetInt32(), t.GetProperty("end").GetInt32()));
        Assert.Equal("[SEP]", tokens[^1].GetProperty("text").GetString());

        static (int, string?, int, int, bool) Read(JsonElement t) => (t.GetProperty("id").GetInt32(), t.GetProperty("text").GetString(),
            t.GetProperty("start").GetInt32(), t.GetProperty("end").GetInt32(), t.GetProperty("special").GetBoolean());
    }

    [Fact]
    public void StandardInputFilesAndByteOrderMarksAreTheSameText()
    {
        var model = _folder.TextModel();
        var expected = Cli.Good("tokenize", "the cat", "--model", model, "--format", "json").Output;
        Assert.Equal(expected, Cli.Run(Encoding.UTF8.GetBytes("the cat\n"), t => t, "tokenize", "-f", "-", "--model", model, "--format", "json").Output);
        Assert.Equal(expected, Cli.Good("tokenize", "-f", _folder.Write("bom.txt", [0xEF, 0xBB, 0xBF, .. "the cat\r\n"u8]), "--model", model, "--format", "json").Output);
        Assert.Equal(expected, Cli.Good("tokenize", "-f", _folder.Write("utf16.txt", [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("the cat")]), "--model", model, "--format", "json").Output);
        Assert.Equal(expected, Cli.Good("tokenize", "--model", model, "--format", "json", "--", "the cat").Output);
    }

    [Fact]
    public void SvgIsWellFormedAndShowsEveryToken()
    {
        var answer = Cli.Good("attend", "the <cat> & 猫", "--model", _folder.TextModel(), "--format", "svg");
        var svg = XDocument.Parse(answer.Output);
        XNamespace ns = "http://www.w3.org/2000/svg";
        Assert.Equal(ns + "svg", svg.Root?.Name);
        var labels = svg.Descendants(ns + "text").Select(t => t.Value).ToList();
        Assert.Equal(2, labels.Count(l => l == "猫")); // one row, one column
        Assert.True(svg.Descendants(ns + "rect").Count() > 20);
    }

    [Fact]
    public void AnSvgIsLargeEnoughForItsTitleItsLabelAndItsScale()
    {
        // One row: lower than the scale beside it, and a label that says which output.
        var svg = System.Xml.Linq.XDocument.Parse(Cli.Good(
            "attend", "the cat [MASK] on the mat .", "--model", _folder.TextModel(), "--format", "svg", "--method", "input-x-gradient", "--output-token", "sat", "--contrast", "mat").Output).Root!;
        double Number(System.Xml.Linq.XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
        var elements = svg.Descendants().ToArray();
        var rectangles = elements.Where(e => e.Name.LocalName == "rect").ToArray();
        Assert.All(rectangles.Skip(1), r => Assert.True(Number(r, "y") + Number(r, "height") <= Number(svg, "height")));
        Assert.Contains(elements, e => e.Value == "“sat” rather than “mat” for the masked token 3");
        var title = elements.First(e => e.Attribute("font-weight") is not null);
        Assert.True(Number(svg, "width") >= title.Value.Length * 7);
        // Scores for and against have colours of their own, on both sides of white.
        Assert.Contains(elements, e => e.Value.StartsWith('−'));
        var colors = rectangles.Skip(1).Select(r => Convert.ToInt32(r.Attribute("fill")!.Value[1..], 16)).Select(c => (R: c >> 16, B: c & 255)).ToArray();
        Assert.Contains(colors, c => c.R > c.B + 40);
        Assert.Contains(colors, c => c.B > c.R + 40);
    }

    [Fact]
    public void PngIsAPictureOfTheMatrix()
    {
        var bytes = Cli.Good("attend", "the cat sat", "--model", _folder.TextModel(), "--format", "png", "--layer", "0", "--head", "0").Bytes;
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], bytes[..8]);
        var (width, height, pixels) = Decode(bytes);
        Assert.Equal((width, height), (160, 160)); // 5 tokens of 32 pixels
        using var json = JsonDocument.Parse(Cli.Good("attend", "the cat sat", "--model", _folder.TextModel(), "--format", "json", "--layer", "0", "--head", "0").Output);
        var rows = json.RootElement.GetProperty("stacks")[0].GetProperty("layers")[0].GetProperty("heads")[0].GetProperty("rows");
        var weights = rows.EnumerateArray().Select(r => r.EnumerateArray().Select(w => w.GetSingle()).ToArray()).ToArray();
        var max = weights.Max(r => r.Max());
        for (var q = 0; q < 5; q++)
        {
            for (var k = 0; k < 5; k++)
            {
                var at = (((q * 32) + 16) * width * 3) + (((k * 32) + 16) * 3);
                Assert.Equal(Formats.Colors.Of(weights[q][k], max), (pixels[at], pixels[at + 1], pixels[at + 2]));
            }
        }
    }

    [Fact]
    public void PngOfAllHeadsIsAGrid()
    {
        var (width, height, _) = Decode(Cli.Good("attend", "the cat sat", "--model", _folder.TextModel(), "--format", "png", "--layer", "all", "--head", "all").Bytes);
        Assert.True(width > height); // 4 heads across, 3 layers or fewer down
    }

    /// <summary>Width, height and RGB pixels of a PNG, checking each chunk's CRC with other code than the encoder's.</summary>
    private static (int Width, int Height, byte[] Pixels) Decode(byte[] png)
    {
        int width = 0, height = 0;
        using var data = new MemoryStream();
        for (var at = 8; at < png.Length;)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            var crc = 0xFFFFFFFFu;
            foreach (var b in png.AsSpan(at + 4, length + 4))
            {
                crc ^= b;
                for (var bit = 0; bit < 8; bit++)
                {
                    crc = (crc >> 1) ^ (0xEDB88320u & (0 - (crc & 1)));
                }
            }

            Assert.Equal(~crc, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at + 8 + length)));
            switch (Encoding.ASCII.GetString(png, at + 4, 4))
            {
                case "IHDR":
                    width = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at + 8));
                    height = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at + 12));
                    break;
                case "IDAT":
                    data.Write(png, at + 8, length);
                    break;
            }

            at += length + 12;
        }

        data.Position = 0;
        using var zlib = new ZLibStream(data, CompressionMode.Decompress);
        var pixels = new byte[width * height * 3];
        for (var y = 0; y < height; y++)
        {
            Assert.Equal(0, zlib.ReadByte()); // no filter
            zlib.ReadExactly(pixels, y * width * 3, width * 3);
        }

        return (width, height, pixels);
    }

    [Fact]
    public void NpzHoldsTheSameTensors()
    {
        var model = _folder.TextModel();
        using var archive = new ZipArchive(new MemoryStream(Cli.Good("attend", "the cat", "--model", model, "--format", "npz").Bytes));
        Cli.Good("attend", "the cat", "--model", model, "--format", "safetensors", "-o", Path.Combine(_folder.Path, "npz.safetensors"));
        var tensors = Tensors.Floats(Path.Combine(_folder.Path, "npz.safetensors"));
        foreach (var (name, (shape, values)) in tensors)
        {
            var (header, bytes) = Npy(archive, name);
            Assert.Contains($"'descr': '<f4', 'fortran_order': False, 'shape': ({string.Join(", ", shape)}", header, StringComparison.Ordinal);
            Assert.Equal(values, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray());
        }

        var (text, utf32) = Npy(archive, "tokens");
        Assert.Contains("'<U5'", text, StringComparison.Ordinal);
        Assert.Equal("[CLS]", Encoding.UTF32.GetString(utf32, 0, 20));
    }

    private static (string Header, byte[] Data) Npy(ZipArchive archive, string name)
    {
        using var stream = archive.GetEntry(name + ".npy")!.Open(); // a missing entry fails the test
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        var bytes = memory.ToArray();
        Assert.Equal("\u0093NUMPY\u0001\0", Encoding.Latin1.GetString(bytes, 0, 8));
        var length = BitConverter.ToUInt16(bytes, 8);
        Assert.Equal(0, (10 + length) % 64);
        return (Encoding.ASCII.GetString(bytes, 10, length), bytes[(10 + length)..]);
    }

    [Fact]
    public void HtmlNeedsNothingElse()
    {
        var page = Cli.Good("attend", "the </script><script>alert(1)</script> cat", "--model", _folder.TextModel(), "--format", "html").Output;
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http:", page, StringComparison.Ordinal);
        Assert.DoesNotContain("https:", page, StringComparison.Ordinal);
        Assert.Equal(2, page.Split("</script>").Length - 1);
        var script = page[(page.LastIndexOf("<script>", StringComparison.Ordinal) + 8)..page.LastIndexOf("</script>", StringComparison.Ordinal)];
        var hash = Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(script)));
        Assert.Contains($"script-src 'sha256-{hash}'", page, StringComparison.Ordinal);
        var start = page.IndexOf('>', page.IndexOf("id=\"data\"", StringComparison.Ordinal)) + 1;
        using var data = JsonDocument.Parse(page[start..page.IndexOf("</script>", start, StringComparison.Ordinal)]);
        var matrix = data.RootElement.GetProperty("stacks")[0].GetProperty("matrices")[0];
        var tokens = data.RootElement.GetProperty("stacks")[0].GetProperty("queries").GetArrayLength();
        Assert.Equal(tokens * tokens * 2, matrix.GetProperty("weights").GetBytesFromBase64().Length);
    }

    [Fact]
    public void ModelsAreDescribedAndChecked()
    {
        var model = _folder.TextModel();
        Assert.Contains("layers        3", Cli.Good("model", "show", model).Output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(Cli.Good("model", "show", model, "--format", "json").Output);
        Assert.Equal(15, json.RootElement.GetProperty("tokenizer").GetInt32());
        Assert.StartsWith("words works: bert, ", Cli.Good("model", "check", model).Output, StringComparison.Ordinal);
        Assert.Contains("works", Cli.Good("model", "check", Cli.Fixture("oracle/t5")).Output, StringComparison.Ordinal);
        Assert.Contains("works", Cli.Good("model", "check", Cli.Fixture("oracle/vit")).Output, StringComparison.Ordinal);
        Assert.Contains("works", Cli.Good("model", "check", Cli.Fixture("oracle/clip")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongUsageIsStatusTwo()
    {
        var model = _folder.TextModel();
        Cli.Refused(2, "Say what to do: attend", []);
        Cli.Refused(2, "'nonsense'", "nonsense");
        Cli.Refused(2, "--nonsense", "attend", "--nonsense");
        Cli.Refused(2, "seven", "attend", "x", "--layer", "seven");
        Cli.Refused(2, "3.5,4.*,6-8.2", "attend", "x", "--heads", "3");
        Cli.Refused(2, "2,5-7", "attend", "x", "--layers", "3.1");
        Cli.Refused(2, "either --heads or --layers", "attend", "x", "--heads", "0.0", "--layers", "1");
        Cli.Refused(2, "no --layer or --head", "attend", "x", "--heads", "0.0", "--layer", "1");
        Cli.Refused(2, "table, json, svg", "attend", "x", "--format", "papyrus");
        Cli.Refused(2, "nothing to read", "attend", "--model", model);
        Cli.Refused(2, "not both", "attend", "x", "-f", "y", "--model", model);
        Cli.Refused(2, "not both", "attend", "x", "--ids", "5", "--model", model);
        Cli.Refused(2, "'x'", "attend", "--ids", "5 x", "--model", model);
        Cli.Refused(2, "--type-ids", "attend", "--ids", "5 6", "--type-ids", "0", "--model", model);
        Cli.Refused(2, "--input", "attend", "x", "--input", "y", "--model", model);
        Cli.Refused(2, "-o FILE", Cli.Run([], t => t with { OutputIsTerminal = true }, "attend", "x", "--format", "png", "--model", model));
    }

    [Fact]
    public void BadInputIsOneSentence()
    {
        var model = _folder.TextModel();
        Cli.Refused(1, "nowhere", "attend", "x", "--model", "/nowhere");
        Cli.Refused(1, "empty", "attend", "", "--model", model);
        Cli.Refused(1, "empty", "attend", " \n", "--model", model);
        Cli.Refused(1, "layer 99", "attend", "the", "--model", model, "--layer", "99");
        Cli.Refused(1, "head 99", "attend", "the", "--model", model, "--head", "99", "--format", "json");
        Cli.Refused(1, "no layer 99: its layers are 0 to 2", "attend", "the", "--model", model, "--heads", "0.0,99.*");
        Cli.Refused(1, "no head 99", "attend", "the", "--model", model, "--heads", "0.99", "--method", "rollout");
        Cli.Refused(1, "99999", "attend", "--ids", "99999", "--model", model);
        Cli.Refused(1, "-3", "attend", "--ids", "5 -3", "--model", model);
        Cli.Refused(1, "no tokenizer", "attend", "the", "--model", Cli.Fixture("oracle/bert"));
        Cli.Refused(1, "decoder", "attend", "the", "--target", "x", "--model", model);
        Cli.Refused(1, "missing.txt", "attend", "-f", Path.Combine(_folder.Path, "missing.txt"), "--model", model);
        Cli.Refused(1, "is a folder", "attend", "-f", _folder.Path, "--model", model);
        Cli.Refused(1, "binary", "attend", "-f", _folder.Write("binary.bin", [1, 2, 0, 3]), "--model", model);
        Cli.Refused(1, "not valid UTF-8: byte 0xE9 at offset 6 (line 2)", "attend", "-f", _folder.Write("latin.txt", [(byte)'a', (byte)'\n', (byte)' ', (byte)'c', (byte)'a', (byte)'f', 0xE9, (byte)'x']), "--model", model);
        Cli.Refused(1, "UTF-16", "attend", "-f", _folder.Write("broken16.txt", [0xFF, 0xFE, 0x00, 0xD8]), "--model", model);
        Cli.Refused(1, "tokens", "attend", "-f", _folder.Write("long.txt", Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the cat ", 131_072)))), "--model", model);
        Cli.Refused(1, "safetensors", "attend", "--input", _folder.Write("no.safetensors", [1, 2, 3]), "--model", model);
        Cli.Refused(1, "does not exist", "attend", "the", "--model", model, "--format", "svg", "-o", Path.Combine(_folder.Path, "no", "folder.svg"));
        Cli.Refused(1, "is a folder", "attend", "the", "--model", model, "--format", "svg", "-o", _folder.Path);
    }

    [Fact]
    public void AFailureLeavesTheOldFileAsItWas()
    {
        var path = _folder.Write("kept.svg", "old"u8.ToArray());
        Cli.Refused(1, "layer 9", "attend", "the", "--model", _folder.TextModel(), "--layer", "9", "--format", "svg", "-o", path);
        Assert.Equal("old", File.ReadAllText(path));
        Cli.Good("attend", "the", "--model", _folder.TextModel(), "--format", "svg", "-o", path);
        Assert.StartsWith("<svg", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, ".*.tmp"));
    }
}
