namespace AttentionLens.Tokenization.PostProcessors;

/// <summary>Tokens, and the text whose ranges they carry (empty for special tokens).</summary>
internal sealed record EncodedPart(string Text, List<Token> Tokens);

/// <summary>Puts the tokens of one or two texts together for the model.</summary>
internal abstract class PostProcessor
{
    /// <param name="parts">One or two texts; what comes back are the parts of the result in order.</param>
    public abstract List<EncodedPart> Process(List<EncodedPart> parts, bool addSpecialTokens);
}

/// <summary>Post-processors one after the other.</summary>
internal sealed class PostProcessorSequence(PostProcessor[] steps) : PostProcessor
{
    public override List<EncodedPart> Process(List<EncodedPart> parts, bool addSpecialTokens)
    {
        foreach (var step in steps)
            parts = step.Process(parts, addSpecialTokens);
        return parts;
    }
}

/// <summary>One place in a template: a sequence (0 or 1), or special tokens.</summary>
internal sealed record TemplatePart(int? Sequence, (int Id, string Text)[] Special, int TypeId);

/// <summary>Places the sequences among special tokens, as [CLS] A [SEP] B [SEP].</summary>
/// <param name="typesWithoutSpecial">Type ids are set even when no special tokens are asked for.</param>
internal sealed class TemplatePostProcessor(TemplatePart[] single, TemplatePart[] pair, bool typesWithoutSpecial = true) : PostProcessor
{
    public override List<EncodedPart> Process(List<EncodedPart> parts, bool addSpecialTokens)
    {
        if (!addSpecialTokens && !typesWithoutSpecial)
            return parts;
        var result = new List<EncodedPart>();
        foreach (var place in parts.Count == 1 ? single : pair)
        {
            if (place.Sequence is { } index)
                result.Add(parts[index] with { Tokens = parts[index].Tokens.ConvertAll(token => token with { TypeId = place.TypeId }) });
            else if (addSpecialTokens)
                result.Add(new EncodedPart("", [.. place.Special.Select(token => new Token(token.Id, token.Text, 0, 0, true, -1, place.TypeId, -1))]));
        }
        return result;
    }

    /// <summary>[CLS] A [SEP] B [SEP], the second text with type 1.</summary>
    public static TemplatePostProcessor Bert((int, string) cls, (int, string) sep) => new(
        [Special(cls), Text(0), Special(sep)],
        [Special(cls), Text(0), Special(sep), Text(1, 1), Special(sep, 1)],
        typesWithoutSpecial: false);

    /// <summary>&lt;s&gt; A &lt;/s&gt; &lt;/s&gt; B &lt;/s&gt;, every type 0.</summary>
    public static TemplatePostProcessor Roberta((int, string) cls, (int, string) sep) => new(
        [Special(cls), Text(0), Special(sep)],
        [Special(cls), Text(0), Special(sep), Special(sep), Text(1), Special(sep)]);

    public static TemplatePart Text(int sequence, int typeId = 0) => new(sequence, [], typeId);

    public static TemplatePart Special((int Id, string Text) token, int typeId = 0) => new(null, [token], typeId);
}

/// <summary>Takes the spaces that byte-level tokens carry out of their ranges.</summary>
internal sealed class TrimOffsetsPostProcessor(bool addPrefixSpace) : PostProcessor
{
    public override List<EncodedPart> Process(List<EncodedPart> parts, bool addSpecialTokens)
    {
        foreach (var (text, tokens) in parts)
        {
            for (var i = 0; i < tokens.Count; i++)
                tokens[i] = Trim(text, tokens[i], isFirst: i == 0);
        }
        return parts;
    }

    private Token Trim(string original, Token token, bool isFirst)
    {
        var text = token.Text.AsSpan();
        var leading = 0;
        while (leading < text.Length && IsSpace(text[leading]))
            leading++;
        var trailing = 0;
        while (trailing < text.Length && IsSpace(text[^(trailing + 1)]))
            trailing++;
        // An added token that took the white space around it has it in its range, not in its spelling.
        if (leading == 0 && trailing == 0 && original.AsSpan(token.Start, token.End - token.Start) is var taken && taken.Length > text.Length && taken.Trim().SequenceEqual(text))
            (leading, trailing) = (taken.Length - taken.TrimStart().Length, taken.Length - taken.TrimEnd().Length);
        // The first space may be the one that was put in front of the text: it has no place of its own there.
        if (leading > 0 && addPrefixSpace && (isFirst || token.Start == 0))
            leading--;
        var (start, end) = (token.Start, token.End);
        for (; leading > 0 && start < end; leading--)
            start += char.IsHighSurrogate(original[start]) && start + 1 < end ? 2 : 1;
        for (; trailing > 0 && end > start; trailing--)
            end -= char.IsLowSurrogate(original[end - 1]) && end - 1 > start ? 2 : 1;
        return token with { Start = start, End = end };
    }

    private static bool IsSpace(char c) => c == 'Ġ' || char.IsWhiteSpace(c);
}
