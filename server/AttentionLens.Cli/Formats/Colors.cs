using System.Globalization;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// The colour of a weight in pictures: viridis (van der Walt and Smith 2015), which orders by lightness and can be told
/// apart with every common colour blindness, by nine of its points with linear interpolation in between. Where weights have signs,
/// orange speaks for and blue against, as in the panels, and nothing is white.
/// </summary>
internal static class Colors
{
    private static readonly (byte R, byte G, byte B)[] Points =
    [
        (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
    ];

    private static readonly (byte R, byte G, byte B)[] SignedPoints =
    [
        (24, 74, 145), (83, 132, 194), (162, 190, 225), (247, 247, 247), (244, 186, 128), (222, 122, 47), (153, 67, 4),
    ];

    /// <summary>The colour at 0..1; with signs -1..1.</summary>
    public static (byte R, byte G, byte B) At(float value, bool isSigned = false) =>
        isSigned ? Between(SignedPoints, (Math.Clamp(value, -1, 1) + 1) / 2) : Between(Points, Math.Clamp(value, 0, 1));

    private static (byte R, byte G, byte B) Between((byte R, byte G, byte B)[] points, float value)
    {
        var position = value * (points.Length - 1);
        var index = Math.Min((int)position, points.Length - 2);
        var (a, b, t) = (points[index], points[index + 1], position - index);
        return (Mix(a.R, b.R, t), Mix(a.G, b.G, t), Mix(a.B, b.B, t));
    }

    /// <summary>The colour of a weight in a matrix whose largest (with signs: largest distance from 0) is <paramref name="max"/>, on the square-root scale of the tints.</summary>
    public static (byte R, byte G, byte B) Of(float weight, float max, bool isSigned = false) =>
        At(max > 0 ? Math.Sign(weight) * MathF.Sqrt((isSigned ? Math.Abs(weight) : Math.Max(0, weight)) / max) : 0, isSigned);

    public static string Hex((byte R, byte G, byte B) color) => string.Create(CultureInfo.InvariantCulture, $"#{color.R:x2}{color.G:x2}{color.B:x2}");

    private static byte Mix(byte a, byte b, float t) => (byte)MathF.Round(a + ((b - a) * t));
}
