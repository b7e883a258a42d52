using System.Collections.Immutable;
using AttentionLens.LanguageServer.Documents;
using AttentionLens.LanguageServer.Settings;

namespace AttentionLens.LanguageServer;

/// <summary>
/// What a request sees: everything as it was when the request arrived. Only the dispatcher makes a new one.
/// </summary>
internal sealed record ServerState(ImmutableDictionary<string, DocumentSnapshot> Documents, ServerSettings Settings)
{
    public static ServerState Empty { get; } = new(ImmutableDictionary<string, DocumentSnapshot>.Empty, ServerSettings.Default);
}
