using AttentionLens.Analysis.Export;
using System.Globalization;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Cli;

/// <summary>From what was asked to a model's input and the tokens that stand for its rows and columns.</summary>
internal static class ModelInputs
{
    public static (ModelInput Input, AttendedToken[] Sources, AttendedToken[] Targets) Make(
        Request request, Model loaded, CancellationToken cancellation)
    {
        var (model, tokenizer) = (loaded.Info, loaded.Tokenizer);
        if (request.Target is not null && model.Kind != ModelKind.EncoderDecoder)
        {
            throw new CommandException($"{model.Name} has no decoder beside its encoder; --target is for encoder-decoders such as T5, BART or Marian.");
        }

        if (request.Tensors is not null)
        {
            return FromTensors(request.Tensors, model, tokenizer);
        }

        if (request.Image is not null && model.Patches is null)
        {
            throw new CommandException($"{model.Name} reads text, not images; --image is for vision models such as ViT and CLIP.");
        }

        if (model.Kind == ModelKind.Vision && request.Image is null)
        {
            throw new CommandException($"{model.Name} looks at images; give one with --image, or prepared pixel_values with --input.");
        }

        if (model.Kind == ModelKind.Vision && (request.Text is not null || request.Ids is not null))
        {
            throw new CommandException($"{model.Name} looks at images and reads no text; give --image alone.");
        }

        var ids = request.Ids;
        int[]? types = request.TypeIds;
        var sources = ids is null ? [] : FromIds(ids, types, tokenizer);
        if (request.Text is not null)
        {
            if (tokenizer is null)
            {
                throw new CommandException($"{loaded.TokenizerProblem ?? $"{model.Name} has no tokenizer."} Token ids can be given with --ids.");
            }

            var encoded = tokenizer.Encode(request.Text, request.Pair, cancellation: cancellation);
            if (encoded.Count == 0)
            {
                throw new CommandException("The text has no tokens for this model.");
            }

            sources = FromTokens(encoded, tokenizer, request.Text, request.Pair);
            ids = encoded.Ids();
            // Models without segment embeddings refuse type ids; all zeros is every model's default.
            types = encoded.TypeIds() is var t && t.Any(type => type != 0) ? t : null;
        }

        var (decoderIds, targets) = Decoder(request, loaded, cancellation);
        var input = new ModelInput { InputIds = ids ?? [], TokenTypeIds = types, DecoderInputIds = decoderIds, Pixels = Pixels(request.Image, loaded, cancellation) };
        return (input, sources, targets);
    }

    private static PixelValues? Pixels(string? image, Model loaded, CancellationToken cancellation) => image is null
        ? null
        : loaded.ImageProcessor is { } processor
            ? processor.Prepare(RgbImage.Load(image), cancellation).Pixels
            : throw new CommandException($"{loaded.ImageProblem} Prepared pixel_values can be given with --input.");

    /// <summary>Special tokens at both ends stand in every window of a long text.</summary>
    public static Windowing Windows(AttendedToken[] tokens) => new()
    {
        Prefix = tokens.TakeWhile(t => t.Special).Count(),
        Suffix = tokens.Length == tokens.TakeWhile(t => t.Special).Count() ? 0 : tokens.Reverse().TakeWhile(t => t.Special).Count(),
    };

    public static AttendedToken[] Patches(ModelInfo model)
    {
        var grid = model.Patches ?? default;
        return
        [
            new AttendedToken(-1, "[CLS]", 0, 0, true, -1, 0),
            .. Enumerable.Range(0, grid.Rows * grid.Columns).Select(i => new AttendedToken(
                i, string.Create(CultureInfo.InvariantCulture, $"{i / grid.Columns},{i % grid.Columns}"), 0, 0, false, 0, 0)),
        ];
    }

    /// <summary>The decoder start token, then the target without its end token: what the decoder sees while it writes the target.</summary>
    private static (int[]? Ids, AttendedToken[] Tokens) Decoder(Request request, Model loaded, CancellationToken cancellation)
    {
        var (model, tokenizer) = (loaded.Info, loaded.Tokenizer);
        if (model.Kind != ModelKind.EncoderDecoder)
        {
            return request.DecoderIds is null
                ? (null, [])
                : throw new CommandException($"{model.Name} is no encoder-decoder; --decoder-ids does not apply.");
        }

        if (request.DecoderIds is not null)
        {
            return (request.DecoderIds, FromIds(request.DecoderIds, null, tokenizer));
        }

        int[] start = model.DecoderStartToken is { } first ? [first] : [];
        var tokens = FromIds(start, null, tokenizer);
        if (request.Target is null)
        {
            return (start, tokens);
        }

        if (tokenizer is null)
        {
            throw new CommandException($"{loaded.TokenizerProblem ?? $"{model.Name} has no tokenizer."} The target can be given with --decoder-ids.");
        }

        var encoded = FromTokens(tokenizer.Encode(request.Target, cancellation: cancellation), tokenizer, request.Target, null);
        if (encoded is [.., { Special: true }])
        {
            encoded = encoded[..^1];
        }

        return ([.. start, .. encoded.Select(t => t.Id)], [.. tokens, .. encoded]);
    }

    private static (ModelInput, AttendedToken[], AttendedToken[]) FromTensors(string path, ModelInfo model, Tokenizer? tokenizer)
    {
        if (!File.Exists(path))
        {
            throw new CommandException($"The file '{path}' does not exist.");
        }

        using var file = SafetensorsFile.Open(path);
        int[]? Integers(string name) => !file.Entries.TryGetValue(name, out var entry)
            ? null
            : entry.Shape.Length == 1
                ? file.ReadIntegers(name)
                : throw new CommandException($"'{name}' in '{path}' has shape [{string.Join(", ", entry.Shape)}]; one sequence [n] is needed.");

        PixelValues? pixels = null;
        if (file.Entries.TryGetValue("pixel_values", out var image))
        {
            pixels = image.Shape is [var channels, var height, var width]
                ? new PixelValues(file.ReadFloats("pixel_values"), channels, height, width)
                : throw new CommandException($"'pixel_values' in '{path}' has shape [{string.Join(", ", image.Shape)}]; [channels, height, width] is needed.");
        }

        var input = new ModelInput
        {
            InputIds = Integers("input_ids") ?? [],
            AttentionMask = Integers("attention_mask"),
            TokenTypeIds = Integers("token_type_ids"),
            GlobalAttentionMask = Integers("global_attention_mask"),
            DecoderInputIds = Integers("decoder_input_ids"),
            Pixels = pixels,
        };
        if (input.InputIds.Length == 0 && pixels is null)
        {
            throw new CommandException($"'{path}' holds neither input_ids nor pixel_values.");
        }

        if (model.Kind == ModelKind.EncoderDecoder && input.DecoderInputIds is null && model.DecoderStartToken is { } start)
        {
            input = input with { DecoderInputIds = [start] };
        }

        return (input, FromIds(input.InputIds, input.TokenTypeIds, tokenizer), FromIds(input.DecoderInputIds ?? [], null, tokenizer));
    }

    private static AttendedToken[] FromTokens(TokenizedText tokens, Tokenizer tokenizer, string text, string? pair) =>
        [.. tokens.Tokens.Select(t => new AttendedToken(t.Id, t.Text, t.Start, t.End, t.Special, t.Sequence, t.TypeId)
        {
            Source = t.Special || t.Id != tokenizer.Special.Unk ? null : (t.Sequence == 1 ? pair ?? text : text)[t.Start..t.End],
            Readable = tokenizer.Readable(t, t.Sequence == 1 ? pair ?? text : text),
        })];

    private static AttendedToken[] FromIds(int[] ids, int[]? types, Tokenizer? tokenizer) =>
        [.. ids.Select((id, i) => new AttendedToken(
            id, tokenizer?.IdToToken(id) ?? string.Create(CultureInfo.InvariantCulture, $"#{id}"), 0, 0, IsSpecial(id, tokenizer), 0,
            types is not null && i < types.Length ? types[i] : 0))];

    private static bool IsSpecial(int id, Tokenizer? tokenizer) =>
        tokenizer?.Special is { } s && (id == s.Cls || id == s.Sep || id == s.Pad || id == s.Bos || id == s.Eos);
}
