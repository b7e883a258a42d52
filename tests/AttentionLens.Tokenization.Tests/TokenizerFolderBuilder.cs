namespace AttentionLens.Tokenization.Tests;

/// <summary>A tokenizer folder written for one test and removed after it.</summary>
internal sealed class TokenizerFolderBuilder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("attention-lens-tokenizer").FullName;

    public TokenizerFolderBuilder With(string name, string content)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, name), content);
        return this;
    }

    public TokenizerFolderBuilder With(string name, byte[] content)
    {
        File.WriteAllBytes(System.IO.Path.Combine(Path, name), content);
        return this;
    }

    public Tokenizer Load() => Tokenizer.Load(Path);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
