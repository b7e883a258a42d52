using AttentionLens.Models;

namespace AttentionLens.Analysis;

/// <summary>A way to make weights from a trace.</summary>
/// <param name="Name">The name in settings and on the command line.</param>
/// <param name="Title">What people read.</param>
/// <param name="Summary">One sentence: what the weights mean.</param>
/// <param name="Needs">What the forward pass must keep.</param>
/// <param name="Apply">The weights of one stack of a trace.</param>
public sealed record Method(
    string Name, string Title, string Summary, Keep Needs, Func<AttentionTrace, AttentionStack, CancellationToken, AttentionView> Apply);

/// <summary>All methods, in the order in which they are offered.</summary>
public static class Methods
{
    public static Method Raw { get; } = new(
        "raw", "Raw attention", "The softmax weights of the model itself.", Keep.Attention, static (_, stack, _) => AttentionView.Raw(stack));

    public static IReadOnlyList<Method> All { get; } = [Raw];

    /// <exception cref="ArgumentException">No method of that name; the message lists them.</exception>
    public static Method Named(string name) => All.FirstOrDefault(m => m.Name == name)
        ?? throw new ArgumentException($"There is no method '{name}'; there are {string.Join(", ", All.Select(m => m.Name))}.", nameof(name));
}
