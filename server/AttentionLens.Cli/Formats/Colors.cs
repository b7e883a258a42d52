using System.Globalization;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// The colour of a weight in pictures: viridis (van der Walt and Smith 2015), which orders by lightness and can be told
/// apart with every common colour blindness, by nine of its points with linear interpolation in between.
/// </summary>
internal static class Colors
{
    private static readonly (byte R, byte G, byte B)[] Points =
    [
        (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
    ];

    /// <summary>The colour at 0..1.</summary>
    public static (byte R, byte G, byte B) At(float value)
    {
        var position = Math.Clamp(value, 0, 1) * (Points.Length - 1);
        var index = Math.Min((int)position, Points.Length - 2);
        var (a, b, t) = (Points[index], Points[index + 1], position - index);
        return (Mix(a.R, b.R, t), Mix(a.G, b.G, t), Mix(a.B, b.B, t));
    }

    /// <summary>The colour of a weight in a matrix whose largest is <paramref name="max"/>, on the square-root scale of the tints.</summary>
    public static (byte R, byte G, byte B) Of(float weight, float max) => At(max > 0 ? MathF.Sqrt(Math.Max(0, weight) / max) : 0);

    public static string Hex((byte R, byte G, byte B) color) => string.Create(CultureInfo.InvariantCulture, $"#{color.R:x2}{color.G:x2}{color.B:x2}");

    private static byte Mix(byte a, byte b, float t) => (byte)MathF.Round(a + ((b - a) * t));
}
