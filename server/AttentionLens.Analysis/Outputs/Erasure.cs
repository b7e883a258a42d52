using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>
/// An input without some of its tokens, for methods and measures that ask what the model says without them (representation erasure, Li, Monroe and
/// Jurafsky 2016). Where the vocabulary has a mask token the token is replaced by it, so that all others keep their positions; else it is taken out of the text.
/// </summary>
public static class Erasure
{
    /// <summary>Whether the tokens of a model's first input can be taken away: not those of an image.</summary>
    public static bool AppliesTo(ModelInput input) => input.InputIds.Length > 0 && input.Pixels is null;

    /// <summary>A token that belongs to the model's template, not to the text: taking it away says nothing about the text.</summary>
    public static bool IsTemplate(Model model, int id) =>
        model.Tokenizer?.Special is { } s && (id == s.Cls || id == s.Sep || id == s.Pad || id == s.Bos || id == s.Eos);

    /// <summary>The same output without some tokens; null when nothing would be left to predict from.</summary>
    /// <param name="model">The model.</param>
    /// <param name="target">The output.</param>
    /// <param name="source">Tokens of the text, or of the source of an encoder-decoder.</param>
    /// <param name="targetTokens">Tokens of the target of an encoder-decoder.</param>
    public static OutputTarget? Without(Model model, OutputTarget target, IReadOnlyCollection<int> source, IReadOnlyCollection<int>? targetTokens = null)
    {
        ModelInput input = target.Input;
        bool crossed = model.Info.Kind == ModelKind.EncoderDecoder;
        int[] rows = target.Rows;
        if (source.Count > 0)
        {
            if (model.Tokenizer?.Special.Mask is { } mask)
            {
                input = input with { InputIds = [.. input.InputIds.Select((id, i) => source.Contains(i) ? mask : id)] };
            }
            else
            {
                input = input with
                {
                    InputIds = Left(input.InputIds, source),
                    AttentionMask = input.AttentionMask is { } m ? Left(m, source) : null,
                    TokenTypeIds = input.TokenTypeIds is { } t ? Left(t, source) : null,
                    GlobalAttentionMask = input.GlobalAttentionMask is { } g ? Left(g, source) : null,
                };
                rows = crossed ? rows : Moved(rows, source);
            }
        }

        if (targetTokens is { Count: > 0 } && input.DecoderInputIds is { } decoder)
        {
            input = input with { DecoderInputIds = Left(decoder, targetTokens) };
            rows = Moved(rows, targetTokens);
        }

        if (input.InputIds.Length == 0 || rows.Any(static row => row < 0))
        {
            return null;
        }

        Dictionary<int, int> moved = target.Rows.Zip(rows).DistinctBy(static pair => pair.First).ToDictionary(static pair => pair.First, static pair => pair.Second);
        // A head that scores the whole input reads its row off the new one.
        rows = target.Kind == HeadKind.SequenceClassification ? model.OutputRows(input) : rows;
        return target with { Input = input, Rows = rows, Terms = [.. target.Terms.Select(term => term with { Row = moved.GetValueOrDefault(term.Row, term.Row) })] };
    }

    private static int[] Left(int[] values, IReadOnlyCollection<int> without) => [.. values.Where((_, i) => !without.Contains(i))];

    /// <summary>Where rows stand afterwards; of a token that is gone, the one before it, which then is the last that the prediction sees.</summary>
    private static int[] Moved(int[] rows, IReadOnlyCollection<int> without) => Array.ConvertAll(rows, row =>
    {
        int left = row + 1 - without.Count(i => i <= row);
        return left - 1;
    });
}
