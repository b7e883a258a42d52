using System.Collections.Concurrent;
using AttentionLens.Corpora.Annotations;
using AttentionLens.Corpora.Annotations.Labels;

namespace AttentionLens.LanguageServer.Features.Annotations;

/// <summary>Label sets by file, read again when the file has changed.</summary>
internal sealed class LabelSets
{
    private readonly ConcurrentDictionary<string, Read> known = [];

    private sealed record Read((DateTime, long) Stamp, LabelSet Set, IReadOnlyList<string> Problems);

    /// <summary>The set that applies to a document, and what is wrong with its file, one sentence each.</summary>
    public (LabelSet Set, IReadOnlyList<string> Problems) For(string document)
    {
        if (LabelSet.Nearest(document) is not { } path)
            return (LabelSet.Empty, []);
        var file = new FileInfo(path);
        // The length too: after a clock was put back, two versions can have one time.
        (DateTime, long) stamp = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
        if (known.TryGetValue(path, out Read? read) && read.Stamp == stamp)
            return (read.Set, read.Problems);
        try
        {
            (LabelSet set, var problems) = LabelSet.Load(path);
            read = new Read(stamp, set, [.. problems.Select(problem => $"{LabelSet.FileName}: {problem.Message}")]);
        }
        catch (SidecarException unreadable)
        {
            return (LabelSet.Empty, [unreadable.Message]);
        }
        known[path] = read;
        return (read.Set, read.Problems);
    }
}
