namespace AttentionLens.Models;

/// <summary>A rectangle in pixels of an image, from its top left corner; edges lie between pixels and may lie outside the image.</summary>
public readonly record struct ImageRectangle(double Left, double Top, double Width, double Height);

/// <summary>An image as a model takes it, and where that lies in the image it was made from.</summary>
/// <param name="Pixels">For <see cref="ModelInput.Pixels"/>.</param>
/// <param name="Source">The part of the original (upright) image that the pixels show; a centre crop of a small image reaches beyond it.</param>
public sealed record PreparedImage(PixelValues Pixels, ImageRectangle Source)
{
    /// <summary>The part of the original image under patch <paramref name="row"/>, <paramref name="column"/>, both from 0.</summary>
    public ImageRectangle Patch(PatchGrid grid, int row, int column)
    {
        double width = Source.Width / Pixels.Width * grid.PatchSize;
        double height = Source.Height / Pixels.Height * grid.PatchSize;
        return new ImageRectangle(Source.Left + (column * width), Source.Top + (row * height), width, height);
    }
}
