using System.Globalization;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>An image file as one model input: its tokens are the class token and then the patches, row by row.</summary>
/// <param name="Version">Another one whenever the file has changed.</param>
internal sealed record EncodedImage(EncodedText Text, int Version)
{
    /// <param name="model">The vision model that is to look at it.</param>
    /// <param name="uri">Of a file on this machine.</param>
    /// <param name="keep">What the method that is asked for needs.</param>
    /// <param name="cache">Keeps prepared images: a photograph takes longer to read than to look at.</param>
    /// <param name="cancellation">Checked while the image is resized.</param>
    /// <exception cref="AttentionException">No such file, or the model sees no images.</exception>
    /// <exception cref="ModelException">The file is no image that is read here.</exception>
    public static EncodedImage Of(IModelRunner model, string uri, Keep keep, ByteCache<object, object> cache, CancellationToken cancellation)
    {
        if (model.Info.Patches is not { } grid)
            throw new AttentionException(AttentionStatus.Failed, $"{model.Info.Name} reads text, not images; choose a vision model such as ViT or CLIP.");
        ImageProcessor processor = model.Model.ImageProcessor
            ?? throw new AttentionException(AttentionStatus.Failed, model.Model.ImageProblem ?? $"{model.Info.Name} does not say how images are prepared for it.");
        FileInfo file = Local(uri);
        var key = new ImageKey(model.Info.Fingerprint, file.FullName, file.Length, file.LastWriteTimeUtc.Ticks);
        if (!cache.TryGet(key, out object known))
        {
            RgbImage image = RgbImage.Load(file.FullName);
            known = new Prepared(image.Width, image.Height, processor.Prepare(image, cancellation));
            cache.Add(key, known, ((Prepared)known).Image.Pixels.Data.Length * sizeof(float));
        }
        var (width, height, prepared) = (Prepared)known;
        ImageRectangle patch = prepared.Patch(grid, 0, 0);
        // Texts with NUL are refused, so no text has this key.
        string content = string.Create(CultureInfo.InvariantCulture, $"\0{key.Path}\0{key.Length}\0{key.Modified}");
        var text = new EncodedText(
            Tokens(grid), [], new ModelInput { Pixels = prepared.Pixels }, null, new TraceKey(model.Info.Fingerprint, content, null, 0, 0, keep))
        {
            Image = new ImageItem(width, height, grid.Rows, grid.Columns, patch.Left, patch.Top, patch.Width, patch.Height),
        };
        return new EncodedImage(text, (int)(key.Modified / TimeSpan.TicksPerMillisecond) & int.MaxValue);
    }

    /// <summary>A file of this machine only: the address of another one would be asked for it, with the user's name.</summary>
    private static FileInfo Local(string uri)
    {
        if (!Uri.TryCreate(uri, UriKind.Absolute, out Uri? address) || !address.IsFile || address.IsUnc)
            throw new AttentionException(AttentionStatus.Failed, "Only image files on this machine can be shown.");
        var file = new FileInfo(address.LocalPath);
        return file.Exists ? file : throw new AttentionException(AttentionStatus.Empty, $"There is no file '{file.FullName}'.");
    }

    private static Token[] Tokens(PatchGrid grid)
    {
        var tokens = new Token[1 + (grid.Rows * grid.Columns)];
        tokens[0] = new Token(0, "[CLS]", 0, 0, true, -1, 0, -1);
        for (int i = 1; i < tokens.Length; i++)
        {
            (int row, int column) = Math.DivRem(i - 1, grid.Columns);
            tokens[i] = new Token(i, string.Create(CultureInfo.InvariantCulture, $"{row},{column}"), 0, 0, false, 0, 0, i - 1);
        }
        return tokens;
    }

    private sealed record ImageKey(string Model, string Path, long Length, long Modified);

    private sealed record Prepared(int Width, int Height, PreparedImage Image);
}
