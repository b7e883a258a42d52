using System.Text;

namespace AttentionLens.Corpora.Annotations.Formats;

/// <summary>
/// CoNLL-2002 and CoNLL-2003: one token a line, its label in the last column, an empty line between sentences, <c>-DOCSTART-</c> between
/// documents. The text is rebuilt with one space between tokens and one sentence a line, since the original spacing is not in the file.
/// </summary>
public sealed class ConllFormat : AnnotationFormat
{
    public override string Name => "conll";

    public override string Description => "CoNLL-2002/2003 (IOB1, IOB2, IOBES, BILOU read; IOB2 written)";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var documents = new List<AnnotatedDocument>();
        var text = new StringBuilder();
        var spans = new List<Annotation>();
        var tokens = new List<TextRange>();
        var tags = new List<string>();
        var number = 0;
        foreach (var line in ReadText(path).TrimStart('\uFEFF').Split('\n').Select(l => l.TrimEnd('\r')))
        {
            number++;
            if (line.StartsWith("-DOCSTART-", StringComparison.Ordinal))
            {
                EndSentence();
                EndDocument();
                continue;
            }

            var columns = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (columns.Length == 0)
            {
                EndSentence();
                continue;
            }

            if (columns.Length == 1) report(new Loss(name, $"line {number} has a token but no label; it was read as O"));
            if (tokens.Count > 0) text.Append(' ');
            tokens.Add(new TextRange(text.Length, text.Length + columns[0].Length));
            text.Append(columns[0]);
            tags.Add(columns.Length == 1 ? "O" : columns[^1]);
        }

        EndSentence();
        EndDocument();
        if (documents.Count == 0) throw new SidecarException($"{Path.GetFileName(path)} holds no token lines; a CoNLL file has one token a line with its label in the last column.");
        return documents;

        void EndSentence()
        {
            if (tokens.Count == 0) return;
            spans.AddRange(TokenTags.Spans(tags).Select(s => Span(s.Label, new TextRange(tokens[s.Start].Start, tokens[s.End - 1].End))));
            text.Append('\n');
            tokens.Clear();
            tags.Clear();
        }

        void EndDocument()
        {
            if (text.Length == 0) return;
            documents.Add(new AnnotatedDocument(documents.Count == 0 ? name : $"{name}-{documents.Count + 1}", text.ToString(), [.. spans]));
            text.Clear();
            spans.Clear();
        }
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            ReportLosses(document, report);
            output.Append("-DOCSTART- -X- O O\n\n");
            var (tokens, dropped) = TokenTags.Tag(document.Text, Placed(document).Select(a => (Whole(a), a.Label)));
            if (dropped > 0) report(new Loss(document.Name, $"{dropped} span(s) inside or across others were left out: a token has one label"));
            if (tokens.Zip(tokens.Skip(1)).Any(p => !p.First.Token.Of(document.Text).IsWhiteSpace() && !p.Second.Token.Of(document.Text).IsWhiteSpace()))
                report(new Loss(document.Name, "the format keeps no spacing: tokens that touch come back with a space between them"));
            var open = false;
            foreach (var (token, tag) in tokens)
            {
                var word = token.Of(document.Text);
                if (word.IsWhiteSpace())
                {
                    if (open && word.ContainsAny('\r', '\n')) output.Append('\n');
                    if (word.ContainsAny('\r', '\n')) open = false;
                    continue;
                }

                output.Append(word).Append(" -X- _ ").Append(open ? tag : tag.Replace("I-", "B-", StringComparison.Ordinal)).Append('\n');
                open = true;
            }

            if (open) output.Append('\n');
        }

        WriteText(path, output.ToString());
    }
}

/// <summary>
/// CoNLL-U: ten columns, the surface text from <c># text</c> or <c>SpaceAfter=No</c>; entity labels as IOB tags under <c>NER</c> in MISC, as
/// Stanza writes them. Dependencies are not annotations here; they stay in the source file.
/// </summary>
public sealed class ConlluFormat : AnnotationFormat
{
    public override string Name => "conllu";

    public override string Description => "CoNLL-U with entities as NER=B-LABEL in MISC";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var documents = new List<AnnotatedDocument>();
        var text = new StringBuilder();
        var spans = new List<Annotation>();
        var tokens = new List<TextRange>();
        var tags = new List<string>();
        var coveredUntil = 0;
        var spaceAfter = false;
        foreach (var line in ReadText(path).TrimStart('\uFEFF').Split('\n').Select(l => l.TrimEnd('\r')))
        {
            if (line.StartsWith("# newdoc", StringComparison.Ordinal)) EndDocument();
            if (line.StartsWith('#')) continue;
            if (line.Length == 0)
            {
                EndSentence();
                continue;
            }

            var columns = line.Split('\t');
            if (columns.Length != 10) throw new SidecarException($"{Path.GetFileName(path)} is not CoNLL-U: a token line has {columns.Length} columns instead of 10.");
            if (columns[0].Contains('.', StringComparison.Ordinal)) continue;
            var misc = columns[9].Split('|').Select(p => p.Split('=', 2)).Where(p => p.Length == 2).DistinctBy(p => p[0].ToUpperInvariant()).ToDictionary(p => p[0].ToUpperInvariant(), p => p[1]);
            var tag = misc.GetValueOrDefault("NER") ?? "O";
            if (columns[0].Split('-') is [_, var last])
            {
                // A multiword token is the surface; the words under it have no text of their own.
                Add(columns[1], tag, misc);
                coveredUntil = int.TryParse(last, out var l) ? l : 0;
            }
            else if (int.TryParse(columns[0], out var index) && index <= coveredUntil)
            {
                if (tags[^1] == "O") tags[^1] = tag;
            }
            else
            {
                Add(columns[1], tag, misc);
            }
        }

        EndDocument();
        return documents;

        void Add(string form, string tag, Dictionary<string, string> misc)
        {
            if (spaceAfter) text.Append(' ');
            tokens.Add(new TextRange(text.Length, text.Length + form.Length));
            text.Append(form);
            tags.Add(tag);
            spaceAfter = misc.GetValueOrDefault("SPACEAFTER") != "No";
        }

        void EndSentence()
        {
            if (tokens.Count == 0) return;
            spans.AddRange(TokenTags.Spans(tags).Select(s => Span(s.Label, new TextRange(tokens[s.Start].Start, tokens[s.End - 1].End))));
            text.Append('\n');
            tokens.Clear();
            tags.Clear();
            coveredUntil = 0;
            spaceAfter = false;
        }

        void EndDocument()
        {
            EndSentence();
            if (text.Length == 0) return;
            documents.Add(new AnnotatedDocument(documents.Count == 0 ? name : $"{name}-{documents.Count + 1}", text.ToString(), [.. spans]));
            text.Clear();
            spans.Clear();
        }
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            ReportLosses(document, report);
            output.Append("# newdoc id = ").Append(document.Name.ReplaceLineEndings(" ")).Append('\n');
            var (tokens, dropped) = TokenTags.Tag(document.Text, Placed(document).Select(a => (Whole(a), a.Label)));
            if (dropped > 0) report(new Loss(document.Name, $"{dropped} span(s) inside or across others were left out: a token has one label"));
            var index = 0;
            for (var i = 0; i < tokens.Count; i++)
            {
                var (token, tag) = tokens[i];
                var word = token.Of(document.Text);
                if (word.IsWhiteSpace())
                {
                    if (word.ContainsAny('\r', '\n') && index > 0)
                    {
                        output.Append('\n');
                        index = 0;
                    }

                    continue;
                }

                var tight = i + 1 < tokens.Count && !tokens[i + 1].Token.Of(document.Text).IsWhiteSpace();
                var misc = string.Join('|', new[] { tag == "O" ? null : $"NER={(index == 0 ? tag.Replace("I-", "B-", StringComparison.Ordinal) : tag)}", tight ? "SpaceAfter=No" : null }.OfType<string>());
                output.Append(++index).Append('\t').Append(word).Append("\t_\t_\t_\t_\t_\t_\t_\t").Append(misc.Length == 0 ? "_" : misc).Append('\n');
            }

            if (index > 0) output.Append('\n');
        }

        WriteText(path, output.ToString());
    }
}
