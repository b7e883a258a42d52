using System.Globalization;
using System.Text;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// brat standoff: <c>NAME.txt</c> beside <c>NAME.ann</c>, offsets in code points, fragments <c>s e;s e</c>. Events become relations from
/// their trigger to their arguments, since a relation is what this project knows; the roles are kept as labels.
/// </summary>
public sealed class BratFormat : AnnotationFormat
{
    public override string Name => "brat";

    public override string Description => "brat standoff (.txt and .ann)";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var files = Directory.Exists(path) ? Directory.GetFiles(path, "*.ann", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray() : [path];
        if (files.Length == 0) throw new SidecarException($"The folder {path} holds no .ann file.");
        return [.. files.Select(f => ImportOne(f, report))];
    }

    private static AnnotatedDocument ImportOne(string path, Action<Loss> report)
    {
        var textPath = Path.ChangeExtension(path, ".txt");
        if (!File.Exists(textPath)) throw new SidecarException($"{Path.GetFileName(path)} needs its text beside it: {Path.GetFileName(textPath)} is missing.");
        var text = ReadText(textPath);
        var name = Path.GetFileNameWithoutExtension(path);
        var points = new CodePoints(text);
        var byId = new Dictionary<string, Annotation>();
        var later = new List<string[]>();
        var triggers = new Dictionary<string, string>();

        foreach (var line in ReadText(path).Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0))
        {
            var parts = line.Split('\t');
            switch (line[0])
            {
                case 'T' when parts.Length >= 2 && !byId.ContainsKey(parts[0]) && ReadSpan(parts, points) is { } span:
                    byId[parts[0]] = span;
                    var quote = string.Join(' ', span.Fragments.Select(f => f.Of(text).ToString()));
                    if (parts.Length > 2 && parts[2] != quote)
                        report(new Loss(name, $"{parts[0]} says \"{parts[2]}\" where the text has \"{quote}\"; its offsets were taken"));
                    break;
                case 'E' when parts.Length >= 2 && parts[1].Split(' ')[0].Split(':') is [_, var trigger]:
                    triggers[parts[0]] = trigger;
                    later.Add(parts);
                    break;
                case 'R' or 'A' or 'M' or 'N' or '#' or '*' when parts.Length >= 2:
                    later.Add(parts);
                    break;
                default:
                    report(new Loss(name, $"the line \"{line}\" could not be read and was left out"));
                    break;
            }
        }

        if (triggers.Count > 0) report(new Loss(name, $"{triggers.Count} event(s) were read as relations from their trigger to their arguments, with the role as label"));
        // Relations first: attributes and notes may be about them.
        foreach (var parts in later.OrderBy(p => p[0][0] is 'R' or 'E' or '*' ? 0 : 1)) ReadOther(parts);
        return new AnnotatedDocument(name, text, [.. byId.Values]);

        Annotation? Target(string id) => byId.GetValueOrDefault(triggers.GetValueOrDefault(id, id));

        void ReadOther(string[] parts)
        {
            var words = parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var read = parts[0][0] switch
            {
                'R' when words is [var label, var one, var two, ..] => Link(parts[0], label, one, two),
                '*' when words is ["Equiv", .. var all] => all.Zip(all.Skip(1)).All(p => Link($"*{p.First}{p.Second}", "Equiv", p.First, p.Second)),
                'E' => words.Skip(1).All(w => w.Split(':') is [var role, var argument] && Link($"{parts[0]}{w}", role, triggers[parts[0]], argument)),
                'A' or 'M' when words is [var key, var target, .. var value] => Attribute(target, key, value.Length == 0 ? "true" : string.Join(' ', value)),
                'N' when words is [_, var target, var reference] => Attribute(target, "reference", reference),
                '#' when words is [_, var target] && parts.Length > 2 => Attribute(target, Annotation.Note, parts[2]),
                _ => false,
            };
            if (!read) report(new Loss(name, $"{string.Join(' ', parts)}: what it refers to is missing, or it is not understood; it was left out"));
        }

        bool Link(string id, string label, string from, string to)
        {
            if (Target(from[(from.IndexOf(':', StringComparison.Ordinal) + 1)..]) is not { } a || Target(to[(to.IndexOf(':', StringComparison.Ordinal) + 1)..]) is not { } b) return false;
            byId[id] = Relation(label, a.Id, b.Id);
            return true;
        }

        bool Attribute(string id, string key, string value)
        {
            var target = triggers.GetValueOrDefault(id, id);
            if (!byId.TryGetValue(target, out var a)) return false;
            byId[target] = a with { Attributes = a.Attributes.SetItem(key, value) };
            return true;
        }
    }

    private static Annotation? ReadSpan(string[] parts, CodePoints points)
    {
        var space = parts[1].IndexOf(' ', StringComparison.Ordinal);
        if (space <= 0) return null;
        var fragments = new List<TextRange>();
        foreach (var fragment in parts[1][(space + 1)..].Split(';'))
        {
            if (fragment.Split(' ') is not [var s, var e] || !int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var start)
                || !int.TryParse(e, NumberStyles.None, CultureInfo.InvariantCulture, out var end) || points.Range(start, end) is not { } range) return null;
            fragments.Add(range);
        }

        return Span(parts[1][..space], [.. fragments]);
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        foreach (var document in documents)
        {
            ReportLosses(document, report, discontinuous: true, relations: true, attributes: true);
            var renamed = document.Annotations.Where(a => a.Kind != AnnotationKind.Document).SelectMany(a => a.Attributes.Keys.Where(k => k != Annotation.Note).Append(a.Label)).Where(l => Word(l) != l).Distinct().ToArray();
            if (renamed.Length > 0) report(new Loss(document.Name, $"the name(s) {string.Join(", ", renamed)} were written with _ in place of other characters than letters, digits, - and _"));
            var target = documents.Count == 1 && path.EndsWith(".ann", StringComparison.OrdinalIgnoreCase) ? path : Path.Combine(path, document.Name + ".ann");
            WriteText(target, Format(document, report));
            WriteText(Path.ChangeExtension(target, ".txt"), document.Text);
        }
    }

    private static string Format(AnnotatedDocument document, Action<Loss> report)
    {
        var points = new CodePoints(document.Text);
        var ann = new StringBuilder();
        var ids = new Dictionary<string, string>();
        var attributes = 0;
        var notes = 0;
        foreach (var a in Placed(document))
        {
            // A span of brat never holds a line end: what crosses one is written as several fragments.
            var fragments = a.Fragments.SelectMany(f => WithoutLineEnds(document.Text, f)).ToArray();
            if (fragments.Length == 0) continue;
            ids[a.Id] = $"T{ids.Count + 1}";
            var offsets = string.Join(';', fragments.Select(f => $"{points.FromUtf16(f.Start)} {points.FromUtf16(f.End)}"));
            ann.Append(CultureInfo.InvariantCulture, $"{ids[a.Id]}\t{Word(a.Label)} {offsets}\t{string.Join(' ', fragments.Select(f => f.Of(document.Text).ToString()))}\n");
        }

        var relations = 0;
        foreach (var a in document.Annotations.Where(a => a.Kind == AnnotationKind.Relation))
        {
            if (a.From is null || a.To is null || !ids.TryGetValue(a.From, out var from) || !ids.TryGetValue(a.To, out var to))
            {
                report(new Loss(document.Name, $"the relation {a.Label} lacks one of its spans and was left out"));
                continue;
            }

            ids[a.Id] = $"R{++relations}";
            ann.Append(CultureInfo.InvariantCulture, $"{ids[a.Id]}\t{Word(a.Label)} Arg1:{from} Arg2:{to}\n");
        }

        foreach (var a in document.Annotations.Where(a => ids.ContainsKey(a.Id)))
        {
            foreach (var (key, value) in a.Attributes)
            {
                if (key == Annotation.Note) ann.Append(CultureInfo.InvariantCulture, $"#{++notes}\tAnnotatorNotes {ids[a.Id]}\t{value.ReplaceLineEndings(" ")}\n");
                else ann.Append(CultureInfo.InvariantCulture, $"A{++attributes}\t{Word(key)} {ids[a.Id]}{(value == "true" ? "" : " " + value.ReplaceLineEndings(" "))}\n");
            }
        }

        return ann.ToString();
    }

    /// <summary>Types of brat are words: letters, digits, hyphen and underscore.</summary>
    private static string Word(string label) => string.Concat(label.Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' ? c : '_'));

    private static IEnumerable<TextRange> WithoutLineEnds(string text, TextRange range)
    {
        var start = range.Start;
        for (var i = range.Start; i <= range.End; i++)
        {
            if (i < range.End && text[i] is not ('\n' or '\r')) continue;
            if (i > start) yield return new TextRange(start, i);
            start = i + 1;
        }
    }
}
