using System.Text;
using AttentionLens.Corpora.Annotations;

namespace AttentionLens.Corpora.Tests.Annotations;

/// <summary>
/// Generated prose with labelled names: sentences from a small grammar, so that the same names and phrases recur everywhere and a
/// careless method is led astray, as in the real corpora of the original experiment.
/// </summary>
internal static class GoldCorpus
{
    private static readonly string[] Names = ["Ada Lovelace", "Paris", "IL-2 receptor", "Müller", "北京大学", "New York", "Zoë 😊", "p53", "Linus", "the Red Cross"];
    private static readonly string[] Subjects = ["The committee", "A reviewer", "Nobody", "Each patient", "The old bridge", "Her colleague"];
    private static readonly string[] Verbs = ["met", "described", "never saw", "was compared with", "wrote about", "left"];
    private static readonly string[] Tails = ["in the spring", "before the war", "without any doubt", "for the second time", "after the trial", "at home"];

    public static (string Text, List<Annotation> Gold) Make(int seed, int sentences)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        var gold = new List<Annotation>();
        for (var s = 0; s < sentences; s++)
        {
            text.Append(Pick(Subjects)).Append(' ').Append(Pick(Verbs)).Append(' ');
            for (var n = random.Next(1, 3); n > 0; n--)
            {
                var name = Pick(Names);
                gold.Add(new Annotation
                {
                    Id = $"{seed:x2}{gold.Count:x6}",
                    Kind = AnnotationKind.Span,
                    Label = "NAME",
                    Fragments = [new TextRange(text.Length, text.Length + name.Length)],
                });
                text.Append(name).Append(n > 1 ? " and " : " ");
            }

            text.Append(Pick(Tails)).Append(random.Next(3) == 0 ? $", {random.Next(1000)} times" : "").Append('.');
            text.Append(random.Next(4) == 0 ? "\n" : " ");
        }

        return (text.ToString(), gold);

        string Pick(string[] of) => of[random.Next(of.Length)];
    }
}

/// <summary>A text whose characters remember where they came from: the truth that anchoring is measured against.</summary>
internal sealed class TracedText
{
    private readonly List<(char Char, int Origin)> _characters;

    public TracedText(string text) => _characters = [.. text.Select((c, i) => (c, i))];

    public string Text => string.Concat(_characters.Select(c => c.Char));

    public int Length => _characters.Count;

    public void Replace(int start, int length, string with)
    {
        _characters.RemoveRange(start, length);
        _characters.InsertRange(start, with.Select(c => (c, -1)));
    }

    /// <summary>Lays the pieces, which cover the untouched text from its start, in another order.</summary>
    public void Reorder(TextRange[] pieces)
    {
        var old = _characters.ToArray();
        var length = 0;
        foreach (var piece in pieces)
        {
            for (var i = piece.Start; i < piece.End; i++) _characters[length++] = old[i];
        }
    }

    /// <summary>Where a span of the first text is now: alive when half of it survived together, else null.</summary>
    public Func<TextRange, TextRange?> Truth()
    {
        var at = new Dictionary<int, int>();
        for (var i = 0; i < _characters.Count; i++)
            if (_characters[i].Origin >= 0) at[_characters[i].Origin] = i;
        return span =>
        {
            var places = Enumerable.Range(span.Start, span.Length).Where(at.ContainsKey).Select(i => at[i]).ToArray();
            if (places.Length * 2 < span.Length) return null;
            var range = new TextRange(places.Min(), places.Max() + 1);
            return range.Length <= 2 * span.Length ? range : null;
        };
    }
}
