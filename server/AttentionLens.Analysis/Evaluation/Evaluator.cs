using AttentionLens.Analysis.Outputs;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.Analysis.Evaluation;

/// <summary>A text to evaluate pictures on.</summary>
/// <param name="Pair">A second text: of the same input, or the target of an encoder-decoder.</param>
/// <param name="Rationale">What people marked, in UTF-16 code units of the text (sequence 0) or the pair (1); null = nobody was asked.</param>
public sealed record EvaluatedText(string Text, string? Pair = null, IReadOnlyList<(int Sequence, int Start, int End)>? Rationale = null);

/// <param name="Outputs">How many outputs of a text are explained where the model has one for each token; evenly spread over the text.</param>
/// <param name="Typos">How many mistyped variants of a text are tried; 0 = none.</param>
/// <param name="Seed">Of everything that is drawn.</param>
/// <param name="RationaleShare">Share of a text's tokens that are taken as chosen (ERASER: the mean of the data set); null = as many as are marked in each text.</param>
/// <param name="Families">What is measured.</param>
/// <param name="Synonyms">Lower-case word to words that may stand in its place; null = robustness under synonyms is not measured.</param>
/// <param name="Replacements">How many texts with one such word are tried.</param>
public sealed record EvaluatorOptions(
    int Outputs = 3, int Typos = 3, int Seed = 0, double? RationaleShare = null, IReadOnlySet<MetricFamily>? Families = null,
    IReadOnlyDictionary<string, IReadOnlyList<string>>? Synonyms = null, int Replacements = 3)
{
    public bool Measures(MetricFamily family) => Families?.Contains(family) != false;
}

/// <summary>What was measured on one text: means over its outputs, by method and metric. A method that cannot answer is missing, its reason is in <paramref name="Problems"/>.</summary>
/// <param name="Tokens">Tokens of the input.</param>
/// <param name="Outputs">How many outputs were explained.</param>
/// <param name="Probability">That the model gave them, on average: what faithfulness has to fall from.</param>
/// <param name="Scores">By method, then metric.</param>
/// <param name="Problems">One sentence each.</param>
public sealed record TextScores(int Tokens, int Outputs, double Probability, SortedDictionary<string, SortedDictionary<string, Measured>> Scores, IReadOnlyList<string> Problems);

/// <summary>Measures methods on texts. Everything that is drawn is seeded: the same text gives the same numbers, whatever came before it.</summary>
public sealed class Evaluator(Model model, IReadOnlyList<Method> methods, EvaluatorOptions options)
{
    /// <summary>Measures one text.</summary>
    /// <exception cref="MethodException">The model predicts nothing, or the text holds no token that could be explained.</exception>
    /// <exception cref="ModelException">The text does not fit the model.</exception>
    public TextScores Evaluate(EvaluatedText text, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var (input, tokens, targets) = Encode(text.Text, text.Pair, cancellation);
        if (input.InputIds.Length > model.Info.MaxPositions)
        {
            throw new MethodException($"The text has {input.InputIds.Length} tokens and {model.Info.Name} reads {model.Info.MaxPositions}; a part of it would say nothing about the whole.");
        }

        var places = Places(tokens, targets, options.Outputs);
        var collected = new SortedDictionary<string, SortedDictionary<string, List<Measured>>>(StringComparer.Ordinal);
        var problems = new List<string>();
        var answered = new HashSet<string>();
        var sums = methods.ToDictionary(m => m.Name, _ => new double[tokens.Length]);
        var counts = new int[tokens.Length];
        var outputs = 0;
        var probability = 0.0;
        for (var p = 0; p < places.Length; p++)
        {
            var target = OutputTarget.Of(model, input, new OutputChoice(places[p]), cancellation);
            var output = new ErasedOutput(model, target, cancellation);
            outputs++;
            probability += output.Probability;
            foreach (var item in output.Items)
            {
                counts[item]++;
            }

            for (var m = 0; m < methods.Count; m++)
            {
                progress?.Report((p + ((double)m / methods.Count)) / places.Length);
                try
                {
                    var scores = TokenScores.Of(methods[m], model, target, cancellation: cancellation);
                    Measure(methods[m], text, output, scores, (name, value) => Add(methods[m].Name, name, value), cancellation);
                    Normalise(scores, output.Items, sums[methods[m].Name]);
                    answered.Add(methods[m].Name);
                }
                catch (MethodException problem)
                {
                    problems.Add(problem.Message);
                }
                catch (ModelException problem)
                {
                    problems.Add(problem.Message);
                }
            }
        }

        if (text.Rationale is not null && options.Measures(MetricFamily.Plausibility))
        {
            foreach (var method in methods.Where(m => answered.Contains(m.Name)))
            {
                Compare(tokens, text.Rationale, sums[method.Name], counts, (name, value) => Add(method.Name, name, value));
            }
        }

        progress?.Report(1);
        return new TextScores(tokens.Length, outputs, probability / outputs, Means(collected), [.. problems.Distinct()]);

        void Add(string method, string metric, Measured value)
        {
            if (!collected.TryGetValue(method, out var metrics))
            {
                collected[method] = metrics = new(StringComparer.Ordinal);
            }

            (metrics.TryGetValue(metric, out var list) ? list : metrics[metric] = []).Add(value);
        }
    }

    /// <summary>The share of a text's own tokens that people marked; null where nobody was asked or nothing was marked.</summary>
    public double? MarkedShare(EvaluatedText text, CancellationToken cancellation = default)
    {
        if (text.Rationale is not { Count: > 0 })
        {
            return null;
        }

        var (_, tokens, _) = Encode(text.Text, text.Pair, cancellation);
        var own = tokens.Count(t => !t.Special);
        return own == 0 ? null : (double)Marked(tokens, text.Rationale).Sum(s => s.Length) / own;
    }

    /// <summary>Which outputs of a text are explained: evenly spread over the tokens that are words, or null, the one that there is.</summary>
    public int?[] Places(Token[] source, Token[] target, int count)
    {
        var info = model.Info;
        if (info.Head is HeadKind.SequenceClassification or HeadKind.QuestionAnswering)
        {
            return [null];
        }

        // A decoder says something only after it has read something; the target's first token is its start token, which predicts the first word.
        int[] words = info.Kind == ModelKind.EncoderDecoder && target.Length > 0
            ? [.. Enumerable.Range(0, target.Length)]
            : [.. Enumerable.Range(0, source.Length).Where(i => !source[i].Special && source[i].Text.Any(char.IsLetterOrDigit) && (info.Head != HeadKind.CausalLanguage || i > 1))];
        if (words.Length == 0)
        {
            return info.Kind == ModelKind.EncoderDecoder ? [null] : throw new MethodException("The text holds no word whose prediction could be explained.");
        }

        // The last one is always among a decoder's: it has read everything.
        var last = info.Head == HeadKind.CausalLanguage ? words.Length - 1.0 : words.Length - 0.5;
        count = Math.Min(count, words.Length);
        return [.. Enumerable.Range(1, count).Select(i => (int?)words[info.Head == HeadKind.CausalLanguage
            ? (int)Math.Round(last * i / count)
            : (int)(words.Length * (i - 0.5) / count)]).Distinct()];
    }

    private void Measure(
        Method method, EvaluatedText text, ErasedOutput output, TokenScores scores, Action<string, Measured> add, CancellationToken cancellation)
    {
        var items = output.Of(scores);
        if (options.Measures(MetricFamily.Clarity) && Clarity.Of([.. items.Select(s => (float)s)]) is { } clarity)
        {
            add("entropy", new Measured(clarity.Entropy, 1));
            add("gini", new Measured(clarity.Gini, 0));
            add("effectiveTokens", new Measured(clarity.EffectiveTokens, clarity.Tokens));
        }

        if (options.Measures(MetricFamily.Faithfulness) && Faithfulness.Of(output, items, options.Seed, null, cancellation) is { } faithfulness)
        {
            add("comprehensiveness", faithfulness.Comprehensiveness);
            add("sufficiency", faithfulness.Sufficiency);
            add("deletion", faithfulness.Deletion);
            add("insertion", faithfulness.Insertion);
            add("kendall", faithfulness.KendallTau);
            add("spearman", faithfulness.Spearman);
        }

        if (options.Measures(MetricFamily.Robustness))
        {
            add("robustness", Under(spared => Robustness.Typos(text.Text, options.Typos, options.Seed, spared)));
            if (options.Synonyms is { } synonyms)
            {
                add("synonyms", Under(spared => Robustness.Synonyms(text.Text, synonyms, options.Replacements, options.Seed, spared)));
            }
        }

        Measured Under(Func<(int Start, int End)?, IReadOnlyList<TextVariant>> vary) => Robustness.Under(
            model, method, null, output, items, Encode(text.Text, text.Pair, cancellation).Source, text.Text,
            changed => Encode(changed, text.Pair, cancellation) is var (input, tokens, _) ? (input, tokens) : default, vary, null, cancellation);
    }

    private void Compare(Token[] tokens, IReadOnlyList<(int Sequence, int Start, int End)> rationale, double[] sums, int[] counts, Action<string, Measured> add)
    {
        // Only tokens of the text that some output had to say something about; the others have no score.
        int[] own = [.. Enumerable.Range(0, tokens.Length).Where(i => !tokens[i].Special && counts[i] > 0)];
        var index = own.Select((token, i) => (token, i)).ToDictionary(p => p.token, p => p.i);
        TokenSpan[] spans = [.. Marked(tokens, rationale).Select(s => own.Where(t => t >= s.First && t < s.End).ToArray()).Where(o => o.Length > 0).Select(o => new TokenSpan(index[o[0]], index[o[^1]] + 1))];
        int? chosen = options.RationaleShare is { } share ? Math.Clamp((int)Math.Round(share * own.Length), 1, Math.Max(1, own.Length)) : null;
        var plausibility = Plausibility.Of([.. own.Select(i => sums[i] / counts[i])], spans, chosen, options.Seed);
        add("auprc", plausibility.Auprc);
        add("tokenF1", plausibility.TokenF1);
        add("spanF1", plausibility.SpanF1);
    }

    /// <summary>Adds scores as shares of the output's items, so that outputs of different scale count alike.</summary>
    private static void Normalise(TokenScores scores, IReadOnlyList<int> items, double[] sums)
    {
        var all = items.Sum(i => Math.Abs((double)scores.Source[i]));
        foreach (var i in items)
        {
            sums[i] += all > 0 ? scores.Source[i] / all : 0;
        }
    }

    /// <summary>Marked stretches as runs of the tokens that they touch.</summary>
    private static IEnumerable<TokenSpan> Marked(Token[] tokens, IReadOnlyList<(int Sequence, int Start, int End)> rationale)
    {
        foreach (var (sequence, start, end) in rationale)
        {
            int[] touched = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens[i] is { Special: false } t && t.Sequence == sequence && t.Start < end && start < t.End)];
            if (touched.Length > 0)
            {
                yield return new TokenSpan(touched[0], touched[^1] + 1);
            }
        }
    }

    private static SortedDictionary<string, SortedDictionary<string, Measured>> Means(SortedDictionary<string, SortedDictionary<string, List<Measured>>> collected)
    {
        var means = new SortedDictionary<string, SortedDictionary<string, Measured>>(StringComparer.Ordinal);
        foreach (var (method, metrics) in collected)
        {
            means[method] = new(StringComparer.Ordinal);
            foreach (var (metric, values) in metrics)
            {
                var defined = values.Where(v => v.Value is not null).ToArray();
                if (defined.Length > 0)
                {
                    means[method][metric] = new Measured(defined.Average(v => v.Value), defined.All(v => v.Chance is not null) ? defined.Average(v => v.Chance) : null);
                }
            }
        }

        return means;
    }

    private (ModelInput Input, Token[] Source, Token[] Target) Encode(string text, string? pair, CancellationToken cancellation)
    {
        var tokenizer = model.Tokenizer ?? throw new MethodException(model.TokenizerProblem ?? $"{model.Info.Name} has no tokenizer.");
        if (model.Info.Kind != ModelKind.EncoderDecoder)
        {
            var tokens = tokenizer.Encode(text, pair, cancellation: cancellation);
            var types = tokens.TypeIds();
            return (new ModelInput { InputIds = tokens.Ids(), TokenTypeIds = types.Any(t => t != 0) ? types : null }, tokens.Tokens, []);
        }

        var source = tokenizer.Encode(text, cancellation: cancellation);
        Token[] target = pair is null ? [] : tokenizer.Encode(pair, cancellation: cancellation).Tokens;
        if (model.Info.DecoderStartToken is { } start && (target.Length == 0 || target[0].Id != start))
        {
            target = [new Token(start, "", 0, 0, true, -1, 0, -1), .. target];
        }

        target = target is [.., _, { Special: true }] ? target[..^1] : target; // what the end token predicts is nothing
        return (new ModelInput { InputIds = source.Ids(), DecoderInputIds = Array.ConvertAll(target, t => t.Id) }, source.Tokens, target);
    }
}
