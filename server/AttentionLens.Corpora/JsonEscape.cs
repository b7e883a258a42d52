using System.Globalization;

namespace AttentionLens.Corpora;

/// <summary>The <c>\uXXXX</c> escape of JSON strings (RFC 8259, section 7).</summary>
public static class JsonEscape
{
    /// <summary>Length of an escape, from its backslash to its last digit, in UTF-16 units.</summary>
    public const int Length = 6;

    /// <summary>The UTF-16 unit that an escape at the start of a text stands for; null when there is none.</summary>
    public static char? Unit(ReadOnlySpan<char> text) =>
        text is ['\\', 'u', _, _, _, _, ..]
        // Asked for before parsing: .NET's parser takes NUL characters behind a number for part of it.
        && char.IsAsciiHexDigit(text[5])
        && ushort.TryParse(text[2..Length], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit)
            ? (char)unit
            : null;
}
