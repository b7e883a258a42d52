using System.Collections.Immutable;
using AttentionLens.Corpora;

namespace AttentionLens.LanguageServer.Documents;

/// <summary>The other one of two parallel documents.</summary>
/// <param name="Document">As it is now.</param>
/// <param name="IsSource">It is the source, the document it is the partner of the target.</param>
internal sealed record Partner(DocumentSnapshot Document, bool IsSource);

/// <summary>What the user has said about which documents belong together; about all others their names decide.</summary>
internal sealed record DocumentPairs
{
    public static DocumentPairs None { get; } = new();

    /// <summary>By URI; no partner = never to be paired.</summary>
    private ImmutableDictionary<string, Link> Links { get; init; } = ImmutableDictionary<string, Link>.Empty;

    private sealed record Link(string? Partner, bool IsSource);

    public DocumentPairs With(string source, string target) => Without(source).Without(target) with
    {
        Links = Without(source).Without(target).Links.SetItem(source, new Link(target, false)).SetItem(target, new Link(source, true)),
    };

    /// <summary>Neither has a partner, whatever their names are.</summary>
    public DocumentPairs Apart(string one, string? other)
    {
        ImmutableDictionary<string, Link> links = Links.SetItem(one, new Link(null, false));
        return this with { Links = other is null ? links : links.SetItem(other, new Link(null, false)) };
    }

    /// <summary>Nothing is said about a document any more, nor about its partner.</summary>
    public DocumentPairs Without(string uri) => Links.TryGetValue(uri, out Link? link)
        ? this with { Links = link.Partner is { } partner ? Links.Remove(uri).Remove(partner) : Links.Remove(uri) }
        : this;

    public Partner? Of(DocumentSnapshot document, ImmutableDictionary<string, DocumentSnapshot> open)
    {
        if (Links.TryGetValue(document.Uri, out Link? link))
            return link.Partner is { } uri && open.TryGetValue(uri, out DocumentSnapshot? partner) ? new Partner(partner, link.IsSource) : null;
        foreach (DocumentSnapshot other in open.Values)
        {
            // Names alone prove nothing: parallel files have the same number of lines.
            if (!Links.ContainsKey(other.Uri) && ParallelFiles.IsSource(other.Uri, document.Uri) is { } isSource
                && document.Text.LineCount == other.Text.LineCount && document.IsRunningText && other.IsRunningText)
                return new Partner(other, isSource);
        }
        return null;
    }
}
