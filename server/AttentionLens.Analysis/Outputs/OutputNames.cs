using System.Globalization;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Analysis.Outputs;

/// <summary>Between the numbers of a head's outputs and what people call them.</summary>
public static class OutputNames
{
    /// <summary>A class by its name; a token as it stands in a text, its spelling where it is none by itself.</summary>
    public static string Of(Model model, int index)
    {
        if (model.Info.Head is HeadKind.SequenceClassification or HeadKind.TokenClassification)
        {
            return index < model.Info.Labels.Count ? model.Info.Labels[index] : Number(index);
        }

        if (model.Info.Head == HeadKind.Discriminator)
        {
            return "replaced";
        }

        if (model.Tokenizer is not { } tokenizer)
        {
            return Number(index);
        }

        string text = tokenizer.Decode([index]);
        return text.Length > 0 && !text.Contains('\uFFFD', StringComparison.Ordinal) ? text : tokenizer.IdToToken(index) ?? Number(index);
    }

    /// <summary>In the quotes that a sentence needs.</summary>
    public static string Quoted(Model model, int index) => $"“{Of(model, index).Trim()}”";

    /// <summary>The output that people mean by a word or a class name.</summary>
    /// <exception cref="MethodException">None, or a word of several tokens.</exception>
    public static int Find(Model model, string name)
    {
        if (model.Info.Head is HeadKind.SequenceClassification or HeadKind.TokenClassification)
        {
            int label = model.Info.Labels.ToList().FindIndex(l => string.Equals(l, name, StringComparison.OrdinalIgnoreCase));
            return label >= 0
                ? label
                : throw new MethodException($"{model.Info.Name} has no class '{name}'; it has {string.Join(", ", model.Info.Labels.Take(20))}.");
        }

        if (model.Info.Head == HeadKind.Discriminator)
        {
            return 0;
        }

        return Token(model, name);
    }

    /// <summary>The one token of a word: as it stands after a space (where the vocabulary tells that apart), else as it stands alone; "#7" is the id 7.</summary>
    /// <exception cref="MethodException">The word has several tokens, or none.</exception>
    public static int Token(Model model, string word)
    {
        if (word.StartsWith('#') && int.TryParse(word.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id < model.Info.VocabularySize)
        {
            return id;
        }

        Tokenizer tokenizer = model.Tokenizer ?? throw new MethodException($"{model.Info.Name} has no tokenizer; name an output by its number, as in #7.");
        if (tokenizer.TokenToId(word) is { } spelled && (spelled == tokenizer.Special.Mask || word.StartsWith("##", StringComparison.Ordinal) || word.StartsWith('Ġ') || word.StartsWith('▁')))
        {
            return spelled;
        }

        Token[] best = [];
        foreach (string text in (ReadOnlySpan<string>)[$" {word.Trim()}", word])
        {
            Token[] tokens = tokenizer.Encode(text, addSpecialTokens: false).Tokens;
            if (tokens is [var only] && only.Id != tokenizer.Special.Unk)
            {
                return only.Id;
            }

            best = best.Length == 0 ? tokens : best;
        }

        return tokenizer.TokenToId(word) ?? throw new MethodException(best.Any(t => t.Id == tokenizer.Special.Unk) || best.Length == 0
            ? $"The vocabulary of {model.Info.Name} has no token for '{word}'; choose a commoner word."
            : $"'{word}' is {best.Length} tokens for {model.Info.Name} ({string.Join(" ", best.Select(static t => t.Text))}); choose a word that is one token.");
    }

    private static string Number(int index) => string.Create(CultureInfo.InvariantCulture, $"#{index}");
}
