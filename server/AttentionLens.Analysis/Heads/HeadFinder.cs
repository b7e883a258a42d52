using System.Globalization;
using AttentionLens.Models;

namespace AttentionLens.Analysis.Heads;

/// <summary>One head with everything that is known of it.</summary>
/// <param name="Traits">Null where they are not measured (cross-attention).</param>
/// <param name="Likeness">To the head that was asked about, see <see cref="HeadSimilarity"/>.</param>
public sealed record KnownHead(int Layer, int Head, HeadProfile Profile, HeadTraits? Traits, float? Likeness = null);

/// <summary>Something that heads can be sorted by.</summary>
/// <param name="Name">In files and on the command line.</param>
/// <param name="Means">What a high value says, in a clause.</param>
/// <param name="IsShare">Between 0 and 1.</param>
/// <param name="Of">Null where it was not measured.</param>
public sealed record HeadMeasure(string Name, string Means, bool IsShare, Func<KnownHead, float?> Of);

/// <summary>Finds heads by what they do: "induction", "previous token", "same duplicate", "like 3.1", "layer 2 previous".</summary>
public static class HeadFinder
{
    public static IReadOnlyList<HeadMeasure> Measures { get; } =
    [
        new("previous", "looks at the token before", true, static h => h.Profile.Previous),
        new("next", "looks at the token after", true, static h => h.Profile.Next),
        new("first", "looks at the first token", true, static h => h.Profile.First),
        new("separators", "looks at separators", true, static h => h.Profile.Separators),
        new("same", "looks at the token itself", true, static h => h.Profile.Same),
        new("induction", "looks at what followed the same token earlier (random repeated text)", true, static h => h.Traits?.Induction),
        new("duplicate", "looks at the same token earlier (random repeated text)", true, static h => h.Traits?.Duplicate),
        new("stability", "looks at the same places whatever the words (random text)", true, static h => h.Traits?.Stability),
        new("max", "puts much weight on one token", true, static h => h.Profile.Max),
        new("entropy", "spreads its weight evenly", true, static h => h.Profile.NormalizedEntropy),
        new("distance", "looks far away, in tokens", false, static h => h.Profile.MeanDistance),
        new("likeness", "shares its weight with the head that was named", true, static h => h.Likeness),
    ];

    /// <summary>What somebody looks for.</summary>
    /// <param name="By">Heads that have all of these come first: their product decides.</param>
    /// <param name="Like">Likeness to this head is one of the measures.</param>
    /// <param name="Layer">Only in this layer.</param>
    public sealed record Wanted(IReadOnlyList<HeadMeasure> By, (int Layer, int Head)? Like, int? Layer);

    /// <summary>Reads words; case, "head(s)", "token(s)", "show", "me", "the" and the like do not matter, and the beginning of a name is enough.</summary>
    /// <exception cref="MethodException">A word that is no measure; the message lists what there is.</exception>
    public static Wanted Parse(string words)
    {
        var by = new List<HeadMeasure>();
        (int, int)? like = null;
        int? layer = null;
        var parts = words.ToLowerInvariant().Split([' ', ',', '\t'], StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] is "head" or "heads" or "token" or "tokens" or "show" or "find" or "me" or "the" or "all" or "in" or "and" or "with" or "score")
            {
                continue;
            }

            if (parts[i] == "layer" && i + 1 < parts.Length && Index(parts[i + 1]) is { } number)
            {
                layer = number;
                i++;
            }
            else if (parts[i] == "like" && i + 1 < parts.Length && parts[i + 1].Split(['.', '·', ':', '/'], 2) is [var l, var h] && Index(l) is { } first && Index(h) is { } second)
            {
                like = (first, second);
                by.Add(Measures.First(m => m.Name == "likeness"));
                i++;
            }
            else
            {
                by.Add(Measures.FirstOrDefault(m => m.Name.StartsWith(parts[i].TrimEnd('s'), StringComparison.Ordinal) && m.Name != "likeness")
                    ?? throw new MethodException($"Heads cannot be looked for by '{parts[i]}'; there are {string.Join(", ", Measures.SkipLast(1).Select(m => m.Name))}, 'layer N' and 'like LAYER.HEAD'."));
            }
        }

        return new Wanted(by, like, layer);

        static int? Index(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    /// <summary>The heads that fit, best first; in their own order when nothing is looked for. A head that was not measured comes last.</summary>
    public static IEnumerable<KnownHead> Find(IEnumerable<KnownHead> heads, Wanted wanted)
    {
        var left = heads.Where(h => wanted.Layer is null || h.Layer == wanted.Layer);
        return wanted.By.Count == 0 ? left : left.OrderByDescending(h => wanted.By.Aggregate(1f, (product, measure) => product * (measure.Of(h) ?? -1)));
    }
}
