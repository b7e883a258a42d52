using AttentionLens.Models;

namespace AttentionLens.Analysis.Outputs;

/// <summary>One of the outputs that a model chooses from.</summary>
/// <param name="Index">Token id or class; of a span its rank.</param>
/// <param name="Name">The token as it stands in a text, the class, or "" for a span.</param>
/// <param name="Logit">The score before the softmax; of a span the sum of its two.</param>
/// <param name="Probability">Among all outputs; of a span that of its start times that of its end.</param>
/// <param name="Rank">From 0.</param>
/// <param name="First">First token of a span, else -1.</param>
/// <param name="Last">Last token of a span, else -1.</param>
public readonly record struct Candidate(int Index, string Name, float Logit, double Probability, int Rank, int First = -1, int Last = -1);

/// <summary>What a model says for one input at one place: the most likely outputs, best first.</summary>
/// <param name="Input">What went through the model: of a masked language model with the token in question masked.</param>
/// <param name="Kind">What the head predicts.</param>
/// <param name="Rows">Rows of the last hidden state that the head reads.</param>
/// <param name="Candidates">Best first.</param>
/// <param name="Entropy">Of the distribution over all outputs, in nats: 0 = certain.</param>
/// <param name="Scores">All scores of the row [outputs]; of an answer the starts [n].</param>
public sealed record Prediction(ModelInput Input, HeadKind Kind, int[] Rows, IReadOnlyList<Candidate> Candidates, double Entropy, float[] Scores)
{
    /// <summary>Longest answer in tokens, as in the reference implementations of SQuAD.</summary>
    private const int MaxAnswer = 30;

    /// <summary>First and last token of the best answer.</summary>
    public (int First, int Last) Span => (Candidates[0].First, Candidates[0].Last);

    /// <summary>What people read about the answer.</summary>
    public string Name => Kind == HeadKind.QuestionAnswering ? $"the answer, tokens {Span.First} to {Span.Last}" : Candidates[0].Name;

    /// <summary>One output of this distribution, wherever it stands in it.</summary>
    /// <exception cref="MethodException">An answer has no such outputs.</exception>
    public Candidate Find(Model model, int index)
    {
        if (Kind is HeadKind.QuestionAnswering or HeadKind.Discriminator)
        {
            return Candidates.FirstOrDefault(c => c.Index == index) is { Name: not null } known ? known : throw new MethodException("This model chooses no word and no class, so none can be named.");
        }

        float logit = Scores[index];
        return new Candidate(index, OutputNames.Of(model, index), logit, Softmax(Scores)[index], Scores.Count(other => other > logit));
    }

    /// <summary>What is predicted, in words.</summary>
    /// <param name="token">The token in question as people see it.</param>
    public string About(string token) => Kind switch
    {
        HeadKind.MaskedLanguage => $"what stands in place of “{token}”",
        HeadKind.CausalLanguage => $"what comes after “{token}”",
        HeadKind.Sequence2SequenceLanguage => $"how the target goes on after “{token}”",
        HeadKind.TokenClassification => $"the class of “{token}”",
        HeadKind.Discriminator => $"whether “{token}” was replaced",
        HeadKind.QuestionAnswering => "the answer",
        _ => "the class of the text",
    };

    /// <summary>
    /// The prediction at a position, or the one people mean when they name none: at the first mask of the text, after the text or the target so far, the
    /// class, the answer. A masked language model is asked with the token masked, or it would mostly repeat what it sees. Cost: one forward pass.
    /// </summary>
    /// <exception cref="MethodException">No head, or a position is needed; one sentence.</exception>
    public static Prediction Of(Model model, ModelInput input, int? position = null, int top = 10, CancellationToken cancellation = default)
    {
        (ModelInput asked, int[] rows) = Place(model, input, position);
        HeadKind kind = model.Info.Head;
        AttentionTrace trace = model.Forward(asked with { LogitPositions = kind == HeadKind.QuestionAnswering ? null : rows }, Keep.Logits, cancellation);
        float[] logits = (trace.Logits ?? throw new MethodException($"{model.Info.Name} gave no scores.")).Data; // Place has refused models without a head
        return Read(model, asked, kind, rows, logits, top);
    }

    /// <summary>The input with the token in question masked, and the rows that the head reads.</summary>
    /// <exception cref="MethodException">See <see cref="Of"/>.</exception>
    public static (ModelInput Input, int[] Rows) Place(Model model, ModelInput input, int? position)
    {
        HeadKind kind = model.Info.Head;
        if (kind is HeadKind.None or HeadKind.Contrastive)
        {
            throw new MethodException($"{model.Info.Name} has no head that predicts anything of one text; choose a model with one, or a method that needs no output.");
        }

        if (kind is HeadKind.SequenceClassification or HeadKind.QuestionAnswering)
        {
            return (input, model.OutputRows(input));
        }

        int[] ids = kind == HeadKind.Sequence2SequenceLanguage ? input.DecoderInputIds ?? [model.Info.DecoderStartToken ?? 0] : input.InputIds;
        int? mask = model.Tokenizer?.Special.Mask;
        if (position is { } at && (uint)at >= (uint)ids.Length)
        {
            throw new MethodException($"There is no token {at}; there are {ids.Length}, counted from 0.");
        }

        int row = position ?? kind switch
        {
            HeadKind.CausalLanguage or HeadKind.Sequence2SequenceLanguage => LastVisible(input, ids, kind),
            HeadKind.MaskedLanguage when mask is { } id && Array.IndexOf(ids, id) is >= 0 and var found => found,
            HeadKind.MaskedLanguage => throw new MethodException("Which token is to be predicted? Put the cursor on one, or write the mask token into the text."),
            _ => throw new MethodException("The model predicts something for every token; put the cursor on one."),
        };
        if (kind == HeadKind.MaskedLanguage && mask is { } masked && ids[row] != masked)
        {
            input = input with { InputIds = [.. ids[..row], masked, .. ids[(row + 1)..]] };
        }

        return (input, [row]);
    }

    /// <summary>Probabilities of scores, summed in double.</summary>
    public static double[] Softmax(ReadOnlySpan<float> scores)
    {
        double max = double.NegativeInfinity, sum = 0;
        foreach (float score in scores)
        {
            max = Math.Max(max, score);
        }

        double[] probabilities = new double[scores.Length];
        for (int i = 0; i < probabilities.Length; i++)
        {
            sum += probabilities[i] = Math.Exp(scores[i] - max);
        }

        for (int i = 0; i < probabilities.Length; i++)
        {
            probabilities[i] /= sum;
        }

        return probabilities;
    }

    /// <summary>The prediction that scores say: of one row [outputs], of an answer [n, 2], of a discriminator [1].</summary>
    public static Prediction Read(Model model, ModelInput input, HeadKind kind, int[] rows, float[] logits, int top)
    {
        if (kind == HeadKind.Discriminator)
        {
            double replaced = 1 / (1 + Math.Exp(-logits[0]));
            Candidate[] both = [new(0, "replaced", logits[0], replaced, replaced < 0.5 ? 1 : 0), new(1, "original", -logits[0], 1 - replaced, replaced < 0.5 ? 0 : 1)];
            return new Prediction(input, kind, rows, [.. both.OrderBy(static c => c.Rank).Take(top)], Sum([replaced, 1 - replaced]), logits);
        }

        if (kind == HeadKind.QuestionAnswering)
        {
            return Answer(model, input, logits, top);
        }

        double[] probabilities = Softmax(logits);
        return new Prediction(input, kind, rows, [.. Best(logits, top).Select((index, rank) => new Candidate(index, OutputNames.Of(model, index), logits[index], probabilities[index], rank))], Sum(probabilities), logits);
    }

    private static int LastVisible(ModelInput input, int[] ids, HeadKind kind) =>
        kind == HeadKind.CausalLanguage && input.AttentionMask is { } mask ? Math.Max(0, Array.FindLastIndex(mask, static m => m != 0)) : ids.Length - 1;

    /// <summary>The best spans, start not after end, inside the context of the question where the token types tell it apart; no special tokens.</summary>
    private static Prediction Answer(Model model, ModelInput input, float[] logits, int top)
    {
        int n = logits.Length / 2;
        float[] starts = [.. Enumerable.Range(0, n).Select(i => logits[2 * i])], ends = [.. Enumerable.Range(0, n).Select(i => logits[(2 * i) + 1])];
        bool paired = input.TokenTypeIds is { } types && types.Contains(1);
        Tokenization.SpecialTokens? special = model.Tokenizer?.Special;
        bool Allowed(int i) => (!paired || input.TokenTypeIds?[i] == 1) && !(input.InputIds[i] is var id && (id == special?.Cls || id == special?.Sep || id == special?.Pad));
        double[] start = Softmax(starts), end = Softmax(ends);
        List<Candidate> spans = [];
        foreach (int first in Enumerable.Range(0, n).Where(Allowed))
        {
            for (int last = first; last < Math.Min(n, first + MaxAnswer) && Allowed(last); last++)
            {
                spans.Add(new Candidate(0, "", starts[first] + ends[last], start[first] * end[last], 0, first, last));
            }
        }

        if (spans.Count == 0)
        {
            throw new MethodException("There is no text that the answer could be taken from: give a question and its context as a pair.");
        }

        Candidate[] best = [.. spans.OrderByDescending(static s => s.Logit).Take(top).Select(static (s, i) => s with { Index = i, Rank = i })];
        return new Prediction(input, HeadKind.QuestionAnswering, [best[0].First, best[0].Last], best, Sum(start) + Sum(end), starts);
    }

    private static IEnumerable<int> Best(float[] scores, int top) =>
        Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).ThenBy(static i => i).Take(top);

    private static double Sum(double[] probabilities) => -probabilities.Sum(static p => p > 0 ? p * Math.Log(p) : 0);
}
