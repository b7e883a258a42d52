using System.Text.Json;
using AttentionLens.Analysis;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Settings;

/// <summary>The section <c>attentionLens</c> of the client's settings.</summary>
internal sealed record ServerSettings
{
    public static ServerSettings Default { get; } = new();

    public ModelChoice Model { get; init; } = new("", 0);
    public LayerOrHead Layer { get; init; } = LayerOrHead.Auto;
    public LayerOrHead Head { get; init; }

    /// <summary>Some heads as one, in the notation of <see cref="HeadSet"/>; go before layer and head. Empty = none.</summary>
    public string Heads { get; init; } = "";

    public SinkHandling SpecialTokens { get; init; } = SinkHandling.Hide;
    public ReaderOptions Reader { get; init; } = ReaderOptions.Default;
    public int CacheMegabytes { get; init; } = 512;
    public int HoverTop { get; init; } = 5;
    public bool CodeLens { get; init; }
    public bool InlayHints { get; init; }

    /// <summary>Whether to tell the user by <c>window/showMessage</c> what the user can mend.</summary>
    public bool ShowMessages { get; init; } = true;

    /// <summary>Whose annotations are written; empty = those without a name.</summary>
    public string Annotator { get; init; } = "";

    /// <summary>Commands that the client can run when a lens or an action names them. Other editors have none.</summary>
    public IReadOnlyList<string> ClientCommands { get; init; } = [];

    /// <summary>
    /// Reads the section, or an object that holds it. What it does not name stays as it is in <paramref name="settings"/>, and so does what makes
    /// no sense, which is reported: one bad setting must not cost the user the server.
    /// </summary>
    public static ServerSettings Read(JsonElement json, ServerSettings settings, Action<string, string> problem)
    {
        if (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("attentionLens", out JsonElement section))
            json = section;
        if (json.ValueKind != JsonValueKind.Object)
            return settings;
        foreach (JsonProperty property in json.EnumerateObject())
        {
            JsonElement value = property.Value;
            if (value.ValueKind == JsonValueKind.Null)
                continue;
            try
            {
                settings = property.Name switch
                {
                    "model" => settings with { Model = settings.Model with { Name = value.GetString() ?? "" } },
                    "threads" => settings with { Model = settings.Model with { Threads = InRange(value, 0, 1024) } },
                    "layer" => settings with { Layer = Index(value) },
                    "head" => settings with { Head = Index(value) },
                    "heads" => settings with { Heads = Set(value) },
                    "specialTokens" => settings with { SpecialTokens = Choice<SinkHandling>(value) },
                    "segment" => settings with { Reader = settings.Reader with { Unit = Choice<SegmentUnit>(value) } },
                    "cacheMegabytes" => settings with { CacheMegabytes = InRange(value, 1, 1 << 20) },
                    "hover" when value.ValueKind == JsonValueKind.Object && value.TryGetProperty("top", out JsonElement top) =>
                        settings with { HoverTop = InRange(top, 1, 50) },
                    "annotation" when value.ValueKind == JsonValueKind.Object && value.TryGetProperty("annotator", out JsonElement annotator) =>
                        settings with { Annotator = annotator.GetString() ?? "" },
                    "codeLens" => settings with { CodeLens = value.GetBoolean() },
                    "inlayHints" => settings with { InlayHints = value.GetBoolean() },
                    "showMessages" => settings with { ShowMessages = value.GetBoolean() },
                    "clientCommands" => settings with { ClientCommands = Strings(value) },
                    "pairSeparator" => settings with { Reader = settings.Reader with { PairSeparator = value.GetString() is { Length: > 0 } text ? text : null } },
                    "pairKind" => settings with { Reader = settings.Reader with { PairKind = Choice<PairKind>(value) } },
                    "fields" => settings with { Reader = settings.Reader with { Fields = Strings(value) } },
                    _ => settings,
                };
            }
            catch (Exception wrong) when (wrong is InvalidOperationException or FormatException or ArgumentException)
            {
                problem(property.Name, wrong is ArgumentException ? wrong.Message : "it has the wrong type");
            }
        }
        return settings;
    }

    private static int InRange(JsonElement value, int from, int to)
    {
        int number = value.GetInt32();
        return number >= from && number <= to ? number : throw new ArgumentException($"it must be from {from} to {to}");
    }

    private static string[] Strings(JsonElement value) => [.. value.EnumerateArray().Select(static item => item.GetString() ?? "")];

    private static LayerOrHead Index(JsonElement value) =>
        value.ValueKind != JsonValueKind.String ? new LayerOrHead(InRange(value, 0, 1000))
        : value.ValueEquals("mean") ? default
        : value.ValueEquals("auto") ? LayerOrHead.Auto
        : throw new ArgumentException("it must be a number from 0, \"mean\" or \"auto\"");

    private static string Set(JsonElement value) =>
        value.GetString() is not { Length: > 0 } text ? ""
        : HeadSet.TryParse(text, out HeadSet? set) ? set.ToString()
        : throw new ArgumentException($"it must be {HeadSet.Notation}");

    private static T Choice<T>(JsonElement value)
        where T : struct, Enum
    {
        // Not Enum.TryParse on the raw text: it accepts "3" and "show, hide".
        foreach (T choice in Enum.GetValues<T>())
        {
            if (string.Equals(choice.ToString(), value.GetString(), StringComparison.OrdinalIgnoreCase))
                return choice;
        }
        throw new ArgumentException($"it must be one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");
    }
}
