using System.Text.Json.Nodes;
using AttentionLens.Corpora.Annotations;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Two annotators' sidecars beside a document, adjudicated over the wire while it is edited.</summary>
public sealed class AdjudicationTests : IDisposable
{
    private const string Story = "Ada Lovelace met Charles Babbage of IBM in New York City.\nAda left. 😊 Oslo was cold.\n";

    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-adjudication-").FullName;
    private readonly ManualClock clock = new();
    private int version = 1;

    private string Document => Path.Combine(folder, "story.txt");

    private string Uri => new Uri(Document).AbsoluteUri;

    private string Gold => Document + "@carla.al.jsonl";

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static Annotation Span(string id, string quote, string label, params (string Name, string Value)[] attributes)
    {
        int at = Story.IndexOf(quote, StringComparison.Ordinal);
        return new Annotation
        {
            Id = id,
            Kind = AnnotationKind.Span,
            Label = label,
            Fragments = [new(at, at + quote.Length)],
            Attributes = new Annotation { Id = id, Kind = AnnotationKind.Span, Label = label }.Attributes.AddRange(attributes.Select(static a => KeyValuePair.Create(a.Name, a.Value))),
        };
    }

    private static readonly Annotation[] Anna =
    [
        Span("l1", "Ada Lovelace", "PER"), Span("l2", "Charles Babbage", "PER"), Span("l3", "IBM", "ORG"), Span("l4", "New York", "LOC"),
        Span("l5", "Oslo", "LOC", ("certainty", "sure"), ("note", "a guess")),
        new() { Id = "lr", Kind = AnnotationKind.Relation, Label = "met", From = "l1", To = "l2" },
    ];

    private static readonly Annotation[] Bob =
    [
        Span("r1", "Ada Lovelace", "PER"), Span("r2", "Charles Babbage", "ORG"), Span("r4", "New York City", "LOC"), Span("r5", "Oslo", "LOC"),
        Span("r6", "cold", "MISC") with { Status = AnnotationStatus.Suggested },
    ];

    private void Write(string annotator, IEnumerable<Annotation> annotations) =>
        File.WriteAllText($"{Document}@{annotator}.al.jsonl", new Sidecar([.. Anchoring.Describe(Story, annotations)], [], []).Format());

    private async Task<TestClient> OpenAsync(string text = Story, string? annotator = null, bool sidecars = true)
    {
        if (sidecars)
        {
            File.WriteAllText(Document, Story);
            Write("anna", Anna);
            Write("bob", Bob);
        }
        var client = new TestClient(new TestLoader(_ => new TestModel("bert")), clock, baseTexts: Path.Combine(folder, ".base"));
        await client.InitializeAsync(annotator is null ? null : new JsonObject { ["annotation"] = new JsonObject { ["annotator"] = annotator } });
        await client.Open(text, uri: Uri);
        version = 1;
        return client;
    }

    private JsonObject Names(bool agreed = false) => new()
    {
        ["textDocument"] = new JsonObject { ["uri"] = Uri },
        ["left"] = "anna",
        ["right"] = "bob",
        ["into"] = "carla",
        ["agreed"] = agreed,
    };

    private static async Task<JsonNode> Ok(Task<JsonNode> answer)
    {
        JsonNode result = await answer;
        Assert.True((string?)result["status"] == "ok", result.ToJsonString());
        return result;
    }

    private Task<JsonNode> Compare(TestClient client, bool agreed = false) => Ok(client.Request("attentionLens/adjudication", Names(agreed)));

    private async Task<JsonNode> Decide(TestClient client, params (string? Left, string? Right, string Choice)[] decisions) => await Decide(client,
        [.. decisions.Select(static d => new JsonObject { ["left"] = d.Left, ["right"] = d.Right, ["choice"] = d.Choice })]);

    private Task<JsonNode> Decide(TestClient client, JsonArray decisions)
    {
        JsonObject request = Names();
        request["decisions"] = decisions.DeepClone();
        return Ok(client.Request("attentionLens/adjudicate", request));
    }

    private static string[] Pairs(JsonNode result) =>
        [.. result["pairs"]!.AsArray().Select(static p => $"{(string?)p!["left"]?["id"] ?? "-"} {(string?)p["right"]?["id"] ?? "-"} {(string?)p["difference"]} {(string?)p["choice"]}")];

    private static JsonNode Pair(JsonNode result, string? left, string? right = null) =>
        result["pairs"]!.AsArray().Single(p => (left is null || (string?)p!["left"]?["id"] == left) && (right is null || (string?)p!["right"]?["id"] == right))!;

    /// <summary>What the third annotator's sidecar on disk says of <paramref name="text"/>.</summary>
    private string[] Stored(string text = Story) =>
    [
        .. Anchoring.Place(text, Sidecar.Parse(File.ReadAllText(Gold)).Annotations).Select(a =>
            $"{a.Label} {(a.Kind == AnnotationKind.Relation ? "->" : a.Fragments[0].Of(text).ToString())}{(a.Status == AnnotationStatus.Accepted ? "" : " rejected")}"),
    ];

    /// <summary>The burst of decisions is over: the sidecar has been written.</summary>
    private async Task Settle(TestClient client)
    {
        clock.Advance(TimeSpan.FromSeconds(1));
        await Compare(client);
    }

    [Fact]
    public async Task Both_sides_are_listed_with_what_they_say_and_nothing_is_written_by_looking()
    {
        await using TestClient client = await OpenAsync();
        JsonNode result = await Compare(client);
        Assert.Equal(
            ["l2 r2 label open", "l3 - onlyLeft open", "l4 r4 extent open", "l5 r5 attributes open", "lr - onlyLeft open"], Pairs(result));
        Assert.Equal((1, 1), ((int)result["agreed"]!, (int)result["unwritten"]!));
        JsonNode oslo = Pair(result, "l5");
        Assert.Equal(("Oslo", "sure", "a guess", "anna"), ((string?)oslo["left"]!["quote"], (string?)oslo["left"]!["attributes"]!["certainty"], (string?)oslo["left"]!["attributes"]!["note"], (string?)oslo["left"]!["annotator"]));
        Assert.Equal((1, 13), ((int)oslo["right"]!["ranges"]![0]!["start"]!["line"]!, (int)oslo["right"]!["ranges"]![0]!["start"]!["character"]!)); // the emoji is two UTF-16 units
        JsonNode relation = Pair(result, "lr")["left"]!;
        Assert.Equal(("Ada Lovelace → Charles Babbage", 2), ((string?)relation["quote"], relation["ranges"]!.AsArray().Count));
        Assert.Contains("l1 r1 none left", Pairs(await Compare(client, agreed: true)));
        await Settle(client);
        Assert.Empty(Directory.GetFiles(folder, "*carla*"));
        Assert.DoesNotContain("carla", (await Ok(client.Request("attentionLens/annotations", Names())))["others"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_decision_is_in_the_journal_at_once_in_the_sidecar_a_moment_later_and_there_again_after_a_restart()
    {
        await using (TestClient client = await OpenAsync())
        {
            JsonNode decided = await Decide(client, ("l2", "r2", "right"));
            Assert.Equal("right", (string?)Pair(decided, "l2")["choice"]);
            Assert.Equal("""[{"choice":"open","left":"l2","right":"r2"}]""", decided["changed"]!.ToJsonString());
            Assert.Equal(0, (int)decided["unwritten"]!);
            Assert.Single(Directory.GetFiles(folder, "story.txt@carla.al.jsonl.*.journal"));
            Assert.False(File.Exists(Gold));
            await Settle(client);
            // What both agree on came along.
            Assert.Equal(["PER Ada Lovelace", "ORG Charles Babbage"], Stored());
            Assert.All(Sidecar.Parse(File.ReadAllText(Gold)).Annotations, static a => Assert.Equal(("carla", Adjudication.Source), (a.By, a.Source)));
            await Decide(client, ("l3", null, "neither"), ("l4", "r4", "both"), ("lr", null, "left"));
            await Settle(client);
        }
        Assert.Equal(["PER Ada Lovelace", "ORG Charles Babbage", "ORG IBM rejected", "LOC New York", "LOC New York City", "met ->"], Stored());
        await using TestClient again = await OpenAsync(sidecars: false);
        Assert.Equal(
            ["l2 r2 label right", "l3 - onlyLeft neither", "l4 r4 extent both", "l5 r5 attributes open", "lr - onlyLeft left"], Pairs(await Compare(again)));
    }

    [Fact]
    public async Task Edits_of_the_text_move_what_is_decided_and_wait_in_the_journal_for_the_save()
    {
        await using TestClient client = await OpenAsync();
        const string edited = "So, " + Story;
        await client.Change(++version, "So, ", TestClient.Range(0, 0, 0, 0), Uri);
        JsonNode result = await Decide(client, ("l2", "r2", "right"));
        Assert.Equal((2, 21), ((int)result["version"]!, (int)Pair(result, "l2")["right"]!["ranges"]![0]!["start"]!["character"]!));
        clock.Advance(TimeSpan.FromSeconds(1));
        await Compare(client);
        Assert.False(File.Exists(Gold));

        File.WriteAllText(Document, edited);
        await client.Notify("textDocument/didSave", new JsonObject { ["textDocument"] = new JsonObject { ["uri"] = Uri } });
        Assert.Equal("right", (string?)Pair(await Compare(client), "l2")["choice"]);
        Assert.Equal(["PER Ada Lovelace", "ORG Charles Babbage"], Stored(edited));
        // Both sides have been moved along too: a later sitting pairs them as this one did.
        Assert.Equal("l4 r4 extent open", Pairs(await Compare(client))[2]);
    }

    [Fact]
    public async Task What_waits_for_the_save_of_the_text_is_found_again_by_the_next_session()
    {
        await using (TestClient client = await OpenAsync())
        {
            await client.Change(++version, "So, ", TestClient.Range(0, 0, 0, 0), Uri);
            await Decide(client, ("l2", "r2", "right"));
        }
        Assert.False(File.Exists(Gold));
        await using TestClient again = await OpenAsync("So, " + Story, sidecars: false);
        JsonNode result = await Compare(again);
        Assert.Equal("l2 r2 label right", Pairs(result)[0]);
        Assert.Null(Pair(result, "l2")["taken"]);
    }

    [Fact]
    public async Task A_side_that_changes_on_disk_is_seen_and_what_was_decided_before_stays_as_it_was()
    {
        await using TestClient client = await OpenAsync();
        JsonNode seen = await Decide(client, ("l2", "r2", "left"));
        await Settle(client);
        string stamp = (string)Pair(seen, "l3")["stamp"]!;
        // Anna thinks again about two of hers, in another window.
        Write("anna", Anna.Select(static a => a.Id is "l2" or "l3" ? a with { Label = "THING" } : a));

        JsonNode late = await Decide(client, new JsonArray(new JsonObject { ["left"] = "l3", ["choice"] = "left", ["stamp"] = stamp }));
        Assert.Equal("l3 - onlyLeft open", Pairs(late)[1]);
        Assert.Contains("has changed meanwhile", (string?)late["problems"]![0], StringComparison.Ordinal);
        JsonNode changed = Pair(late, "l2");
        Assert.Equal(("left", "PER", "THING"), ((string?)changed["choice"], (string?)changed["taken"]![0]!["label"], (string?)changed["left"]!["label"]));

        stamp = (string)Pair(late, "l3")["stamp"]!;
        await Decide(client, new JsonArray(new JsonObject { ["left"] = "l3", ["choice"] = "left", ["stamp"] = stamp }));
        await Settle(client);
        Assert.Equal(["PER Ada Lovelace", "PER Charles Babbage", "THING IBM"], Stored());
    }

    [Fact]
    public async Task What_a_decision_drew_along_is_taken_back_with_it()
    {
        await using TestClient client = await OpenAsync();
        await Decide(client, ("l2", "r2", "left"), ("lr", null, "left"));
        JsonNode gone = await Decide(client, ("l2", "r2", "neither"));
        Assert.Equal("open", (string?)Pair(gone, "lr")["choice"]);
        JsonNode back = await Decide(client, gone["changed"]!.AsArray());
        Assert.Equal(("left", "left"), ((string?)Pair(back, "l2")["choice"], (string?)Pair(back, "lr")["choice"]));
        await Settle(client);
        Assert.Equal(["PER Ada Lovelace", "PER Charles Babbage", "met ->"], Stored());
        await Decide(client, ("l2", "r2", "open"));
        await Settle(client);
        Assert.Equal(["PER Ada Lovelace"], Stored());
    }

    [Fact]
    public async Task The_annotators_own_undo_takes_a_decision_back_too()
    {
        await using TestClient client = await OpenAsync(annotator: "carla");
        await Decide(client, ("l2", "r2", "left"));
        JsonNode list = await Ok(client.Request("attentionLens/annotations", Names()));
        Assert.Equal(2, list["annotations"]!.AsArray().Count(static a => (bool)a!["own"]!));
        await Ok(client.Request("attentionLens/annotationHistory", Names()));
        Assert.Equal("open", (string?)Pair(await Compare(client), "l2")["choice"]);
    }

    [Fact]
    public async Task Everything_that_is_open_is_decided_at_once_but_what_the_label_set_forbids()
    {
        File.WriteAllText(Path.Combine(folder, "attention-lens.labels.json"), """
            {"version":1,"spans":["PER","ORG",{"name":"LOC","overlap":false,"nest":false}],"attributes":[{"name":"certainty"}]}
            """);
        await using TestClient client = await OpenAsync();
        // A relation whose spans nobody has taken leads nowhere; that it is none can be said at any time.
        JsonNode early = await Decide(client, ("lr", null, "left"));
        Assert.Contains("A relation needs both its spans", (string?)early["problems"]![0], StringComparison.Ordinal);
        Assert.Equal("open", (string?)Pair(early, "lr")["choice"]);
        Assert.Equal("neither", (string?)Pair(await Decide(client, ("lr", null, "right")), "lr")["choice"]);

        JsonObject request = Names();
        request["allOpen"] = "both";
        JsonNode result = await Ok(client.Request("attentionLens/adjudicate", request.DeepClone()));
        Assert.Equal(["l2 r2 label both", "l3 - onlyLeft left", "l4 r4 extent open", "l5 r5 attributes open", "lr - onlyLeft neither"], Pairs(result));
        string problems = result["problems"]!.ToJsonString();
        Assert.Contains("lies inside", problems, StringComparison.Ordinal);
        Assert.Contains("labelled LOC twice", problems, StringComparison.Ordinal);

        request["allOpen"] = "right";
        result = await Ok(client.Request("attentionLens/adjudicate", request.DeepClone()));
        Assert.Equal(["l2 r2 label both", "l3 - onlyLeft left", "l4 r4 extent right", "l5 r5 attributes right", "lr - onlyLeft neither"], Pairs(result));
        Assert.Null(result["problems"]);
        await Settle(client);
        Assert.Equal(
            ["LOC New York City", "LOC Oslo", "ORG Charles Babbage", "ORG IBM", "PER Ada Lovelace", "PER Charles Babbage", "met -> rejected"],
            Stored().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Bad_input_is_one_sentence_and_loses_nothing()
    {
        await using TestClient client = await OpenAsync();
        foreach ((string member, string value, string sentence) in new[]
        {
            ("right", "Anna", "one annotator"), ("into", "BOB", "third name"), ("into", "../carla", "letters, digits"), ("into", "", "letters, digits"),
        })
        {
            JsonObject request = Names();
            request[member] = value;
            JsonNode refused = await client.Request("attentionLens/adjudication", request);
            Assert.Contains(sentence, (string?)refused["message"], StringComparison.Ordinal);
        }
        await Assert.ThrowsAsync<RpcException>(() => Decide(client, ("l2", "r2", "perhaps")));
        Assert.Contains("has changed meanwhile", (await Decide(client, ("l2", "r9", "left")))["problems"]!.ToJsonString(), StringComparison.Ordinal);
        await Settle(client);

        File.WriteAllText(Gold, "{\"al\":2}\n");
        JsonNode later = await client.Request("attentionLens/adjudicate", Names());
        Assert.Contains("later version", later.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("{\"al\":2}\n", File.ReadAllText(Gold));
    }

    /// <summary>A folder that takes no new file, for any user: there a name as long as this document's leaves no room for the journal's.</summary>
    [Fact]
    public async Task Where_nothing_can_be_written_nothing_is_decided()
    {
        string name = Path.Combine(folder, new string('d', 205));
        File.WriteAllText(name, Story);
        foreach ((string annotator, Annotation[] said) in new[] { ("anna", Anna), ("bob", Bob) })
            File.WriteAllText($"{name}@{annotator}.al.jsonl", new Sidecar([.. Anchoring.Describe(Story, said)], [], []).Format());
        await using TestClient client = await OpenAsync();
        string uri = new Uri(name).AbsoluteUri;
        await client.Open(Story, uri: uri);
        JsonObject request = Names();
        request["textDocument"]!["uri"] = uri;
        JsonObject decide = request.DeepClone().AsObject();
        decide["decisions"] = new JsonArray(new JsonObject { ["left"] = "l2", ["right"] = "r2", ["choice"] = "left" });
        JsonNode refused = await client.Request("attentionLens/adjudicate", decide);
        Assert.Equal("failed", (string?)refused["status"]);
        Assert.Contains("could not be read or written, and nothing in it was changed", (string?)refused["message"], StringComparison.Ordinal);
        JsonNode list = await Ok(client.Request("attentionLens/adjudication", request));
        Assert.Equal("l2 r2 label open", Pairs(list)[0]);
        Assert.Equal(2, Directory.GetFiles(folder, "ddd*.al.jsonl*").Length);
    }
}
