using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using AttentionLens.LanguageServer.Features.Annotations;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.CorpusSearch;
using AttentionLens.LanguageServer.Features.ForeignAttention;
using AttentionLens.LanguageServer.Features.ModelManager;

namespace AttentionLens.LanguageServer.Tests;

/// <summary>docs/protocol.md says what the code says: every custom message, every member of every record, every standard method.</summary>
public sealed partial class ProtocolPageTests
{
    private static readonly string Page = File.ReadAllText(Find());

    private static readonly JsonSerializerContext[] Contexts = [AttentionJson.Default, AnnotationJson.Default, ModelManagerJson.Default, SearchJson.Default, ForeignAttentionJson.Default];

    [Fact]
    public void Every_member_of_every_record_is_described_and_nothing_else()
    {
        // AttentionResult's members are described once, for all that derive from it.
        string[] common = ["version", "status", "message"];
        Assert.Equal(common, Described("AttentionResult"));
        Type[] records = [.. Contexts.SelectMany(static context => context.GetType().GetProperties()
            .Select(static property => property.PropertyType)
            .Where(static type => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(JsonTypeInfo<>))
            .Select(static type => type.GetGenericArguments()[0])
            .Where(static type => type.Namespace?.StartsWith("AttentionLens.LanguageServer.Features", StringComparison.Ordinal) == true && !type.IsArray))];
        Assert.True(records.Length > 20);
        foreach (Type record in records)
        {
            IEnumerable<string> members = record.IsSubclassOf(typeof(AttentionResult)) ? Members(record).Except(common) : Members(record);
            Assert.True(members.Order().SequenceEqual(Described(record.Name).Order()),
                $"{record.Name}: the code has {string.Join(", ", members)}; the page has {string.Join(", ", Described(record.Name))}");
        }
        var known = records.Select(static record => record.Name).Append("AttentionResult").ToHashSet();
        Assert.All(Headings("### "), heading => Assert.Contains(heading, known));
    }

    [Fact]
    public void Every_method_is_described_and_nothing_else()
    {
        using var server = new LanguageServer(new Pipe().Reader, new Pipe().Writer, new ServerOptions());
        string[] custom = [.. server.Methods.Where(static method => method.StartsWith("attentionLens/", StringComparison.Ordinal)).Append("attentionLens/status").Append("attentionLens/annotationsChanged")];
        Assert.Equal(custom.Order(), Headings("## ").Where(static heading => heading.StartsWith("attentionLens/", StringComparison.Ordinal)).Order());
        foreach (string method in server.Methods.Except(custom))
        {
            // didChange and its like stand without their prefix after the first of a row.
            string name = method.StartsWith("textDocument/did", StringComparison.Ordinal) || method.StartsWith("notebookDocument/did", StringComparison.Ordinal)
                ? method.Split('/')[1]
                : method == "window/workDoneProgress/cancel" ? "window/workDoneProgress/create" : method;
            Assert.Contains(name, Page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_type_of_a_method_is_known_where_it_is_looked_up()
    {
        using var server = new LanguageServer(new Pipe().Reader, new Pipe().Writer, new ServerOptions());
        Assert.True(server.WireTypes.Count > 80);
        Assert.All(server.WireTypes, wire => Assert.NotNull(wire.Types.GetTypeInfo(wire.Type)));
    }

    private static IEnumerable<string> Members(Type type) =>
        Contexts.Select(context => context.GetTypeInfo(type)).First(static info => info is not null)!.Properties.Select(static property => property.Name); // First has left out null

    private static string[] Described(string record)
    {
        Match section = Regex.Match(Page, $@"^### {record}\n(.*?)(?=^#|\z)", RegexOptions.Multiline | RegexOptions.Singleline);
        Assert.True(section.Success, $"{record} is not described");
        return [.. Bullet().Matches(section.Groups[1].Value).Select(static match => match.Groups[1].Value)];
    }

    private static IEnumerable<string> Headings(string level) =>
        Page.Split('\n').Where(line => line.StartsWith(level, StringComparison.Ordinal)).Select(line => line[level.Length..].Trim());

    private static string Find([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "docs", "protocol.md");

    [GeneratedRegex("^- `([a-zA-Z0-9]+)`:", RegexOptions.Multiline)]
    private static partial Regex Bullet();
}
