using Xunit.Abstractions;

namespace AttentionLens.Models.Tests;

public sealed class ImageFileTests(ITestOutputHelper output)
{
    /// <summary>Both decoders are within the standard's rounding (one level a transform), which colour conversion and upsampling add up to 4 of 255.</summary>
    [Fact]
    public void Jpeg_pixels_are_within_four_levels_of_libjpegs()
    {
        using TemporaryFolder folder = new();
        if (!Pillow.Run(["jpeg", folder.Path]))
        {
            output.WriteLine("not applicable: no python3 with Pillow and NumPy on this machine");
            return;
        }

        string[] files = Directory.GetFiles(folder.Path, "*.jpg");
        Assert.Equal(14, files.Length);
        foreach (string file in files)
        {
            RgbImage image = RgbImage.Load(file);
            byte[] expected = File.ReadAllBytes(file + ".rgb");
            Assert.Equal(expected.Length, image.Data.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                // stb_image mixes the last two colours of a row of 4:2:2 the wrong way round.
                if (!file.Contains("422", StringComparison.Ordinal) || i / 3 % image.Width < image.Width - 2)
                {
                    Assert.True(Math.Abs(expected[i] - image.Data[i]) <= 4, $"{Path.GetFileName(file)}: value {i} is {image.Data[i]}, not {expected[i]}");
                }
            }
        }
    }

    [Theory]
    [InlineData("baseline-444.jpg", true)]
    [InlineData("progressive-420.jpg", true)]
    [InlineData("grey.jpg", false)]
    [InlineData("cmyk.jpg", true)]
    public void Jpeg_files_have_the_pixels_they_were_made_of(string name, bool colour)
    {
        RgbImage image = RgbImage.Load(TestImages.Jpeg(name));
        Assert.Equal((45, 37, 45 * 37 * 3), (image.Width, image.Height, image.Data.Length));
        for (int y = 0; y < 37; y++)
        {
            for (int x = 0; x < 45; x++)
            {
                byte[] expected = TestImages.Gradient(x, y);
                double grey = (0.299 * expected[0]) + (0.587 * expected[1]) + (0.114 * expected[2]);
                for (int channel = 0; channel < 3; channel++)
                {
                    // What quality 95 loses on a gradient, at the border of subsampled colour most; a wrong colour order or matrix is off by a hundred.
                    double difference = image.Data[(((y * 45) + x) * 3) + channel] - (colour ? expected[channel] : grey);
                    Assert.True(Math.Abs(difference) <= 12, $"{name}: pixel {x}, {y} is off by {difference}");
                }
            }
        }
    }

    [Fact]
    public void Png_files_of_every_kind_have_exactly_the_pixels_they_were_made_of()
    {
        RgbImage image = TestImages.Noise(5, 3, 1);
        Assert.Equal(image.Data, RgbImage.Decode(TestImages.Png(image), "rgb").Data);

        byte[] grey = [1, 200, 255, 0, 7, 99];
        byte[] spread = [.. grey.SelectMany(static g => (byte[])[g, g, g])];
        Assert.Equal(spread, RgbImage.Decode(TestImages.Png(3, 2, 8, 0, TestImages.Rows(grey, 3)), "grey").Data);
        // 16 bits become their upper 8, as in Pillow's colour images; an alpha channel is dropped, not blended.
        Assert.Equal(spread, RgbImage.Decode(TestImages.Png(3, 2, 16, 0, TestImages.Rows([.. grey.SelectMany(static g => (byte[])[g, 250])], 6)), "16 bits").Data);
        Assert.Equal(spread, RgbImage.Decode(TestImages.Png(3, 2, 8, 4, TestImages.Rows([.. grey.SelectMany(static g => (byte[])[g, 128])], 6)), "alpha").Data);
        // Two pixels in the bits of a byte, from a palette of three colours.
        byte[] palette = [1, 2, 3, 40, 50, 60, 255, 254, 253];
        Assert.Equal([.. palette[3..6], .. palette[..3], .. palette[6..]], RgbImage.Decode(TestImages.Png(3, 1, 2, 3, [0, 0b01_00_10_00], 0, ("PLTE", palette)), "palette").Data);
        // Filter 1: each byte is the difference to the pixel before it.
        Assert.Equal([10, 20, 30, 11, 22, 33], RgbImage.Decode(TestImages.Png(2, 1, 8, 2, [1, 10, 20, 30, 1, 2, 3]), "filter").Data);
        // Interlaced 2 x 2: pass 1 has pixel 0,0; pass 6 pixel 1,0; pass 7 the second row.
        Assert.Equal([7, 7, 7, 8, 8, 8, 9, 9, 9, 6, 6, 6], RgbImage.Decode(TestImages.Png(2, 2, 8, 0, [0, 7, 0, 8, 0, 9, 6], 1), "interlaced").Data);
    }

    [Theory]
    [InlineData(1, "ABC DEF")]
    [InlineData(2, "CBA FED")]
    [InlineData(3, "FED CBA")]
    [InlineData(4, "DEF ABC")]
    [InlineData(5, "AD BE CF")]
    [InlineData(6, "DA EB FC")]
    [InlineData(7, "FC EB DA")]
    [InlineData(8, "CF BE AD")]
    [InlineData(9, "ABC DEF")]
    public void What_the_camera_noted_turns_the_image_upright(byte orientation, string expected)
    {
        byte[] letters = "ABCDEF"u8.ToArray();
        RgbImage image = RgbImage.Decode(TestImages.Png(3, 2, 8, 0, TestImages.Rows(letters, 3), 0, ("eXIf", TestImages.Exif(orientation))), "turned");
        string rows = string.Join(' ', image.Data.Where(static (_, i) => i % 3 == 0).Select(static b => (char)b).Chunk(image.Width).Select(static row => new string(row)));
        Assert.Equal(expected, rows);

        // In a JPEG the same structure stands in a segment after the first marker.
        byte[] jpeg = File.ReadAllBytes(TestImages.Jpeg("baseline-444.jpg"));
        byte[] exif = [.. "Exif\0\0"u8, .. TestImages.Exif(orientation)];
        RgbImage turned = RgbImage.Decode([.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(exif.Length + 2), .. exif, .. jpeg[2..]], "turned");
        Assert.Equal(expected.IndexOf(' ') == 3 ? (45, 37) : (37, 45), (turned.Width, turned.Height));
    }

    [Fact]
    public void What_is_no_image_or_too_much_of_one_is_refused_in_a_sentence()
    {
        using TemporaryFolder folder = new();
        Refused("does not exist", () => RgbImage.Load(folder.File("none.png")));
        Refused("is a folder", () => RgbImage.Load(folder.Path));
        Refused("neither a PNG nor a JPEG", () => RgbImage.Decode("GIF89a"u8.ToArray(), "a.gif"));
        Refused("neither a PNG nor a JPEG", () => RgbImage.Decode([], "empty"));
        Refused("50,000,000 are the most", () => RgbImage.Decode(TestImages.Png(10_000, 10_000, 8, 2, []), "vast"));
        // 100 MB of zeros in 100 kB, in an image of four pixels.
        Refused("damaged", () => RgbImage.Decode(TestImages.Png(2, 2, 8, 2, new byte[100_000_000]), "bomb"));
        byte[] jpeg = File.ReadAllBytes(TestImages.Jpeg("progressive-420.jpg"));
        int scan = jpeg.AsSpan().IndexOf([(byte)0xFF, (byte)0xDA]);
        Refused("damaged", () => RgbImage.Decode([.. jpeg[..scan], .. Enumerable.Repeat(jpeg[scan..(scan + 30)], 5000).SelectMany(static s => s), .. jpeg[scan..]], "scans"));
    }

    /// <summary>A decoder that looked for a byte after the end hung on a tenth of these.</summary>
    [Fact]
    public void Damaged_files_end_in_an_image_or_a_sentence()
    {
        byte[][] files =
        [
            File.ReadAllBytes(TestImages.Jpeg("baseline-444.jpg")),
            File.ReadAllBytes(TestImages.Jpeg("progressive-420.jpg")),
            TestImages.Png(TestImages.Noise(20, 20, 2)),
        ];
        Random random = new(3);
        foreach (byte[] file in files)
        {
            for (int i = 0; i < 400; i++)
            {
                byte[] damaged = i < 100 ? file[..(file.Length * i / 100)] : [.. file];
                for (int change = 0; i >= 100 && change < 4; change++)
                {
                    damaged[random.Next(change < 2 ? Math.Min(600, file.Length) : file.Length)] = (byte)random.Next(256);
                }

                DecodedOrRefused(damaged);
            }
        }
    }

    public static TheoryData<string> Crashed => Crashes.Of("images");

    [Theory]
    [MemberData(nameof(Crashed))]
    public void What_broke_a_decoder_once_ends_in_an_image_or_a_sentence(string name) => DecodedOrRefused(Crashes.Bytes("images", name));

    private static void DecodedOrRefused(byte[] file)
    {
        try
        {
            RgbImage image = RgbImage.Decode(file, "damaged");
            Assert.Equal(image.Width * image.Height * 3, image.Data.Length);
        }
        catch (ModelException error)
        {
            Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        }
    }

    private static void Refused(string about, Action read) =>
        Assert.Contains(about, Assert.Throws<ModelException>(read).Message, StringComparison.Ordinal);
}
