using System.Text;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>Builds documents from formats with one token a line: what was between tokens becomes text, tags become spans.</summary>
internal sealed class TokenRows(string name)
{
    private readonly StringBuilder _text = new();
    private readonly List<Annotation> _spans = [];
    private readonly List<TextRange> _tokens = [];
    private readonly List<string> _tags = [];

    public List<AnnotatedDocument> Documents { get; } = [];

    /// <param name="before">What stands between this token and the one before it.</param>
    public void Add(string token, string tag, string before)
    {
        _text.Append(before);
        _tokens.Add(new TextRange(_text.Length, _text.Length + token.Length));
        _text.Append(token);
        _tags.Add(tag);
    }

    public bool InSentence => _tokens.Count > 0;

    /// <summary>Gives the last token a tag where it has none.</summary>
    public void Tag(string tag)
    {
        if (_tags is [.., "O"]) _tags[^1] = tag;
    }

    public void EndSentence(string after)
    {
        if (!InSentence) return;
        foreach (var (start, end, label) in TokenTags.Spans(_tags))
            _spans.Add(new Annotation { Id = Annotation.NewId(), Kind = AnnotationKind.Span, Label = label, Fragments = [new TextRange(_tokens[start].Start, _tokens[end - 1].End)] });
        _text.Append(after);
        _tokens.Clear();
        _tags.Clear();
    }

    /// <summary>Call <see cref="EndSentence"/> first.</summary>
    public void EndDocument()
    {
        if (_text.Length == 0) return;
        Documents.Add(new AnnotatedDocument(Documents.Count == 0 ? name : $"{name}-{Documents.Count + 1}", _text.ToString(), [.. _spans]));
        _text.Clear();
        _spans.Clear();
    }

    /// <summary>One token of a text to be written: its tag, and the white space around it.</summary>
    public readonly record struct Row(TextRange Token, string Tag, string After);

    /// <summary>The lines of a document as rows of tagged tokens; reports spans and labels that tags cannot hold. White space before the first token is <paramref name="lead"/>.</summary>
    public static List<List<Row>> Of(AnnotatedDocument document, IReadOnlyCollection<Annotation> spans, Action<Loss> report, out string lead)
    {
        var renamed = new HashSet<string>();
        var (tokens, dropped) = TokenTags.Tag(document.Text, spans.Select(a => (new TextRange(a.Fragments[0].Start, a.Fragments[^1].End), Word(a.Label))));
        if (dropped > 0) report(new Loss(document.Name, $"{dropped} span(s) inside or across others were left out: a token has one label"));
        var crossing = spans.Count(a => document.Text.AsSpan(a.Fragments[0].Start..a.Fragments[^1].End).ContainsAny('\r', '\n'));
        if (crossing > 0) report(new Loss(document.Name, $"{crossing} span(s) that cross a line end were written as one for each line: a sentence ends there"));
        if (renamed.Count > 0) report(new Loss(document.Name, $"the label(s) {string.Join(", ", renamed)} were written with _ in place of spaces and bars"));
        var sentences = new List<List<Row>>();
        var open = new List<Row>();
        lead = "";
        for (var i = 0; i < tokens.Count;)
        {
            var (token, tag) = tokens[i++];
            var end = token.End;
            while (i < tokens.Count && tokens[i].Token.Of(document.Text).IsWhiteSpace()) end = tokens[i++].Token.End;
            if (token.Of(document.Text).IsWhiteSpace())
            {
                // Only what stands before the first token gets here: the rest is taken as what follows a token.
                lead = document.Text[token.Start..end];
                continue;
            }

            var after = document.Text[token.End..end];
            // A span that crosses a line end goes on in the next sentence, where it must begin anew.
            open.Add(new Row(token, open.Count == 0 && tag.StartsWith("I-", StringComparison.Ordinal) ? "B-" + tag[2..] : tag, after));
            if (!after.AsSpan().ContainsAny('\r', '\n')) continue;
            sentences.Add(open);
            open = [];
        }

        if (open.Count > 0) sentences.Add(open);
        return sentences;

        string Word(string label)
        {
            var word = string.Concat(label.Select(c => char.IsWhiteSpace(c) || c == '|' ? '_' : c));
            if (word != label) renamed.Add(label);
            return word;
        }
    }
}
