using AttentionLens.Analysis.Export;
using System.Globalization;
using System.Text;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli.Formats;

/// <summary>
/// Heatmaps as SVG for papers and slides: queries down, keys across, token labels, a colour bar. Cells of equal colour
/// that touch in a row are one rectangle; a picture of 128 tokens stays below 2 MB.
/// </summary>
internal sealed class SvgFormat : PictureFormat
{
    private const int MaxTokens = 512;
    private const int Cell = 14;
    private const int FontSize = 10;
    private const int TitleHeight = 22;
    private const int Margin = 10;
    private const int ScaleWidth = 46;

    private const int TitleSize = 12;
    private const int BarHeight = 60;

    /// <summary>Characters of a label that are shown.</summary>
    private const int LabelWidth = 16;

    /// <summary>A single row is about an output, which its label names.</summary>
    private const int OutputWidth = 48;

    public override string Name => "svg";

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation)
    {
        var matrices = Matrices(result, cancellation);
        if (matrices.Any(m => m.Rows > MaxTokens || m.Columns > MaxTokens))
        {
            throw new CommandException($"An SVG of more than {MaxTokens} tokens is too large to open; use --format png or html.");
        }

        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        int width = 0, height = Margin;
        var places = new List<(Matrix Matrix, int Left, int Top)>();
        foreach (var matrix in matrices)
        {
            var left = Margin + Extent(matrix.Stack.Queries, QueryWidth(matrix));
            var top = height + TitleHeight + Extent(matrix.Stack.Keys, LabelWidth);
            places.Add((matrix, left, top));
            var title = (DisplayText.Width(Title(result, matrix)) * TitleSize * 6 / 10) + (2 * Margin);
            width = Math.Max(Math.Max(width, title), left + (matrix.Columns * Cell) + ScaleWidth + Margin);
            height = top + Math.Max(matrix.Rows * Cell, BarHeight) + Margin;
        }

        width = Math.Max(width, 320);
        writer.WriteLine(F($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{FontSize}\">"));
        writer.WriteLine(F($"<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"));
        foreach (var (matrix, left, top) in places)
        {
            cancellation.ThrowIfCancellationRequested();
            Draw(writer, Title(result, matrix), matrix, left, top);
        }

        writer.WriteLine("</svg>");
    }

    private static void Draw(StreamWriter writer, string title, Matrix matrix, int left, int top)
    {
        writer.WriteLine(F($"<g><title>{Escape(title)}</title>"));
        writer.WriteLine(F($"<text x=\"{Margin}\" y=\"{top - Extent(matrix.Stack.Keys, LabelWidth) - 8}\" font-size=\"{TitleSize}\" font-weight=\"bold\">{Escape(title)}</text>"));
        var isSigned = matrix.IsSigned;
        string Color(int cell) => Colors.Hex(Colors.Of(matrix.Weights[cell], matrix.Max, isSigned));
        for (var row = 0; row < matrix.Rows; row++)
        {
            var y = top + (row * Cell);
            writer.WriteLine(F($"<text x=\"{left - 4}\" y=\"{y + Cell - 4}\" text-anchor=\"end\">{Escape(Label(matrix.Stack.Queries[row], QueryWidth(matrix)))}</text>"));
            for (var column = 0; column < matrix.Columns;)
            {
                var color = Color((row * matrix.Columns) + column);
                var end = column + 1;
                while (end < matrix.Columns && Color((row * matrix.Columns) + end) == color)
                {
                    end++;
                }

                writer.WriteLine(F($"<rect x=\"{left + (column * Cell)}\" y=\"{y}\" width=\"{(end - column) * Cell}\" height=\"{Cell}\" fill=\"{color}\"/>"));
                column = end;
            }
        }

        for (var column = 0; column < matrix.Columns; column++)
        {
            var x = left + (column * Cell) + Cell - 4;
            writer.WriteLine(F($"<text x=\"{x}\" y=\"{top - 4}\" transform=\"rotate(-90 {x} {top - 4})\">{Escape(Label(matrix.Stack.Keys[column], LabelWidth))}</text>"));
        }

        // The scale is not linear: its ends and its middle are named.
        const int Steps = 20;
        var x0 = left + (matrix.Columns * Cell) + 8;
        for (var step = 0; step < Steps; step++)
        {
            var at = 1 - (step / (Steps - 1f));
            writer.WriteLine(F($"<rect x=\"{x0}\" y=\"{top + (step * BarHeight / Steps)}\" width=\"8\" height=\"{BarHeight / Steps}\" fill=\"{Colors.Hex(Colors.At(isSigned ? (2 * at) - 1 : at, isSigned))}\"/>"));
        }

        var (middle, least) = isSigned ? ("0", F($"−{matrix.Max:0.00}")) : (F($"{matrix.Max / 4:0.00}"), "0");
        writer.WriteLine(F($"<text x=\"{x0 + 10}\" y=\"{top + 8}\" font-size=\"8\">{matrix.Max:0.00}</text>"));
        writer.WriteLine(F($"<text x=\"{x0 + 10}\" y=\"{top + (BarHeight / 2) + 3}\" font-size=\"8\">{middle}</text>"));
        writer.WriteLine(F($"<text x=\"{x0 + 10}\" y=\"{top + BarHeight}\" font-size=\"8\">{least}</text></g>"));
    }

    private static int QueryWidth(Matrix matrix) => matrix.Rows == 1 ? OutputWidth : LabelWidth;

    private static string Label(AttendedToken token, int columns) => DisplayText.Clean(token.Shown) is var text && DisplayText.Width(text) <= columns ? text : DisplayText.Fit(text, columns).TrimEnd(' ', '\u200E');

    /// <summary>Room for the labels, at six tenths of the font size a column.</summary>
    private static int Extent(AttendedToken[] tokens, int columns) =>
        (tokens.Select(t => DisplayText.Width(Label(t, columns))).DefaultIfEmpty(0).Max() * FontSize * 6 / 10) + 8;

    /// <summary>Text as XML content; clean text holds no control characters, which XML forbids.</summary>
    internal static string Escape(string text) => DisplayText.Clean(text)
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
