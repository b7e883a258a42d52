using System.Globalization;

namespace AttentionLens.Cli;

/// <summary>A layer or head as given on the command line: one, the last, all of them, or their mean.</summary>
internal readonly record struct Selection(string Text, int? Index = null)
{
    public static readonly Selection All = new("all");

    public static readonly Selection Mean = new("mean");

    public static readonly Selection Last = new("last");

    public bool IsAll => this == All;

    public static Selection Parse(string text, string option) => text switch
    {
        "all" => All,
        "mean" => Mean,
        "last" => Last,
        _ => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? new Selection(text, index)
            : throw new UsageException($"{option} takes a number from 0, 'last', 'all' or 'mean', not '{text}'."),
    };

    /// <summary>The indices to answer for; null stands for the mean.</summary>
    public IEnumerable<int?> Of(int count, string what)
    {
        if (Index >= count)
        {
            throw new CommandException(count == 1
                ? $"There is no {what} {Index}: there is only {what} 0."
                : $"There is no {what} {Index}: this attention has {what}s 0 to {count - 1}.");
        }

        return IsAll ? Enumerable.Range(0, count).Select(i => (int?)i) : [this == Last ? count - 1 : Index];
    }
}
