namespace AttentionLens.Tokenization.PostProcessors;

/// <summary>Puts the tokens of one or two texts together for the model.</summary>
internal abstract class PostProcessor
{
    /// <param name="sequences">The tokens of one or two texts; what comes back are the parts of the result in order.</param>
    public abstract List<List<Token>> Process(List<List<Token>> sequences, bool addSpecialTokens);
}

/// <summary>Post-processors one after the other.</summary>
internal sealed class PostProcessorSequence(PostProcessor[] steps) : PostProcessor
{
    public override List<List<Token>> Process(List<List<Token>> sequences, bool addSpecialTokens)
    {
        foreach (var step in steps)
            sequences = step.Process(sequences, addSpecialTokens);
        return sequences;
    }
}

/// <summary>One place in a template: a sequence (0 or 1), or special tokens.</summary>
internal sealed record TemplatePart(int? Sequence, (int Id, string Text)[] Special, int TypeId);

/// <summary>Places the sequences among special tokens, as [CLS] A [SEP] B [SEP].</summary>
/// <param name="typesWithoutSpecial">Type ids are set even when no special tokens are asked for.</param>
internal sealed class TemplatePostProcessor(TemplatePart[] single, TemplatePart[] pair, bool typesWithoutSpecial = true) : PostProcessor
{
    public override List<List<Token>> Process(List<List<Token>> sequences, bool addSpecialTokens)
    {
        if (!addSpecialTokens && !typesWithoutSpecial)
            return sequences;
        var result = new List<List<Token>>();
        foreach (var part in sequences.Count == 1 ? single : pair)
        {
            if (part.Sequence is { } index)
                result.Add(sequences[index].ConvertAll(token => token with { TypeId = part.TypeId }));
            else if (addSpecialTokens)
                result.Add([.. part.Special.Select(token => new Token(token.Id, token.Text, 0, 0, true, -1, part.TypeId, -1))]);
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
    public override List<List<Token>> Process(List<List<Token>> sequences, bool addSpecialTokens)
    {
        foreach (var tokens in sequences)
        {
            for (var i = 0; i < tokens.Count; i++)
                tokens[i] = Trim(tokens[i], isFirst: i == 0);
        }
        return sequences;
    }

    private Token Trim(Token token, bool isFirst)
    {
        var text = token.Text.AsSpan();
        var leading = 0;
        while (leading < text.Length && IsSpace(text[leading]))
            leading++;
        var trailing = 0;
        while (trailing < text.Length && IsSpace(text[^(trailing + 1)]))
            trailing++;
        var (start, end) = (token.Start, token.End);
        if (leading > 0)
        {
            // The first space may be the one that was put in front of the text: it has no place of its own there.
            if (addPrefixSpace && (isFirst || start == 0))
                leading--;
            start = Math.Min(start + leading, end);
        }
        if (trailing > 0 && end >= trailing)
            end = Math.Max(end - trailing, start);
        return token with { Start = start, End = end };
    }

    private static bool IsSpace(char c) => c == 'Ġ' || char.IsWhiteSpace(c);
}
