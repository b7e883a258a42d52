using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace AttentionLens.Analysis.Export;

/// <summary>
/// One HTML file that needs no network and nothing else: every asked-for matrix as a heatmap with token labels, and the
/// tokens as text tinted by the row of the one that was chosen. Weights are stored in steps of 1/65535 of the largest.
/// </summary>
public static class HtmlPage
{
    /// <summary>8/3 bytes each in the file.</summary>
    public const long MaxWeights = 24_000_000;

    /// <exception cref="ExportException">The page would be too large for a browser.</exception>
    public static void Write(AttentionResult result, Stream stream, CancellationToken cancellation)
    {
        var weights = result.Stacks.Sum(s => (long)result.Selections(s).Count() * s.View.Queries * s.View.Keys);
        if (weights > MaxWeights)
        {
            throw new ExportException($"That would be a page of {weights * 8 / 3 / 1_000_000} MB; name a layer or head, or give a shorter text.");
        }

        var (head, script) = Template();
        var hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)));
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        writer.Write(head.Replace("{{hash}}", hash, StringComparison.Ordinal).Replace("{{title}}", WebUtility.HtmlEncode(result.Model.Name), StringComparison.Ordinal));
        writer.Write("<script type=\"application/json\" id=\"data\">");
        writer.Flush();
        WriteData(result, stream, cancellation);
        writer.Write("</script>\n<script>");
        writer.Write(script);
        writer.Write("</script>\n</body>\n</html>\n");
    }

    /// <summary>The page before its data, and the script after them.</summary>
    private static (string Head, string Script) Template()
    {
        using var resource = typeof(HtmlPage).Assembly.GetManifestResourceStream("attention.html")
            ?? throw new InvalidOperationException("attention.html is missing in the program.");
        using var reader = new StreamReader(resource);
        var page = reader.ReadToEnd().ReplaceLineEndings("\n");
        var data = page.IndexOf("<script type=\"application/json\"", StringComparison.Ordinal);
        var script = page.LastIndexOf("<script>", StringComparison.Ordinal) + "<script>".Length;
        return (page[..data], page[script..page.LastIndexOf("</script>", StringComparison.Ordinal)]);
    }

    private static void WriteData(AttentionResult result, Stream stream, CancellationToken cancellation)
    {
        // The default encoder escapes <, > and &: no token can end the script element.
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteString("model", result.Model.Name);
        json.WriteString("method", result.Method);
        json.WriteStartArray("stacks");
        foreach (var stack in result.Stacks)
        {
            json.WriteStartObject();
            json.WriteString("kind", stack.Name);
            Tokens(json, "queries", stack.Queries);
            Tokens(json, "keys", stack.Keys);
            json.WriteStartArray("matrices");
            var weights = new float[stack.View.Queries * stack.View.Keys];
            var steps = new ushort[weights.Length];
            foreach (var selection in result.Selections(stack))
            {
                cancellation.ThrowIfCancellationRequested();
                Weights.Matrix(stack.View, selection, weights, cancellation);
                var max = weights.Length == 0 ? 0 : weights.Max();
                for (var i = 0; i < weights.Length; i++)
                {
                    steps[i] = (ushort)MathF.Round(max > 0 ? weights[i] / max * 65535 : 0);
                }

                json.WriteStartObject();
                json.WriteString("layer", result.LayerName(selection.Layer));
                json.WriteString("head", stack.View.Heads == 1 && stack.Stack.Heads > 1 && selection.Set is null ? "" : AttentionResult.HeadName(selection));
                json.WriteNumber("max", max);
                json.WriteBase64String("weights", MemoryMarshal.AsBytes<ushort>(steps));
                json.WriteEndObject();
                json.Flush();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Tokens(Utf8JsonWriter json, string name, AttendedToken[] tokens)
    {
        json.WriteStartArray(name);
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            json.WriteString("text", VisibleText.Of(token.Shown));
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
