namespace AttentionLens.Models.Tests;

/// <summary>Changes the process's environment, so nothing else may run.</summary>
[Collection(nameof(Alone))]
public sealed class ModelLocatorTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Dictionary<string, string?> before = [];

    [Fact]
    public void A_path_wins()
    {
        Assert.Equal(Path.GetFullPath(folder.Path), ModelLocator.Resolve(folder.Path));
    }

    [Fact]
    public void Embedded_models_are_found_by_name_and_the_default_by_none()
    {
        Set("ATTENTIONLENS_MODELS", folder.Path);
        Make("other");
        Make(EmbeddedModels.Default);
        Assert.Equal(folder.File("other"), ModelLocator.Resolve("other"));
        Assert.Equal(folder.File(EmbeddedModels.Default), ModelLocator.Resolve(null));
        Assert.Contains("other", EmbeddedModels.Names());
    }

    [Fact]
    public void The_repository_s_own_model_is_found_from_a_build_folder()
    {
        Set("ATTENTIONLENS_MODELS", null);
        Assert.Equal(Path.Combine(Repository.Root, "models", EmbeddedModels.Default), EmbeddedModels.Folder(EmbeddedModels.Default));
    }

    [Theory]
    [InlineData("HF_HOME", "hub")]
    [InlineData("HF_HUB_CACHE", "")]
    public void Hub_names_are_found_in_the_cache_at_the_revision_of_main(string variable, string below)
    {
        Set("HF_HOME", null);
        Set("HF_HUB_CACHE", null);
        Set(variable, folder.Path);
        string repository = Path.Combine(folder.Path, below, "models--org--name");
        Make(Path.Combine(below, "models--org--name", "snapshots", "aaa"));
        Make(Path.Combine(below, "models--org--name", "snapshots", "bbb"));
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        File.WriteAllText(Path.Combine(repository, "refs", "main"), "aaa\n");
        Assert.Equal(Path.Combine(repository, "snapshots", "aaa"), ModelLocator.Resolve("org/name"));
    }

    [Theory]
    [InlineData("org/none")]
    [InlineData("../../etc")]
    [InlineData("a/../../b")]
    [InlineData("none\0")]
    public void What_is_not_there_is_said(string name)
    {
        Set("HF_HOME", folder.Path);
        string message = Assert.Throws<ModelException>(() => ModelLocator.Resolve(name)).Message;
        Assert.Contains("it is not a folder or GGUF file, not an embedded model", message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        foreach ((string name, string? value) in before)
        {
            Environment.SetEnvironmentVariable(name, value);
        }

        folder.Dispose();
    }

    private void Set(string name, string? value)
    {
        before.TryAdd(name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }

    private void Make(string name)
    {
        Directory.CreateDirectory(folder.File(name));
        File.WriteAllText(Path.Combine(folder.File(name), "config.json"), "{}");
    }
}
