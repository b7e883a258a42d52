using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Xunit.Abstractions;

namespace AttentionLens.Models.Tests;

public sealed class ImageProcessorTests(ITestOutputHelper output)
{
    private const string Vit = """{"image_processor_type": "ViTImageProcessor", "do_resize": true, "size": {"height": 30, "width": 30}, "resample": 2, "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]}""";
    private const string OldVit = """{"feature_extractor_type": "ViTFeatureExtractor", "do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3, "size": 41}""";
    private const string Clip = """{"crop_size": 32, "do_center_crop": true, "do_normalize": true, "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 32}""";
    private const string ClipShort = """{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 21}, "crop_size": {"height": 30, "width": 24}, "resample": 1, "do_normalize": false}""";
    private const string ClipSquare = """{"image_processor_type": "CLIPImageProcessorFast", "size": {"height": 33, "width": 20}, "do_center_crop": false, "resample": 5, "do_rescale": false}""";
    private const string ClipWhole = """{"image_processor_type": "CLIPImageProcessor", "do_resize": false, "crop_size": 16, "image_mean": 0.5, "image_std": 0.25, "resample": 4, "do_pad": false}""";

    public static TheoryData<string, int, int, int> Cases()
    {
        TheoryData<string, int, int, int> cases = [];
        foreach (string config in new[] { Vit, OldVit, Clip, ClipShort, ClipSquare, ClipWhole })
        {
            foreach ((int width, int height) in new[] { (45, 37), (200, 31), (7, 90), (30, 30), (16, 17) })
            {
                cases.Add(config, width, height, 3);
            }
        }

        cases.Add(Vit.Replace("[0.5, 0.4, 0.3]", "[0.1307]", StringComparison.Ordinal).Replace("[0.5, 0.25, 0.2]", "[0.3081]", StringComparison.Ordinal), 45, 37, 1);
        return cases;
    }

    /// <summary>
    /// Columns and rows round to 8 bits once each: half a level, and half a level times what the weights of a row add up to without their signs
    /// (1 to 1.4 with lanczos, the worst).
    /// </summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Pixel_values_are_those_of_a_double_precision_reference(string config, int width, int height, int channels)
    {
        RgbImage image = TestImages.Noise(width, height, width + height);
        PixelValues actual = Prepare(config, image, channels).Pixels;
        double[,,] expected = Reference.Prepare(JsonNode.Parse(config)!, image, channels, out double[] level);
        Assert.Equal((channels, expected.GetLength(1), expected.GetLength(2)), (actual.Channels, actual.Height, actual.Width));
        for (int channel = 0; channel < channels; channel++)
        {
            for (int y = 0; y < actual.Height; y++)
            {
                for (int x = 0; x < actual.Width; x++)
                {
                    double difference = actual.Data[(((channel * actual.Height) + y) * actual.Width) + x] - expected[channel, y, x];
                    Assert.True(Math.Abs(difference) <= 1.2 * level[channel], $"{channel}, {y}, {x}: off by {difference / level[channel]} levels");
                }
            }
        }
    }

    /// <summary>Pillow and NumPy, used as Hugging Face's image processors use them: the same bits.</summary>
    [Fact]
    public void Pixel_values_are_those_of_pillow_to_the_bit()
    {
        using TemporaryFolder folder = new();
        List<string> arguments = ["prepare"];
        List<PreparedImage> prepared = [];
        foreach (object[] test in Cases())
        {
            (string config, int width, int height, int channels) = ((string)test[0], (int)test[1], (int)test[2], (int)test[3]);
            RgbImage image = TestImages.Noise(width, height, width + height);
            string name = folder.File(prepared.Count.ToString(CultureInfo.InvariantCulture));
            File.WriteAllBytes(name + ".ppm", [.. Encoding.ASCII.GetBytes($"P6 {width} {height} 255\n"), .. image.Data]);
            File.WriteAllText(name + ".json", config);
            prepared.Add(Prepare(config, image, channels));
            arguments.AddRange([name, channels == 1 ? "L" : "RGB"]);
        }

        if (!Pillow.Run(arguments))
        {
            output.WriteLine("not applicable: no python3 with Pillow and NumPy on this machine");
            return;
        }

        for (int i = 0; i < prepared.Count; i++)
        {
            byte[] expected = File.ReadAllBytes(folder.File($"{i}.f32"));
            float[] values = new float[expected.Length / 4];
            Buffer.BlockCopy(expected, 0, values, 0, expected.Length);
            Assert.Equal(values, prepared[i].Pixels.Data);
        }
    }

    [Fact]
    public void The_prepared_part_of_the_image_is_known()
    {
        // Resized to 64 x 32, of which the middle 32 columns are taken: the middle half of the original.
        PreparedImage middle = Prepare(Clip, TestImages.Noise(200, 100, 1), 3);
        Assert.Equal(new ImageRectangle(50, 0, 100, 100), middle.Source);
        Assert.Equal(new ImageRectangle(75, 25, 25, 25), middle.Patch(new PatchGrid(4, 4, 8), 1, 1));
        Assert.Equal(new ImageRectangle(0, 0, 200, 100), Prepare(Vit, TestImages.Noise(200, 100, 1), 3).Source);
        // A crop of 16 from 10 x 12 reaches 3 and 2 pixels beyond each side, where it is black: (0 - 0.5) / 0.25.
        PreparedImage small = Prepare(ClipWhole, TestImages.Noise(10, 12, 1), 3);
        Assert.Equal(new ImageRectangle(-3, -2, 16, 16), small.Source);
        Assert.Equal(-2f, small.Pixels.Data[0]);
    }

    [Theory]
    [InlineData("""{"image_processor_type": "ConvNextImageProcessor"}""", "ConvNextImageProcessor")]
    [InlineData("""{"resample": 0}""", "resample 0")]
    [InlineData("""{"do_pad": true}""", "do_pad")]
    [InlineData("""{"crop_pct": 0.9}""", "crop_pct")]
    [InlineData("""{"do_center_crop": true}""", "do_center_crop")]
    [InlineData("""{"size": {"shortest_edge": 30}}""", "shortest_edge")]
    [InlineData("""{"size": {"longest_edge": 30}}""", "longest_edge")]
    [InlineData("""{"size": 100000}""", "100000")]
    [InlineData("""{"size": [30, 30]}""", "size must be an object")]
    [InlineData("""{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 30, "longest_edge": 40}}""", "longest_edge")]
    [InlineData("""{"image_mean": [0.5]}""", "image_mean has 1 values")]
    [InlineData("""{"image_std": [0.5, 0, 1]}""", "image_std holds a 0")]
    [InlineData("""{"rescale_factor": "x"}""", "rescale_factor must be a number")]
    [InlineData("[]", "not a JSON object")]
    public void An_option_that_would_be_done_differently_is_refused_by_name(string config, string about) =>
        Assert.Contains(about, Assert.Throws<ModelException>(() => Prepare(config, TestImages.Noise(4, 4, 1), 3)).Message, StringComparison.Ordinal);

    /// <summary>Hostile values in any key: pixels of one size, or one error that says why not.</summary>
    [Fact]
    public void Hostile_configurations_prepare_an_image_or_are_refused()
    {
        string[] values = ["0", "-1", "1", "3", "1e300", "2147483647", "40000", "0.5", "\"x\"", "null", "[]", "[0,0,0]", "{}", "true", "{\"height\":1,\"width\":40000}", "{\"shortest_edge\":40000}"];
        RgbImage image = TestImages.Noise(7, 5, 1);
        Random random = new(18);
        foreach (string original in new[] { Vit, Clip, ClipWhole })
        {
            string[] keys = [.. JsonNode.Parse(original)!.AsObject().Select(static pair => pair.Key)];
            for (int trial = 0; trial < 100; trial++)
            {
                JsonObject config = JsonNode.Parse(original)!.AsObject();
                for (int changes = random.Next(1, 3); changes > 0; changes--)
                {
                    config[keys[random.Next(keys.Length)]] = JsonNode.Parse(values[random.Next(values.Length)]);
                }

                try
                {
                    PixelValues pixels = Prepare(config.ToJsonString(), image, 3).Pixels;
                    Assert.Equal(pixels.Channels * pixels.Height * pixels.Width, pixels.Data.Length);
                }
                catch (ModelException error)
                {
                    Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    [Fact]
    public void The_common_file_of_transformers_5_says_the_same()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("processor_config.json"), $$"""{"image_processor": {{Clip}}, "processor_class": "CLIPProcessor"}""");
        RgbImage image = TestImages.Noise(50, 40, 1);
        Assert.Equal(Prepare(Clip, image, 3).Pixels.Data, ImageProcessor.Load(folder.Path, "clip", 3).Prepare(image).Pixels.Data);
        File.WriteAllText(folder.File("processor_config.json"), """{"image_processor": {"do_pad": true}}""");
        Assert.Contains("processor_config.json: image_processor: the option do_pad", Assert.Throws<ModelException>(() => ImageProcessor.Load(folder.Path, "clip", 3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_would_fill_the_memory_is_refused()
    {
        Assert.Contains("too narrow", Assert.Throws<ModelException>(() => Prepare(Clip, new RgbImage(1, 3_000_000, new byte[9_000_000]), 3)).Message, StringComparison.Ordinal);
        Assert.Contains("too narrow", Assert.Throws<ModelException>(() => Prepare(Vit, new RgbImage(1, 3_000_000, new byte[9_000_000]), 3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_vision_model_looks_at_an_image_file()
    {
        using TemporaryFolder folder = new();
        foreach (string file in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(Path.Combine(Repository.Oracle("vit"), file), folder.File(file));
        }

        using (Model without = Model.Load(folder.Path))
        {
            Assert.Null(without.ImageProcessor);
            Assert.Contains("preprocessor_config.json", without.ImageProblem, StringComparison.Ordinal);
        }

        File.WriteAllText(folder.File("preprocessor_config.json"), Vit);
        using Model model = Model.Load(folder.Path);
        Assert.Null(model.ImageProblem);
        PreparedImage prepared = model.ImageProcessor!.Prepare(RgbImage.Load(TestImages.Jpeg("baseline-444.jpg")));
        AttentionTrace trace = model.Forward(new ModelInput { Pixels = prepared.Pixels });
        Assert.Equal(26, trace.Stacks[0].Queries);
        Assert.Equal(new ImageRectangle(9, 7.4, 9, 7.4), prepared.Patch(model.Info.Patches!.Value, 1, 1));
    }

    private static PreparedImage Prepare(string config, RgbImage image, int channels)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("preprocessor_config.json"), config);
        return ImageProcessor.Load(folder.Path, "vit", channels).Prepare(image);
    }

    /// <summary>What preprocessor_config.json says, in double precision and without rounding: each pixel a weighted mean over the rows of weighted means over the columns.</summary>
    private static class Reference
    {
        public static double[,,] Prepare(JsonNode config, RgbImage image, int channels, out double[] level)
        {
            string kind = (string)(config["image_processor_type"] ?? config["feature_extractor_type"])!;
            bool clip = kind.StartsWith("CLIP", StringComparison.Ordinal);
            (int width, int height) = (image.Width, image.Height);
            (int newWidth, int newHeight) = (width, height);
            if ((bool?)config["do_resize"] ?? true)
            {
                JsonNode size = config["size"]!;
                int? shortest = size is JsonValue ? (int)size : (int?)size["shortest_edge"];
                (newWidth, newHeight) = size is JsonObject && size["height"] is { } h ? ((int)size["width"]!, (int)h)
                    : !clip ? (shortest!.Value, shortest.Value)
                    : width <= height ? (shortest!.Value, shortest.Value * height / width) : (shortest!.Value * width / height, shortest.Value);
            }

            double[][] columns = Weights(width, newWidth, (int)config["resample"]!);
            double[][] rows = Weights(height, newHeight, (int)config["resample"]!);
            (int cropWidth, int cropHeight) = (newWidth, newHeight);
            if ((bool?)config["do_center_crop"] ?? clip)
            {
                (cropWidth, cropHeight) = config["crop_size"] is JsonValue side ? ((int)side, (int)side) : ((int)config["crop_size"]!["width"]!, (int)config["crop_size"]!["height"]!);
            }

            int left = (int)Math.Floor((newWidth - cropWidth) / 2.0);
            int top = (int)Math.Floor((newHeight - cropHeight) / 2.0);
            double scale = ((bool?)config["do_rescale"] ?? true) ? 1 / 255.0 : 1;
            bool normalise = (bool?)config["do_normalize"] ?? true;
            double[] mean = Each(config["image_mean"], [0.48145466, 0.4578275, 0.40821073], normalise, 0);
            double[] deviation = Each(config["image_std"], [0.26862954, 0.26130258, 0.27577711], normalise, 1);
            level = [.. deviation.Select(d => scale / d)];
            double[,,] result = new double[channels, cropHeight, cropWidth];
            for (int channel = 0; channel < channels; channel++)
            {
                for (int y = 0; y < cropHeight; y++)
                {
                    for (int x = 0; x < cropWidth; x++)
                    {
                        double sum = 0;
                        (int fromX, int fromY) = (x + left, y + top);
                        for (int v = 0; fromX >= 0 && fromX < newWidth && fromY >= 0 && fromY < newHeight && v < height; v++)
                        {
                            double across = 0;
                            for (int u = 0; rows[fromY][v] != 0 && u < width; u++)
                            {
                                ReadOnlySpan<byte> pixel = image.Data.AsSpan(((v * width) + u) * 3, 3);
                                across += columns[fromX][u] * (channels == 3 ? pixel[channel] : Math.Round((0.299 * pixel[0]) + (0.587 * pixel[1]) + (0.114 * pixel[2])));
                            }

                            sum += rows[fromY][v] * Math.Clamp(across, 0, 255);
                        }

                        result[channel, y, x] = ((Math.Clamp(sum, 0, 255) * scale) - mean[channel]) / deviation[channel];
                    }
                }
            }

            return result;

            double[] Each(JsonNode? node, double[] fallback, bool used, double neutral) => !used
                ? [.. Enumerable.Repeat(neutral, channels)]
                : node switch
                {
                    null => fallback,
                    JsonArray array => [.. array.Select(static item => (double)item!)],
                    _ => [.. Enumerable.Repeat((double)node, channels)],
                };
        }

        private static double[][] Weights(int size, int newSize, int filter)
        {
            double scale = (double)size / newSize;
            double stretch = Math.Max(1, scale);
            return [.. Enumerable.Range(0, newSize).Select(i =>
            {
                double[] weights = [.. Enumerable.Range(0, size).Select(j => Weight((j + 0.5 - ((i + 0.5) * scale)) / stretch))];
                double total = weights.Sum();
                return weights.Select(w => w / total).ToArray();
            })];

            double Weight(double x) => (filter, Math.Abs(x)) switch
            {
                (1, < 3 and var a) => a == 0 ? 1 : 3 * Math.Sin(Math.PI * a) * Math.Sin(Math.PI * a / 3) / (Math.PI * Math.PI * a * a),
                (2, < 1 and var a) => 1 - a,
                (3, < 1 and var a) => (1.5 * a * a * a) - (2.5 * a * a) + 1,
                (3, < 2 and var a) => (-0.5 * a * a * a) + (2.5 * a * a) - (4 * a) + 2,
                (4, _) => x is > -0.5 and <= 0.5 ? 1 : 0,
                (5, < 1 and var a) => a == 0 ? 1 : Math.Sin(Math.PI * a) / (Math.PI * a) * (0.54 + (0.46 * Math.Cos(Math.PI * a))),
                _ => 0,
            };
        }
    }
}
