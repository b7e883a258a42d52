using System.Text.Json.Serialization;
using AttentionLens.LanguageServer.Protocol;

namespace AttentionLens.LanguageServer.Features.ModelManager;

/// <summary>The models on this machine.</summary>
internal sealed record ModelsResult(ModelItem[] Models);

/// <param name="Name">What the setting <c>attentionLens.model</c> finds it by.</param>
/// <param name="Place">"embedded", "cache", "ollama" or "llamaCpp".</param>
/// <param name="Path">Its folder or GGUF file.</param>
/// <param name="Bytes">What it takes on the disk.</param>
/// <param name="InUse">It is the loaded one.</param>
internal sealed record ModelItem(string Name, string Place, string Path, long Bytes, bool InUse);

/// <param name="Name">ORG/NAME on the Hub.</param>
/// <param name="Revision">A branch, tag or commit; absent = main.</param>
internal sealed record PullModelParams(string Name, string? Revision = null);

/// <param name="Folder">Where it is now.</param>
internal sealed record PullModelResult(string Folder);

/// <param name="Name">As in <see cref="ModelItem"/>, or a path.</param>
internal sealed record ModelNameParams(string Name);

/// <summary>A model that works; one that does not is an error that says why.</summary>
internal sealed record CheckModelResult(string ModelType, string Kind, int Layers, int Heads, long Parameters, int MaxPositions, bool HasTokenizer);

/// <param name="Bytes">What is free again.</param>
internal sealed record RemoveModelResult(long Bytes);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ModelsResult))]
[JsonSerializable(typeof(NoParams))]
[JsonSerializable(typeof(PullModelParams))]
[JsonSerializable(typeof(PullModelResult))]
[JsonSerializable(typeof(ModelNameParams))]
[JsonSerializable(typeof(CheckModelResult))]
[JsonSerializable(typeof(RemoveModelResult))]
internal sealed partial class ModelManagerJson : JsonSerializerContext;
