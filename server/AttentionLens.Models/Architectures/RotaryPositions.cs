namespace AttentionLens.Models;

/// <summary>Rotary frequencies from a configuration, scaled where <c>rope_scaling</c> says so.</summary>
internal static class RotaryPositions
{
    /// <summary>The base and the scaling: <c>rope_theta</c> and <c>rope_scaling</c>, which transformers 5 writes together as <c>rope_parameters</c>.</summary>
    public static Rotary Read(ModelConfig config, double theta, int dimensions, int headSize)
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
            frequencies = type switch
            {
                "default" => frequencies,
                "linear" => [.. frequencies.Select(f => f / scaling.Number("factor"))],
                "llama3" => Llama3(frequencies, scaling),
                _ => throw new ModelException($"config.json: the rope type '{type}' is not supported."),
            };
        }

        return new Rotary(frequencies);
    }

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
