namespace AttentionLens.Models;

/// <summary>Rotary frequencies from a configuration, scaled where <c>rope_scaling</c> says so.</summary>
internal static class RotaryPositions
{
    /// <summary>The rope type by which a GGUF file's own table of divisors, one per frequency, is passed on; no config.json has it.</summary>
    public const string Factors = "attention-lens-factors";

    /// <summary>The base and the scaling: <c>rope_theta</c> and <c>rope_scaling</c>, which transformers 5 writes together as <c>rope_parameters</c>.</summary>
    /// <param name="phi">Phi-3: earlier releases called longrope su or yarn, and its original window is 4,096 where it is not written.</param>
    public static Rotary Read(ModelConfig config, double theta, int dimensions, int headSize, bool phi = false)
    {
        ModelConfig? parameters = config.Section("rope_parameters");
        theta = parameters?.Number("rope_theta", (float)theta) ?? theta;
        if (dimensions < 2 || dimensions % 2 != 0 || dimensions > headSize || theta <= 1)
        {
            throw new ModelException($"config.json: rotary positions of base {theta} on {dimensions} of a head's {headSize} dimensions are not possible.");
        }

        double[] frequencies = Rotary.Frequencies(theta, dimensions);
        if ((config.Section("rope_scaling") ?? parameters) is { } scaling)
        {
            string type = scaling.Text("rope_type", scaling.Text("type", "default"));
            if (type == "longrope" || (phi && type is "su" or "yarn"))
            {
                return LongRope(frequencies, scaling, config, OriginalWindow(scaling, config, phi ? 4096 : null));
            }

            if (type == "yarn")
            {
                return Yarn(theta, dimensions, scaling, config);
            }

            frequencies = type switch
            {
                // Dynamic scaling sets in where a text is longer than max_position_embeddings, and no pass is.
                "default" or "dynamic" => frequencies,
                "linear" => [.. frequencies.Select(f => f / scaling.Number("factor"))],
                "llama3" => Llama3(frequencies, scaling),
                Factors => Divided(frequencies, scaling.Numbers("factors")),
                _ => throw new ModelException($"config.json: the rope type '{type}' is not supported."),
            };
        }

        return new Rotary(frequencies);
    }

    /// <summary>
    /// YaRN (Peng et al. 2023), with the meaning that transformers 5 gives its options: pairs that turn more than beta_fast times in the original
    /// window keep their frequency, those that turn less than beta_slow times are slowed down by the factor, those between are blended by their
    /// index; queries and keys grow by the attention factor.
    /// </summary>
    private static Rotary Yarn(double theta, int dimensions, ModelConfig scaling, ModelConfig config)
    {
        int original = OriginalWindow(scaling, config, null);
        double factor = scaling.Has("factor") ? scaling.Double("factor") : (double)config.Size("max_position_embeddings") / original;
        double fast = Given("beta_fast", 32);
        double slow = Given("beta_slow", 1);
        if (factor <= 0 || fast <= 0 || slow <= 0)
        {
            throw new ModelException("config.json: factor, beta_fast and beta_slow of the rope type 'yarn' must be above 0.");
        }

        double low = Pair(fast);
        double high = Pair(slow);
        if (scaling.Flag("truncate", true))
        {
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        }

        (low, high) = (Math.Max(low, 0), Math.Min(high, dimensions - 1));
        double width = low == high ? 0.001 : high - low;
        double[] frequencies = Rotary.Frequencies(theta, dimensions);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double slowed = Math.Clamp((i - low) / width, 0, 1);
            frequencies[i] *= (slowed / factor) + (1 - slowed);
        }

        (double scale, double scaleOfAll) = (Given("mscale", 0), Given("mscale_all_dim", 0));
        double growth = scaling.Has("attention_factor") ? scaling.Double("attention_factor")
            : scale != 0 && scaleOfAll != 0 ? Growth(scale) / Growth(scaleOfAll)
            : Growth(1);
        return new Rotary(frequencies, growth);

        // Absent, null and 0 all mean the default.
        double Given(string key, double fallback) => scaling.Double(key, 0) is var value && value != 0 ? value : fallback;

        // The index, not a whole one, of the pair that turns so many times in the original window.
        double Pair(double turns) => dimensions * Math.Log(original / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));

        double Growth(double m) => factor <= 1 ? 1 : (0.1 * m * Math.Log(factor)) + 1;
    }

    /// <summary>
    /// LongRoPE (Ding et al. 2024) as Phi-3 uses it: each pair is slowed down by a factor of its own, of one list for texts within the original window
    /// and of another for longer ones; queries and keys grow by the attention factor in either case.
    /// </summary>
    private static Rotary LongRope(double[] frequencies, ModelConfig scaling, ModelConfig config, int original)
    {
        double factor = scaling.Has("factor") ? scaling.Double("factor") : (double)config.Size("max_position_embeddings") / original;
        if (factor <= 0 || (factor > 1 && original < 2))
        {
            throw new ModelException("config.json: of the rope type 'longrope' factor must be above 0 and original_max_position_embeddings above 1.");
        }

        double growth = scaling.Has("attention_factor") ? scaling.Double("attention_factor")
            : factor <= 1 ? 1
            : Math.Sqrt(1 + (Math.Log(factor) / Math.Log(original)));
        return new Rotary(Divided(frequencies, scaling.Numbers("short_factor")), growth)
        {
            Beyond = (original, new Rotary(Divided(frequencies, scaling.Numbers("long_factor")), growth)),
        };
    }

    /// <summary>The window before it was stretched: beside the scaling (Phi-3), in it, else all there is.</summary>
    private static int OriginalWindow(ModelConfig scaling, ModelConfig config, int? fallback) =>
        (config.Has("original_max_position_embeddings") ? config : scaling.Has("original_max_position_embeddings") ? scaling : null)?.Size("original_max_position_embeddings")
            ?? fallback ?? config.Size("max_position_embeddings");

    private static double[] Divided(double[] frequencies, IReadOnlyList<double> factors) =>
        factors.Count == frequencies.Length && factors.All(static factor => factor > 0)
            ? [.. frequencies.Zip(factors, static (frequency, factor) => frequency / factor)]
            : throw new ModelException($"The rotary table has {factors.Count} factors for {frequencies.Length} frequencies, or one that is not positive.");

    /// <summary>Llama 3.1: low frequencies slowed down by the factor, high ones kept, those between blended.</summary>
    private static double[] Llama3(double[] frequencies, ModelConfig scaling)
    {
        double factor = scaling.Number("factor");
        double low = scaling.Number("low_freq_factor");
        double high = scaling.Number("high_freq_factor");
        double window = scaling.Size("original_max_position_embeddings");
        return [.. frequencies.Select(frequency =>
        {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength < window / high)
            {
                return frequency;
            }

            if (wavelength > window / low)
            {
                return frequency / factor;
            }

            double smooth = ((window / wavelength) - low) / (high - low);
            return ((1 - smooth) * frequency / factor) + (smooth * frequency);
        })];
    }
}
