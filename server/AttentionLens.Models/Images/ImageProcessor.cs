using System.Globalization;

namespace AttentionLens.Models;

/// <summary>
/// From an image to a model's pixel values, as the folder's preprocessor_config.json (or processor_config.json, image_processor) says: resize, centre crop, rescale, normalise, in the way of
/// Hugging Face's ViTImageProcessor and CLIPImageProcessor. An option that would be done differently here is refused by name.
/// </summary>
public sealed class ImageProcessor
{
    private const string FileName = "preprocessor_config.json";
    private const string CommonFile = "processor_config.json";

    /// <summary>Beyond any model's input.</summary>
    private const int MostSide = 1 << 14;

    /// <summary>Keys that change nothing in what is computed here.</summary>
    private static readonly HashSet<string> Silent =
    [
        "image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys", "_processor_class", "auto_map", "transformers_version",
        "data_format", "input_data_format", "return_tensors", "device", "default_to_square", "disable_grouping", "do_convert_rgb", "do_convert_grayscale",
    ];

    private readonly int channels;
    private readonly Func<int, int, (int Width, int Height)>? resized;
    private readonly Resampling.Filter filter;
    private readonly (int Width, int Height)? crop;
    private readonly float[][] values;

    private ImageProcessor(ModelConfig config, string kind, int channels)
    {
        this.channels = channels;
        bool clip = kind == "CLIP";
        HashSet<string> known = ["do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std", .. Silent];
        foreach (string key in config.Keys.Where(key => !known.Contains(key)))
        {
            // What is switched off (do_pad: false) or not said (null) changes nothing.
            config.Demand(config.IsNull(key) || config.IsFalse(key), $"the option {key}");
        }

        int number = config.Integer("resample", clip ? 3 : 2);
        filter = Resampling.Numbered(number) ?? throw new ModelException($"{config.Name}: resample {number} is not supported; 1 to 5 are (lanczos, bilinear, bicubic, box, hamming).");
        resized = config.Flag("do_resize", true) ? Resize(config, clip) : null;
        bool crops = config.Flag("do_center_crop", clip);
        config.Demand(clip || !crops, "do_center_crop of a ViT image processor"); // the slow one ignores it, the fast one obeys
        crop = crops ? Sides(config, "crop_size", 224) : null;
        double scale = config.Flag("do_rescale", true) ? config.Double("rescale_factor", 1 / 255.0) : 1;
        values = config.Flag("do_normalize", true)
            ? Values(
                config,
                scale,
                Each(config, "image_mean", clip ? [0.48145466, 0.4578275, 0.40821073] : [0.5, 0.5, 0.5]),
                Each(config, "image_std", clip ? [0.26862954, 0.26130258, 0.27577711] : [0.5, 0.5, 0.5]))
            : Values(config, scale, new float[channels], Enumerable.Repeat(1f, channels).ToArray());
    }

    /// <summary>Reads how the folder's model wants its images.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="modelType"><c>model_type</c>, which names the processor where the file does not.</param>
    /// <param name="channels">Channels that the model reads: 3, or 1 for grey.</param>
    /// <exception cref="ModelException">There is none, or it asks for something that is not done here.</exception>
    internal static ImageProcessor Load(string folder, string modelType, int channels)
    {
        // transformers 5 saves what it has of images and texts in one file.
        ModelConfig? config = File.Exists(Path.Combine(folder, FileName)) ? ModelConfig.Load(folder, FileName)
            : File.Exists(Path.Combine(folder, CommonFile)) ? ModelConfig.Load(folder, CommonFile).Section("image_processor")
            : null;
        if (config is null)
        {
            throw new ModelException($"'{folder}' has no {FileName}, which says how images are prepared for the model; take it from where the model comes from.");
        }

        if (channels is not (1 or 3))
        {
            throw new ModelException($"The model reads images of {channels} channels; images of 3 (colour) or 1 (grey) can be prepared.");
        }

        string name = config.Text("image_processor_type", config.Text("feature_extractor_type", modelType == "clip" ? "CLIPImageProcessor" : "ViTImageProcessor"));
        string kind = name switch
        {
            "ViTImageProcessor" or "ViTImageProcessorFast" or "ViTFeatureExtractor" => "ViT",
            "CLIPImageProcessor" or "CLIPImageProcessorFast" or "CLIPFeatureExtractor" => "CLIP",
            _ => throw new ModelException($"{config.Name}: the image processor {name} is not supported; those of ViT and CLIP are."),
        };
        return new ImageProcessor(config, kind, channels);
    }

    /// <summary>The pixel values for an image.</summary>
    /// <exception cref="ModelException">So narrow an image that its resized form has no place in memory.</exception>
    public PreparedImage Prepare(RgbImage image, CancellationToken cancellation = default)
    {
        (int width, int height) = resized?.Invoke(image.Width, image.Height) ?? (image.Width, image.Height);
        if (Math.Max((long)width, 1) * Math.Max(height, image.Height) > RgbImage.MostPixels || width < 1 || height < 1)
        {
            throw new ModelException(string.Create(
                CultureInfo.InvariantCulture,
                $"An image of {image.Width:N0} x {image.Height:N0} pixels is too narrow for this model, which would resize it to {width:N0} x {height:N0}; cut a part out of it."));
        }

        byte[] bytes = Resampling.Resize(channels == 1 ? Grey(image) : image.Data, image.Width, image.Height, channels, width, height, filter, cancellation);
        (int cropWidth, int cropHeight) = crop ?? (width, height);
        (int left, int top) = (Start(width, cropWidth), Start(height, cropHeight));
        float[] pixels = new float[channels * cropWidth * cropHeight];
        for (int channel = 0; channel < channels; channel++)
        {
            float[] value = values[channel];
            for (int y = 0; y < cropHeight; y++)
            {
                Span<float> target = pixels.AsSpan(((channel * cropHeight) + y) * cropWidth, cropWidth);
                target.Fill(value[0]); // what the crop takes from beyond the image is black
                for (int x = Math.Max(0, -left); y + top >= 0 && y + top < height && x < cropWidth && x + left < width; x++)
                {
                    target[x] = value[bytes[((((y + top) * width) + x + left) * channels) + channel]];
                }
            }
        }

        (double across, double down) = ((double)image.Width / width, (double)image.Height / height);
        return new PreparedImage(
            new PixelValues(pixels, channels, cropHeight, cropWidth),
            new ImageRectangle(left * across, top * down, cropWidth * across, cropHeight * down));
    }

    /// <summary>Where a crop begins along one axis: half of what is left over, and a border is the larger half when the image is too small (as its padding is rounded up).</summary>
    private static int Start(int size, int crop) => crop <= size ? (size - crop) / 2 : -((crop - size + 1) / 2);

    private static Func<int, int, (int Width, int Height)> Resize(ModelConfig config, bool clip)
    {
        bool shortest = clip && (config.IsNumber("size") || config.Section("size")?.Has("height") is not true);
        if (!shortest)
        {
            (int Width, int Height) sides = Sides(config, "size", 224);
            return (_, _) => sides;
        }

        int side = config.IsNumber("size") ? config.Size("size") : config.Section("size") is { } size ? Only(size, "shortest_edge").Size("shortest_edge") : 224;
        Check(config, side);
        return (width, height) =>
        {
            long longer = (long)((double)((long)side * Math.Max(width, height)) / Math.Min(width, height));
            int other = (int)Math.Min(longer, int.MaxValue);
            return width <= height ? (side, other) : (other, side);
        };
    }

    /// <summary>A number (a square) or {"height": 224, "width": 224}.</summary>
    private static (int Width, int Height) Sides(ModelConfig config, string key, int fallback)
    {
        (int Width, int Height) sides = (fallback, fallback);
        if (config.IsNumber(key))
        {
            sides = (config.Size(key), config.Size(key));
        }
        else if (config.Section(key) is { } section)
        {
            Only(section, "height", "width");
            sides = (section.Size("width"), section.Size("height"));
        }

        Check(config, sides.Width);
        Check(config, sides.Height);
        return sides;
    }

    private static ModelConfig Only(ModelConfig section, params ReadOnlySpan<string> keys)
    {
        foreach (string key in section.Keys)
        {
            section.Demand(keys.Contains(key) || section.IsNull(key), $"the option {key}");
        }

        return section;
    }

    private static void Check(ModelConfig config, int side)
    {
        if (side > MostSide)
        {
            throw new ModelException($"{config.Name}: images of {side} pixels a side are larger than any model's ({MostSide}).");
        }
    }

    /// <summary>One number for all channels, or one for each.</summary>
    private float[] Each(ModelConfig config, string key, double[] fallback)
    {
        IReadOnlyList<double> numbers = config.Numbers(key) is { Count: > 0 } written ? written : fallback;
        if (numbers.Count != channels && !(numbers.Count == 1 && config.IsNumber(key)))
        {
            throw new ModelException($"{config.Name}: {key} has {numbers.Count} values, and the model reads images of {channels} channels.");
        }

        return [.. Enumerable.Range(0, channels).Select(i => (float)numbers[numbers.Count == 1 ? 0 : i])];
    }

    /// <summary>The value of each of the 256 levels in each channel, rounded where NumPy rounds: the scaled level, the difference and the quotient to float32.</summary>
    private static float[][] Values(ModelConfig config, double scale, float[] mean, float[] deviation)
    {
        if (deviation.Contains(0))
        {
            throw new ModelException($"{config.Name}: image_std holds a 0.");
        }

        return [.. mean.Zip(deviation, (m, s) => Enumerable.Range(0, 256).Select(level => ((float)(level * scale) - m) / s).ToArray())];
    }

    /// <summary>ITU-R BT.601 luma in Pillow's fixed point.</summary>
    private static byte[] Grey(RgbImage image)
    {
        byte[] grey = new byte[image.Width * image.Height];
        for (int i = 0; i < grey.Length; i++)
        {
            ReadOnlySpan<byte> pixel = image.Data.AsSpan(i * 3, 3);
            grey[i] = (byte)(((pixel[0] * 19595) + (pixel[1] * 38470) + (pixel[2] * 7471) + 0x8000) >> 16);
        }

        return grey;
    }
}
