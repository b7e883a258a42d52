using System.Collections.Concurrent;
using System.Globalization;
using AttentionLens.Tokenization.Unicode;

namespace AttentionLens.Tokenization.Patterns;

/// <summary>The properties that a regular expression can name: general categories, scripts and a few others.</summary>
internal static class UnicodeProperties
{
    /// <summary>Short and long names in the order of <see cref="UnicodeCategory"/>.</summary>
    private static readonly string[] Categories =
    [
        "lu uppercaseletter", "ll lowercaseletter", "lt titlecaseletter", "lm modifierletter", "lo otherletter",
        "mn nonspacingmark", "mc spacingmark", "me enclosingmark", "nd decimalnumber", "nl letternumber", "no othernumber",
        "zs spaceseparator", "zl lineseparator", "zp paragraphseparator", "cc control", "cf format", "cs surrogate", "co privateuse",
        "pc connectorpunctuation", "pd dashpunctuation", "ps openpunctuation", "pe closepunctuation", "pi initialpunctuation",
        "pf finalpunctuation", "po otherpunctuation", "sm mathsymbol", "sc currencysymbol", "sk modifiersymbol", "so othersymbol",
        "cn unassigned",
    ];

    private static readonly Dictionary<string, char> Groups = new()
    {
        ["letter"] = 'l',
        ["mark"] = 'm',
        ["number"] = 'n',
        ["separator"] = 'z',
        ["other"] = 'c',
        ["punctuation"] = 'p',
        ["symbol"] = 's',
    };

    private static readonly ConcurrentDictionary<string, CodePointRanges?> Known = new();

    /// <summary>Names are compared as Unicode asks: without case, spaces, '-' and '_'. Null when there is no such property.</summary>
    public static CodePointRanges? Find(string name)
    {
        if (name.Length > 60)
            return null;
        var loose = string.Concat(name.Where(c => c is not (' ' or '-' or '_'))).ToLowerInvariant();
        var result = Build(loose, lookOnly: true);
        return result is null ? null : Known.GetOrAdd(loose, key => Build(key, lookOnly: false));
    }

    /// <summary>[[:name:]]</summary>
    public static CodePointRanges? Posix(string name) => name switch
    {
        "alnum" => UnicodeData.Properties["alphabetic"].Union(CodePointRanges.Digit),
        "alpha" => UnicodeData.Properties["alphabetic"],
        "ascii" => CodePointRanges.Of(0, 0x7F),
        "blank" => InCategory(UnicodeCategory.SpaceSeparator).Union(CodePointRanges.Of('\t', '\t')),
        "cntrl" => InCategory(UnicodeCategory.Control),
        "digit" => CodePointRanges.Digit,
        "lower" => UnicodeData.Properties["lowercase"],
        "punct" => CodePointRanges.InCategories(category => Categories[(int)category][0] is 'p' or 's'),
        "space" => CodePointRanges.Space,
        "upper" => UnicodeData.Properties["uppercase"],
        "xdigit" => CodePointRanges.HexDigit,
        "word" => CodePointRanges.Word,
        _ => null,
    };

    private static CodePointRanges InCategory(UnicodeCategory wanted) => CodePointRanges.InCategories(category => category == wanted);

    /// <param name="lookOnly">Only says whether the property exists, without the work of building it.</param>
    private static CodePointRanges? Build(string name, bool lookOnly)
    {
        var letter = Groups.TryGetValue(name, out var group) ? group : name.Length == 1 && Groups.ContainsValue(name[0]) ? name[0] : '\0';
        Func<UnicodeCategory, bool>? contains = null;
        if (letter != '\0')
        {
            contains = category => Categories[(int)category][0] == letter;
        }
        else
        {
            var index = Array.FindIndex(Categories, names => names.Split(' ').Contains(name));
            if (index >= 0)
                contains = category => (int)category == index;
            else if (name == "lc")
                contains = category => category <= UnicodeCategory.TitlecaseLetter;
            else if (name == "assigned")
                contains = category => category != UnicodeCategory.OtherNotAssigned;
        }
        if (contains is not null)
            return lookOnly ? CodePointRanges.Empty : CodePointRanges.InCategories(contains);
        switch (name)
        {
            case "any":
                return CodePointRanges.All;
            case "ascii":
                return CodePointRanges.Of(0, 0x7F);
            case "whitespace" or "space":
                return CodePointRanges.Space;
            case "word" or "w":
                return CodePointRanges.Word;
            case "digit":
                return CodePointRanges.Digit;
            case "alpha":
                return UnicodeData.Properties["alphabetic"];
            default:
                return UnicodeData.Properties.TryGetValue(name, out var property) ? property : null;
        }
    }
}
