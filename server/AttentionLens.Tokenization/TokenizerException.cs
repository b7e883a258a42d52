namespace AttentionLens.Tokenization;

/// <summary>A tokenizer file or a request that cannot be used. The message is one sentence for the user.</summary>
public sealed class TokenizerException(string message) : Exception(message);
