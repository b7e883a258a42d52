using AttentionLens.Analysis.Export;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// Heatmaps as PNG (ISO/IEC 15948), without labels: square cells of whole pixels, matrices of one layer side by side,
/// layers one below the other.
/// </summary>
internal sealed class PngFormat : PictureFormat
{
    private const int Gap = 4;
    private const int WantedSize = 512;

    /// <summary>About what viewers open without trouble.</summary>
    private const long MaxPixels = 100_000_000;

    public override string Name => "png";

    public override bool IsBinary => true;

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation)
    {
        var rows = Matrices(result, cancellation).GroupBy(m => (m.Stack, m.Selection.Layer)).Select(g => g.ToArray()).ToArray();
        var largest = rows.SelectMany(r => r).Max(m => Math.Max(m.Rows, m.Columns));
        var cell = rows is [[_]] ? Math.Clamp(WantedSize / largest, 1, 32) : Math.Clamp(WantedSize / 4 / largest, 1, 16);
        var width = rows.Max(r => r.Sum(m => (m.Columns * cell) + Gap)) - Gap;
        var height = rows.Sum(r => (r.Max(m => m.Rows) * cell) + Gap) - Gap;
        if ((long)width * height > MaxPixels)
        {
            throw new CommandException($"That would be a picture of {width} x {height} pixels; name a layer or head.");
        }

        var pixels = Png.Blank(width, height);
        var top = 0;
        foreach (var row in rows)
        {
            var left = 0;
            foreach (var matrix in row)
            {
                Png.Paint(pixels, width, (matrix.Weights, matrix.Rows, matrix.Columns), matrix.Max, matrix.IsSigned, left, top, cell);
                left += (matrix.Columns * cell) + Gap;
            }

            top += (row.Max(m => m.Rows) * cell) + Gap;
        }

        Png.Encode(stream, width, height, pixels, result.Model.Name);
    }
}
