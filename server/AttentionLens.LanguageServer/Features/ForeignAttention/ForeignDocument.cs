using AttentionLens.Analysis;
using AttentionLens.Analysis.Export;
using AttentionLens.Analysis.Import;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.Models;
using AttentionLens.Tokenization;
using AttentionLens.Tokenization.Decoders;

namespace AttentionLens.LanguageServer.Features.ForeignAttention;

/// <summary>
/// Attention that another program computed, as a text: its tokens, which the editor shows as a document of its own, and the weights of a file in place of a
/// pass. An encoder-decoder's target stands in a second paragraph.
/// </summary>
internal sealed record ForeignDocument(string Text, Segment Segment, EncodedText Encoded, AttentionTrace Trace, HeldModel Held)
{
    private const string Between = "\n\n";

    /// <exception cref="ModelException">The file says nothing of each token.</exception>
    public static ForeignDocument Of(AttentionFile file)
    {
        AttentionTrace trace = file.Trace;
        var sides = trace.Stacks.Zip(file.Tokens).ToDictionary(static side => side.First.Kind, static side => side.Second);
        var cross = sides.GetValueOrDefault(AttentionKind.Cross);
        var encoder = sides.GetValueOrDefault(AttentionKind.Encoder);
        AttendedToken[]? decoder = cross.Queries ?? (sides.Count > 1 ? sides.GetValueOrDefault(AttentionKind.Decoder).Queries : null);
        (string first, Token[] source) = Spell(cross.Keys ?? encoder.Keys ?? file.Tokens[0].Keys, 0);
        (string second, Token[] target) = decoder is null ? ("", []) : Spell(decoder, 1);
        foreach (AttentionStack stack in trace.Stacks)
        {
            int queries = target.Length > 0 && stack.Kind is AttentionKind.Decoder or AttentionKind.Cross ? target.Length : source.Length;
            int keys = target.Length > 0 && stack.Kind == AttentionKind.Decoder ? target.Length : source.Length;
            if ((stack.Queries, stack.Keys) != (queries, keys))
                throw new ModelException($"{trace.Model.Name} has matrices of {stack.Queries:N0} by {stack.Keys:N0} weights for {source.Length:N0} tokens; the editor shows attention of every token, 'attention-lens attend --from' other shapes.");
        }
        string text = target.Length > 0 ? first + Between + second : first;
        int start = first.Length + Between.Length;
        Segment? pair = target.Length > 0 ? new Segment(second, start, start + second.Length, OffsetMap.Verbatim(start, second.Length)) : null;
        var segment = new Segment(first, 0, first.Length, OffsetMap.Verbatim(0, first.Length)) { Pair = pair, PairKind = PairKind.Translation };
        var key = new TraceKey(trace.Model.Fingerprint, first, pair?.Text, 0, 0, Keep.Attention);
        return new ForeignDocument(text, segment, new EncodedText(source, target, trace.Input, file.Notice, key), trace, new HeldModel(new Runner(trace.Model)));
    }

    private static (string Text, Token[] Tokens) Spell(AttendedToken[] tokens, int sequence) =>
        SpelledText.Of(Array.ConvertAll(tokens, static token => token.Text), Array.ConvertAll(tokens, static token => token.Special), sequence);

    /// <summary>Stands where a model would: whatever asks it for more than its name is told that there is only a file.</summary>
    private sealed class Runner(ModelInfo info) : IModelRunner
    {
        public ModelInfo Info => info;

        public Model Model => throw MethodInput.NoModel();

        public Model? Loaded => null;

        public TokenizedText Encode(string text, string? pair, CancellationToken cancellation) => throw MethodInput.NoModel();

        public string Spelling(int id) => "";

        public AttentionTrace Forward(ModelInput input, Keep keep, CancellationToken cancellation) => throw MethodInput.NoModel();

        public AttentionTrace Generate(ModelInput input, int maxTokens, Keep keep, CancellationToken cancellation) => throw MethodInput.NoModel();

        public void Dispose()
        {
        }
    }
}
