namespace AttentionLens.Analysis.Export;

/// <summary>What was asked for cannot be written: one sentence for the user.</summary>
public sealed class ExportException(string message) : Exception(message);
