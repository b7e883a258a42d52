namespace AttentionLens.Models.Tests;

/// <summary>Changes the process's environment, so nothing else may run.</summary>
[Collection(nameof(Alone))]
public sealed class ModelCatalogTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Dictionary<string, string?> before = [];

    public ModelCatalogTests()
    {
        foreach ((string name, string place) in (ReadOnlySpan<(string, string)>)[("HF_HUB_CACHE", "hub"), ("OLLAMA_MODELS", "ollama"), ("LLAMA_CACHE", "llama")])
        {
            before[name] = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, folder.File(place));
        }
    }

    public void Dispose()
    {
        foreach ((string name, string? value) in before)
        {
            Environment.SetEnvironmentVariable(name, value);
        }

        folder.Dispose();
    }

    [Fact]
    public void Models_of_Ollama_are_found_by_name_and_tag()
    {
        string blob = Ollama("library/tiny/1b");
        InstalledModel model = Assert.Single(ModelCatalog.List(), static model => model.Place == ModelPlace.Ollama);
        Assert.Equal(("ollama:tiny:1b", blob), (model.Name, model.Path));
        Assert.Equal(blob, ModelLocator.Resolve("ollama:tiny:1b"));
        Ollama("someone/tiny/latest");
        Assert.Equal(blob, ModelLocator.Resolve("ollama:someone/tiny"));
        using Model loaded = Model.Load(ModelLocator.Resolve("ollama:tiny:1b"));
        Assert.Equal("llama", loaded.Info.ModelType);
    }

    [Theory]
    [InlineData("ollama:../../etc:passwd")]
    [InlineData("ollama:tiny:..")]
    [InlineData("ollama:none")]
    [InlineData("llama.cpp:../x.gguf")]
    public void Names_never_walk_out_of_a_store(string name)
    {
        Ollama("library/tiny/1b");
        Assert.Throws<ModelException>(() => ModelLocator.Resolve(name));
    }

    [Fact]
    public void A_manifest_that_makes_no_sense_is_no_model()
    {
        Ollama("library/tiny/1b");
        File.WriteAllText(Path.Combine(folder.File("ollama"), "manifests", "registry.ollama.ai", "library", "tiny", "1b"), """{"layers": 7}""");
        Assert.DoesNotContain(ModelCatalog.List(), static model => model.Place == ModelPlace.Ollama);
    }

    [Fact]
    public void A_damaged_manifest_is_the_model_or_none()
    {
        string blob = Ollama("library/tiny/1b");
        string manifest = Path.Combine(folder.File("ollama"), "manifests", "registry.ollama.ai", "library", "tiny", "1b");
        byte[] whole = File.ReadAllBytes(manifest);
        Random random = new(17);
        for (int trial = 0; trial < 200; trial++)
        {
            byte[] damaged = random.Next(4) == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (int changes = random.Next(1, 4); changes > 0 && damaged.Length > 0; changes--)
            {
                damaged[random.Next(damaged.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"[]{}\",:\\u7"[random.Next(10)];
            }

            File.WriteAllBytes(manifest, damaged);
            Assert.All(ModelCatalog.List().Where(static model => model.Place == ModelPlace.Ollama), model => Assert.Equal(blob, model.Path));
        }
    }

    [Fact]
    public void Files_of_llama_cpp_are_found_by_name()
    {
        Directory.CreateDirectory(folder.File("llama"));
        string file = Path.Combine(folder.File("llama"), "tiny-q8.gguf");
        File.WriteAllBytes(file, Gguf.GgufWriter.FromFolder(Repository.Oracle("llama")).ToArray());
        Assert.Contains(new InstalledModel("llama.cpp:tiny-q8.gguf", ModelPlace.LlamaCpp, file, new FileInfo(file).Length), ModelCatalog.List());
        Assert.Equal(file, ModelLocator.Resolve("llama.cpp:tiny-q8.gguf"));
    }

    [Fact]
    public void Only_what_is_in_the_cache_is_removed()
    {
        string snapshot = Path.Combine(folder.File("hub"), "models--org--name", "snapshots", "abc");
        Directory.CreateDirectory(snapshot);
        File.Copy(Path.Combine(Repository.Oracle("bert"), "config.json"), Path.Combine(snapshot, "config.json"));
        File.WriteAllBytes(Path.Combine(snapshot, "model.safetensors"), new byte[1000]);
        Ollama("library/tiny/1b");
        Assert.Contains(ModelCatalog.List(), static model => model is { Name: "org/name", Place: ModelPlace.Cache, Bytes: > 1000 });
        Assert.Contains("ollama rm tiny:1b", Assert.Throws<ModelException>(() => ModelCatalog.Remove("ollama:tiny:1b")).Message, StringComparison.Ordinal);
        Assert.Contains("ships with", Assert.Throws<ModelException>(() => ModelCatalog.Remove(EmbeddedModels.Default)).Message, StringComparison.Ordinal);
        Assert.Contains("no model 'org/other'", Assert.Throws<ModelException>(() => ModelCatalog.Remove("org/other")).Message, StringComparison.Ordinal);
        Assert.True(ModelCatalog.Remove("org/name") > 1000);
        Assert.False(Directory.Exists(Path.Combine(folder.File("hub"), "models--org--name")));
    }

    /// <summary>One model under a name; its blob.</summary>
    private string Ollama(string name)
    {
        string root = folder.File("ollama");
        string digest = new('a', 64);
        string manifest = Path.Combine(root, "manifests", "registry.ollama.ai", name);
        Directory.CreateDirectory(Path.GetDirectoryName(manifest)!);
        Directory.CreateDirectory(Path.Combine(root, "blobs"));
        File.WriteAllText(manifest, $$"""{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"sha256:{{new string('b', 64)}}"},{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{{digest}}"}]}""");
        string blob = Path.Combine(root, "blobs", $"sha256-{digest}");
        File.WriteAllBytes(blob, Gguf.GgufWriter.FromFolder(Repository.Oracle("llama")).ToArray());
        return blob;
    }
}
