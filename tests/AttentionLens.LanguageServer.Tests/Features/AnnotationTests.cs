using System.Text.Json.Nodes;
using AttentionLens.Corpora.Annotations;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Tests.Features;

/// <summary>Annotations over the wire: real files in a folder, edits as an editor sends them.</summary>
public sealed class AnnotationTests : IDisposable
{
    private const string Story = "Ada met Linus in Paris.\nParis was cold; Ada left.\n";

    private readonly string folder = Directory.CreateTempSubdirectory("attention-lens-annotations-").FullName;
    private readonly ManualClock clock = new();
    private int version = 1;

    private string File => Path.Combine(folder, "story.txt");

    private string Uri => new Uri(File).AbsoluteUri;

    private string Sidecar => File + ".al.jsonl";

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private async Task<TestClient> OpenAsync(string text = Story, JsonNode? settings = null)
    {
        System.IO.File.WriteAllText(File, text);
        var client = new TestClient(new TestLoader(_ => new TestModel("bert")), clock, baseTexts: Path.Combine(folder, ".base"));
        await client.InitializeAsync(settings);
        await client.Open(text, uri: Uri);
        return client;
    }

    private JsonObject Document() => new() { ["textDocument"] = new JsonObject { ["uri"] = Uri } };

    private static async Task<JsonNode> Ok(Task<JsonNode> answer)
    {
        JsonNode result = await answer;
        Assert.True((string?)result["status"] == "ok", result.ToJsonString());
        return result;
    }

    private Task<JsonNode> List(TestClient client) => Ok(client.Request("attentionLens/annotations", Document()));

    private Task<JsonNode> Annotate(TestClient client, string members)
    {
        JsonObject request = JsonNode.Parse(members)!.AsObject();
        request["textDocument"] = new JsonObject { ["uri"] = Uri };
        request["version"] = version;
        return client.Request("attentionLens/annotate", request);
    }

    private static string Span(string label, int line, int start, int end, string more = "") => $$$"""
        {"kind":"span","label":"{{{label}}}","ranges":[{"start":{"line":{{{line}}},"character":{{{start}}} },"end":{"line":{{{line}}},"character":{{{end}}} } }]{{{more}}}}
        """;

    private async Task<string> Add(TestClient client, string annotation, string title = "label") =>
        (string)(await Ok(Annotate(client, $$"""{"add":[{{annotation}}],"title":"{{title}}"}""")))["ids"]![0]!;

    private Task Edit(TestClient client, string text, JsonNode? range) => client.Change(++version, text, range, Uri);

    private Task<JsonNode> History(TestClient client, bool redo = false)
    {
        JsonObject request = Document();
        request["redo"] = redo;
        return client.Request("attentionLens/annotationHistory", request);
    }

    private Task Save(TestClient client, string text)
    {
        System.IO.File.WriteAllText(File, text);
        return client.Notify("textDocument/didSave", Document());
    }

    /// <summary>Label and quote of every annotation that has a place, and the state of what is not simply there.</summary>
    private static string[] Shown(JsonNode list) =>
    [
        .. list["annotations"]!.AsArray().Where(static a => (string?)a!["kind"] == "span").Select(static a =>
            $"{(string?)a!["label"]}:{(string?)a["quote"]}{((string?)a["state"] == "anchored" ? "" : $" {(string?)a["state"]}")}{((string?)a["status"] == "accepted" ? "" : $" {(string?)a["status"]}")}"),
    ];

    [Fact]
    public async Task A_label_is_in_the_journal_at_once_and_in_the_sidecar_a_moment_later()
    {
        await using TestClient client = await OpenAsync();
        await Add(client, Span("PER", 0, 0, 3));
        Assert.Single(Directory.GetFiles(folder, "*.journal"));
        Assert.False(System.IO.File.Exists(Sidecar));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["PER:Ada"], Shown(await List(client)));
        Assert.Contains("\"label\":\"PER\"", System.IO.File.ReadAllText(Sidecar), StringComparison.Ordinal);
        Assert.Equal(0, await client.ShutdownAsync());
        Assert.Empty(Directory.GetFiles(folder, "*.journal"));
    }

    [Fact]
    public async Task A_clock_that_is_set_neither_delays_nor_hides_what_is_done_after_it()
    {
        await using TestClient client = await OpenAsync();
        string id = await Add(client, Span("PER", 0, 0, 3));
        clock.Advance(TimeSpan.FromSeconds(1));
        await List(client);
        foreach ((double hours, string label) in new[] { (-3, "BEFORE"), (9000, "AFTER"), (-9000.0, "AGAIN") })
        {
            clock.Set(TimeSpan.FromHours(hours));
            await Ok(Annotate(client, $$"""{"change":[{"id":"{{id}}","label":"{{label}}"}],"title":"relabel"}"""));
            clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal([$"{label}:Ada"], Shown(await List(client)));
            Assert.Contains($"\"label\":\"{label}\"", System.IO.File.ReadAllText(Sidecar), StringComparison.Ordinal);
        }
        await History(client);
        Assert.Equal(["AFTER:Ada"], Shown(await List(client)));
    }

    [Fact]
    public async Task Labels_follow_edits_and_what_the_text_on_disk_does_not_hold_waits_for_the_save()
    {
        await using TestClient client = await OpenAsync();
        await Add(client, Span("LOC", 0, 17, 22));
        clock.Advance(TimeSpan.FromSeconds(1));
        await List(client);
        string before = System.IO.File.ReadAllText(Sidecar);

        await Edit(client, "Yesterday, ", TestClient.Range(0, 0, 0, 0));
        await Edit(client, "\n\n", TestClient.Range(1, 0, 1, 0));
        await Add(client, Span("PER", 3, 16, 19));
        clock.Advance(TimeSpan.FromSeconds(1));
        JsonNode list = await List(client);
        Assert.Equal(["LOC:Paris", "PER:Ada"], Shown(list));
        Assert.True(JsonNode.DeepEquals(TestClient.Range(0, 28, 0, 33), list["annotations"]![0]!["ranges"]![0]));
        Assert.Equal(before, System.IO.File.ReadAllText(Sidecar));

        const string saved = "Yesterday, Ada met Linus in Paris.\n\n\nParis was cold; Ada left.\n";
        await Save(client, saved);
        await List(client);
        string text = System.IO.File.ReadAllText(Sidecar);
        Assert.Contains("\"from\":28,\"to\":33,\"quote\":\"Paris\"", text, StringComparison.Ordinal);
        Assert.Equal(["Paris", "Ada"], Anchoring.Place(saved, Corpora.Annotations.Sidecar.Parse(text).Annotations).Select(a => a.Fragments[0].Of(saved).ToString()));
    }

    [Fact]
    public async Task Undo_of_a_label_brings_it_back_where_its_text_is_now_and_leaves_the_text_alone()
    {
        await using TestClient client = await OpenAsync();
        string id = await Add(client, Span("LOC", 0, 17, 22), "label LOC");
        await Ok(Annotate(client, $$"""{"change":[{"id":"{{id}}","label":"CITY"}],"title":"relabel"}"""));
        await Ok(Annotate(client, $$"""{"remove":["{{id}}"],"title":"delete"}"""));
        Assert.Empty(Shown(await List(client)));
        await Edit(client, "At noon ", TestClient.Range(0, 0, 0, 0));

        Assert.Equal("delete", (string?)(await Ok(History(client)))["title"]);
        JsonNode list = await List(client);
        Assert.Equal(["CITY:Paris"], Shown(list));
        Assert.Equal(25, (int)list["annotations"]![0]!["ranges"]![0]!["start"]!["character"]!);
        Assert.Equal(("relabel", "delete"), ((string?)list["undo"], (string?)list["redo"]));
        await Ok(History(client));
        Assert.Equal(["LOC:Paris"], Shown(await List(client)));
        await Ok(History(client, redo: true));
        Assert.Equal(["CITY:Paris"], Shown(await List(client)));
        await Ok(History(client));
        await Ok(History(client));
        Assert.Equal("empty", (string?)(await History(client))["status"]);
        Assert.Empty(Shown(await List(client)));
        // A new action ends what could be done again.
        await Add(client, Span("PER", 0, 8, 11));
        Assert.Equal("empty", (string?)(await History(client, redo: true))["status"]);
    }

    [Fact]
    public async Task A_reload_from_disk_that_arrives_as_one_edit_keeps_every_label_whose_text_stayed()
    {
        await using TestClient client = await OpenAsync();
        await Add(client, Span("PER", 0, 0, 3));
        await Add(client, Span("PER", 0, 8, 13));
        await Add(client, Span("LOC", 1, 0, 5));
        await Edit(client, "Ada met Bob in Rome.\nA new line.\nParis was warm; Ada left.\n", TestClient.Range(0, 0, 2, 0));
        Assert.Equal(["PER:Ada", "LOC:Paris", "PER:Linus orphan"], Shown(await List(client)));
    }

    [Fact]
    public async Task Text_that_is_cut_and_pasted_elsewhere_comes_back()
    {
        await using TestClient client = await OpenAsync();
        await Add(client, Span("LOC", 0, 17, 22));
        await Edit(client, "", TestClient.Range(0, 0, 1, 0));
        Assert.Equal(["LOC:Paris orphan"], Shown(await List(client)));
        await Edit(client, "Ada met Linus in Paris.\n", TestClient.Range(1, 0, 1, 0));
        Assert.Equal(["LOC:Paris orphan"], Shown(await List(client)));
        clock.Advance(TimeSpan.FromSeconds(1));
        JsonNode list = await List(client);
        Assert.Equal(["LOC:Paris"], Shown(list)); // its whole line is there again: no doubt
        Assert.Equal(1, (int)list["annotations"]![0]!["ranges"]![0]!["start"]!["line"]!);
    }

    [Fact]
    public async Task A_document_that_was_edited_elsewhere_while_closed_is_compared_with_what_it_was()
    {
        await using (TestClient client = await OpenAsync())
        {
            await Add(client, Span("PER", 0, 8, 13));
            await Add(client, Span("LOC", 1, 0, 5));
            clock.Advance(TimeSpan.FromSeconds(1));
            await List(client);
        }
        // Both lines have changed, and the first label's surroundings with them: by its quote alone it would be a matter of doubt.
        const string edited = "Ada saw Linus at home.\nLinus slept.\nParis is warm; Ada left.\n";
        await using TestClient again = await OpenAsync(edited);
        JsonNode list = await List(again);
        Assert.Equal(["PER:Linus", "LOC:Paris"], Shown(list));
        Assert.Equal([0, 2], list["annotations"]!.AsArray().Select(static a => (int)a!["ranges"]![0]!["start"]!["line"]!));

        // A sidecar that somebody else has written speaks of another text: what was kept does not count.
        System.IO.File.AppendAllText(Sidecar, "\n");
        await using TestClient third = await OpenAsync(edited);
        Assert.Contains(Shown(await List(third)), static shown => shown.EndsWith("review", StringComparison.Ordinal) || shown.EndsWith("orphan", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_windows_do_not_overwrite_each_other()
    {
        await using TestClient first = await OpenAsync();
        await using TestClient second = await OpenAsync();
        string ada = await Add(first, Span("PER", 0, 0, 3));
        await Add(second, Span("PER", 0, 8, 13));
        clock.Advance(TimeSpan.FromSeconds(1));
        await List(first);
        await List(second);
        Assert.Equal(["PER:Ada", "PER:Linus"], Shown(await List(first)));
        Assert.Equal(["PER:Ada", "PER:Linus"], Shown(await List(second)));

        // What one deletes the other does not bring back, even as it saves a text that moved it.
        await Ok(Annotate(first, $$"""{"remove":["{{ada}}"]}"""));
        clock.Advance(TimeSpan.FromSeconds(1));
        await List(first);
        await Edit(second, "So ", TestClient.Range(0, 0, 0, 0));
        await Save(second, "So " + Story);
        Assert.Equal(["PER:Linus"], Shown(await List(second)));
        await second.Notify("workspace/didChangeWatchedFiles", new JsonObject { ["changes"] = new JsonArray(new JsonObject { ["uri"] = new Uri(Sidecar).AbsoluteUri, ["type"] = 2 }) });
        Assert.DoesNotContain(ada, System.IO.File.ReadAllText(Sidecar), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_annotators_labels_are_shown_cannot_be_changed_and_move_with_the_text()
    {
        System.IO.File.WriteAllText(File + "@bob.al.jsonl", new Sidecar(
            [.. Anchoring.Describe(Story, [new Annotation { Id = "b1", Kind = AnnotationKind.Span, Label = "LOC", Fragments = [new(17, 22)], By = "bob" }])], [], []).Format());
        await using TestClient client = await OpenAsync(settings: JsonNode.Parse("""{"annotation":{"annotator":"anna"}}"""));
        await Add(client, Span("PER", 0, 0, 3));
        JsonNode list = await List(client);
        Assert.Equal(["PER:Ada", "LOC:Paris"], Shown(list));
        Assert.Equal(("anna", "bob"), ((string?)list["annotator"], (string?)list["others"]![0]));
        Assert.Equal([true, false], list["annotations"]!.AsArray().Select(static a => (bool)a!["own"]!));
        Assert.Contains("another annotator", (string?)(await Annotate(client, """{"remove":["b1"]}"""))["message"], StringComparison.Ordinal);
        await Edit(client, "Then ", TestClient.Range(0, 0, 0, 0));
        await Save(client, "Then " + Story);
        await List(client);
        Assert.Contains("\"from\":22", System.IO.File.ReadAllText(File + "@bob.al.jsonl"), StringComparison.Ordinal);
        Assert.Contains("\"label\":\"PER\"", System.IO.File.ReadAllText(File + "@anna.al.jsonl"), StringComparison.Ordinal);
        Assert.False(System.IO.File.Exists(Sidecar));
    }

    [Fact]
    public async Task The_label_set_is_listed_and_held_to()
    {
        System.IO.File.WriteAllText(Path.Combine(folder, "attention-lens.labels.json"), """
            {"version":1,"spans":[{"name":"PER","color":"#aabbcc","key":"p"},{"name":"LOC"}],"relations":[{"name":"lives-in","from":["PER"],"to":["LOC"]}],
             "constraints":{"overlap":false,"nest":false}}
            """);
        await using TestClient client = await OpenAsync();
        JsonNode labels = (await List(client))["labels"]!;
        Assert.Equal(["PER #aabbcc p", "LOC orange "], labels["spans"]!.AsArray().Select(static l => $"{(string?)l!["name"]} {(string?)l["color"]} {(string?)l["key"]}"));
        string ada = await Add(client, Span("PER", 0, 0, 3));
        string paris = await Add(client, Span("LOC", 0, 17, 22));
        Assert.Contains("no span label", (string?)(await Annotate(client, $$"""{"add":[{{Span("ORG", 0, 8, 13)}}]}"""))["message"], StringComparison.Ordinal);
        Assert.Contains("overlaps", (string?)(await Annotate(client, $$"""{"add":[{{Span("LOC", 0, 1, 6)}}]}"""))["message"], StringComparison.Ordinal);
        string wrong = $$"""{"kind":"relation","label":"lives-in","from":"{{paris}}","to":"{{ada}}"}""";
        // All of an action or nothing of it.
        Assert.Equal("failed", (string?)(await Annotate(client, $$"""{"add":[{{Span("PER", 0, 8, 13)}},{{wrong}}]}"""))["status"]);
        Assert.Equal(["PER:Ada", "LOC:Paris"], Shown(await List(client)));
        string relation = await Add(client, $$"""{"kind":"relation","label":"lives-in","from":"{{ada}}","to":"{{paris}}"}""");
        await Ok(Annotate(client, $$"""{"remove":["{{ada}}"]}"""));
        Assert.DoesNotContain(relation, (await List(client)).ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Suggestions_are_a_queue_and_what_was_shown_is_recorded_apart_from_undo()
    {
        await using TestClient client = await OpenAsync();
        string ada = await Add(client, Span("PER", 0, 0, 3));
        JsonObject similar = Document();
        similar["id"] = ada;
        similar["similar"] = false;
        JsonNode found = await Ok(client.Request("attentionLens/similarSpans", similar));
        JsonNode only = Assert.Single(found["spans"]!.AsArray())!;
        Assert.Equal(("Ada", "exact", 16), ((string?)only["text"], (string?)only["source"], (int)only["range"]!["start"]!["character"]!));

        await Ok(Annotate(client, $$"""{"add":[{{Span("PER", 1, 16, 19, ",\"status\":\"suggested\",\"source\":\"exact\",\"score\":1")}},{{Span("PER", 0, 8, 13, ",\"status\":\"suggested\",\"score\":0.6")}}],"title":"suggest"}"""));
        Assert.Equal(["PER:Ada", "PER:Linus suggested", "PER:Ada suggested"], Shown(await List(client)));
        JsonObject next = Document();
        next["position"] = TestClient.Position(0, 0);
        next["kind"] = "suggestion";
        JsonNode first = await Ok(client.Request("attentionLens/nextAnnotation", next.DeepClone()));
        Assert.Equal((0, 8, 2), ((int)first["range"]!["start"]!["line"]!, (int)first["range"]!["start"]!["character"]!, (int)first["count"]!));
        JsonNode after = next.DeepClone();
        after["after"] = (string?)first["id"];
        Assert.Equal(1, (int)(await Ok(client.Request("attentionLens/nextAnnotation", after)))["range"]!["start"]!["line"]!);
        JsonNode uncertain = next.DeepClone();
        uncertain["position"] = TestClient.Position(1, 0);
        uncertain["order"] = "uncertain";
        Assert.Equal((string?)first["id"], (string?)(await Ok(client.Request("attentionLens/nextAnnotation", uncertain)))["id"]);

        string linus = (string)first["id"]!;
        await Ok(Annotate(client, $$"""{"change":[{"id":"{{linus}}","shown":true}]}"""));
        await Ok(Annotate(client, $$"""{"change":[{"id":"{{linus}}","status":"rejected"}],"title":"reject"}"""));
        Assert.Equal(["PER:Ada", "PER:Linus rejected", "PER:Ada suggested"], Shown(await List(client)));
        // Rejected text is not offered again.
        Assert.Empty((await Ok(client.Request("attentionLens/similarSpans", similar.DeepClone())))["spans"]!.AsArray());
        Assert.Equal("reject", (string?)(await Ok(History(client)))["title"]);
        JsonNode item = (await List(client))["annotations"]!.AsArray().Single(a => (string?)a!["id"] == linus)!;
        Assert.Equal(("suggested", true), ((string?)item["status"], (bool)item["shown"]!));
    }

    [Fact]
    public async Task Hidden_states_find_runs_of_as_many_words_and_heads_are_ranked_for_a_relation()
    {
        await using TestClient client = await OpenAsync();
        string linus = await Add(client, Span("PER", 0, 8, 13));
        string paris = await Add(client, Span("LOC", 0, 17, 22));
        JsonObject similar = Document();
        similar["id"] = linus;
        JsonArray spans = (await Ok(client.Request("attentionLens/similarSpans", similar)))["spans"]!.AsArray();
        Assert.All(spans, span => Assert.DoesNotContain(' ', (string)span!["text"]!));
        double[] scores = [.. spans.Select(static span => (double)span!["score"]!)];
        Assert.Equal(scores.OrderDescending(), scores);

        JsonObject relation = Document();
        relation["from"] = linus;
        relation["to"] = paris;
        JsonNode heads = await Ok(client.Request("attentionLens/relationCandidates", relation));
        double[] strengths = [.. heads["heads"]!.AsArray().Select(static h => Math.Max((double)h!["forward"]!, (double)h["backward"]!))];
        Assert.Equal(strengths.OrderDescending(), strengths);
        Assert.InRange((double)heads["uniform"]!, 0.0001, 1);

        // The number is the row of the head itself.
        JsonObject row = new() { ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0), Uri) };
        JsonNode best = heads["heads"]![0]!;
        JsonArray tokens = (await Ok(client.Request("attentionLens/tokens", row.DeepClone())))["tokens"]!.AsArray();
        int At(string text) => (int)tokens.First(t => (string?)t!["text"] == text)!["index"]!;
        row["query"] = At("Linus");
        row["view"] = new JsonObject { ["layer"] = (int)best["layer"]!, ["head"] = (int)best["head"]! };
        byte[] bytes = Convert.FromBase64String((string)(await Ok(client.Request("attentionLens/row", row)))["weights"]!);
        Assert.Equal(BitConverter.ToSingle(bytes, At("Paris") * 4), (double)best["forward"]!, 1e-5); // rounded to six digits on the wire
    }

    [Fact]
    public async Task A_rationale_is_held_against_the_weights_beside_chance()
    {
        await using TestClient client = await OpenAsync();
        JsonObject request = Document();
        request["position"] = TestClient.Position(0, 1);
        Assert.Equal("empty", (string?)(await client.Request("attentionLens/rationale", request.DeepClone()))["status"]);

        // Mark exactly the tokens with the strongest weights: agreement is then perfect, and chance is not.
        JsonNode tints = await Ok(client.Request("attentionLens/tints", new JsonObject { ["scope"] = TestClient.Scope(TestClient.Range(0, 0, 0, 0), Uri) }));
        float[] weights = [.. tints["weights"]!.AsArray().Select(static w => (float)w!)];
        int[] places = [.. tints["tokens"]!.AsArray().Select(static n => (int)n!)];
        foreach (int token in Enumerable.Range(0, weights.Length).OrderByDescending(i => weights[i]).Take(2))
            await Add(client, Span("rationale", places[token * 5], places[(token * 5) + 1], places[(token * 5) + 3]));
        JsonNode found = await Ok(client.Request("attentionLens/rationale", request.DeepClone()));
        Assert.Equal((weights.Length, 2, 2), ((int)found["tokens"]!, (int)found["marked"]!, (int)found["chosen"]!));
        Assert.Equal((1.0, 1.0), ((double)found["auprc"]!["value"]!, (double)found["tokenF1"]!["value"]!));
        Assert.InRange((double)found["auprc"]!["chance"]!, 2.0 / weights.Length, 0.99);
        Assert.Equal(2.0 / weights.Length, (double)found["tokenF1"]!["chance"]!, 1e-4); // two of n at random: 2·k·h/(n(h+k)) = 2/n, rounded to four digits

        request["scores"] = "first";
        request["view"] = new JsonObject { ["method"] = "rollout" };
        Assert.Equal("rollout", (string?)(await Ok(client.Request("attentionLens/rationale", request)))["view"]!["method"]);
    }

    [Fact]
    public async Task What_is_labelled_here_and_not_there_is_found_and_so_is_the_next_part_without_a_label()
    {
        await using TestClient client = await OpenAsync(Story + "\nParisian nights; in Paris.\n\nNothing here.\n");
        await Add(client, Span("LOC", 0, 17, 22));
        JsonNode text = Assert.Single((await Ok(client.Request("attentionLens/labelConsistency", Document())))["texts"]!.AsArray())!;
        Assert.Equal("Paris", (string?)text["text"]);
        Assert.Equal([1, 3], text["unlabelled"]!.AsArray().Select(static r => (int)r!["start"]!["line"]!)); // not inside "Parisian"
        JsonObject next = Document();
        next["position"] = TestClient.Position(0, 0);
        next["kind"] = "unlabelled";
        JsonNode found = await Ok(client.Request("attentionLens/nextAnnotation", next));
        Assert.Equal((3, 2), ((int)found["range"]!["start"]!["line"]!, (int)found["count"]!));
    }

    [Fact]
    public async Task The_corpus_counts_labels_approvals_and_disagreement()
    {
        System.IO.File.WriteAllText(Path.Combine(folder, "attention-lens.labels.json"), """{"version":1,"spans":[{"name":"PER"},{"name":"LOC"}]}""");
        Directory.CreateDirectory(Path.Combine(folder, "more"));
        System.IO.File.WriteAllText(Path.Combine(folder, "more", "empty.md"), "Nothing.");
        System.IO.File.WriteAllText(Path.Combine(folder, "image.png"), "");
        System.IO.File.WriteAllText(File + "@bob.al.jsonl", new Sidecar([.. Anchoring.Describe(Story,
        [
            new Annotation { Id = "b1", Kind = AnnotationKind.Span, Label = "PER", Fragments = [new(0, 3)] },
            new Annotation { Id = "b2", Kind = AnnotationKind.Span, Label = "PER", Fragments = [new(8, 13)] },
        ])], [], []).Format());
        await using TestClient client = await OpenAsync();
        await Add(client, Span("PER", 0, 0, 3));
        await Add(client, """{"kind":"approval","label":"approved"}""");
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True((bool)(await List(client))["approved"]!);
        JsonArray documents = (await Ok(client.Request("attentionLens/annotatedCorpus", new JsonObject { ["folder"] = Uri })))["documents"]!.AsArray();
        Assert.Equal(["more/empty.md", "story.txt"], documents.Select(static d => (string?)d!["name"]));
        JsonNode story = documents[1]!;
        Assert.Equal((1, true), ((int)story["labels"]!["PER"]!, (bool)story["approved"]!));
        Assert.Equal(1 - (2.0 / 3), (double)story["disagreement"]!, 1e-4); // one shared span of three
    }

    [Fact]
    public async Task An_export_comes_back_by_import_and_adds_nothing_twice()
    {
        await using TestClient client = await OpenAsync("😊 Ada met Linus.\n");
        string ada = await Add(client, Span("PER", 0, 3, 6));
        string linus = await Add(client, Span("PER", 0, 11, 16));
        await Add(client, $$"""{"kind":"relation","label":"knows","from":"{{ada}}","to":"{{linus}}"}""");
        JsonObject file = Document();
        file["format"] = "web-annotation";
        file["path"] = Path.Combine(folder, "out.jsonld");
        Assert.Equal(3, (int)(await Ok(client.Request("attentionLens/exportAnnotations", file.DeepClone())))["count"]!);
        JsonNode again = await Ok(client.Request("attentionLens/importAnnotations", file.DeepClone()));
        Assert.Equal(0, (int)again["count"]!);
        await Ok(Annotate(client, $$"""{"remove":["{{linus}}"]}"""));
        Assert.Equal(2, (int)(await Ok(client.Request("attentionLens/importAnnotations", file.DeepClone())))["count"]!);
        Assert.Equal(["PER:Ada", "PER:Linus"], Shown(await List(client)));
        file["format"] = "nonsense";
        Assert.Contains("no annotation format", (string?)(await client.Request("attentionLens/exportAnnotations", file.DeepClone()))["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_input_is_one_sentence_and_loses_nothing()
    {
        System.IO.File.WriteAllText(Sidecar, "{\"al\":2}\n");
        await using TestClient client = await OpenAsync();
        JsonNode refused = await client.Request("attentionLens/annotations", Document());
        Assert.Contains("later version", (string?)refused["message"], StringComparison.Ordinal);
        Assert.Equal("failed", (string?)(await Annotate(client, $$"""{"add":[{{Span("PER", 0, 0, 3)}}]}"""))["status"]);
        Assert.Equal("{\"al\":2}\n", System.IO.File.ReadAllText(Sidecar));

        System.IO.File.WriteAllText(Sidecar, "nonsense\n");
        await client.Notify("workspace/didChangeWatchedFiles", new JsonObject { ["changes"] = new JsonArray(new JsonObject { ["uri"] = new Uri(Sidecar).AbsoluteUri, ["type"] = 2 }) });
        Assert.Contains("line 1", (string?)(await List(client))["problems"]![0], StringComparison.Ordinal);
        await Add(client, Span("PER", 0, 0, 3));
        clock.Advance(TimeSpan.FromSeconds(1));
        await List(client);
        Assert.Contains("nonsense", System.IO.File.ReadAllText(Sidecar), StringComparison.Ordinal);

        Assert.Equal("stale", (string?)(await client.Request("attentionLens/annotate", new JsonObject
        {
            ["textDocument"] = new JsonObject { ["uri"] = Uri },
            ["version"] = 99,
            ["remove"] = new JsonArray(),
        }))["status"]);
        Assert.Equal("empty", (string?)(await Annotate(client, $$"""{"add":[{{Span("PER", 0, 3, 3)}}]}"""))["status"]);
        await Assert.ThrowsAsync<RpcException>(() => Annotate(client, """{"add":[{"kind":"thing","label":"X"}]}"""));
        await client.Open("draft", uri: "untitled:Untitled-1");
        JsonNode draft = await client.Request("attentionLens/annotations", JsonNode.Parse("""{"textDocument":{"uri":"untitled:Untitled-1"}}"""));
        Assert.Contains("Save the document first", (string?)draft["message"], StringComparison.Ordinal);
    }
}
