using System.Collections.Immutable;
using System.Numerics.Tensors;
using AttentionLens.Analysis;
using AttentionLens.Corpora;
using AttentionLens.Corpora.Annotations;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;
using AttentionLens.Tokenization;
using Span = AttentionLens.Corpora.Annotations.TextRange;
using TextRange = AttentionLens.LanguageServer.Protocol.TextRange;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>The requests that hold annotations and a model against each other.</summary>
internal sealed class EvidenceHandlers(AnnotationService annotations, AttentionService attention)
{
    /// <summary>A pass over each is a second of work or more for a large model.</summary>
    private const int MaxSegments = 400;

    /// <summary>Below this the nearest neighbour of a mean hidden state is any text at all.</summary>
    private const double MinSimilarity = 0.5;

    private const int MaxExamples = 32;

    private const int MaxHeads = 24;

    /// <summary>One annotation with what it is told apart from.</summary>
    private sealed record Sought(Annotation Example, ImmutableArray<Span> Alike, Span[] Judged);

    public Func<CancellationToken, Task<SimilarSpansResult>> Similar(SimilarSpansParams request, ServerState state)
    {
        Task<Sought> asked = annotations.Ask(request.TextDocument.Uri, document =>
        {
            Annotation example = document.Own.Live.Items.GetValueOrDefault(request.Id) is { Kind: AnnotationKind.Span, Fragments.IsEmpty: false } found
                ? found
                : throw new AttentionException(AttentionStatus.Failed, "That annotation has no place in the text.");
            Annotation[] same = [.. document.Own.Items.Where(a => a.Kind == AnnotationKind.Span && a.Label == example.Label && !a.Fragments.IsEmpty)];
            return new Sought(
                example,
                [.. same.Where(static a => a.Status == AnnotationStatus.Accepted && a.Fragments.Length == 1).Select(static a => a.Fragments[0]).Take(MaxExamples)],
                // What is labelled, suggested or was rejected needs no second question. Another label there is no reason not to ask: spans may overlap.
                [.. same.SelectMany(static a => a.Fragments).OrderBy(static range => range.Start)]);
        });
        return cancellation => attention.AnswerAsync(state, request.TextDocument.Uri, "attentionLens/similarSpans", async () =>
        {
            Sought sought = await asked.ConfigureAwait(false);
            DocumentSnapshot document = Document(state, request.TextDocument);
            var judged = new Intervals(sought.Judged);
            string text = document.Text.ToString(), quote = sought.Example.Fragments[0].Of(text).ToString();
            var found = new List<SimilarSpan>();
            if (sought.Example.Fragments.Length == 1)
            {
                found.AddRange(Occurrences.Of(text, quote).Where(range => !judged.Touch(range))
                    .Select(range => new SimilarSpan(AnnotationHandlers.Range(document, range), quote, "exact", 1)));
            }
            if (request.Similar)
                found.AddRange(await NeighboursAsync(document, state, sought, judged, quote, Math.Clamp(request.Limit, 0, 200), cancellation).ConfigureAwait(false));
            return new SimilarSpansResult { Version = document.Version, Spans = [.. found] };
        });
    }

    public Func<CancellationToken, Task<RelationCandidatesResult>> Relations(RelationCandidatesParams request, ServerState state)
    {
        Task<(Annotation From, Annotation To)> asked = annotations.Ask(request.TextDocument.Uri, document => (Span(document, request.From), Span(document, request.To)));
        return cancellation => attention.AnswerAsync(state, request.TextDocument.Uri, "attentionLens/relationCandidates", async () =>
        {
            (Annotation from, Annotation to) = await asked.ConfigureAwait(false);
            SegmentAttention read = await ReadAsync(request.TextDocument, state, from.Fragments[0].Start, request.View, Keep.Attention, Priority.Interactive, cancellation).ConfigureAwait(false);
            using HeldModel.Lease lease = AttentionService.Enter(read, request.View);
            Weighing weighing = AttentionService.Resolve(read, request.View, cancellation);
            int[] queries = Tokens(read, read.Queries(weighing.Stack), from), keys = Tokens(read, read.Keys(weighing.Stack), to);
            int[] keysBack = Tokens(read, read.Keys(weighing.Stack), from), queriesBack = Tokens(read, read.Queries(weighing.Stack), to);
            if (queries.Length == 0 || keys.Length == 0 || keysBack.Length == 0 || queriesBack.Length == 0)
                throw new AttentionException(AttentionStatus.Empty, "The two spans are not in one segment, so no head sees both; try a larger segment in the settings.");
            AttentionView view = attention.View(read, weighing, cancellation);
            float[] row = new float[view.Keys];
            var heads = new List<RelationHead>();
            for (int layer = 0; layer < view.Layers; layer++)
            {
                for (int head = 0; head < view.Heads; head++)
                    heads.Add(new RelationHead(layer, head, Share(layer, head, queries, keys), Share(layer, head, queriesBack, keysBack)));
            }
            return new RelationCandidatesResult
            {
                Version = read.Document.Version,
                Heads = [.. heads.OrderByDescending(static h => Math.Max(h.Forward, h.Backward)).Take(MaxHeads)],
                Uniform = Math.Round((double)keys.Length / view.Keys, 6),
            };

            double Share(int layer, int head, int[] from, int[] to)
            {
                Weights.Row(view, new HeadSelection(layer, head), from, row, cancellation);
                return Math.Round(to.Sum(key => (double)row[key]), 6);
            }
        });

        static Annotation Span(DocumentAnnotations document, string id) => document.Own.Live.Items.GetValueOrDefault(id) is { Kind: AnnotationKind.Span, Fragments.IsEmpty: false } span
            ? span
            : throw new AttentionException(AttentionStatus.Failed, "One of the two spans has no place in the text.");
    }

    /// <summary>
    /// Runs of as many words as the example has, by the cosine of their mean last hidden state with the nearest labelled one. The mean of all tokens is
    /// taken away first: hidden states share a large common direction, which alone would make everything alike.
    /// </summary>
    private async Task<IEnumerable<SimilarSpan>> NeighboursAsync(
        DocumentSnapshot document, ServerState state, Sought sought, Intervals judged, string quote, int limit, CancellationToken cancellation)
    {
        var pieces = new List<(Span Range, float[] State)>();
        var examples = new List<float[]>();
        var sum = Array.Empty<double>();
        long count = 0;
        int words = Math.Max(1, WordCount(quote));
        var identifier = new TextDocumentIdentifier(document.Uri);
        // The example's own surroundings first: where there are too many segments, those beside it are read.
        IEnumerable<Segment> segments = document.Segments(state.ReaderOf(document)).Segments
            .OrderBy(segment => !sought.Alike.Any(range => range.Start < segment.End && range.End > segment.Start))
            .ThenBy(segment => Math.Abs(segment.Start - sought.Example.Fragments[0].Start)).Take(MaxSegments);
        foreach (Segment segment in segments)
        {
            cancellation.ThrowIfCancellationRequested();
            SegmentAttention read;
            try
            {
                read = await ReadAsync(identifier, state, segment.Start, null, Keep.HiddenStates, Priority.Background, cancellation).ConfigureAwait(false);
            }
            catch (AttentionException nothing) when (nothing.Status == AttentionStatus.Empty)
            {
                continue;
            }
            AttentionStack stack = read.Trace.Stack(AttentionKind.Encoder) ?? read.Trace.Stacks[0];
            Token[] tokens = read.Queries(stack);
            if (stack.HiddenStates == 0 || tokens.Length == 0)
                throw new AttentionException(AttentionStatus.Failed, $"{read.Model.Name} keeps no hidden states to compare.");
            Add(read, stack, tokens);
        }
        if (examples.Count == 0 || count == 0)
            return [];
        float[] mean = [.. sum.Select(x => (float)(x / count))];
        foreach (float[] vector in examples)
            TensorPrimitives.Subtract(vector, mean, vector);
        var scored = new List<(Span Range, double Score)>();
        foreach ((Span range, float[] vector) in pieces)
        {
            TensorPrimitives.Subtract(vector, mean, vector);
            scored.Add((range, examples.Max(example => (double)TensorPrimitives.CosineSimilarity<float>(example, vector))));
        }
        var taken = new List<Span>();
        foreach ((Span range, double score) in scored.OrderByDescending(static x => x.Score).ThenBy(static x => x.Range.Start))
        {
            if (taken.Count == limit || score < MinSimilarity)
                break;
            if (!taken.Any(other => other.Start < range.End && range.Start < other.End))
                taken.Add(range);
        }
        var scores = scored.DistinctBy(static x => x.Range).ToDictionary(static x => x.Range, static x => x.Score);
        return taken.Select(range => new SimilarSpan(AnnotationHandlers.Range(document, range), range.Of(document.Text.ToString()).ToString(), "similar", Math.Round(Math.Min(1, scores[range]), 4)));

        void Add(SegmentAttention read, AttentionStack stack, Token[] tokens)
        {
            ReadOnlySpan<float> hidden = stack.HiddenState(stack.HiddenStates - 1);
            int width = hidden.Length / tokens.Length;
            if (sum.Length == 0)
                sum = new double[width];
            for (int i = 0; i < tokens.Length; i++)
            {
                for (int k = 0; k < width; k++)
                    sum[k] += hidden[(i * width) + k];
            }
            count += tokens.Length;
            foreach (Span example in sought.Alike.Where(range => range.Start >= read.Segment.Start && range.End <= read.Segment.End))
            {
                if (read.TokensIn(tokens, example.Start, example.End) is { Length: > 0 } inside)
                    examples.Add(Mean(hidden, width, inside[0], inside[^1]));
            }
            Word[] all = [.. Words.Of(tokens).Where(static word => !word.Special && word.Sequence == 0)];
            for (int w = 0; w + words <= all.Length; w++)
            {
                (int start, int end) = read.Segment.ToDocument(all[w].Start, Math.Min(all[w + words - 1].End, read.Segment.Map.TextLength));
                var range = new Span(start, end);
                ReadOnlySpan<char> text = range.Of(document.Text.ToString());
                if (range.Length == 0 || judged.Touch(range) || text.SequenceEqual(quote) || !char.IsLetterOrDigit(text[0]) || !char.IsLetterOrDigit(text[^1]))
                    continue;
                pieces.Add((range, Mean(hidden, width, all[w].First, all[w + words - 1].Last)));
            }
        }
    }

    private static float[] Mean(ReadOnlySpan<float> hidden, int width, int first, int last)
    {
        float[] mean = new float[width];
        for (int i = first; i <= last; i++)
            TensorPrimitives.Add(mean, hidden.Slice(i * width, width), mean);
        TensorPrimitives.Divide(mean, last - first + 1, mean);
        return mean;
    }

    /// <summary>Runs of letters and digits.</summary>
    private static int WordCount(string text)
    {
        int words = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsLetterOrDigit(text[i]) && (i == 0 || !char.IsLetterOrDigit(text[i - 1])))
                words++;
        }
        return words;
    }

    private Task<SegmentAttention> ReadAsync(
        TextDocumentIdentifier document, ServerState state, int offset, View? view, Keep keep, Priority priority, CancellationToken cancellation)
    {
        Position at = Document(state, document).Text.Position(offset);
        // Several segments of one document are asked about: a question about each, so that none replaces another.
        return attention.AskAsync(state, new Scope(document, new TextRange(at, at)), view, at, $"annotations {offset}", priority, cancellation, keep);
    }

    private static int[] Tokens(SegmentAttention read, Token[] tokens, Annotation span) =>
        [.. span.Fragments.SelectMany(range => read.TokensIn(tokens, range.Start, range.End)).Distinct()];

    private static DocumentSnapshot Document(ServerState state, TextDocumentIdentifier document) =>
        state.Documents.GetValueOrDefault(document.Uri) ?? throw new AttentionException(AttentionStatus.Failed, "The document is not open; open it again.");
}
