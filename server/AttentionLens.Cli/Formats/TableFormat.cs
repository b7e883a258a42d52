using System.Globalization;
using System.Text;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;
using AttentionLens.Cli.Text;

namespace AttentionLens.Cli.Formats;

/// <summary>For people: one token a row, with the tokens it attends to most, strongest first, as bars.</summary>
internal sealed class TableFormat : Format
{
    private const int BarWidth = 8;
    private const int MaxTargets = 5;
    private const int MaxTokenWidth = 16;

    /// <summary>Weights below this are left out: they would print as 0 %.</summary>
    private const float Least = 0.005f;

    public override string Name => "table";

    public override void Write(AttentionResult result, Stream stream, Terminal terminal, CancellationToken cancellation)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        var first = true;
        foreach (var stack in result.Stacks)
        {
            foreach (var selection in result.Selections(stack))
            {
                cancellation.ThrowIfCancellationRequested();
                if (!first)
                {
                    writer.WriteLine();
                }

                first = false;
                WriteMatrix(writer, result, stack, selection, terminal);
            }
        }
    }

    private static void WriteMatrix(StreamWriter writer, AttentionResult result, StackResult stack, HeadSelection selection, Terminal terminal)
    {
        var queries = stack.Queries.Select(t => DisplayText.Clean(t.Shown)).ToArray();
        var keys = stack.Keys == stack.Queries ? queries : [.. stack.Keys.Select(t => DisplayText.Clean(t.Shown))];
        int queryWidth = Widest(queries), keyWidth = Widest(keys);
        var numberWidth = queries.Length.ToString(CultureInfo.InvariantCulture).Length;
        var cell = BarWidth + 6 + keyWidth + 2;
        var targets = Math.Clamp((terminal.Width - numberWidth - queryWidth - 4) / cell, 1, MaxTargets);

        var matrix = new float[queries.Length * keys.Length];
        Weights.Matrix(stack.View, selection, matrix);
        var largest = matrix.Length == 0 ? 0 : matrix.Max();
        var sinks = stack.Keys.Select((t, i) => t.Special || (stack.View.Causal && i == 0)).ToArray();
        double mass = 0, hidden = 0;
        var lines = new StringBuilder();
        for (var query = 0; query < queries.Length; query++)
        {
            var row = matrix[(query * keys.Length)..((query + 1) * keys.Length)];
            for (var i = 0; i < row.Length; i++)
            {
                mass += row[i];
                hidden += sinks[i] ? row[i] : 0;
            }

            var label = DisplayText.Fit(queries[query], queryWidth);
            lines.Append(CultureInfo.InvariantCulture, $"{query.ToString(CultureInfo.InvariantCulture).PadLeft(numberWidth)}  ");
            lines.Append(Paint(terminal, stack.Queries[query].Special ? "2" : "1", label)).Append("  ");
            foreach (var key in Strongest(row, targets))
            {
                var percent = string.Create(CultureInfo.InvariantCulture, $"{Math.Round(row[key] * 100)}%");
                lines.Append(Paint(terminal, Shade(row[key] / largest), Bar(row[key] / largest))).Append(percent.PadLeft(5)).Append(' ');
                lines.Append(Paint(terminal, sinks[key] ? "2" : "0", DisplayText.Fit(keys[key], keyWidth))).Append("  ");
            }

            while (lines[^1] == ' ')
            {
                lines.Length--;
            }

            lines.Append('\n');
        }

        var treatment = result.Special == SinkHandling.Show
            ? new SinkResult(SinkHandling.Show, mass > 0 ? (float)(hidden / mass) : 0).ToString()
            : result.Special == SinkHandling.Hide ? "special tokens hidden" : "special tokens hidden, the rest renormalized";
        var method = result.Method == Methods.Raw.Name ? "" : $" · {result.Method}";
        writer.WriteLine(Paint(terminal, "2", DisplayText.Clean($"{result.Model.Name} · {stack.Name}{method} · {result.Describe(stack, selection)} · {queries.Length} tokens · {treatment}")));
        writer.Write(lines);
    }

    private static int Widest(string[] texts) => Math.Clamp(texts.Select(DisplayText.Width).DefaultIfEmpty(0).Max(), 4, MaxTokenWidth);

    private static IEnumerable<int> Strongest(float[] row, int count) =>
        Enumerable.Range(0, row.Length).Where(i => row[i] >= Least).OrderByDescending(i => row[i]).ThenBy(i => i).Take(count);

    /// <summary>A bar whose full length is the table's largest weight, in eighths of a column.</summary>
    private static string Bar(float share)
    {
        var eighths = Math.Clamp((int)MathF.Round(share * BarWidth * 8), 1, BarWidth * 8);
        var partial = eighths % 8 == 0 ? "" : ((char)(0x2590 - (eighths % 8))).ToString();
        return (new string('█', eighths / 8) + partial).PadRight(BarWidth);
    }

    /// <summary>A step of blue from the 256 colours, light enough on dark and dark enough on light terminals.</summary>
    private static string Shade(float share) => share switch
    {
        >= 0.75f => "38;5;27",
        >= 0.5f => "38;5;33",
        >= 0.25f => "38;5;39",
        _ => "38;5;74",
    };

    private static string Paint(Terminal terminal, string code, string text) =>
        terminal.Color && code != "0" ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
