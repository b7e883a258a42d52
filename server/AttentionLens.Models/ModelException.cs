namespace AttentionLens.Models;

/// <summary>A model folder or an input that cannot be used. The message is one clear sentence for the user.</summary>
public sealed class ModelException(string message) : Exception(message);
