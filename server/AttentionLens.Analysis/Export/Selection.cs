using System.Globalization;

namespace AttentionLens.Analysis.Export;

/// <summary>Which layers or heads: one, the last, all of them, or their mean.</summary>
public readonly record struct Selection(string Text, int? Index = null)
{
    public static readonly Selection All = new("all");

    public static readonly Selection Mean = new("mean");

    public static readonly Selection Last = new("last");

    public bool IsAll => this == All;

    /// <summary>Null for a text that names none.</summary>
    public static Selection? Parse(string text) => text switch
    {
        "all" => All,
        "mean" => Mean,
        "last" => Last,
        _ => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? new Selection(text, index) : null,
    };

    /// <summary>The mean for null, else that one.</summary>
    public static Selection Of(int? index) => index is { } one ? new Selection(one.ToString(CultureInfo.InvariantCulture), one) : Mean;

    /// <summary>The indices to answer for; null stands for the mean.</summary>
    /// <exception cref="ExportException">There are fewer.</exception>
    public IEnumerable<int?> Of(int count, string what)
    {
        if (Index >= count)
        {
            throw new ExportException(count == 1
                ? $"There is no {what} {Index}: there is only {what} 0."
                : $"There is no {what} {Index}: this attention has {what}s 0 to {count - 1}.");
        }

        return IsAll ? Enumerable.Range(0, count).Select(i => (int?)i) : [this == Last ? count - 1 : Index];
    }
}
