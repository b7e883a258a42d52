using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace AttentionLens.Corpora.Search;

/// <summary>
/// Which words are meant: a class (<c>pronoun</c>, <c>name</c>, ...), <c>/a regular expression/</c>, or a word itself, whatever its case. Classes are
/// closed lists of English and Chinese words, and what can be seen of a word: they need no tagger, and know no context.
/// </summary>
public sealed class WordPattern
{
    /// <summary>A pattern on a word of a large index must not run for ever.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(100);

    /// <summary>Capitals that are no names: what begins sentences, and what English writes large.</summary>
    private static readonly FrozenSet<string> Function = (
        "I The A An This That These Those He She It We They You His Her Its Our Their My Your But And Or So If When While In On At For From By With As Of To No Not "
        + "There Here Then Now What Who Why How Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August September October November December")
        .Split(' ').ToFrozenSet(StringComparer.Ordinal);

    private static readonly Dictionary<string, Func<string, bool, bool>> Classes = new(StringComparer.Ordinal)
    {
        ["any"] = static (_, _) => true,
        ["pronoun"] = In(
            "i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself we us our ours ourselves they them their theirs themselves "
            + "who whom whose this that these those one ones somebody someone anybody anyone nobody everybody everyone something anything nothing everything "
            + "我 你 您 他 她 它 们 咱 我们 你们 他们 她们 它们 自己 谁 这 那 这些 那些"),
        ["determiner"] = In("a an the this that these those my your his her its our their some any no every each either neither another such what which 这 那 每 各 某 一个"),
        ["preposition"] = In(
            "about above across after against along among around as at before behind below beneath beside between beyond by despite down during except for from in inside into like near "
            + "of off on onto out outside over past since through throughout till to toward towards under until up upon with within without 在 从 到 向 对 把 被 给 跟 为 于"),
        ["conjunction"] = In("and or but nor so yet for because although though while if unless since whereas when 和 与 或 但 但是 因为 所以 如果 虽然"),
        ["auxiliary"] = In("am is are was were be been being have has had do does did will would shall should can could may might must 是 有 会 能 可以 要 应该"),
        ["negation"] = In("not no never none nobody nothing neither nor n't cannot without 不 没 没有 无 未 别"),
        ["name"] = static (word, inner) => inner && word.Length > 1 && char.IsUpper(word[0]) && word.AsSpan(1).ContainsAnyInRange('a', 'z') && !Function.Contains(word),
        ["number"] = static (word, _) => word.Any(char.IsDigit) && word.All(static c => char.IsDigit(c) || c is '.' or ',' or '-' or '/' or ':' or '%'),
        ["punctuation"] = static (word, _) => word.All(static c => char.IsPunctuation(c) || char.IsSymbol(c)),
        ["word"] = static (word, _) => word.Any(char.IsLetter),
    };

    private readonly Func<string, bool, bool> matches;

    private WordPattern(string text, Func<string, bool, bool> matches) => (Text, this.matches) = (text, matches);

    /// <summary>The names of the classes.</summary>
    public static IReadOnlyCollection<string> ClassNames => Classes.Keys;

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <exception cref="SearchException">Empty, or no regular expression.</exception>
    public static WordPattern Parse(string text)
    {
        if (Classes.TryGetValue(text, out Func<string, bool, bool>? known))
        {
            return new WordPattern(text, known);
        }

        if (text.Length > 2 && text[0] == '/' && text[^1] == '/')
        {
            try
            {
                Regex regex = new(text[1..^1], RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, Longest);
                return new WordPattern(text, (word, _) => regex.IsMatch(word));
            }
            catch (Exception error) when (error is ArgumentException or NotSupportedException)
            {
                throw new SearchException($"The text {text} is no regular expression that is searched for: {error.Message.TrimEnd('.')}.");
            }
        }

        return string.IsNullOrWhiteSpace(text)
            ? throw new SearchException($"Say which word: a word, /a regular expression/, or a class: {string.Join(", ", ClassNames)}.")
            : new WordPattern(text, (word, _) => word.Equals(text, StringComparison.OrdinalIgnoreCase));
    }

    /// <param name="word">As it stands in the text.</param>
    /// <param name="inner">It has also been seen inside a sentence as it is, so that a capital means something.</param>
    public bool Matches(string word, bool inner) => matches(word, inner);

    private static Func<string, bool, bool> In(string words)
    {
        FrozenSet<string> set = words.Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase);
        return (word, _) => set.Contains(word);
    }
}
