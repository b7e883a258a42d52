using System.CommandLine;
using System.Globalization;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;
using AttentionLens.Analysis.Import;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Cli.Formats;
using AttentionLens.Cli.Text;
using AttentionLens.Models;

namespace AttentionLens.Cli;

/// <summary><c>attend</c>: one text through one model, its attention in one of several formats.</summary>
internal static class AttendCommand
{
    /// <summary>What a format that holds whole matrices writes at most: at 10 bytes a weight of JSON, ten gigabytes.</summary>
    private const long MostWeights = 1_000_000_000;

    public static Command Create(Terminal terminal)
    {
        var input = new TextInput(terminal);
        var pair = new Option<string?>("--pair") { Description = "A second text: the context of a question, the hypothesis of a premise.", HelpName = "TEXT" };
        var target = new Option<string?>("--target") { Description = "What an encoder-decoder writes for the text.", HelpName = "TEXT" };
        var model = ModelOption();
        var ids = new Option<string?>("--ids") { Description = "Token ids instead of a text: \"5 7 9\".", HelpName = "IDS" };
        var typeIds = new Option<string?>("--type-ids") { Description = "Token type ids that go with --ids.", HelpName = "IDS" };
        var decoderIds = new Option<string?>("--decoder-ids") { Description = "Decoder token ids of an encoder-decoder.", HelpName = "IDS" };
        var image = new Option<string?>("--image") { Description = "A PNG or JPEG image for a vision model; for CLIP beside a text or alone.", HelpName = "FILE" };
        var from = new Option<string?>("--from") { Description = "Attention that another program computed (NPZ, safetensors, BertViz JSON) instead of a text and a model.", HelpName = "FILE" };
        var tensors = new Option<string?>("--input") { Description = "Input tensors (input_ids, attention_mask, pixel_values, ...) from a safetensors file.", HelpName = "FILE" };
        var layer = new Option<string?>("--layer") { Description = "A layer from 0, 'last', 'all' or 'mean'.", HelpName = "N|last|all|mean" };
        var head = new Option<string?>("--head") { Description = "A head from 0, 'all' or 'mean'.", HelpName = "N|all|mean" };
        var method = new Option<string>("--method") { Description = "How weights are made from attention.", DefaultValueFactory = _ => "raw", HelpName = "NAME" };
        var special = new Option<string>("--special") { Description = "Special tokens and the attention sink: show, hide, renormalize.", DefaultValueFactory = _ => "show", HelpName = "HOW" };
        var format = FormatOption(Format.Names);
        var output = new Option<string?>("--output", "-o") { Description = "Write the result to a file.", HelpName = "FILE" };
        var at = PredictCommand.AtOption();
        var outputToken = new Option<string?>("--output-token") { Description = "For methods that explain an output: the word or class; the most likely one when absent.", HelpName = "WORD" };
        var contrast = new Option<string?>("--contrast") { Description = "Explain why the output rather than this one.", HelpName = "WORD" };
        var changes = new ChangeOptions();
        var several = new HeadOptions();
        special.OneOf(["show", "hide", "renormalize"]);
        method.OneOf([.. Methods.All.Select(m => m.Name)]);

        var command = new Command("attend", "Show which tokens of a text attend to which.")
        {
            input.Text, input.File, pair, target, model, ids, typeIds, decoderIds, image, tensors, from, layer, head, method, at, outputToken, contrast, special, format, output,
        };
        several.AddTo(command);
        changes.AddTo(command);
        command.SetWork((parsed, cancellation) =>
        {
            var chosen = Format.Named(parsed.GetRequiredValue(format));
            // Data formats hold everything unless told otherwise; pictures show one matrix.
            var whole = chosen.IsData ? Selection.All : Selection.Mean;
            var analysis = Methods.Named(parsed.GetRequiredValue(method));
            var layers = parsed.GetValue(layer) is { } l ? Parse(l, layer) : analysis.Accumulates && !chosen.IsData ? Selection.Last : whole;
            var heads = parsed.GetValue(head) is { } h ? Parse(h, head) : whole;
            var set = several.Read(parsed);
            if (set is not null && (parsed.GetValue(layer) ?? parsed.GetValue(head)) is not null)
            {
                throw new UsageException("--heads and --layers choose several heads as one; give no --layer or --head beside them.");
            }

            var path = parsed.GetValue(output);
            if (chosen.IsBinary && path is null && terminal.OutputIsTerminal)
            {
                throw new UsageException($"{chosen.Name} is binary; add -o FILE or redirect the output.");
            }

            var handling = Enum.Parse<SinkHandling>(parsed.GetRequiredValue(special), ignoreCase: true);
            var choice = new OutputChoice(null, parsed.GetValue(outputToken), parsed.GetValue(contrast));
            if (analysis.Explain is null && (choice != default || parsed.GetValue(at) is not null))
            {
                throw new UsageException($"--at, --output-token and --contrast are for methods that explain an output; '{analysis.Name}' shows attention.");
            }

            if (parsed.GetValue(from) is { } file)
            {
                Option[] instead = [input.File, pair, target, model, ids, typeIds, decoderIds, image, tensors];
                if (input.Read(parsed) is not null || instead.Any(option => parsed.GetResult(option) is not null) || changes.AreGiven(parsed))
                {
                    throw new UsageException("--from takes attention as it is in the file; give no text, model, input or changes beside it.");
                }

                var stored = AttentionFile.Read(file, cancellation);
                Write(terminal, chosen, path, FromFile(terminal, stored, analysis, layers, heads, handling, cancellation) with { Set = set }, stored.Notice, cancellation);
                return;
            }

            var request = new Request(
                input.Read(parsed), parsed.GetValue(pair), parsed.GetValue(target), Ids(parsed, ids), Ids(parsed, typeIds), Ids(parsed, decoderIds),
                parsed.GetValue(image), parsed.GetValue(tensors));
            request.Check();
            var folder = ModelLocator.Resolve(parsed.GetValue(model));
            using var loaded = LoadModel(terminal, folder, cancellation);
            var (asIs, sources, targets) = ModelInputs.Make(request, loaded, cancellation);
            var modelInput = changes.Apply(parsed, loaded, asIs);
            choice = choice with { Position = parsed.GetValue(at) is { } place ? PredictCommand.Position(place, targets.Length > 0 ? targets : sources) : null };
            var keep = analysis.Needs | (chosen.WritesOutputs && analysis == Methods.Raw ? Keep.HiddenStates | Keep.Logits : Keep.Attention);
            var trace = loaded.ForwardLong(modelInput, ModelInputs.Windows(sources), keep, cancellation);
            if (!trace.Stacks.Any(stack => analysis.AppliesTo(loaded.Info.Kind, stack.Kind)))
            {
                throw new CommandException($"{analysis.Title} is not defined for this model's attention.");
            }

            using var progress = new Progress(terminal, analysis.Name);
            var stacks = trace.Stacks.Where(stack => analysis.AppliesTo(loaded.Info.Kind, stack.Kind)).Select(stack =>
            {
                var patches = stack.Kind == AttentionKind.Vision ? ModelInputs.Patches(loaded.Info) : null;
                var queries = stack.Kind is AttentionKind.Decoder or AttentionKind.Cross && loaded.Info.Kind == ModelKind.EncoderDecoder ? targets : patches ?? sources;
                var keys = stack.Kind == AttentionKind.Cross ? sources : queries;
                var view = analysis.Apply(new MethodInput(loaded, trace, stack, choice, progress, cancellation));
                if (view is ExplainedView explained && One(explained, choice, trace, cancellation) is { } scores)
                {
                    // One output: a matrix of one row.
                    var row = new float[view.Keys];
                    explained.Shares(scores, row);
                    view = new DenseView(stack.Kind, 1, 1, 1, row.Length, false, [row]);
                    queries = [new AttendedToken(-1, scores.About.Name, 0, 0, false, 0, 0)];
                }

                return new StackResult(handling == SinkHandling.Show ? view : new SinkView(view, [.. keys.Select((t, i) => t.Special || (stack.Causal && i == 0))], handling), stack, queries, keys);
            }).ToArray();
            var result = new AttentionResult(trace, analysis.Name, layers, heads, stacks)
            {
                Text = request.Text,
                Pair = request.Pair,
                Target = request.Target,
                Special = handling,
                Set = set,
            };
            var notice = trace.Windows is [var opening, .., _]
                ? $"The text has {modelInput.InputIds.Length} tokens and {loaded.Info.Name} reads {loaded.Info.MaxPositions} at once: {trace.Windows.Count} overlapping windows, "
                    + $"one every {trace.Windows[1].First - opening.First} tokens; a token's weights are those of the window that shows most around it."
                : null;
            Write(terminal, chosen, path, result, notice, cancellation);
        });
        return command;
    }

    private static AttentionResult FromFile(
        Terminal terminal, AttentionFile file, Method analysis, Selection layers, Selection heads, SinkHandling handling, CancellationToken cancellation)
    {
        using var progress = new Progress(terminal, analysis.Name);
        var stacks = file.Trace.Stacks.Zip(file.Tokens).Where(pair => analysis.AppliesTo(file.Trace.Model.Kind, pair.First.Kind)).Select(pair =>
        {
            var (stack, (queries, keys)) = pair;
            var view = analysis.Apply(new MethodInput(null, file.Trace, stack, default, progress, cancellation));
            return new StackResult(handling == SinkHandling.Show ? view : new SinkView(view, [.. keys.Select((t, i) => t.Special || (stack.Causal && i == 0))], handling), stack, queries, keys);
        }).ToArray();
        return stacks.Length > 0
            ? new AttentionResult(file.Trace, analysis.Name, layers, heads, stacks) { Special = handling }
            : throw new CommandException($"{analysis.Title} is not defined for cross-attention, and the file holds nothing else.");
    }

    private static void Write(Terminal terminal, Format chosen, string? path, AttentionResult result, string? notice, CancellationToken cancellation)
    {
        foreach (var stack in result.Stacks)
        {
            var matrices = result.Selections(stack).Count(); // a layer or head that does not exist is said before anything is written
            var cells = (long)stack.View.Queries * stack.View.Keys;
            var weights = matrices * cells;
            if (cells > Array.MaxLength || (chosen is not TableFormat && weights > MostWeights))
            {
                throw new CommandException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"The text is too long for {chosen.Name}: {stack.View.Queries:N0} by {stack.View.Keys:N0} tokens in {matrices} matrices are {weights:N0} weights, and {MostWeights:N0} are the most that is written; choose --layer and --head, or a shorter text."));
            }
        }

        if (notice is not null)
        {
            terminal.Error.WriteLine(DisplayText.Clean(notice));
        }

        OutputFile.Write(terminal, path, stream => chosen.Write(result, stream, path is null ? terminal : terminal with { Color = false, OutputIsTerminal = false }, cancellation));
    }

    /// <summary>The one output that is meant; null where only a position says which, so that the answer is a matrix of all.</summary>
    private static TokenScores? One(ExplainedView view, OutputChoice choice, AttentionTrace trace, CancellationToken cancellation)
    {
        var mask = trace.Model.Head == HeadKind.MaskedLanguage && choice.Position is null;
        var perToken = trace.Model.Head is HeadKind.TokenClassification or HeadKind.Discriminator && choice.Position is null;
        if (perToken)
        {
            return null;
        }

        try
        {
            return view.Scores(choice.Position, cancellation);
        }
        catch (MethodException) when (mask)
        {
            return null; // no mask in the text
        }
    }

    public static Option<string?> ModelOption() => new("--model", "-m")
    {
        Description = "A model folder, the name of an embedded model, or ORG/NAME in the Hugging Face cache; the embedded model when absent.",
        HelpName = "DIR|NAME",
    };

    public static Option<string> FormatOption(IReadOnlyList<string> names)
    {
        var option = new Option<string>("--format")
        {
            Description = "How the result is written.",
            DefaultValueFactory = _ => "table",
            HelpName = string.Join('|', names),
        };
        option.OneOf(names);
        return option;
    }

    public static Model LoadModel(Terminal terminal, string folder, CancellationToken cancellation)
    {
        using var progress = new Progress(terminal, $"loading {Path.GetFileName(folder)}");
        return Model.Load(folder, progress, cancellation);
    }

    private static Selection Parse(string text, Option<string?> option) => Selection.Parse(text)
        ?? throw new UsageException($"{option.Name} takes a number from 0, 'last', 'all' or 'mean', not '{text}'.");

    private static int[]? Ids(ParseResult parsed, Option<string?> option)
    {
        if (parsed.GetValue(option) is not { } text)
        {
            return null;
        }

        var parts = text.Split([' ', ',', '\t', '\r', '\n', '[', ']'], StringSplitOptions.RemoveEmptyEntries);
        return [.. parts.Select(part => int.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw new UsageException($"{option.Name} takes whole numbers such as \"5 7 9\", not '{part}'."))];
    }
}

/// <summary>What <c>attend</c> was given to read.</summary>
internal sealed record Request(
    string? Text, string? Pair, string? Target, int[]? Ids, int[]? TypeIds, int[]? DecoderIds, string? Image, string? Tensors)
{
    public void Check()
    {
        if (Tensors is not null && (Text ?? Pair ?? Target ?? Image) is not null | Ids is not null | TypeIds is not null | DecoderIds is not null)
        {
            throw new UsageException("--input holds all inputs; give no text, ids or image beside it.");
        }

        if (Text is not null && Ids is not null)
        {
            throw new UsageException("Give either a text or --ids, not both.");
        }

        if (Text is null && Ids is null && Tensors is null && Image is null)
        {
            throw new UsageException("There is nothing to read: give TEXT, -f FILE, --ids, --image, --input or --from.");
        }

        if (Text is null && Pair is not null)
        {
            throw new UsageException("--pair needs a first text: TEXT or -f FILE.");
        }

        if (TypeIds is not null && TypeIds.Length != Ids?.Length)
        {
            throw new UsageException("--type-ids needs --ids of the same number.");
        }

        if (Target is not null && DecoderIds is not null)
        {
            throw new UsageException("Give either --target or --decoder-ids, not both.");
        }

        if (Text is not null && string.IsNullOrWhiteSpace(Text))
        {
            throw new CommandException("The text is empty; give at least one word.");
        }

        if (Ids is { Length: 0 })
        {
            throw new UsageException("--ids is empty; give at least one id.");
        }
    }
}
