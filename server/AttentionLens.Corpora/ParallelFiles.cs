using System.Collections.Frozen;

namespace AttentionLens.Corpora;

/// <summary>
/// Files that hold the same text line by line in two languages, by their names: <c>news.en</c> beside <c>news.de</c>, <c>train.source</c> beside
/// <c>train.target</c>, also with an ending that both have (<c>news.en.txt</c>). So do WMT, OPUS and the tools of machine translation name them.
/// </summary>
public static class ParallelFiles
{
    /// <summary>ISO 639-1, and the longer codes that parallel corpora use most.</summary>
    private static readonly FrozenSet<string> Languages = (
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga "
        + "gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv "
        + "mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr "
        + "ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu ast ceb deu eng fil fra hsb jpn khm kor nso rus "
        + "spa zho").Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, bool> Sides = new Dictionary<string, bool>
    {
        ["source"] = true,
        ["src"] = true,
        ["target"] = false,
        ["tgt"] = false,
        ["trg"] = false,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Whether the first of two files is the source of the second one's translation; null when their names do not belong together. Names of
    /// languages say no direction: then the alphabet decides.
    /// </summary>
    public static bool? IsSource(string path, string other)
    {
        if (path == other)
        {
            return null;
        }

        var (stem, side, tail) = Split(path);
        var (otherStem, otherSide, otherTail) = Split(other);
        if (stem.Length == 0 || stem != otherStem || tail != otherTail)
        {
            return null;
        }

        return Sides.TryGetValue(side, out var first) && Sides.TryGetValue(otherSide, out var second)
            ? first == second ? null : first
            : IsLanguage(side) && IsLanguage(otherSide) ? string.CompareOrdinal(side, otherSide) < 0 : null;
    }

    /// <summary>news.en.txt: news, en, .txt; news.en: news, en.</summary>
    private static (string Stem, string Side, string Tail) Split(string path)
    {
        var dot = path.LastIndexOf('.');
        var tail = "";
        if (dot > 0 && !IsSide(path[(dot + 1)..]))
        {
            tail = path[dot..];
            path = path[..dot];
            dot = path.LastIndexOf('.');
        }

        return dot > 0 && path[dot - 1] is not ('/' or '\\') ? (path[..dot], path[(dot + 1)..], tail) : ("", "", "");
    }

    private static bool IsSide(string name) => Sides.ContainsKey(name) || IsLanguage(name);

    /// <summary>A language, with or without a region or script: en, pt-BR, zh_Hans.</summary>
    private static bool IsLanguage(string name)
    {
        var end = name.AsSpan().IndexOfAny('-', '_');
        return Languages.Contains(end < 0 ? name : name[..end]) && name.Length - end <= 6;
    }
}
