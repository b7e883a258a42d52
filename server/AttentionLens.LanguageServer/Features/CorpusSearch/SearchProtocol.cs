using System.Text.Json.Serialization;

namespace AttentionLens.LanguageServer.Features.CorpusSearch;

/// <param name="Path">A SQLite file that <c>attention-lens corpus index</c> made, or the folder of the run.</param>
internal sealed record SearchIndexParams(string Path);

/// <summary>What an index holds.</summary>
/// <param name="Model">Of the run.</param>
/// <param name="Layers">Of the stack that is searched.</param>
/// <param name="Keep">What the run kept: attention is searched in <c>heads</c> and <c>edges</c>, predictions in <c>predictions</c>, contexts in <c>hidden</c>.</param>
/// <param name="Least">Smaller weights are not in the index.</param>
internal sealed record SearchIndexResult(string Model, int Layers, int Heads, IReadOnlyList<string> Keep, float Least, int Documents, int Texts);

/// <summary>One of three questions.</summary>
/// <param name="Index">As in <see cref="SearchIndexParams"/>.</param>
/// <param name="Find">"attention", "changed" or "nearest".</param>
/// <param name="Skip">Hits that are known.</param>
/// <param name="Most">Hits of this answer.</param>
/// <param name="Other">The index of the run to compare with.</param>
/// <param name="Document">Path of the file in which the word stands.</param>
internal sealed record SearchParams(
    string Index,
    string Find,
    int Skip = 0,
    int Most = 100,
    int Layer = 0,
    int Head = 0,
    string From = "any",
    string To = "any",
    float Least = 0,
    string? Other = null,
    string? Word = null,
    string? Document = null,
    long? Offset = null);

/// <param name="More">There are more than these.</param>
/// <param name="Sought">Of nearest contexts: where the word stands that they are like.</param>
internal sealed record SearchResult(HitItem[] Hits, bool More, HitItem? Sought = null);

/// <summary>A place in the corpus.</summary>
internal sealed record HitItem(
    string Document,
    long Start,
    long End,
    string Quote,
    float Score,
    string Word,
    string? Other,
    long? OtherStart,
    long? OtherEnd,
    string Context,
    int ContextStart,
    int? OtherContextStart);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SearchIndexParams))]
[JsonSerializable(typeof(SearchIndexResult))]
[JsonSerializable(typeof(SearchParams))]
[JsonSerializable(typeof(SearchResult))]
internal sealed partial class SearchJson : JsonSerializerContext;
