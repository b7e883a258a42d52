using System.Collections.Immutable;
using System.Text.Json;

namespace AttentionLens.Corpora.Annotations.Labels;

/// <summary>Reads one label set file and says of every mistake where it is and what is expected there.</summary>
internal sealed class LabelSetReader(string text)
{
    private const int MaxNameLength = 200;

    private static readonly string[] TopKeys = ["$schema", "version", "spans", "relations", "documents", "attributes", "constraints"];
    private static readonly string[] LabelKeys = ["name", "title", "description", "color", "key"];
    private static readonly string[] SpanRules = ["overlap", "nest", "discontinuous", "multiline"];

    private readonly ImmutableArray<DocumentProblem>.Builder _problems = ImmutableArray.CreateBuilder<DocumentProblem>();
    private readonly Dictionary<char, string> _keys = [];

    public static IReadOnlyDictionary<string, string[]> Keys { get; } = new Dictionary<string, string[]>
    {
        ["set"] = TopKeys,
        ["span"] = [.. LabelKeys, .. SpanRules],
        ["relation"] = [.. LabelKeys, "from", "to", "symmetric"],
        ["document"] = LabelKeys,
        ["attribute"] = ["name", "title", "description", "on", "values", "default"],
        ["constraints"] = [.. SpanRules, "documentLabels"],
    };

    public (LabelSet Set, ImmutableArray<DocumentProblem> Problems) Read()
    {
        var set = text.AsSpan().TrimStart('\uFEFF').IsWhiteSpace()
            ? Empty("The file is empty; a label set is an object in braces, such as { \"spans\": [\"PER\"] }.")
            : PlacedJson.Read(text, _problems.Add) is not { } root ? LabelSet.Empty
            : root.Kind != JsonValueKind.Object ? Wrong(root, "A label set is an object in braces, such as { \"spans\": [\"PER\"] }.", LabelSet.Empty)
            : ReadSet(root);
        return (set, _problems.ToImmutable());

        LabelSet Empty(string message)
        {
            _problems.Add(new DocumentProblem(0, text.Length, message));
            return LabelSet.Empty;
        }
    }

    private LabelSet ReadSet(PlacedJson root)
    {
        Check(root, "set");
        if (root.Member("version")?.Value is { } version && version is not { Kind: JsonValueKind.Number, Text: "1" })
            Report(version, version.Kind == JsonValueKind.Number ? "\"version\" is that of a later format; this version of AttentionLens reads 1." : "\"version\" is the number 1.");

        var constraints = root.Member("constraints")?.Value;
        if (constraints is { Kind: not JsonValueKind.Object }) constraints = Wrong<PlacedJson?>(constraints, "\"constraints\" is an object in braces.", null);
        if (constraints is not null) Check(constraints, "constraints");
        var rules = SpanRules.Select(r => Flag(constraints, r, true)).ToArray();
        var one = Choice(constraints, "documentLabels", ["one", "many"]) == "one";

        var spans = Entries(root, "spans", "span", (e, l) => new SpanLabel(
            l.Name, l.Title, l.Description, l.Color, l.Key, Flag(e, "overlap", rules[0]), Flag(e, "nest", rules[1]), Flag(e, "discontinuous", rules[2]), Flag(e, "multiline", rules[3])));
        var spanNames = spans.Select(s => s.Name).ToArray();
        var relations = Entries(root, "relations", "relation", (e, l) => new RelationLabel(
            l.Name, l.Title, l.Description, l.Color, l.Key, Names(e, "from", spanNames, "span label"), Names(e, "to", spanNames, "span label"), Flag(e, "symmetric", false)));
        var documents = Entries(root, "documents", "document", (_, l) => new DocumentLabel(l.Name, l.Title, l.Description, l.Color, l.Key));
        string[] all = [.. spanNames, .. relations.Select(r => r.Name), .. documents.Select(d => d.Name)];
        var attributes = Entries(root, "attributes", "attribute", (e, l) => Attribute(e, l, all));
        var set = new LabelSet { Spans = spans, Relations = relations, Documents = documents, Attributes = attributes, OneDocumentLabel = one };
        if (all.Length == 0 && _problems.Count == 0) Report(root, "The set has no labels; list some under \"spans\", \"relations\" or \"documents\".");
        return set;
    }

    private AttributeDefinition Attribute(PlacedJson e, DocumentLabel l, string[] labels)
    {
        var values = Names(e, "values", null, "value");
        if (e.Member("values") is { Value: { Kind: JsonValueKind.Array, Items.IsEmpty: true } empty }) Report(empty, "\"values\" lists nothing; leave it out for free text.");
        var preset = TextOf(e, "default");
        if (preset is not null && !values.IsEmpty && !values.Contains(preset) && e.Member("default") is { } m)
            preset = Wrong<string?>(m.Value, $"\"{preset}\" is not among the values {List(values)}.", null);
        return new AttributeDefinition(l.Name, l.Title, l.Description, Names(e, "on", labels, "label"), values, preset);
    }

    /// <summary>The entries of one list, without those that have no usable name.</summary>
    private ImmutableArray<T> Entries<T>(PlacedJson root, string member, string kind, Func<PlacedJson, DocumentLabel, T> make)
    {
        if (root.Member(member)?.Value is not { } list) return [];
        if (list.Kind != JsonValueKind.Array) return Wrong<ImmutableArray<T>>(list, $"\"{member}\" is a list in brackets.", []);
        var entries = ImmutableArray.CreateBuilder<T>();
        var names = new HashSet<string>();
        foreach (var item in list.Items)
        {
            if (item.Kind is not (JsonValueKind.String or JsonValueKind.Object))
            {
                Report(item, $"An entry of \"{member}\" is a name in quotes or an object in braces.");
                continue;
            }

            var place = item;
            var name = item.Text;
            if (item.Kind == JsonValueKind.Object)
            {
                Check(item, kind);
                if (item.Member("name")?.Value is not { } value)
                {
                    Report(item, $"An entry of \"{member}\" needs a \"name\".");
                    continue;
                }

                (place, name) = (value, value.Text);
                if (value.Kind != JsonValueKind.String)
                {
                    Report(value, "\"name\" must be text in quotes.");
                    continue;
                }
            }

            if (BadName(name) is { } why) Report(place, why);
            else if (!names.Add(name)) Report(place, $"\"{name}\" stands twice in \"{member}\".");
            else entries.Add(make(item, new DocumentLabel(name, TextOf(item, "title"), TextOf(item, "description"), Color(item), Key(item, name))));
        }

        return entries.ToImmutable();
    }

    private static string? BadName(string name) =>
        name.Length == 0 ? "A name cannot be empty."
        : name.Length > MaxNameLength ? $"A name has at most {MaxNameLength} characters."
        : name.AsSpan().Trim().Length != name.Length ? $"The name \"{name}\" begins or ends with a space."
        : name.Any(char.IsControl) ? "A name cannot hold line ends, tabs or other control characters."
        : null;

    private string? Color(PlacedJson e)
    {
        if (TextOf(e, "color") is not { } color || e.Member("color") is not { } m) return null;
        if (LabelSet.Colors.Contains(color) || (color is ['#', .. { Length: 6 } digits] && digits.All(char.IsAsciiHexDigit))) return color;
        return Wrong<string?>(m.Value, $"\"{color}\" is no color here: give #rrggbb or one of {List(LabelSet.Colors)}.", null);
    }

    private char? Key(PlacedJson e, string name)
    {
        if (TextOf(e, "key") is not { } key || e.Member("key") is not { } m) return null;
        if (key is not [var c] || !(char.IsAsciiDigit(c) || char.IsAsciiLetterLower(c))) return Wrong<char?>(m.Value, $"\"{key}\" is no key here: give one digit or one lower-case letter.", null);
        if (_keys.TryAdd(c, name)) return c;
        return Wrong<char?>(m.Value, $"The key \"{c}\" already belongs to {_keys[c]}.", null);
    }

    private string? TextOf(PlacedJson e, string member) =>
        e.Member(member)?.Value is not { } value ? null
        : value.Kind == JsonValueKind.String ? value.Text
        : Wrong<string?>(value, $"\"{member}\" must be text in quotes.", null);

    private bool Flag(PlacedJson? e, string member, bool otherwise) =>
        e?.Member(member)?.Value is not { } value ? otherwise
        : value.Kind is JsonValueKind.True or JsonValueKind.False ? value.Kind == JsonValueKind.True
        : Wrong(value, $"\"{member}\" is true or false, without quotes.", otherwise);

    private string? Choice(PlacedJson? e, string member, string[] of) =>
        e?.Member(member)?.Value is not { } value ? null
        : value.Kind == JsonValueKind.String && of.Contains(value.Text) ? value.Text
        : Wrong<string?>(value, $"\"{member}\" is one of {List(of)}.", null);

    /// <summary>A list of names, or one name alone; unknown ones and repetitions are reported and left out.</summary>
    private ImmutableArray<string> Names(PlacedJson e, string member, string[]? known, string what)
    {
        if (e.Member(member)?.Value is not { } value) return [];
        if (value.Kind is not (JsonValueKind.Array or JsonValueKind.String)) return Wrong<ImmutableArray<string>>(value, $"\"{member}\" is a list of names in brackets.", []);
        var names = ImmutableArray.CreateBuilder<string>();
        foreach (var item in value.Kind == JsonValueKind.String ? [value] : value.Items)
        {
            if (item.Kind != JsonValueKind.String) Report(item, $"An entry of \"{member}\" must be text in quotes.");
            else if (known is not null && !known.Contains(item.Text)) Report(item, $"There is no {what} \"{item.Text}\"{Hint(item.Text, known)}.");
            else if (names.Contains(item.Text)) Report(item, $"\"{item.Text}\" stands twice in \"{member}\".");
            else names.Add(item.Text);
        }

        return names.ToImmutable();
    }

    /// <summary>Reports keys that mean nothing here, most often misspelt ones, and keys given twice.</summary>
    private void Check(PlacedJson e, string kind)
    {
        var seen = new HashSet<string>();
        foreach (var m in e.Members)
        {
            if (!Keys[kind].Contains(m.Name))
                _problems.Add(new DocumentProblem(m.NameRange.Start, m.NameRange.End, $"\"{m.Name}\" means nothing here{Hint(m.Name, Keys[kind])}; known: {List(Keys[kind].Where(k => k[0] != '$'))}."));
            else if (!seen.Add(m.Name))
                _problems.Add(new DocumentProblem(m.NameRange.Start, m.NameRange.End, $"\"{m.Name}\" is given twice; the first counts."));
        }
    }

    internal static string Hint(string name, IEnumerable<string> known)
    {
        var best = known.Select(k => (k, Likeness: Similarity.Of(name.ToUpperInvariant(), k.ToUpperInvariant()))).DefaultIfEmpty().MaxBy(k => k.Likeness);
        return best.Likeness >= 0.6 ? $" (is \"{best.k}\" meant?)" : "";
    }

    private static string List(IEnumerable<string> names) => string.Join(", ", names);

    private void Report(PlacedJson at, string message) => _problems.Add(new DocumentProblem(at.Range.Start, at.Range.End, message));

    private T Wrong<T>(PlacedJson at, string message, T otherwise)
    {
        Report(at, message);
        return otherwise;
    }
}
