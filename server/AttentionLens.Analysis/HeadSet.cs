using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace AttentionLens.Analysis;

/// <summary>
/// Some heads, written LAYERS.HEADS with commas between: <c>3.5</c> is one head, <c>4.*</c> all heads of layer 4, <c>6-8.2</c> head 2 of the layers 6 to
/// 8, <c>*.0</c> the first head of every layer. Numbers count from 0, and both ends of a range belong to it. The same notation serves the command line,
/// the settings, the protocol and the panels.
/// </summary>
public sealed class HeadSet : IEquatable<HeadSet>
{
    /// <summary>For messages: how a set is written.</summary>
    public const string Notation = "LAYER.HEAD with commas between, such as 3.5,4.*,6-8.2";

    private readonly Term[] _terms;
    private readonly string _text;

    private HeadSet(Term[] terms)
    {
        _terms = terms;
        _text = string.Join(',', terms);
    }

    /// <summary>Reads a set; spaces divide terms as well.</summary>
    /// <param name="text">As described above.</param>
    /// <param name="set">The set; null when the text is none.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out HeadSet? set)
    {
        var parts = text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries);
        var terms = new Term[parts.Length];
        set = null;
        for (var i = 0; i < parts.Length; i++)
        {
            var dot = parts[i].IndexOf('.', StringComparison.Ordinal);
            if (dot < 0 || Span.Parse(parts[i].AsSpan(0, dot)) is not { } layers || Span.Parse(parts[i].AsSpan(dot + 1)) is not { } heads)
            {
                return false;
            }

            terms[i] = new Term(layers, heads);
        }

        set = terms.Length > 0 ? new HeadSet([.. terms.Distinct()]) : null;
        return set is not null;
    }

    /// <summary>All heads of some layers, written with commas between: <c>2,5-7</c> is the set <c>2.*,5-7.*</c>.</summary>
    public static bool TryParseLayers(string text, [NotNullWhen(true)] out HeadSet? set)
    {
        set = null;
        return !text.Contains('.', StringComparison.Ordinal)
            && TryParse(string.Join(',', text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Select(static layers => $"{layers}.*")), out set);
    }

    /// <summary>The heads of the set in a model of that shape, each once and in the order written.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The model has not all of them, see <see cref="Missing"/>.</exception>
    public IReadOnlyList<(int Layer, int Head)> Of(int layers, int heads) =>
        [.. _terms.SelectMany(term => term.Layers.Of(layers).SelectMany(layer => term.Heads.Of(heads).Select(head => (layer, head)))).Distinct()];

    /// <summary>The layers of the set's heads, each once and in order.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    public IReadOnlyList<int> LayersOf(int layers) => [.. _terms.SelectMany(term => term.Layers.Of(layers)).Distinct().Order()];

    /// <summary>What the set names and a model of that shape has not, with what it has: "layer 12: its layers are 0 to 3"; null when it has all.</summary>
    public string? Missing(int layers, int heads)
    {
        foreach (var term in _terms)
        {
            if (term.Layers.Beyond(layers) is { } layer)
            {
                return string.Create(CultureInfo.InvariantCulture, $"layer {layer}: its layers are 0 to {layers - 1}");
            }

            if (term.Heads.Beyond(heads) is { } head)
            {
                return string.Create(CultureInfo.InvariantCulture, $"head {head}: its heads are 0 to {heads - 1}");
            }
        }

        return null;
    }

    public bool Equals(HeadSet? other) => other is not null && _text == other._text;

    public override bool Equals(object? obj) => Equals(obj as HeadSet);

    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => _text;

    private readonly record struct Term(Span Layers, Span Heads)
    {
        public override string ToString() => $"{Layers}.{Heads}";
    }

    /// <summary>The numbers First..Last; the largest Last there is stands for "*".</summary>
    private readonly record struct Span(int First, int Last)
    {
        private const int End = int.MaxValue;

        public static Span? Parse(ReadOnlySpan<char> text)
        {
            if (text is "*")
            {
                return new Span(0, End);
            }

            var dash = text.IndexOf('-');
            return Number(dash < 0 ? text : text[..dash]) is { } first && Number(dash < 0 ? text : text[(dash + 1)..]) is { } last && first <= last ? new Span(first, last) : null;
        }

        /// <summary>The number that is too large for so many.</summary>
        public int? Beyond(int count) => First >= count ? First : Last != End && Last >= count ? Last : null;

        public IEnumerable<int> Of(int count) => Beyond(count) is { } missing
            ? throw new ArgumentOutOfRangeException(nameof(count), $"{missing} does not exist; there are {count}, 0 to {count - 1}.")
            : Enumerable.Range(First, Math.Min(Last, count - 1) - First + 1);

        public override string ToString() => Last == End ? "*" : First == Last ? string.Create(CultureInfo.InvariantCulture, $"{First}") : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

        private static int? Number(ReadOnlySpan<char> text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < End ? number : null;
    }
}
