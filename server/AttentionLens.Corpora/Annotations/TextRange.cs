namespace AttentionLens.Corpora.Annotations;

/// <summary>Half-open range of UTF-16 code units.</summary>
public readonly record struct TextRange(int Start, int End)
{
    public int Length => End - Start;

    public ReadOnlySpan<char> Of(string text) => text.AsSpan(Start, Length);

    public bool Contains(TextRange other) => Start <= other.Start && other.End <= End;
}
