using System.Globalization;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Corpora;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>
/// A segment as one model input. Token offsets are those of the segment's text (Sequence 0) or of its pair's (Sequence 1), also when only a
/// window of a long text is shown.
/// </summary>
/// <param name="Source">Tokens of the model's (first) input.</param>
/// <param name="Target">Tokens of the decoder's input in an encoder-decoder; empty elsewhere.</param>
/// <param name="Notice">What was left out, in one sentence for the user; null = nothing.</param>
/// <param name="Key">Equal for equal inputs of one model.</param>
internal sealed record EncodedText(Token[] Source, Token[] Target, ModelInput Input, string? Notice, TraceKey Key)
{
    /// <summary>The image whose patches the tokens are; null for a text.</summary>
    public ImageItem? Image { get; init; }

    /// <summary>Longest input in tokens, whatever the model allows: attention is quadratic, and more rows than this are no picture.</summary>
    private const int MaxWindow = 4096;

    /// <summary>
    /// A window never needs more text than this many characters a token. A 1 MB line is cut before it is tokenized: tokenizing all of it to
    /// throw most away would cost seconds.
    /// </summary>
    private const int CharactersPerToken = 32;

    /// <param name="model">The model that is to read it.</param>
    /// <param name="segment">Text and, maybe, its pair.</param>
    /// <param name="focus">Where the user is, as an offset of the segment's text: a window is laid around it.</param>
    /// <param name="keep">What the method that is asked for needs.</param>
    /// <param name="generate">An encoder-decoder writes the target that is not there.</param>
    /// <param name="cancellation">Checked by the tokenizer.</param>
    /// <exception cref="AttentionException">Nothing in it, or the model reads no text.</exception>
    public static EncodedText Of(IModelRunner model, Segment segment, int focus, Keep keep, bool generate, CancellationToken cancellation)
    {
        ModelInfo info = model.Info;
        if (info.Kind is ModelKind.Vision)
            throw new AttentionException(AttentionStatus.Failed, $"{info.Name} reads images, not text; choose another model.");
        if (segment.Text.Length == 0)
            throw new AttentionException(AttentionStatus.Empty, "There is no text here.");

        int limit = Math.Min(info.MaxPositions, MaxWindow);
        (string text, int from) = Neighbourhood(segment.Text, focus, limit * CharactersPerToken);
        string? notice = text.Length == segment.Text.Length
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"The text has {segment.Text.Length:N0} characters; only those around the cursor are shown.");
        string? pair = segment.Pair is { Text.Length: > 0 } second ? Neighbourhood(second.Text, 0, limit * CharactersPerToken).Text : null;

        Token[] source;
        Token[] target = [];
        int window = 0;
        if (pair is not null && info.Kind == ModelKind.EncoderDecoder)
        {
            (source, notice) = Prefix(model.Encode(text, null, cancellation).Tokens, limit, notice, info);
            (target, notice) = Prefix(model.Encode(pair, null, cancellation).Tokens, limit - 1, notice, info);
            target = Array.ConvertAll(target, static token => token with { Sequence = token.Special ? -1 : 1 });
            if (info.DecoderStartToken is { } start && (target.Length == 0 || target[0].Id != start))
                target = [new Token(start, model.Spelling(start), 0, 0, true, -1, 0, -1), .. target];
        }
        else if (pair is not null)
        {
            (source, notice) = PairPrefix(model.Encode(text, pair, cancellation).Tokens, limit, notice, info);
        }
        else
        {
            (source, window, notice) = Window(model.Encode(text, null, cancellation).Tokens, focus - from, limit, notice, info);
        }
        if (from > 0)
            source = Array.ConvertAll(source, token => token.Sequence == 0 ? token with { Start = token.Start + from, End = token.End + from } : token);
        if (!source.Any(static token => !token.Special))
            throw new AttentionException(AttentionStatus.Empty, "There is no text here that the model reads as tokens.");

        var input = new ModelInput
        {
            InputIds = Array.ConvertAll(source, static token => token.Id),
            TokenTypeIds = source.Any(static token => token.TypeId != 0) ? Array.ConvertAll(source, static token => token.TypeId) : null,
            DecoderInputIds = target.Length > 0 ? Array.ConvertAll(target, static token => token.Id) : null,
        };
        bool generated = generate && pair is null && info.Kind == ModelKind.EncoderDecoder;
        return new EncodedText(source, target, input, notice, new TraceKey(info.Fingerprint, text, pair, from, window, keep, generated));
    }

    /// <summary>The same with the target that the model has written, where it has.</summary>
    public EncodedText WithTarget(IModelRunner model, AttentionTrace trace) => Key.Generated && trace.Input.DecoderInputIds is { } ids
        ? this with { Target = Array.ConvertAll(ids, id => new Token(id, model.Spelling(id), 0, 0, model.Info.DecoderStartToken == id || model.Info.EndTokens.Contains(id), -1, 0, -1)) }
        : this;

    /// <summary>What goes through the model where nothing is changed; null when this is it.</summary>
    public ModelInput? Unchanged { get; private init; }

    /// <summary>The same text with what a view changes about it: some tokens masked or replaced, some heads forced.</summary>
    /// <exception cref="AttentionException">No such token, head or word.</exception>
    public EncodedText Changed(IModelRunner model, Changes? changes)
    {
        if (changes is not { Heads: { Length: > 0 } } and not { Tokens: { Length: > 0 } })
            return this;
        Token[] source = [.. Source];
        // After an edit another token may stand where one was changed.
        TokenChange[] tokens = [.. (changes.Tokens ?? []).Where(change => change.Was is null || (change.Index < source.Length && source[change.Index].Text == change.Was))];
        foreach (TokenChange change in tokens)
        {
            if ((uint)change.Index >= (uint)source.Length)
                throw new AttentionException(AttentionStatus.Failed, $"There is no token {change.Index} to change; there are {source.Length}.");
            int id = change.Text is { } text
                ? OutputNames.Token(model.Model, text)
                : model.Model.Tokenizer?.Special.Mask
                    ?? throw new AttentionException(AttentionStatus.Failed, $"{model.Info.Name} has no mask token; replace the token by a word instead.");
            source[change.Index] = source[change.Index] with { Id = id, Text = model.Model.Tokenizer?.IdToToken(id) ?? source[change.Index].Text };
        }
        HeadIntervention[] heads = [.. (changes.Heads ?? []).Select(head => new HeadIntervention(KindOf(head.Stack, model.Info), head.Layer, head.Head, EffectOf(head.Effect)))];
        return this with
        {
            Source = source,
            Unchanged = Input,
            Input = Input with { InputIds = Array.ConvertAll(source, static token => token.Id), Interventions = heads.Length > 0 ? heads : null },
            Key = Key with
            {
                Changes = string.Join(' ', tokens.Select(change => $"{change.Index}={source[change.Index].Id}")
                    .Concat(heads.Select(static head => $"{head.Kind}.{head.Layer}.{head.Head}={head.Effect}"))),
            },
        };
    }

    private static AttentionKind KindOf(string? stack, ModelInfo info) => stack switch
    {
        "decoder" => AttentionKind.Decoder,
        "cross" => AttentionKind.Cross,
        "encoder" => AttentionKind.Encoder,
        _ => info.Kind == ModelKind.Decoder ? AttentionKind.Decoder : AttentionKind.Encoder,
    };

    private static HeadEffect EffectOf(string effect) => effect switch
    {
        "zero" => HeadEffect.Zero,
        "uniform" => HeadEffect.Uniform,
        "mean" => HeadEffect.Mean,
        _ => throw new AttentionException(AttentionStatus.Failed, "A head is set to \"zero\", \"uniform\" or \"mean\"."),
    };

    /// <summary>A fixed grid of pieces, so that moving the cursor inside one does not ask for another.</summary>
    private static (string Text, int From) Neighbourhood(string text, int focus, int limit)
    {
        if (text.Length <= limit)
            return (text, 0);
        int piece = limit / 2;
        int from = Boundary(text, Math.Clamp(focus / piece, 0, (text.Length - 1) / piece) * piece);
        int to = Boundary(text, Math.Min(text.Length, from + piece));
        return (text[from..to], from);
    }

    /// <summary>The first place at or soon after <paramref name="at"/> between two words, else between two characters.</summary>
    private static int Boundary(string text, int at)
    {
        if (at <= 0 || at >= text.Length)
            return Math.Clamp(at, 0, text.Length);
        for (int i = at; i < Math.Min(text.Length, at + 200); i++)
        {
            if (char.IsWhiteSpace(text[i]))
                return i;
        }
        return char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1]) ? at + 1 : at;
    }

    /// <summary>Half-overlapping windows over the tokens between the special ones; the one in whose middle the focus is.</summary>
    private static (Token[] Tokens, int Window, string? Notice) Window(Token[] tokens, int focus, int limit, string? notice, ModelInfo info)
    {
        if (tokens.Length <= limit)
            return (tokens, 0, notice);
        int prefix = tokens.TakeWhile(static token => token.Special).Count();
        int suffix = tokens.Reverse().TakeWhile(static token => token.Special).Count();
        int body = tokens.Length - prefix - suffix, room = limit - prefix - suffix;
        int at = Array.FindIndex(tokens, prefix, body, token => token.End > focus);
        at = at < 0 ? body - 1 : at - prefix;
        int stride = Math.Max(1, room / 2);
        int first = Math.Min(Math.Max(0, (at - (stride / 2)) / stride) * stride, body - room);
        Token[] cut = [.. tokens[..prefix], .. tokens.AsSpan(prefix + first, room), .. tokens[^suffix..]];
        return (cut, first, notice ?? string.Create(
            CultureInfo.InvariantCulture,
            $"The text has {body:N0} tokens, {info.Name} reads {limit:N0} at once: shown are tokens {first:N0} to {first + room - 1:N0}, around the cursor."));
    }

    private static (Token[] Tokens, string? Notice) Prefix(Token[] tokens, int limit, string? notice, ModelInfo info)
    {
        (Token[] cut, _, string? said) = Window(tokens, 0, limit, notice, info);
        return (cut, said);
    }

    /// <summary>Both texts from their beginnings; the longer one gives way first.</summary>
    private static (Token[] Tokens, string? Notice) PairPrefix(Token[] tokens, int limit, string? notice, ModelInfo info)
    {
        if (tokens.Length <= limit)
            return (tokens, notice);
        int first = tokens.Count(static token => token.Sequence == 0), second = tokens.Count(static token => token.Sequence == 1);
        int room = limit - (tokens.Length - first - second);
        int keepFirst = Math.Min(first, Math.Max(room - second, room / 2));
        int[] left = [keepFirst, room - keepFirst];
        Token[] cut = [.. tokens.Where(token => token.Sequence < 0 || left[token.Sequence]-- > 0)];
        return (cut, notice ?? string.Create(
            CultureInfo.InvariantCulture,
            $"The two texts have {first + second:N0} tokens, {info.Name} reads {limit:N0} at once: only the beginnings are shown."));
    }
}

/// <summary>Equal keys mean equal traces: content, never a document or a version, so that undo and a second panel find what is known.</summary>
internal sealed record TraceKey(
    string Model, string Text, string? Pair, int From, int Window, Keep Keep, bool Generated = false, string Changes = "");

/// <summary>Why there are no weights: a status of the protocol and one sentence.</summary>
internal sealed class AttentionException(string status, string message) : Exception(message)
{
    public string Status { get; } = status;
}
