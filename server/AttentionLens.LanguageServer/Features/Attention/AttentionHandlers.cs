using System.Runtime.InteropServices;
using AttentionLens.Analysis;
using AttentionLens.Analysis.Outputs;
using AttentionLens.Kernels;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.JsonRpc;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>The <c>attentionLens/*</c> requests.</summary>
internal sealed class AttentionHandlers(AttentionService service)
{
    /// <summary>The longest answer of a tile or an overview, in cells.</summary>
    private const int MaxCells = 16 * 1024 * 1024;

    public Task<TintsResult> TintsAsync(TintsParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, request.Position ?? request.Query?.Start, state, "attentionLens/tints",
            request.Position is null && request.Query is null ? Priority.Background : Priority.Interactive, attention => Tints(attention, request, cancellation), cancellation);

    public Task<TokensResult> TokensAsync(TokensParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, null, state, "attentionLens/tokens", Priority.Interactive, attention => new TokensResult
        {
            View = ResolvedIfThere(attention, request.View, cancellation),
            Range = attention.Range,
            Model = Summary(attention.Model),
            Tokens = Items(attention, attention.Text.Source),
            TargetTokens = attention.Text.Target.Length > 0 ? Items(attention, attention.Text.Target) : null,
            Generated = attention.Text.Key.Generated ? true : null,
            Image = attention.Text.Image,
            Stacks = [.. attention.Stacks.Select(static s => new StackItem(SegmentAttention.NameOf(s.Kind), s.Layers, s.Heads, s.Queries, s.Keys))],
            Pair = attention.Pair,
        }, cancellation);

    public Task<RowResult> RowAsync(RowParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, null, state, "attentionLens/row", Priority.Interactive, attention =>
        {
            Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
            if (request.Query < 0 || request.Query >= weighing.Stack.Queries)
                throw new RpcException(ErrorCodes.InvalidParams, $"query must be from 0 to {weighing.Stack.Queries - 1}.");
            float[] row = new float[weighing.Stack.Keys];
            service.Row(attention, weighing, [request.Query], row, cancellation);
            return new RowResult { Weights = Base64(row) };
        }, cancellation);

    public Task<RowsResult> RowsAsync(RowsParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, null, state, "attentionLens/rows", Priority.Background, attention =>
        {
            View all = (request.View ?? new View()) with { Layer = new LayerOrHead(null), Head = new LayerOrHead(null), Heads = null };
            AttentionView view = service.View(attention, AttentionService.Resolve(attention, all, cancellation), cancellation);
            if (request.Query < 0 || request.Query >= view.Queries)
                throw new RpcException(ErrorCodes.InvalidParams, $"query must be from 0 to {view.Queries - 1}.");
            long cells = (long)view.Layers * view.Heads * view.Keys;
            if (cells > MaxCells)
                throw new RpcException(ErrorCodes.InvalidParams, "The rows would be more than 16 million weights; ask for one head at a time.");
            float[] data = new float[cells];
            for (int i = 0; i < view.Layers * view.Heads; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                view.Row(i / view.Heads, i % view.Heads, request.Query, data.AsSpan(i * view.Keys, view.Keys), cancellation);
            }
            return new RowsResult { Data = Base64(data), Shape = [view.Layers, view.Heads, view.Keys] };
        }, cancellation);

    public Task<ScoreResult> ScoreAsync(ScoreParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, null, state, "attentionLens/score", Priority.Interactive, attention =>
        {
            (AttentionStack stack, Method method, HeadSelection selection, _) = AttentionService.Resolve(attention, request.View, cancellation);
            if (method != Methods.Raw || selection is not { Layer: { } layer, Head: { } head, Set: null })
                throw new AttentionException(AttentionStatus.Failed, "Choose one layer, one head and the raw weights: a mean has no query and key of its own.");
            if (request.Query < 0 || request.Query >= stack.Queries || request.Key < 0 || request.Key >= stack.Keys)
                throw new RpcException(ErrorCodes.InvalidParams, $"query must be from 0 to {stack.Queries - 1}, key from 0 to {stack.Keys - 1}.");
            if (attention.Held.Runner.Loaded is null)
                throw MethodInput.NoModel();
            AttentionScore score = stack.Score(layer, head, request.Query, request.Key)
                ?? throw new AttentionException(AttentionStatus.Failed, "The two tokens are too far apart: no window of the model holds both.");
            bool isMasked = float.IsNegativeInfinity(score.Bias);
            float dot = 0;
            for (int i = 0; i < score.Query.Length; i++)
                dot += score.Query[i] * score.Key[i];
            return new ScoreResult
            {
                QueryVector = Base64(score.Query),
                KeyVector = Base64(score.Key),
                Scale = score.Scale,
                Bias = isMasked ? null : score.Bias,
                Score = isMasked ? null : (score.Scale * dot) + score.Bias,
                LogSumExp = isMasked || !float.IsFinite(score.LogSumExp) ? null : score.LogSumExp,
                Weight = score.Weight,
                IsMasked = isMasked,
            };
        }, cancellation);

    public Task<TileResult> TileAsync(TileParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.View, null, state, "attentionLens/tile", Priority.Interactive, attention => Tile(attention, request, cancellation), cancellation);

    public Task<OverviewResult> OverviewAsync(OverviewParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, request.Changes is null ? null : new View(Changes: request.Changes), null, state, "attentionLens/overview", Priority.Background, attention =>
        {
            AttentionStack stack = attention.Stack(request.Stack);
            int cells = request.Size * request.Size;
            if (request.Size is < 1 or > 1024 || (long)cells * stack.Layers * stack.Heads > MaxCells)
                throw new RpcException(ErrorCodes.InvalidParams, "size must be at least 1 and the answer at most 16 MB.");
            byte[] data = new byte[stack.Layers * stack.Heads * cells];
            float[] thumbnail = new float[cells];
            float[][] maxima = [.. Enumerable.Range(0, stack.Layers).Select(_ => new float[stack.Heads])];
            for (int i = 0; i < stack.Layers * stack.Heads; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                stack.Tile(i / stack.Heads, i % stack.Heads, Range.All, Range.All, request.Size, request.Size, Pooling.Max, thumbnail);
                float most = Largest(thumbnail);
                Quantize(thumbnail, most, data.AsSpan(i * cells, cells));
                maxima[i / stack.Heads][i % stack.Heads] = most;
            }
            return new OverviewResult
            {
                Data = Convert.ToBase64String(data),
                Shape = [stack.Layers, stack.Heads, request.Size, request.Size],
                Maxima = maxima,
                Stack = SegmentAttention.NameOf(stack.Kind),
                Profiles = Profiles(stack, cancellation),
            };
        }, cancellation);

    public Task<ProfilesResult> ProfilesAsync(ProfilesParams request, ServerState state, CancellationToken cancellation) =>
        AskAsync(request.Scope, null, null, state, "attentionLens/profiles", Priority.Background, attention =>
        {
            AttentionStack stack = attention.Stack(request.Stack);
            return new ProfilesResult { Stack = SegmentAttention.NameOf(stack.Kind), Profiles = Profiles(stack, cancellation) };
        }, cancellation);

    public async Task<ModelInfoResult> ModelInfoAsync(NoParams request, ServerState state, CancellationToken cancellation)
    {
        ModelInfo info;
        try
        {
            info = (await service.Models.GetAsync(null, cancellation).ConfigureAwait(false)).Runner.Info;
        }
#pragma warning disable CA1031 // The reason becomes the answer.
        catch (Exception failure) when (!cancellation.IsCancellationRequested)
        {
            (string status, string message) = service.Describe(failure, "attentionLens/modelInfo");
            return new ModelInfoResult { Status = status, Message = message };
        }
#pragma warning restore CA1031
        return new ModelInfoResult
        {
            Name = info.Name,
            Folder = info.Folder,
            ModelType = info.ModelType,
            Kind = NameOf(info.Kind),
            Layers = info.Layers,
            Heads = info.Heads,
            DecoderLayers = info.DecoderLayers,
            DecoderHeads = info.DecoderHeads,
            HiddenSize = info.HiddenSize,
            VocabularySize = info.VocabularySize,
            Parameters = info.Parameters,
            WeightBytes = info.WeightBytes,
            MaxPositions = info.MaxPositions,
            Methods = [.. Methods.All.Select(static m => new MethodItem(m.Name, m.Title, m.Summary, m.Explain is not null, m.Accumulates))],
        };
    }

    public static ModelSummary Summary(ModelInfo info) =>
        new(info.Name, info.ModelType, NameOf(info.Kind), info.Layers, info.Heads, info.DecoderLayers, info.DecoderHeads, info.MaxPositions);

    private Task<T> AskAsync<T>(
        Scope scope, View? view, Position? focus, ServerState state, string method, Priority priority, Func<SegmentAttention, T> make, CancellationToken cancellation)
        where T : AttentionResult, new() =>
        service.AnswerAsync(state, scope.TextDocument.Uri, method, async () =>
        {
            SegmentAttention attention = await service.AskAsync(state, scope, view, focus, method, priority, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(attention, view);
            return make(attention) with { Version = attention.Document.Version, Status = attention.Status, Message = attention.Text.Notice };
        });

    private TintsResult Tints(SegmentAttention attention, TintsParams request, CancellationToken cancellation)
    {
        if (request.Unit is not ("token" or "word"))
            throw new RpcException(ErrorCodes.InvalidParams, "unit must be \"token\" or \"word\".");
        Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
        AttentionStack stack = weighing.Stack;
        Token[] tokens = attention.Keys(stack);
        TintQuery query = FindQuery(attention, stack, request);
        float[] weights = new float[stack.Keys];
        string? about = null;
        switch (query.Mode)
        {
            case var _ when weighing.Method.Explain is not null:
                TokenScores scores = service.Explained(attention, weighing, query is { Mode: "row" } ? query.Tokens[0] : null, weights, cancellation);
                about = scores.About.Name;
                query = query with { Mode = "output" };
                break;
            case "row":
                service.Row(attention, weighing, query.Tokens, weights, cancellation);
                break;
            case "column":
                weights = new float[stack.Queries];
                tokens = attention.Queries(stack);
                Weights.Column(service.Selected(attention, weighing, cancellation), new HeadSelection(0, 0), query.Tokens[0], weights, cancellation);
                break;
            default:
                Weights.Received(service.Selected(attention, weighing, cancellation), new HeadSelection(0, 0), weights, cancellation);
                break;
        }
        SinkResult sinks = Sinks.Apply(weights, Sinks.Of(tokens, stack.Causal), attention.Settings.SpecialTokens);

        TintUnit[] units = [.. Units(attention, tokens, weights, request.Unit)];
        float max = units.Length == 0 ? 0 : units.Max(static unit => unit.Weight);
        int[] buckets = Steps(units, max, query.Mode == "received");
        int[] own = [.. Enumerable.Range(0, units.Length).Where(i => !units[i].InPair)];
        int[] there = [.. Enumerable.Range(0, units.Length).Where(i => units[i].InPair)];
        return new TintsResult
        {
            Range = attention.Range,
            Mode = query.Mode,
            Query = query.Range,
            Pinned = query.Pinned ? true : null,
            Model = attention.Model.Name,
            View = View.Of(weighing),
            Tokens = Places(own),
            Weights = Array.ConvertAll(own, i => units[i].Weight),
            Buckets = Array.ConvertAll(own, i => buckets[i]),
            Special = sinks.Handling switch { SinkHandling.Show => "shown", SinkHandling.Hide => "hidden", _ => "renormalized" },
            SpecialMass = MathF.Round(sinks.Share, 6),
            Max = max,
            About = about,
            Pair = attention.Pair is { } pair
                ? pair with { Tokens = Places(there), Weights = Array.ConvertAll(there, i => units[i].Weight), Buckets = Array.ConvertAll(there, i => buckets[i]) }
                : null,
        };

        int[] Places(int[] some) => [.. some.SelectMany(i => units[i].Place)];
    }

    /// <summary>A token or word that has a place in a document.</summary>
    private readonly record struct TintUnit(int Index, TextRange Range, float Weight, bool InPair)
    {
        public int[] Place => [Range.Start.Line, Range.Start.Character, Range.End.Line, Range.End.Character, Index];
    }

    /// <summary>Who asks for tokens wants to know which stacks there are: that the view names none of them is no reason to fail.</summary>
    private static View? ResolvedIfThere(SegmentAttention attention, View? view, CancellationToken cancellation)
    {
        try
        {
            return View.Of(AttentionService.Resolve(attention, view, cancellation));
        }
        catch (AttentionException)
        {
            return null;
        }
    }

    private readonly record struct TintQuery(string Mode, int[] Tokens, TextRange? Range, bool Pinned = false);

    /// <summary>The pinned query, else the asked range, else the token at the position, else none: attention received.</summary>
    private static TintQuery FindQuery(SegmentAttention attention, AttentionStack stack, TintsParams request)
    {
        Token[] queries = attention.Queries(stack);
        if (request.Pinned && attention.Document.Pin is { } pin && attention.TokensIn(queries, pin.Start, pin.End) is { Length: > 0 } held)
            return new TintQuery("row", held, attention.Document.Text.Range(pin.Start, pin.End), Pinned: true);
        DocumentText lines = attention.Document.Text;
        if (request.Query is { } asked && attention.TokensIn(queries, lines.Offset(asked.Start), lines.Offset(asked.End)) is { Length: > 0 } several)
            return new TintQuery("row", several, asked);
        if (request.Position is not { } position)
            return new TintQuery("received", [], null);
        int offset = lines.Offset(position);
        if (attention.TokenAt(queries, offset) is >= 0 and var query)
        {
            if (request.Unit == "token")
                return new TintQuery("row", [query], attention.RangeOf(queries[query]));
            Word word = Words.Of(queries).First(word => word.First <= query && query <= word.Last);
            return new TintQuery("row", [.. Enumerable.Range(word.First, word.Last - word.First + 1)], attention.RangeOf(Merged(queries[query], word)));
        }
        Token[] keys = attention.Keys(stack);
        return stack.Kind == AttentionKind.Cross && attention.TokenAt(keys, offset) is >= 0 and var source
            ? new TintQuery("column", [source], attention.RangeOf(keys[source]))
            : new TintQuery("received", [], null);
    }

    /// <summary>Tokens or words with their weights.</summary>
    private static IEnumerable<TintUnit> Units(SegmentAttention attention, Token[] tokens, float[] weights, string unit)
    {
        if (unit == "token")
        {
            for (int i = 0; i < tokens.Length; i++)
            {
                if (attention.RangeOf(tokens[i]) is { } range)
                    yield return new TintUnit(i, range, MathF.Round(weights[i], 6), !attention.IsOwn(tokens[i]));
            }
            yield break;
        }
        Word[] words = Words.Of(tokens);
        float[] merged = new float[words.Length];
        Words.Sum(weights, words, merged);
        for (int w = 0; w < words.Length; w++)
        {
            Token first = tokens[words[w].First];
            if (attention.RangeOf(Merged(first, words[w])) is { } range)
                yield return new TintUnit(words[w].First, range, MathF.Round(merged[w], 6), !attention.IsOwn(first));
        }
    }

    private static Token Merged(Token first, Word word) => first with { Start = word.Start, End = word.End };

    /// <summary>Weights as steps of the colour scale; see <see cref="TintsResult.Buckets"/>.</summary>
    private static int[] Steps(TintUnit[] units, float max, bool spread)
    {
        // Below a tenth of the maximum the differences are noise and must not fill the whole scale.
        float floor = spread && units.Length > 0 ? Math.Min(units.Select(static unit => unit.Weight).Where(static w => w > 0).DefaultIfEmpty(0).Min(), max * 0.9f) : 0;
        return Array.ConvertAll(units, unit => Buckets.Of(unit.Weight - floor, max - floor));
    }

    private TileResult Tile(SegmentAttention attention, TileParams request, CancellationToken cancellation)
    {
        Weighing weighing = AttentionService.Resolve(attention, request.View, cancellation);
        (AttentionStack stack, _, HeadSelection selection, _) = weighing;
        (int firstRow, int rows) = Span(request.Rows, stack.Queries, "rows");
        (int firstColumn, int columns) = Span(request.Columns, stack.Keys, "columns");
        if (request.Size is not [> 0, > 0])
            throw new RpcException(ErrorCodes.InvalidParams, "size must be two numbers from 1.");
        if (request.Pooling is not ("max" or "mean"))
            throw new RpcException(ErrorCodes.InvalidParams, "pooling must be \"max\" or \"mean\".");
        int height = Math.Min(request.Size[0], rows), width = Math.Min(request.Size[1], columns);
        if ((long)height * width > MaxCells)
            throw new RpcException(ErrorCodes.InvalidParams, "The tile would be larger than 16 million cells; ask for a smaller size.");
        float[] tile = new float[height * width];
        float[] row = new float[stack.Keys];
        AttentionView view = selection.IsOne ? service.View(attention, weighing, cancellation) : service.Selected(attention, weighing, cancellation);
        HeadSelection cell = selection.IsOne ? selection : new HeadSelection(0, 0);
        bool mean = request.Pooling == "mean";
        for (int r = 0; r < height; r++)
        {
            cancellation.ThrowIfCancellationRequested();
            int from = firstRow + (int)((long)r * rows / height), to = firstRow + (int)((long)(r + 1) * rows / height);
            for (int query = from; query < to; query++)
            {
                Weights.Row(view, cell, query, row, cancellation);
                for (int c = 0; c < width; c++)
                {
                    int left = firstColumn + (int)((long)c * columns / width), right = firstColumn + (int)((long)(c + 1) * columns / width);
                    ref float value = ref tile[(r * width) + c];
                    foreach (float weight in row.AsSpan(left, right - left))
                        value = mean ? value + (weight / ((right - left) * (to - from))) : Math.Max(value, weight);
                }
            }
        }
        float max = Largest(tile);
        byte[] bytes = new byte[request.Exact ? 0 : tile.Length];
        if (!request.Exact)
            Quantize(tile, max, bytes);
        return new TileResult { Data = request.Exact ? Base64(tile) : Convert.ToBase64String(bytes), Shape = [height, width], Max = max };
    }

    private static (int First, int Count) Span(int[] range, int limit, string name) =>
        range is [var from, var to] && from >= 0 && from <= to && to <= limit
            ? (from, to - from)
            : throw new RpcException(ErrorCodes.InvalidParams, $"{name} must be [first, one past the last] within 0 to {limit}.");

    private static TokenItem[] Items(SegmentAttention attention, Token[] tokens) =>
        [.. tokens.Select((token, i) => new TokenItem(i, token.Id, token.Text, attention.RangeOf(token), token.Special, token.TypeId, attention.IsOwn(token) ? null : true,
            attention.Readable(token)))];

    private static ProfileItem[][] Profiles(AttentionStack stack, CancellationToken cancellation)
    {
        var profiles = new ProfileItem[stack.Layers][];
        for (int layer = 0; layer < stack.Layers; layer++)
        {
            profiles[layer] = new ProfileItem[stack.Heads];
            for (int head = 0; head < stack.Heads; head++)
            {
                cancellation.ThrowIfCancellationRequested();
                HeadProfile p = stack.Profile(layer, head);
                profiles[layer][head] = new ProfileItem(
                    p.Entropy, p.NormalizedEntropy, p.Max, p.MeanDistance, p.First, p.Separators, p.Previous, p.Next, p.Same);
            }
        }
        return profiles;
    }

    internal static string NameOf(ModelKind kind) => kind switch
    {
        ModelKind.Decoder => "decoder",
        ModelKind.EncoderDecoder => "encoderDecoder",
        ModelKind.Vision => "vision",
        ModelKind.TextVision => "textVision",
        _ => "encoder",
    };

    /// <summary>0 where none is above it.</summary>
    private static float Largest(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
            largest = value > largest ? value : largest;
        return largest;
    }

    /// <summary>Bytes as shares of the largest value: as shares of 1, the weights of an even head over a long text would all be 0.</summary>
    private static void Quantize(ReadOnlySpan<float> values, float largest, Span<byte> bytes)
    {
        for (int i = 0; largest > 0 && i < values.Length; i++)
            bytes[i] = (byte)MathF.Round(Math.Clamp(values[i] / largest, 0, 1) * 255);
    }

    // Every platform that .NET runs on is little-endian, as the protocol is.
    private static string Base64(float[] values) => Convert.ToBase64String(MemoryMarshal.AsBytes<float>(values));
}
