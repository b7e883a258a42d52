using AttentionLens.Analysis;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Protocol;
using AttentionLens.LanguageServer.Settings;
using AttentionLens.Models;
using AttentionLens.Tokenization;

namespace AttentionLens.LanguageServer.Features.Attention;

/// <summary>One segment of one version of a document, its tokens, and what the model made of them.</summary>
/// <param name="Document">The one asked about.</param>
/// <param name="Elsewhere">The document of the segment's other text when that is not the one asked about.</param>
/// <param name="Segment">The first text; the second one is its pair.</param>
internal sealed record SegmentAttention(
    DocumentSnapshot Document, Partner? Elsewhere, ServerSettings Settings, Segment Segment, EncodedText Text, AttentionTrace Trace, HeldModel Held)
{
    public ModelInfo Model => Held.Runner.Info;

    /// <summary>Set where the document is one text, pair and all.</summary>
    public TextRange? Whole { get; init; }

    /// <summary>The text asked about, in its document.</summary>
    public TextRange Range
    {
        get
        {
            if (Whole is { } all)
                return all;
            Segment own = Part(Elsewhere?.IsSource == true ? 1 : 0);
            return Document.Text.Range(own.Start, own.End);
        }
    }

    /// <summary>The other text, when it stands in another document.</summary>
    public PairedText? Pair
    {
        get
        {
            if (Elsewhere is not var (document, isSource))
                return null;
            Segment other = Part(isSource ? 0 : 1);
            return new PairedText(document.Uri, document.Version, document.Text.Range(other.Start, other.End), isSource);
        }
    }

    /// <summary>True when a token stands in the document asked about.</summary>
    public bool IsOwn(Token token) => Elsewhere is null || (token.Sequence == 1) == Elsewhere.IsSource || token.Special;

    private Segment Part(int sequence) => sequence == 1 && Segment.Pair is { } pair ? pair : Segment;

    public string Status => Text.Notice is null ? AttentionStatus.Ok : AttentionStatus.Truncated;

    /// <summary>What attention there is to ask about: the decoder of an encoder-decoder without a target has seen nothing but its start token.</summary>
    public IEnumerable<AttentionStack> Stacks =>
        Trace.Stacks.Where(stack => stack.Kind == AttentionKind.Encoder || Model.Kind != ModelKind.EncoderDecoder || Text.Target.Length > 0);

    /// <summary>The tokens along the keys of a stack.</summary>
    public Token[] Keys(AttentionStack stack) => Text.Target.Length > 0 && stack.Kind == AttentionKind.Decoder ? Text.Target : Text.Source;

    /// <summary>The tokens along the queries of a stack.</summary>
    public Token[] Queries(AttentionStack stack) =>
        Text.Target.Length > 0 && stack.Kind is AttentionKind.Decoder or AttentionKind.Cross ? Text.Target : Text.Source;

    /// <summary>The stack that a view names, else the one people look at first.</summary>
    /// <exception cref="AttentionException">The model has none of that name, or it is empty: there is no target text.</exception>
    public AttentionStack Stack(string? name)
    {
        AttentionKind kind = name switch
        {
            null when Text.Image is not null || Model.Kind == ModelKind.Vision => AttentionKind.Vision,
            null when Model.Kind == ModelKind.Decoder => AttentionKind.Decoder,
            null when Text.Target.Length > 0 => AttentionKind.Cross,
            null => AttentionKind.Encoder,
            "encoder" => AttentionKind.Encoder,
            "decoder" => AttentionKind.Decoder,
            "cross" => AttentionKind.Cross,
            "vision" => AttentionKind.Vision,
            _ => throw new AttentionException(AttentionStatus.Failed, "A stack is \"encoder\", \"decoder\", \"cross\" or \"vision\"."),
        };
        AttentionStack? stack = Trace.Stack(kind);
        if (stack is not null && !Has(stack))
            throw new AttentionException(AttentionStatus.Empty, $"There is no target text for {NameOf(kind)} attention; pair this document with one.");
        return stack ?? throw new AttentionException(AttentionStatus.Failed, $"{Model.Name} has no {NameOf(kind)} attention.");
    }

    /// <summary>False for the decoder of an encoder-decoder that has seen nothing but its start token, because there is no target text.</summary>
    public bool Has(AttentionStack stack) => Model.Kind != ModelKind.EncoderDecoder || stack.Kind == AttentionKind.Encoder || Text.Target.Length > 0;

    /// <summary>The layer and head of a view, with the settings' values where it names none.</summary>
    /// <exception cref="AttentionException">The stack has no such layer or head.</exception>
    public HeadSelection Selection(View? view, Method method, AttentionStack stack, CancellationToken cancellation)
    {
        if ((view?.Heads ?? (view?.Layer is null && view?.Head is null ? Settings.Heads : null)) is { Length: > 0 } heads)
            return Several(heads, stack);
        LayerOrHead layer = view?.Layer ?? Settings.Layer, head = view?.Head ?? Settings.Head;
        // A view that names one of the two means that one, whatever the setting chooses for both.
        if (layer.IsAuto && (view?.Layer is not null || view?.Head is null))
        {
            // The last layer of such a method is about all layers and heads; no head of it could be chosen.
            return method.Accumulates ? new HeadSelection(stack.Layers - 1, null) : Held.ClearestHead(
                stack.Kind, stack.Queries, () => ClearestHead.Of(AttentionView.Raw(stack), Sinks.Of(Queries(stack), causal: false), Sinks.Of(Keys(stack), stack.Causal), cancellation));
        }
        var selection = new HeadSelection(layer.Index, head.Index);
        if (selection.Layer >= stack.Layers)
            throw new AttentionException(AttentionStatus.Failed, $"{Model.Name} has no layer {selection.Layer}: its layers are 0 to {stack.Layers - 1}.");
        if (selection.Head >= stack.Heads)
            throw new AttentionException(AttentionStatus.Failed, $"{Model.Name} has no head {selection.Head}: its heads are 0 to {stack.Heads - 1}.");
        return selection;
    }

    private HeadSelection Several(string heads, AttentionStack stack)
    {
        if (!HeadSet.TryParse(heads, out HeadSet? set))
            throw new AttentionException(AttentionStatus.Failed, $"Heads are written as {HeadSet.Notation}.");
        return set.Missing(stack.Layers, stack.Heads) is { } missing
            ? throw new AttentionException(AttentionStatus.Failed, $"{Model.Name} has no {missing}.")
            : new HeadSelection(null, null, set);
    }

    /// <summary>The range of a token in its document, see <see cref="IsOwn"/>; null for a token without text there (special, or added by the reader).</summary>
    public TextRange? RangeOf(Token token)
    {
        if (token.Special || token.Start >= token.End)
            return null;
        Segment part = Part(token.Sequence);
        DocumentSnapshot document = IsOwn(token) ? Document : Elsewhere!.Document;
        (int start, int end) = part.ToDocument(token.Start, Math.Min(token.End, part.Map.TextLength));
        // A byte-level token may be half of a character; what is painted is the whole one.
        (start, end) = document.WholeCharacters(start, end);
        return start < end ? document.Text.Range(start, end) : null;
    }

    /// <summary>The text of a token as the document has it; the vocabulary's spelling for a special one.</summary>
    public string TextOf(Token token)
    {
        if (token.Special || token.Start >= token.End)
            return token.Text;
        Segment part = Part(token.Sequence);
        return part.Text[token.Start..Math.Min(token.End, part.Text.Length)];
    }

    /// <summary>What people read for a token whose spelling they cannot, see <see cref="Tokenizer.Readable"/>.</summary>
    public string? Readable(Token token) => Held.Runner.Loaded?.Tokenizer?.Readable(token, token.Start < token.End ? Part(token.Sequence).Text : null);

    /// <summary>The token under a document offset, else the one that ends there; -1 when neither exists, as on markup, or in a column that is no text.</summary>
    public int TokenAt(Token[] tokens, int offset)
    {
        int sequence = Elsewhere is { } elsewhere ? elsewhere.IsSource ? 1 : 0 : !Segment.Contains(offset) && Segment.Pair?.Contains(offset) == true ? 1 : 0;
        Segment part = Part(sequence);
        if (offset < part.Start || offset > part.End)
            return -1;
        int at = part.ToText(offset), before = -1;
        for (int i = 0; i < tokens.Length; i++)
        {
            Token token = tokens[i];
            if (token.Special || token.Sequence != sequence)
                continue;
            if (token.Start <= at && at < token.End)
                return Stands(token) ? i : before;
            if (token.End == at && Stands(token))
                before = i;
        }
        return before;

        // The map of the text gives every offset of the document the next character that is text.
        bool Stands(Token token)
        {
            (int start, int end) = part.ToDocument(token.Start, Math.Min(token.End, part.Map.TextLength));
            return start <= offset && offset <= end;
        }
    }

    /// <summary>Indices of the tokens that touch document[start, end).</summary>
    public int[] TokensIn(Token[] tokens, int start, int end)
    {
        var found = new List<int>();
        for (int i = 0; i < tokens.Length; i++)
        {
            Token token = tokens[i];
            if (token.Special || token.Start >= token.End || !IsOwn(token))
                continue;
            Segment part = Part(token.Sequence);
            (int from, int to) = part.ToDocument(token.Start, Math.Min(token.End, part.Map.TextLength));
            if (from < end && to > start)
                found.Add(i);
        }
        return [.. found];
    }

    public static string NameOf(AttentionKind kind) => kind switch
    {
        AttentionKind.Decoder => "decoder",
        AttentionKind.Cross => "cross",
        AttentionKind.Vision => "vision",
        _ => "encoder",
    };
}
