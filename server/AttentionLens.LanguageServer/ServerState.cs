using System.Collections.Immutable;
using AttentionLens.Corpora;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Settings;

namespace AttentionLens.LanguageServer;

/// <summary>
/// What a request sees: everything as it was when the request arrived. Only the dispatcher makes a new one.
/// </summary>
internal sealed record ServerState(ImmutableDictionary<string, DocumentSnapshot> Documents, DocumentPairs Pairs, ServerSettings Settings)
{
    public static ServerState Empty { get; } = new(ImmutableDictionary<string, DocumentSnapshot>.Empty, DocumentPairs.None, ServerSettings.Default);

    /// <summary>The document that holds the other language of a parallel text; null when there is none.</summary>
    public Partner? PartnerOf(DocumentSnapshot document) => Pairs.Of(document, Documents);

    /// <summary>How a document is read: parallel text line by line, all else as the settings say.</summary>
    public ReaderOptions ReaderOf(DocumentSnapshot document) =>
        PartnerOf(document) is null ? Settings.Reader : Settings.Reader with { Unit = SegmentUnit.Line };
}
