using AttentionLens.Corpora.Search;
using AttentionLens.LanguageServer.Features.WorkDoneProgress;
using AttentionLens.LanguageServer.JsonRpc;

namespace AttentionLens.LanguageServer.Features.CorpusSearch;

/// <summary>Questions to the index of a corpus run. It is opened for each of them: that costs milliseconds, and a run that is indexed again is seen.</summary>
internal sealed class SearchHandlers(Func<string, Action, ProgressScope> beginProgress)
{
    private const int MostHits = 10_000;

    public Task<SearchIndexResult> IndexAsync(SearchIndexParams request, ServerState state, CancellationToken cancellation) =>
        Work(
            (_, _) =>
            {
                using SearchIndex index = SearchIndex.Open(request.Path);
                return new SearchIndexResult(index.Model, index.Layers, index.Heads, index.Keep, index.Least, index.Documents, index.Texts);
            },
            cancellation);

    public Task<SearchResult> SearchAsync(SearchParams request, ServerState state, CancellationToken cancellation)
    {
        if (request.Skip < 0 || request.Most is < 1 or > MostHits || request.Skip > int.MaxValue - MostHits - 1)
            throw new RpcException(ErrorCodes.InvalidParams, $"most must be from 1 to {MostHits}, and skip not negative.");
        return Work(
            (progress, token) =>
            {
                using SearchIndex index = SearchIndex.Open(request.Index);
                SearchPlace? sought = null;
                IEnumerable<SearchHit> hits;
                switch (request.Find)
                {
                    case "attention":
                        hits = index.Attention(request.Layer, request.Head, WordPattern.Parse(request.From), WordPattern.Parse(request.To), request.Least, progress, token);
                        break;
                    case "changed":
                        hits = index.Changed(request.Other ?? throw Missing("other"), token);
                        break;
                    case "nearest":
                        sought = index.Find(WordPattern.Parse(request.Word ?? throw Missing("word")), request.Document, request.Offset, true, token);
                        hits = index.Nearest(sought, request.Skip + request.Most + 1, progress, token);
                        break;
                    default:
                        throw new RpcException(ErrorCodes.InvalidParams, "find must be \"attention\", \"changed\" or \"nearest\".");
                }
                HitItem[] found = [.. hits.Skip(request.Skip).Take(request.Most + 1).Select(Item)];
                return new SearchResult(found.Length > request.Most ? found[..^1] : found, found.Length > request.Most, sought is null ? null : Item(sought.Hit));
            },
            cancellation);
    }

    private static RpcException Missing(string name) => new(ErrorCodes.InvalidParams, $"{name} must be given for this question.");

    private static HitItem Item(SearchHit hit) => new(
        hit.Document, hit.Start, hit.End, hit.Quote, hit.Score, hit.Word, hit.Other, Known(hit.OtherStart), Known(hit.OtherEnd), hit.Context, hit.ContextStart,
        hit.OtherContextStart < 0 ? null : hit.OtherContextStart);

    private static long? Known(long offset) => offset < 0 ? null : offset;

    /// <summary>Work that the request's cancellation and the progress's both end; what is wrong with an index or a question is an error in a sentence.</summary>
    private async Task<T> Work<T>(Func<IProgress<double>, CancellationToken, T> work, CancellationToken cancellation)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using ProgressScope progress = beginProgress("AttentionLens: searching the corpus", linked.Cancel);
        try
        {
            return await Task.Run(() => work(progress, linked.Token), linked.Token).ConfigureAwait(false);
        }
        catch (SearchException failure)
        {
            throw new RpcException(ErrorCodes.RequestFailed, failure.Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new RpcException(ErrorCodes.RequestCancelled, "Cancelled.");
        }
    }
}
