using AttentionLens.Analysis.Import;
using AttentionLens.LanguageServer.Features.Attention;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.Scheduling;
using AttentionLens.Models;

namespace AttentionLens.LanguageServer.Features.ForeignAttention;

/// <summary>The files of attention that are open as documents, by their addresses: the path of the file under a scheme of its own.</summary>
internal sealed class ForeignDocuments(ByteCache<object, object> cache, Func<string, Action, ProgressScope> beginProgress)
{
    /// <summary>Of the documents: <c>attentionlens-file:/path/to/attention.npz</c>.</summary>
    public const string Scheme = "attentionlens-file:";

    /// <summary>A panel asks several questions at once, and the file is to be read for the first alone.</summary>
    private readonly Lock reading = new();

    private sealed record FileKey(string Path, long Length, DateTime Modified);

    public static bool Holds(string uri) => uri.StartsWith(Scheme, StringComparison.Ordinal);

    /// <exception cref="ModelException">The file holds no attention that could be shown.</exception>
    /// <exception cref="AttentionException">It is none on this machine, or reading was cancelled by the user.</exception>
    public ForeignDocument Read(string uri, CancellationToken cancellation)
    {
        FileInfo file = Local(uri);
        var key = new FileKey(file.FullName, file.Length, file.LastWriteTimeUtc);
        lock (reading)
        {
            if (cache.TryGet(key, out object known))
                return (ForeignDocument)known;
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            using ProgressScope progress = beginProgress("AttentionLens: reading attention", linked.Cancel);
            try
            {
                ForeignDocument document = ForeignDocument.Of(AttentionFile.Read(file.FullName, linked.Token));
                cache.Add(key, document, document.Trace.Bytes);
                return document;
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
            {
                throw new ModelException($"{file.Name} cannot be read: {unreadable.Message}");
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new AttentionException(AttentionStatus.Failed, "Reading the file was cancelled; ask again to read it.");
            }
        }
    }

    /// <summary>A file of this machine with an end: the address of another machine would be asked for it with the user's name, and a link may lead to a device.</summary>
    private static FileInfo Local(string uri)
    {
        string path = uri[Scheme.Length..];
        if (!Uri.TryCreate($"file://{path}", UriKind.Absolute, out Uri? address) || !address.IsFile || address.IsUnc || path.StartsWith("//", StringComparison.Ordinal))
            throw new AttentionException(AttentionStatus.Failed, "Only files on this machine can be opened.");
        var file = new FileInfo(address.LocalPath);
        if (file.Exists && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            file = target;
        return file.Exists && file.Length > 0 ? file : throw new AttentionException(AttentionStatus.Failed, $"There is no file '{address.LocalPath}', or nothing in it.");
    }
}
