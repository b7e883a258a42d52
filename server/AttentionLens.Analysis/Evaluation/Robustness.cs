using System.Text;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Analysis.Evaluation;

/// <summary>A text in which something has changed that should not matter; it has as many words as the original, each in the place of its own.</summary>
/// <param name="Changed">Starts of the changed words in the original.</param>
/// <param name="After">From this offset of the original on, the text stands ...</param>
/// <param name="Shift">... so many code units further.</param>
public sealed record TextVariant(string Text, IReadOnlyList<int> Changed, int After = 0, int Shift = 0)
{
    /// <summary>Where an offset of the original is, outside the changed words.</summary>
    public int Place(int offset) => offset < After ? offset : offset + Shift;
}

/// <summary>Does the picture stay the same when the text changes in a way that does not matter?</summary>
public static class Robustness
{
    /// <summary>Words with fewer letters are left alone: a swap would make another word of them.</summary>
    private const int ShortestWord = 4;

    /// <summary>One mistyped word for so many that could be.</summary>
    private const int WordsPerTypo = 8;

    /// <summary>
    /// Ranges of the words of a text: runs of letters and digits, and every ideograph or kana by itself, as those scripts write no spaces.
    /// </summary>
    public static List<(int Start, int End)> Words(string text)
    {
        var words = new List<(int Start, int End)>();
        var open = false;
        for (var i = 0; i < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length) != System.Buffers.OperationStatus.Done)
            {
                open = false;
            }
            else if (rune.Value is (>= 0x3040 and <= 0x30FF) or (>= 0x3400 and <= 0x9FFF) or (>= 0x20000 and <= 0x3FFFF))
            {
                words.Add((i, i + length));
                open = false;
            }
            else if (Rune.IsLetterOrDigit(rune) || (open && Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark))
            {
                words = open ? Longer(words, i + length) : [.. words, (i, i + length)];
                open = true;
            }
            else
            {
                open = false;
            }

            i += length;
        }

        return words;

        static List<(int, int)> Longer(List<(int Start, int End)> words, int end)
        {
            words[^1] = (words[^1].Start, end);
            return words;
        }
    }

    /// <summary>
    /// Texts in which two neighbouring letters inside a word have changed places, in an eighth of the words of at least four letters (at least one word).
    /// </summary>
    /// <param name="text">The original.</param>
    /// <param name="count">How many texts.</param>
    /// <param name="seed">The same seed makes the same mistakes.</param>
    /// <param name="spared">A range that stays as it is: the query.</param>
    /// <returns>Fewer than asked for, down to none, where no word can be mistyped.</returns>
    public static IReadOnlyList<TextVariant> Typos(string text, int count, int seed = 0, (int Start, int End)? spared = null)
    {
        var candidates = Words(text).Where(w => !(spared is { } s && w.Start < s.End && s.Start < w.End) && Swaps(text, w).Any()).ToArray();
        if (candidates.Length == 0)
        {
            return [];
        }

        var random = new Random(seed);
        var texts = new List<TextVariant>();
        for (var i = 0; i < count; i++)
        {
            random.Shuffle(candidates);
            var typed = text.ToCharArray();
            var changed = candidates[..Math.Max(1, candidates.Length / WordsPerTypo)];
            foreach (var word in changed)
            {
                int[] swaps = [.. Swaps(text, word)];
                var at = swaps[random.Next(swaps.Length)];
                (typed[at], typed[at + 1]) = (typed[at + 1], typed[at]);
            }

            texts.Add(new TextVariant(new string(typed), [.. changed.Select(w => w.Start).Order()]));
        }

        return [.. texts.DistinctBy(t => t.Text)];
    }

    /// <summary>
    /// Texts in which one word is replaced by another of its meaning. Lengths change; words do not, as each stands for one word.
    /// </summary>
    /// <param name="text">The original.</param>
    /// <param name="synonyms">Lower-case word to single words (<see cref="IsWord"/>).</param>
    /// <param name="count">How many texts; more that are possible are drawn from.</param>
    /// <param name="seed">The same seed draws the same ones.</param>
    /// <param name="spared">A range that stays as it is.</param>
    /// <returns>In the order of the text; fewer than asked for, down to none, where it holds no word of the list.</returns>
    public static IReadOnlyList<TextVariant> Synonyms(
        string text, IReadOnlyDictionary<string, IReadOnlyList<string>> synonyms, int count, int seed = 0, (int Start, int End)? spared = null)
    {
        TextVariant[] all = [.. Replaced(text, synonyms, spared).DistinctBy(v => v.Text)];
        if (all.Length <= count)
        {
            return all;
        }

        int[] drawn = [.. Enumerable.Range(0, all.Length)];
        new Random(seed).Shuffle(drawn);
        return [.. drawn.Take(count).Order().Select(i => all[i])];
    }

    /// <summary>One word and nothing else: what can stand in the place of a word.</summary>
    public static bool IsWord(string text) => Words(text) is [(0, var end)] && end == text.Length;

    private static IEnumerable<TextVariant> Replaced(string text, IReadOnlyDictionary<string, IReadOnlyList<string>> synonyms, (int Start, int End)? spared)
    {
        foreach (var word in Words(text).Where(w => !(spared is { } s && w.Start < s.End && s.Start < w.End)))
        {
            var original = text[word.Start..word.End];
            foreach (var other in synonyms.GetValueOrDefault(original.ToLowerInvariant()) ?? [])
            {
                if (IsWord(other) && !string.Equals(other, original, StringComparison.OrdinalIgnoreCase))
                {
                    var shaped = char.IsUpper(original[0]) ? char.ToUpperInvariant(other[0]) + other[1..] : other;
                    yield return new TextVariant(text[..word.Start] + shaped + text[word.End..], [word.Start], word.End, shaped.Length - original.Length);
                }
            }
        }
    }

    /// <summary>Places inside a word where two different letters of one code unit each stand side by side; not at its ends, which readers go by.</summary>
    private static IEnumerable<int> Swaps(string text, (int Start, int End) word)
    {
        if (word.End - word.Start < ShortestWord || !text.AsSpan(word.Start, word.End - word.Start).ContainsOnlyLetters())
        {
            yield break;
        }

        for (var i = word.Start + 1; i + 2 < word.End; i++)
        {
            if (text[i] != text[i + 1])
            {
                yield return i;
            }
        }
    }

    private static bool ContainsOnlyLetters(this ReadOnlySpan<char> word)
    {
        foreach (var c in word)
        {
            if (!char.IsLetter(c)) // nor surrogates: half of one must not move
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Scores of tokens as scores of words: each token counts for the word that it begins in or touches; others for none.</summary>
    /// <param name="words">Ranges, ascending.</param>
    /// <param name="tokens">Range and score of each token of the text.</param>
    public static double[] PerWord(IReadOnlyList<(int Start, int End)> words, IEnumerable<(int Start, int End, double Score)> tokens)
    {
        var sums = new double[words.Count];
        foreach (var (start, end, score) in tokens)
        {
            for (var w = 0; w < words.Count; w++)
            {
                if (words[w].Start < end && start < words[w].End)
                {
                    sums[w] += score;
                    break;
                }
            }
        }

        return sums;
    }

    /// <summary>
    /// The same output asked of changed texts (see <see cref="Typos"/>, <see cref="Synonyms"/>): do the scores of words keep their order? The word that is explained
    /// is spared. None where nothing can be changed, or fewer than two words have scores. Cost: for each text what the method costs, and one pass.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="method">The method.</param>
    /// <param name="selection">As for <see cref="TokenScores.Of"/>.</param>
    /// <param name="output">What is explained.</param>
    /// <param name="scores">One per item of the output.</param>
    /// <param name="tokens">Of the original text.</param>
    /// <param name="text">The original text; tokens of sequence 0 have their offsets in it.</param>
    /// <param name="encode">A changed text as an input, with its tokens.</param>
    /// <param name="vary">The changed texts, with a range of the original spared.</param>
    /// <param name="progress">Share done.</param>
    /// <param name="cancellation">Checked inside.</param>
    /// <exception cref="MethodException">The method is not defined here.</exception>
    public static Measured Under(
        Model model, Method method, HeadSelection? selection, ErasedOutput output, double[] scores, Token[] tokens, string text,
        Func<string, (ModelInput Input, Token[] Tokens)> encode, Func<(int Start, int End)?, IReadOnlyList<TextVariant>> vary,
        IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var isOfSource = model.Info.Kind != ModelKind.EncoderDecoder && output.Target.Kind is not (HeadKind.SequenceClassification or HeadKind.QuestionAnswering);
        var row = output.Target.Rows[0];
        (int Start, int End)? spared = isOfSource && tokens[row] is { Sequence: 0, Special: false } own ? (own.Start, own.End) : null;
        var words = Words(text);
        var before = PerWord(words, output.Items.Select((t, i) => (tokens[t], scores[i])).Where(p => p.Item1.Sequence == 0).Select(p => (p.Item1.Start, p.Item1.End, p.Item2)));
        var after = new List<double[]>();
        var variants = vary(spared);
        for (var v = 0; v < variants.Count; v++)
        {
            var (input, changed) = encode(variants[v].Text);
            // The word is spared, so a token begins where it stands now, unless a tokenizer that knows no words drew its borders elsewhere.
            int? position = !isOfSource ? (model.Info.Kind == ModelKind.EncoderDecoder ? row : null)
                : spared is { } s ? Array.FindIndex(changed, t => t is { Sequence: 0, Special: false } && t.Start == variants[v].Place(s.Start)) : row;
            if (position < 0 || input.InputIds.Length > model.Info.MaxPositions)
            {
                continue;
            }

            var target = OutputTarget.Of(model, input, new OutputChoice(position), cancellation);
            var now = TokenScores.Of(method, model, target, selection, null, cancellation);
            after.Add(PerWord(
                Words(variants[v].Text), ErasedOutput.ItemsOf(model, target).Where(i => changed[i].Sequence == 0).Select(i => (changed[i].Start, changed[i].End, (double)now.Source[i]))));
            progress?.Report((v + 1.0) / variants.Count);
        }

        return Of(before, after);
    }

    /// <summary>The mean Spearman correlation of the words' scores before and after each change; 1 = unmoved, chance 0. None where it is not defined.</summary>
    public static Measured Of(double[] before, IReadOnlyList<double[]> after)
    {
        double[] correlations = [.. after.Where(a => a.Length == before.Length).Select(a => RankCorrelation.Spearman(before, a)).OfType<double>()];
        return correlations.Length == 0 ? Measured.None : new Measured(correlations.Average(), 0);
    }
}
