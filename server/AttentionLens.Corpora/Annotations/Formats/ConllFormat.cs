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
        var rows = new TokenRows(name);
        var number = 0;
        foreach (var line in ReadText(path).TrimStart('\uFEFF').Split('\n').Select(l => l.TrimEnd('\r')))
        {
            number++;
            var columns = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            var documentStart = line.StartsWith("-DOCSTART-", StringComparison.Ordinal);
            if (columns.Length == 0 || documentStart) rows.EndSentence("\n");
            if (documentStart) rows.EndDocument();
            if (columns.Length == 0 || documentStart) continue;
            if (columns.Length == 1) report(new Loss(name, $"line {number} has a token but no label; it was read as O"));
            rows.Add(columns[0], columns.Length == 1 ? "O" : columns[^1], rows.InSentence ? " " : "");
        }

        rows.EndSentence("\n");
        rows.EndDocument();
        if (rows.Documents.Count == 0) throw new SidecarException($"{Path.GetFileName(path)} holds no token lines; a CoNLL file has one token a line with its label in the last column.");
        return rows.Documents;
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            ReportLosses(document, report);
            output.Append("-DOCSTART- -X- O O\n\n");
            var sentences = TokenRows.Of(document, [.. Placed(document)], report, out var lead);
            if (lead.Length > 0 || sentences.Any(s => s.SkipLast(1).Any(r => r.After != " ") || s[^1].After is not ("\n" or "")))
                report(new Loss(document.Name, "the format keeps no spacing: tokens come back with one space between them, sentences with one line end"));
            foreach (var sentence in sentences)
            {
                foreach (var row in sentence) output.Append(row.Token.Of(document.Text)).Append(" -X- _ ").Append(row.Tag).Append('\n');
                output.Append('\n');
            }
        }

        WriteText(path, output.ToString());
    }
}

/// <summary>
/// CoNLL-U: ten columns, the surface text from <c>SpaceAfter=No</c> and <c>SpacesAfter</c> in MISC; entity labels as IOB tags under <c>NER</c>
/// there, as Stanza writes them. Dependencies are not annotations here; they stay in the source file.
/// </summary>
public sealed class ConlluFormat : AnnotationFormat
{
    public override string Name => "conllu";

    public override string Description => "CoNLL-U with entities as NER=B-LABEL in MISC";

    public override IReadOnlyList<AnnotatedDocument> Import(string path, Action<Loss> report)
    {
        var rows = new TokenRows(Path.GetFileNameWithoutExtension(path));
        var coveredUntil = 0;
        // What the last token's MISC says of the white space behind it; null = nothing.
        string? spacing = null;
        var analysed = false;
        foreach (var line in ReadText(path).TrimStart('\uFEFF').Split('\n').Select(l => l.TrimEnd('\r')))
        {
            if (line.StartsWith("# newdoc", StringComparison.Ordinal))
            {
                EndSentence();
                rows.EndDocument();
            }

            if (line.StartsWith('#')) continue;
            if (line.Length == 0)
            {
                EndSentence();
                continue;
            }

            var columns = line.Split('\t');
            if (columns.Length != 10) throw new SidecarException($"{Path.GetFileName(path)} is not CoNLL-U: a token line has {columns.Length} columns instead of 10.");
            if (columns[0].Contains('.', StringComparison.Ordinal)) continue;
            analysed |= columns[2..9].Any(c => c != "_");
            var misc = columns[9].Split('|').Select(p => p.Split('=', 2)).Where(p => p.Length == 2).DistinctBy(p => p[0].ToUpperInvariant()).ToDictionary(p => p[0].ToUpperInvariant(), p => p[1]);
            var tag = misc.GetValueOrDefault("NER") ?? "O";
            // A multiword token (1-2) is the surface; the words under it have no text of their own.
            if (columns[0].Split('-') is [_, var last]) coveredUntil = int.TryParse(last, out var l) ? l : 0;
            else if (int.TryParse(columns[0], out var index) && index <= coveredUntil)
            {
                rows.Tag(tag);
                continue;
            }

            rows.Add(columns[1], tag, (rows.InSentence ? spacing ?? " " : "") + Unescaped(misc.GetValueOrDefault("SPACESBEFORE") ?? ""));
            spacing = misc.GetValueOrDefault("SPACESAFTER") is { } spaces ? Unescaped(spaces) : misc.GetValueOrDefault("SPACEAFTER") == "No" ? "" : null;
        }

        EndSentence();
        rows.EndDocument();
        if (rows.Documents.Count == 0) throw new SidecarException($"{Path.GetFileName(path)} holds no token lines; a CoNLL-U file has ten columns with tabs between them.");
        if (analysed) report(new Loss(Path.GetFileName(path), "lemmas, tags and dependencies are no annotations here and were left out"));
        return rows.Documents;

        void EndSentence()
        {
            rows.EndSentence(spacing ?? "\n");
            (coveredUntil, spacing) = (0, null);
        }
    }

    private protected override void Write(IReadOnlyList<AnnotatedDocument> documents, string path, Action<Loss> report)
    {
        var output = new StringBuilder();
        foreach (var document in documents)
        {
            ReportLosses(document, report);
            var name = document.Name.ReplaceLineEndings(" ");
            output.Append("# newdoc id = ").Append(name).Append('\n');
            var sentences = TokenRows.Of(document, [.. Placed(document)], report, out var lead);
            for (var s = 0; s < sentences.Count; s++)
            {
                var rows = sentences[s];
                output.Append("# sent_id = ").Append(name).Append('-').Append(s + 1).Append('\n');
                output.Append("# text = ").Append(document.Text.AsSpan(rows[0].Token.Start, rows[^1].Token.End - rows[0].Token.Start)).Append('\n');
                for (var i = 0; i < rows.Count; i++)
                {
                    var (token, tag, after) = rows[i];
                    var misc = string.Join('|', new[]
                    {
                        tag == "O" ? null : $"NER={tag}",
                        after.Length == 0 ? "SpaceAfter=No" : null,
                        after.Length == 0 || after == (i == rows.Count - 1 ? "\n" : " ") ? null : $"SpacesAfter={Escaped(after)}",
                        s == 0 && i == 0 && lead.Length > 0 ? $"SpacesBefore={Escaped(lead)}" : null,
                    }.OfType<string>());
                    output.Append(i + 1).Append('\t').Append(token.Of(document.Text)).Append("\t_\t_\t_\t_\t_\t_\t_\t").Append(misc.Length == 0 ? "_" : misc).Append('\n');
                }

                output.Append('\n');
            }
        }

        WriteText(path, output.ToString());
    }

    /// <summary>White space as UDPipe writes it in MISC.</summary>
    private static string Escaped(string spaces) =>
        string.Concat(spaces.Select(c => c switch { ' ' => "\\s", '\t' => "\\t", '\n' => "\\n", '\r' => "\\r", _ => c.ToString() }));

    private static string Unescaped(string spaces) =>
        spaces.Replace("\\s", " ", StringComparison.Ordinal).Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal)
            .Replace("\\r", "\r", StringComparison.Ordinal).Replace("\\p", "|", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);
}
